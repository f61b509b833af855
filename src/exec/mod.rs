//! Carries plans out: from what images resolve to, to artifacts in the output folder, with one stream of events on
//! the way.
//!
//! What happens to an image, in order:
//!
//! 1. [`prepare`] finds what a plan needs and the catalogue does not say: the packages, out of the lock or chosen
//!    now against verified indexes, the disk of a base, and who vouches for each. A plan and its entry in the lock
//!    come out.
//! 2. `keyed` puts a digest of each secret's value into the keys of the steps that get it; no value is in a plan.
//! 3. [`Preparer::supply`](prepare::Preparer::supply) has packages, downloads and the base on this host; [`base`]
//!    makes a base that is missing.
//! 4. [`Executor::build`] looks whether the artifacts are there already (`finished`), else for the deepest step
//!    whose layer is kept (`chain`), waits for the right to make the next one, and starts a machine on an overlay,
//!    if [`Budget`] has room for one. `session` runs step after step in it; before each offline step that follows
//!    another the disk is cut and kept as a layer.
//!    Before the machine ends, `gate` has the rules for finished disks look at its disk (`look`), and lets no image become
//!    of one that breaks them.
//! 5. The disk is sealed into the formats of the image, its tests look into one of them and boot it, in a throw-away
//!    overlay, and only then `staged` gives the files their names: all of an image's, or none.
//!
//! Everything on the way is an [`Event`]; what goes wrong is a [`BuildError`], which becomes a diagnostic at the
//! statement. A future that is dropped is a build that is cancelled: its machine is killed, its working folder is
//! removed. What a crash leaves is in the journal of that folder, and the next command clears it.
//!
//! Read `build.rs` first, then `steps.rs`, `session.rs` (what each action of a step does in the guest) and `chain.rs` (the files
//! of a disk). Not done here: no rendering and no records (`report`), no arguments and no order of images (`ops`),
//! no rule of what a statement means (`check`, `plan`), and nothing that is one driver's own (`driver`).

pub mod base;
mod boot;
mod boot_parts;
mod budget;
mod build;
mod chain;
pub mod change;
mod clones;
mod commands;
mod consent;
mod copy;
mod data_disk;
mod describe;
mod error;
mod event;
mod examination;
mod executor;
mod failed_machine;
mod failing_line;
mod finished;
mod finished_disk;
mod gate;
mod hypervisors;
pub mod instance;
mod inventory;
mod keyed;
mod look;
pub mod output;
mod pack;
pub mod package;
mod parent_disks;
pub mod prepare;
mod project;
mod saved_boot;
mod secret;
mod secret_forms;
mod session;
#[cfg(test)]
pub(crate) mod simulation;
mod source_disk;
mod staged;
mod steps;
mod summary;
mod tail;
mod test_boots;
mod tested;
mod times;
mod unpack;

pub use budget::Budget;
pub use chain::deepest;
pub use clones::compare_instances;
pub use consent::{Consent, Outside, Request, disk_outside, refused_secrets, secrets_outside};
pub use describe::{AdvisoryGate, DescribeOptions, Description, denied, held_against, remove_documents};
pub use error::{BuildError, cannot_unpack, unpacks_too_large};
pub use event::{Event, EventKind, Exit, Observer, Outcome, Reporter, Stream, Tee};
pub use executor::{Artifact, BuildInputs, Executor, Options, Tests};
pub use failed_machine::{FailedMachine, FailedMachineSlot};
pub use failing_line::ScriptLine;
pub use keyed::with_secrets;
pub use look::{DiskView, look};
pub use parent_disks::ParentDisks;
pub use project::{FileFacts, ProjectFiles};
pub use secret::Secrets;
pub use source_disk::{SourceDisk, changed, in_use};
pub use summary::{PackageSummary, PlanSummary, StepSummary};
pub use tested::TestState;

/// The kinds of facts that are known of a finished disk, by its key: whoever has them need not look at the disk.
pub const DISK_FACTS: [&str; 2] = [examination::KIND, hypervisors::KIND];
pub use times::Times;
