//! Versions and requirements, the solve over image, base and applications, and its explanation.
//!
//! Same inputs, same answer; newest acceptable versions, but what the lock holds where it still
//! fits. [`Wanted`] is what the solve takes of an image, [`Resolution`] what later stages take of
//! the answer.

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
    AptPackage, AptRepository, BaseOrigin, PassedOver, Reason, RenderedFile, Resolution, ResolvedApp,
    ResolvedBase,
};
pub use spec::wanted;
pub use storage::{DiskWish, StorageNeed};
pub use wanted::{
    BaseFacts, OptionInput, Preferences, Wanted, WantedApp, WantedBase, WantedOption, WantedOs,
};

pub use why::{VersionChoice, version_choices};

pub use crate::text::{Requirement, Version};
