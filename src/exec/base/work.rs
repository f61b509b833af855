//! What the two ways to make a base have in common: what they work on, and what they leave.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{
    Recipe,
    layout::{self, Identities},
};
use crate::{exec::BuildError, packages::BaseMaker, store::Store, text::Digest};

/// Lines of what failed that are shown with the failure.
pub(super) const TAIL_LINES: usize = 15;

/// What is left of setting up, each a file of [`outputs`](Work::outputs), with the most bytes it may have.
pub(super) const OUTPUTS: [(&str, u64); 6] = [
    ("boot.img", 1 << 12),
    ("core.img", 1 << 20),
    ("shim.efi", 16 << 20),
    ("grub.efi", 16 << 20),
    ("packages", 4 << 20),
    ("used", 64),
];

/// The file system's parameters, whatever the host's own defaults.
pub(super) const MKE2FS_CONF: &str = include_str!("mke2fs.conf");

/// What both ways work on.
pub(super) struct Work<'a> {
    pub store: &'a Store,
    pub recipe: &'a Recipe,
    pub maker: &'static dyn BaseMaker,
    /// The file of each package, by its sha256.
    pub files: &'a BTreeMap<Digest, PathBuf>,
    pub ids: Identities,
    /// The disk, raw, and its path.
    pub disk: File,
    pub raw: PathBuf,
    /// A private folder for what is left of setting up.
    pub outputs: &'a Path,
}

/// What the scripts know of the disk, as assignments of a shell.
pub(super) fn assignments(size: u64, ids: &Identities) -> String {
    let root = layout::root(size);
    format!(
        "root_uuid={}\nesp_uuid={}\nroot_number={}\nroot_start={}\nroot_kib={}\n",
        ids.root_uuid,
        ids.esp_uuid(),
        layout::ROOT_NUMBER,
        root.start,
        root.len / 1024,
    )
}

/// The recipe's files as an archive; folders are made when it is unpacked.
pub(super) fn write_files(to: impl io::Write, work: &Work<'_>) -> io::Result<()> {
    let recipe = work.recipe;
    let mut tar = tar::Builder::new(to);
    let sources = (work.maker.sources_path(), recipe.sources.as_str());
    let files = recipe.files.iter().map(|(path, content)| (path.as_str(), content.as_str()));
    for (path, content) in files.chain([sources]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path.trim_start_matches('/'), content.as_bytes())?;
    }
    tar.into_inner()?.flush()
}

/// Adds what was tried, and where, to an [`io::Error`].
pub(super) trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, BuildError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, BuildError> {
        self.map_err(|source| BuildError::Io { action, path: path.to_owned(), source })
    }
}
