//! What a package manager is ([`PackageManager`]), and those that are known: a folder each, and in it all that is
//! known of it.
//!
//! Packages are chosen on the host, before a machine runs, from indexes whose signatures were checked; the guest only
//! carries the transaction out. So it is for all that are here; [`apt`] is the only one.

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
