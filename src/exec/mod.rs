//! The scheduler: events, cache, cancel, journal.

pub mod base;
mod boot;
mod budget;
mod build;
mod chain;
pub mod change;
mod commands;
mod consent;
mod copy;
mod error;
mod event;
mod failed_machine;
mod failing_line;
mod finished;
mod hypervisors;
mod keyed;
pub mod output;
mod pack;
mod parent_disks;
pub mod prepare;
mod project;
mod publish;
mod secret;
mod secret_forms;
mod session;
#[cfg(test)]
mod simulation;
mod summary;
mod tail;
mod times;
mod unpack;

pub use budget::Budget;
pub use build::{Artifact, BuildInputs, Executor, Options};
pub use consent::{Consent, Outside, Request, disk_outside, refused_secrets, secrets_outside};
pub use error::{BuildError, cannot_unpack, unpacks_too_large};
pub use event::{Event, EventKind, Exit, Observer, Outcome, Reporter, Stream, Tee};
pub use failed_machine::{FailedMachine, FailedMachineSlot};
pub use failing_line::ScriptLine;
pub use keyed::with_secrets;
pub use parent_disks::ParentDisks;
pub use project::{FileFacts, ProjectFiles};
pub use secret::Secrets;
pub use summary::{PackageSummary, PlanSummary, StepSummary};
pub use times::Times;
