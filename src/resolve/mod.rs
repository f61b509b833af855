//! From what an image asks for to a base and versions of applications, or to why there are none.
//!
//! Same inputs, same answer: the newest acceptable base and versions, but what the lock holds ([`Preferences`])
//! where it still fits. What happens, in order:
//!
//! 1. [`wanted()`] takes from a Spec what the solve needs and no more ([`Wanted`]); [`resolve_project`] does so for
//!    each image after the one it is based on, and has facts about disks from outside the catalogue passed in.
//! 2. `problem` looks everything up in the catalogue: candidates for the base, applications with their versions,
//!    values of options, claims. A name that is unknown or a value that does not fit is a diagnostic here, before
//!    any search.
//! 3. `pigeonhole` counts demands against what only one application can have; `solve` gives the rest to `PubGrub`,
//!    with the statements of the ImageFile as packages of their own, so that a proof of failure names them.
//! 4. Where there is no solution, the proof is made as small as it gets (`core`), `explain` writes the message with
//!    the places on both sides, and `propose` offers only changes that were solved again. One application of the
//!    clash is then taken out and the rest solved, so that one run finds every clash.
//! 5. Where there is one, `render` fills in the templates of the chosen applications, and `storage` adds up what is
//!    known to go on the disk. A [`Resolution`] has all that a plan needs.
//!
//! [`base_choices`] and [`version_choices`] answer the questions of `bases --image` and `why` by the same solver.
//!
//! Read `wanted.rs` and `resolution.rs` first (what goes in and what comes out), then `choose.rs`, which calls the
//! rest. Not done here: no package of a distribution is chosen (`packages`), nothing is looked up on disks or
//! networks, the lock is neither read nor written (`lock`), and no step is made (`plan`). Nothing outside the inputs
//! decides, no clock either.

mod bases;
mod choose;
mod core;
mod explain;
mod names;
mod pigeonhole;
mod problem;
mod project;
mod propose;
mod render;
mod resolution;
mod solve;
mod spec;
mod storage;
#[cfg(test)]
mod tests;
mod wanted;
mod why;

pub use bases::{BaseChoice, base_choices, passed_over};
pub use choose::{look_up, resolve};
pub use project::{ResolvedProject, resolve_project};
pub use resolution::{
    AppPackage, AppRepository, BaseOrigin, PassedOver, Reason, RenderedFile, Resolution, ResolvedApp,
    ResolvedBase,
};
pub use spec::wanted;
pub use storage::{DiskWish, StorageNeed};
pub use wanted::{
    BaseFacts, OptionInput, Preferences, Wanted, WantedApp, WantedBase, WantedOption, WantedOs,
};

pub use why::{VersionChoice, version_choices};

pub use crate::text::{Requirement, Version};
