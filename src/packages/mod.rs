//! Archive indexes, verified; the exact packages for a base and a set of names.
//!
//! The way of an index: [`release`] checks the signature of an archive's `InRelease` and reads
//! the digests in it, [`Universe`] takes in the `Packages` files those digests vouch for, and
//! [`solve`] chooses from them what the image's own
//! `apt-get install --no-install-recommends` would choose. Everything here is pure; fetching and
//! caching are `store::archive`'s business.

mod model;
mod version;

pub use model::{Arch, InstalledPackage, Origin, Request, Selected, Solution, Upgrade, Want};
pub use version::{Version, VersionError};
