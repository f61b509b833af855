//! The lockfile: its wire form, and satisfied-or-why-not.
//!
//! `ImageFile.lock` is YAML beside the ImageFile, checked in. It pins everything that decides what
//! a build does and that the ImageFile itself does not hold; it has no times, no machine paths and
//! no mirror names, and one package is one line, so that branches merge.

mod model;
mod newer;
mod prefer;
mod read;
mod stale;
#[cfg(test)]
mod tests;
mod write;

pub use model::{
    FILE_NAME, FORMAT, Lock, LockedApp, LockedBase, LockedImage, LockedRepository, LockedSource, OptionValue,
};
pub use newer::{Kind, Newer};
pub use stale::{Class, Point, Reason};
