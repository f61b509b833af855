//! What a package manager is, to everybody outside its folder ([`PackageManager`]), and those that are known: a
//! folder each, and in it all that is known of it. [`apt`] is the only one. Nobody outside reaches into that folder but
//! tests: a manager hands out how archives are read ([`ArchiveFormat`]), how a system is made ([`BaseMaker`]), where the
//! kernel of builds comes from ([`KernelSource`]), and all packages of some archives to be asked ([`Pool`]).
//!
//! Packages are chosen on the host, before a machine runs, from indexes whose signatures were checked; the guest
//! only carries the transaction out. The way of a package, in order:
//!
//! 1. A [`Keyring`] opens an archive's signed release file (`openpgp`, `apt/release.rs`): which key may sign, and
//!    whether it did, at a given [`Moment`]. The release file has the digests of the archive's indexes.
//! 2. The indexes with these digests become a [`Pool`]: every package that the archives offer.
//! 3. What a system has already is read from files that an inspection took out of its disk ([`SystemFiles`],
//!    [`Wanted`]); a base that is made here starts from nothing instead.
//! 4. The solve takes a request to the exact set that the image's own apt would choose, and proves every relation of
//!    it afterwards; or it explains why there is no such set. `docs/packages.md` has the reasons and the comparison
//!    with apt.
//! 5. [`PackageManager::transaction`] writes the script that installs the set in the guest, and
//!    [`PackageManager::archive_files`] the files by which the system goes on knowing the archives
//!    ([`ArchiveFiles`]).
//!
//! Read `manager.rs` first, then `model.rs` (what goes into a solve and what comes out) and `apt/solve/mod.rs`.
//! A second manager is a folder, a line of [`MANAGERS`], and its facts; nobody outside matches on which one it is.
//! What it has to share is the order of [`Version`]s, which is Debian's.
//!
//! Not done here: nothing is fetched or kept (`store::archive`), no file and no clock is read (the time comes in as
//! a value), no package's script runs, and nothing decides whether a lock still holds (`lock`, `exec::prepare`).

pub mod apt;
mod archive;
mod archive_files;
mod archive_format;
mod base_maker;
mod deb822;
mod index;
mod kernel_source;
mod manager;
mod mirrors;
mod model;
mod openpgp;
mod pool;
mod release;
mod system;
mod unsolved;
mod version;
mod wanted;

pub use archive::Archive;
pub use archive_files::{ArchiveFiles, KeptArchive, MoreOfOwn, SystemFile};
pub use archive_format::{ArchiveFormat, IndexFile, IndexForm, TableForm};
pub use base_maker::{BaseMaker, BaseScripts, HostProgram, NewSystem, Offered, TakeEntry};
pub use deb822::{Stanza, stanzas};
pub use index::{Index, IndexError, IndexSource, SignedRelease, Testimony};
pub use kernel_source::{KernelSource, ReadData};
pub use manager::{MANAGERS, Manager, PackageManager, Staged};
pub use mirrors::{DEBIAN, DEBIAN_SECURITY, Mirrors};
pub use model::{InstalledPackage, Origin, Request, Selected, Solution, Upgrade, Want, after};
pub use openpgp::{Flaw, KeyError, Keyring, Moment, Opened, SignatureError, Signed};
pub use pool::Pool;
pub use release::{ReleaseError, ReleaseFile};
pub use system::{SystemFiles, Wanted};
pub use unsolved::{NotRemovable, SolveError, Unmet};
pub use version::{Version, VersionError};
pub use wanted::VersionWanted;
