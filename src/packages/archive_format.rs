//! How the archives of a package manager are laid out, and read.

use std::fmt::Debug;
use std::io::BufRead;
use std::sync::Arc;

use super::archive::Archive;
use super::index::{Index, IndexError, IndexSource};
use super::openpgp::Moment;
use super::pool::Pool;
use super::release::{ReleaseError, ReleaseFile};
use crate::text::Checksum;

/// How archives are laid out: a signed table of contents, with the digests of indexes. Whoever fetches asks for
/// addresses, and gives back what is there.
pub trait ArchiveFormat: Debug + Sync {
    /// Where a suite's files are, without a slash at its end.
    fn root(&self, archive: &Archive) -> String;

    /// Paths below the root of what may be the signed table of contents, the preferred first.
    fn tables(&self) -> &'static [TableForm];

    /// Reads one whose signature was checked, or is not to be believed.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn read_table(&self, text: &str, moment: Moment) -> Result<ReleaseFile, ReleaseError>;

    /// The parts of an archive that are asked for one by one: its components, or one without a name.
    fn parts<'a>(&self, archive: &'a Archive) -> Vec<&'a str>;

    /// The indexes of a part, for an architecture as the manager calls it; none if the table speaks of none.
    fn indexes(&self, table: &ReleaseFile, part: &str, arch: &str) -> Vec<IndexFile>;

    /// Reads an index, unpacked, and keeps what decides.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn read_index(&self, index: &mut dyn BufRead) -> Result<Index, IndexError>;

    /// One that the store has kept; nothing if another version of this program wrote it.
    fn kept_index(&self, text: String) -> Option<Index>;

    /// Puts all packages of some indexes together, which come in the order of the image's own sources. `arch` is as the
    /// manager calls it.
    fn pool(&self, arch: &str, sources: &[IndexSource]) -> Arc<dyn Pool>;
}

/// A form in which archives publish their signed tables of contents; paths are below the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableForm {
    /// One file with its signature in it.
    Inline(&'static str),
    /// Two files.
    Detached {
        /// What is signed.
        content: &'static str,
        /// Its signature.
        signature: &'static str,
    },
}

/// One index, in the forms that its table of contents speaks of, the smallest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    /// Not all of them need be there.
    pub forms: Vec<IndexForm>,
}

/// One form of an index. The end of its path says how it is packed: `.xz`, `.zst`, `.gz` or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexForm {
    /// Below the root.
    pub path: String,
    /// What the table promises of it.
    pub checksum: Checksum,
    /// Where else it is, by its digest: a mirror in the middle of an update has both the old and the new there.
    pub by_digest: Option<String>,
}
