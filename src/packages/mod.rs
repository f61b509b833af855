//! What a package manager is, to everybody outside its folder ([`PackageManager`]), and those that are known: a
//! folder each, and in it all that is known of it. [`apt`] is the only one.
//!
//! Packages are chosen on the host, before a machine runs, from indexes whose signatures were checked; the guest
//! only carries the transaction out. The way of a package, in order:
//!
//! 1. A [`Keyring`] opens an archive's signed release file (`openpgp`, `apt/release.rs`): which key may sign, and
//!    whether it did, at a given [`Moment`]. The release file has the digests of the archive's indexes.
//! 2. The indexes with these digests become a [`Universe`]: every package that the archives offer, by number.
//! 3. What a system has already is read from files that an inspection took out of its disk ([`SystemFiles`],
//!    [`Wanted`]); a base that is made here starts from nothing instead.
//! 4. The solve takes a request to the exact set that the image's own apt would choose, and proves every relation of
//!    it afterwards; or it explains why there is no such set. `docs/packages.md` has the reasons and the comparison
//!    with apt.
//! 5. [`PackageManager::transaction`] writes the script that installs the set in the guest, and
//!    [`PackageManager::archive_files`] the files by which the system goes on knowing the archives
//!    ([`ArchiveFiles`]).
//!
//! Read `manager.rs` first, then `apt/model.rs` (what goes into a solve and what comes out) and `apt/solve/mod.rs`.
//! A second manager is a folder and a line of [`MANAGERS`]; nobody outside matches on which one it is.
//!
//! Not done here: nothing is fetched or kept (`store::archive`), no file and no clock is read (the time comes in as
//! a value), no package's script runs, and nothing decides whether a lock still holds (`lock`, `exec::prepare`).

pub mod apt;
mod archive_files;
mod manager;
mod openpgp;
mod system;

pub use apt::*;
pub use archive_files::{ArchiveFiles, KeptArchive, MoreOfOwn, SystemFile};
pub use manager::{MANAGERS, Manager, PackageManager, Staged};
pub use openpgp::{Flaw, KeyError, Keyring, Moment, Opened, SignatureError, Signed};
pub use system::{SystemFiles, Wanted};
