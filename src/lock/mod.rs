//! The lockfile: its wire form, and satisfied-or-why-not.
//!
//! The lock is YAML beside its ImageFile, under that one's name and `.lock`, checked in. It pins everything that decides what
//! a build does and that the ImageFile itself does not hold; it has no times, no machine paths and
//! no mirror names, and one package is one line, so that branches merge.

mod format_1;
pub mod format_2;
mod limits;
mod link;
mod lock_text;
mod model;
mod newer;
mod places;
mod prefer;
mod read;
mod reference;
mod stale;
mod tagged;
#[cfg(test)]
mod tests;
mod write;

pub use model::{
    FORMAT, Lock, LockedApp, LockedBase, LockedImage, LockedRepository, LockedSource, OLDEST_FORMAT,
    OptionValue, file_name,
};
pub use newer::{Kind, Newer};
pub use places::{PackagePlaces, package_places};
pub use stale::{Class, Point, Reason};
