//! Debian's package manager: dpkg and apt.
//!
//! The way of an index: [`release`] checks the signature of an archive's `InRelease` and reads
//! the digests in it, [`Universe`] takes in the `Packages` files those digests vouch for, and
//! [`solve`] chooses from them what the image's own
//! `apt-get install --no-install-recommends` would choose. Everything here is pure; fetching and
//! caching are `store::archive`'s business. Others ask through [`manager`] and what it hands out: [`archive_format`], [`pool`],
//! [`base`] and [`kernel`].

mod archive_format;
mod base;
mod bootstrap;
mod essential;
mod index;
mod installed;
mod kernel;
mod manager;
mod names;
mod package_file;
mod pool;
mod relation;
mod release;
mod solve;
mod source_files;
mod sources;
mod system;
mod universe;

use super::{
    Archive, ArchiveFiles, ArchiveFormat, BaseMaker, BaseScripts, DEBIAN, DEBIAN_SECURITY, HostProgram,
    Index, IndexError, IndexFile, IndexForm, IndexSource, InstalledPackage, KeptArchive, KernelSource,
    KeyError, Keyring, Mirrors, Moment, MoreOfOwn, NewSystem, NotRemovable, Offered, Origin, PackageManager,
    Pool, ReadData, ReleaseError, ReleaseFile, Request, Selected, Signed, SignedRelease, Solution,
    SolveError, Staged, SystemFile, SystemFiles, TableForm, TakeEntry, Testimony, Unmet, Upgrade, Version,
    Want, Wanted, after,
};

pub use bootstrap::bootstrap_set;
pub use index::{kept_index, read_index};
pub use installed::{extended_states, growth};
pub use manager::Apt;
pub use release::verify_release;
pub use solve::{lacking, solve};
pub use sources::{OfDebian, SourceEntry, codename, read_list, read_sources};
pub use system::{archives_of, installed_in, keys_of};
pub use universe::Universe;
