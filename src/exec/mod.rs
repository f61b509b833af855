//! The scheduler: events, cache, cancel, journal.

pub mod base;
mod boot;
mod budget;
mod build;
mod chain;
pub mod change;
mod commands;
mod commit;
mod consent;
mod disk;
mod event;
mod failing_line;
mod failure;
mod finished;
mod hypervisors;
mod keyed;
pub mod output;
mod pack;
mod packages;
pub mod prepare;
mod project;
mod publish;
mod qcow2;
mod secret;
mod secret_forms;
mod session;
#[cfg(test)]
mod simulation;
mod standing;
mod summary;
mod tail;
mod times;
mod unpack;
mod wreck;

pub use budget::Budget;
pub use build::{Artifact, BaseFormat, Executor, Options, Supplies};
pub use consent::{Consent, Outside, Request, disk_outside, refused_secrets, secrets_outside};
pub use disk::vhd_options;
pub use event::{Event, Exit, Observer, Outcome, Reporter, Stream, Tee, What};
pub use failing_line::ScriptLine;
pub use failure::{Failure, cannot_unpack, unpacks_too_large};
pub use keyed::with_secrets;
pub use project::{FileFacts, ProjectFiles};
#[doc(hidden)]
pub use qcow2::fuzzed::disk as fuzzed_disk;
pub use secret::Secrets;
pub use standing::Standing;
pub use summary::{PackageSummary, PlanSummary, StepSummary};
pub use times::Times;
pub use wreck::{Wreck, WreckSlot};
