//! Debian's package manager: dpkg and apt.
//!
//! The way of an index: [`release`] checks the signature of an archive's `InRelease` and reads
//! the digests in it, [`Universe`] takes in the `Packages` files those digests vouch for, and
//! [`solve`] chooses from them what the image's own
//! `apt-get install --no-install-recommends` would choose. Everything here is pure; fetching and
//! caching are `store::archive`'s business.

pub mod base;
mod bootstrap;
mod control;
mod essential;
mod index;
mod installed;
mod manager;
mod model;
mod names;
pub mod package_file;
mod relation;
mod release;
mod solve;
pub mod source_files;
mod sources;
mod system;
mod universe;
mod version;
mod wanted;

pub use bootstrap::bootstrap_set;
pub use control::{Stanza, stanzas};
pub use essential::essential;
pub use index::{Index, IndexError};
pub use installed::{after, extended_states, growth};
pub use manager::Apt;
pub use model::{Arch, InstalledPackage, Origin, Request, Selected, Solution, Upgrade, Want};
pub use release::{ReleaseError, ReleaseFile, verify_release};
pub use solve::{NotRemovable, SolveError, Unmet, lacking, solve};
pub use sources::{
    Archive, DEBIAN, DEBIAN_SECURITY, HOST_SOURCES, Mirrors, OfDebian, SourceEntry, codename, read_list,
    read_sources,
};
pub use system::{archives_of, installed_in, keys_of};
pub use universe::{IndexSource, SignedRelease, Testimony, Universe};
pub use version::{Version, VersionError};
pub use wanted::VersionWanted;
