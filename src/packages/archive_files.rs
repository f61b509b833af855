//! The files by which a system goes on knowing an archive that its packages came from.

/// An archive that stays among a system's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptArchive<'a> {
    /// What its files are called; see [`PackageManager::archive_name`](super::PackageManager::archive_name).
    pub name: &'a str,
    /// Without a slash at its end.
    pub url: &'a str,
    /// Such as `stable`, or for a flat archive a path that ends in `/`.
    pub suite: &'a str,
    /// None for an archive whose suite is a path.
    pub components: &'a [&'a str],
    /// Whether its key is text, and no binary form.
    pub key_is_text: bool,
    /// apt's pin for all that comes from its host; `None` leaves apt's own.
    pub priority: Option<u32>,
}

/// More of the archive that a system itself is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoreOfOwn<'a> {
    /// Its address.
    pub mirror: &'a str,
    /// The release, such as `trixie`.
    pub release: &'a str,
    /// Components beyond those that the system has.
    pub components: &'a [&'a str],
    /// Suites beyond them, such as `backports`.
    pub suites: &'a [&'a str],
}

/// A text file of a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemFile {
    /// Absolute path in the image.
    pub path: String,
    /// The whole content.
    pub text: String,
}

/// The files of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveFiles {
    /// Where its key lies, which the caller has.
    pub key_path: String,
    /// The list of sources and, with a pin, the preferences.
    pub others: Vec<SystemFile>,
}
