//! The scheduler: events, cache, cancel, journal.

pub mod base;
mod build;
mod chain;
mod commands;
mod disk;
mod event;
mod failure;
mod finished;
mod pack;
mod packages;
pub mod prepare;
mod project;
mod session;
mod standing;
mod summary;
mod tail;

pub use build::{Artifact, BaseFormat, Executor, Options, Supplies};
pub use event::{Event, Exit, Observer, Outcome, Reporter, Stream, Tee, What};
pub use failure::Failure;
pub use project::ProjectFiles;
pub use standing::Standing;
pub use summary::{PackageSummary, PlanSummary};
