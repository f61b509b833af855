//! Versions and requirements, the solve over image, base and applications, and its explanation.
//!
//! `resolve(&Wanted, &Catalog, &Preferences) -> Result<Resolution, Vec<Diagnostic>>`: same inputs,
//! same answer; newest acceptable versions, but what the lock holds where it still fits.

mod resolution;
mod wanted;

pub use resolution::{
    AptPackage, AptRepository, BaseOrigin, PassedOver, Reason, RenderedFile, Resolution, ResolvedApp,
    ResolvedBase,
};
pub use wanted::{BaseFacts, Given, Preferences, Wanted, WantedApp, WantedBase, WantedOption, WantedOs};

pub use crate::text::{Requirement, Version};
