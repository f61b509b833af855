//! Files on their way into the image: a tar stream with the owners and modes the plan says.

use std::{
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

use tar::{Builder, EntryType, Header};

use super::{Failure, failure::cannot_unpack, project::ProjectFiles, unpack::unpack};
use crate::{
    plan::{CopyFrom, CopyStep, EntryKind, InlineFile, Tree},
    store::Store,
    text::{Digest, Span},
};

/// Archives up to this many bytes stay in memory.
const IN_MEMORY: usize = 8 << 20;

/// The plan's digests know nothing of times, so the image must not either: every copied file is of
/// 1980-01-01, the earliest moment that zip archives (and so Python's wheels) can hold.
const MTIME: u64 = 315_532_800;

/// A tar archive in the making.
pub(super) struct Pack {
    tar: Builder<tempfile::SpooledTempFile>,
}

/// Owner and permission bits of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta<'a> {
    pub owner: &'a str,
    pub group: &'a str,
    pub mode: u32,
}

impl Meta<'_> {
    pub(super) const fn root(mode: u32) -> Self {
        Meta { owner: "root", group: "root", mode }
    }
}

impl Pack {
    pub(super) fn new(store: &Store) -> Self {
        let file = tempfile::spooled_tempfile_in(IN_MEMORY, store.root().join("tmp"));
        Self { tar: Builder::new(file) }
    }

    /// Creates the folders above `path` where they are missing, and leaves those alone that are there
    /// (mode 0 says so to the agent).
    pub(super) fn parents(&mut self, path: &str) -> Result<(), Failure> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        for count in 1..parts.len() {
            self.folder(&parts[..count].join("/"), Meta::root(0))?;
        }
        Ok(())
    }

    pub(super) fn folder(&mut self, path: &str, meta: Meta<'_>) -> Result<(), Failure> {
        let path = format!("{}/", path.trim_matches('/'));
        self.entry(&path, EntryType::Directory, meta, 0, std::io::empty())
    }

    pub(super) fn file(&mut self, path: &str, meta: Meta<'_>, content: &[u8]) -> Result<(), Failure> {
        self.entry(path.trim_matches('/'), EntryType::Regular, meta, content.len() as u64, content)
    }

    fn entry(
        &mut self,
        path: &str,
        kind: EntryType,
        meta: Meta<'_>,
        size: u64,
        data: impl Read,
    ) -> Result<(), Failure> {
        let mut header = header(kind, meta, size).map_err(archive)?;
        self.tar.append_data(&mut header, path, data).map_err(archive)
    }

    /// A regular file of `size` bytes out of `data`.
    pub(super) fn stream(
        &mut self,
        path: &str,
        meta: Meta<'_>,
        size: u64,
        data: impl Read,
    ) -> Result<(), Failure> {
        self.entry(path.trim_matches('/'), EntryType::Regular, meta, size, data)
    }

    pub(super) fn symlink(&mut self, path: &str, meta: Meta<'_>, target: &str) -> Result<(), Failure> {
        let mut header = header(EntryType::Symlink, meta, 0).map_err(archive)?;
        self.tar.append_link(&mut header, path.trim_matches('/'), target).map_err(archive)
    }

    /// A second name of a file that is in the archive already.
    pub(super) fn hard_link(&mut self, path: &str, meta: Meta<'_>, of: &str) -> Result<(), Failure> {
        let mut header = header(EntryType::Link, meta, 0).map_err(archive)?;
        self.tar.append_link(&mut header, path.trim_matches('/'), of.trim_matches('/')).map_err(archive)
    }

    /// Adds one text of the plan.
    pub(super) fn inline(&mut self, file: &InlineFile) -> Result<(), Failure> {
        self.parents(&file.path)?;
        let meta = Meta { owner: &file.owner, group: &file.group, mode: file.mode };
        self.file(&file.path, meta, file.content.as_bytes())
    }

    /// Adds what a `copy` brings; downloads come as `download`, the file in the store.
    pub(super) fn copy(
        &mut self,
        copy: &CopyStep,
        project: &dyn ProjectFiles,
        download: Option<&Path>,
        span: Option<Span>,
    ) -> Result<(), Failure> {
        let place =
            Placement { owner: &copy.owner, group: &copy.group, mode: copy.mode, dir_mode: copy.dir_mode };
        match &copy.from {
            CopyFrom::Text { content } => {
                self.parents(&copy.to)?;
                self.file(&copy.to, place.file(false), content.as_bytes())
            }
            CopyFrom::Tree(tree) => self.tree(tree, &copy.to, place, project),
            CopyFrom::Download { unpack: false, sha256, .. } => {
                let path = download.ok_or(Failure::InputChanged { path: sha256.to_string() })?;
                let mut file = std::fs::File::open(path).map_err(|source| Failure::Io {
                    action: "open",
                    path: path.into(),
                    source,
                })?;
                let size = file.metadata().map_err(archive)?.len();
                self.parents(&copy.to)?;
                self.entry(copy.to.trim_matches('/'), EntryType::Regular, place.file(false), size, &mut file)
            }
            CopyFrom::Download { unpack: true, sha256, url, strip } => {
                let path = download.ok_or(Failure::InputChanged { path: sha256.to_string() })?;
                self.parents(&format!("{}/.", copy.to))?;
                unpack(self, path, (&copy.to, *strip), place)
                    .map_err(|reason| cannot_unpack(url, &reason, span))
            }
        }
    }

    /// Adds a tree of the project below `to`; every file is checked against the plan's digest.
    pub(super) fn tree(
        &mut self,
        tree: &Tree,
        to: &str,
        place: Placement<'_>,
        project: &dyn ProjectFiles,
    ) -> Result<(), Failure> {
        self.parents(to)?;
        for entry in &tree.entries {
            let target = match entry.path.as_str() {
                "" => to.to_owned(),
                path => format!("{}/{path}", to.trim_end_matches('/')),
            };
            match &entry.kind {
                // The destination folder itself may be one of the system's: its mode is not ours.
                EntryKind::Folder if entry.path.is_empty() => self.folder(&target, Meta::root(0))?,
                EntryKind::Folder => self.folder(&target, place.folder())?,
                EntryKind::Symlink { target: link } => self.symlink(&target, place.file(false), link)?,
                EntryKind::File { sha256, executable, .. } => {
                    let path = tree.source_path(entry);
                    let content = project.read(&path)?;
                    if Digest::of(&content) != *sha256 {
                        return Err(Failure::InputChanged { path });
                    }
                    self.file(&target, place.file(*executable), &content)?;
                }
            }
        }
        Ok(())
    }

    /// The finished archive, from its beginning.
    pub(super) fn finish(self) -> Result<Box<dyn Read + Send>, Failure> {
        let mut file = self.tar.into_inner().map_err(archive)?;
        file.flush().and_then(|()| file.seek(SeekFrom::Start(0))).map_err(archive)?;
        Ok(Box::new(file))
    }
}

/// How a copy's entries are owned and protected, see [`CopyStep`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Placement<'a> {
    pub owner: &'a str,
    pub group: &'a str,
    pub mode: Option<u32>,
    pub dir_mode: Option<u32>,
}

impl<'a> Placement<'a> {
    /// For what the guest may read and nobody may write.
    pub(super) const READ_ONLY: Placement<'static> =
        Placement { owner: "root", group: "root", mode: None, dir_mode: None };

    pub(super) fn file(self, executable: bool) -> Meta<'a> {
        let mode = self.mode.unwrap_or(if executable { 0o755 } else { 0o644 });
        Meta { owner: self.owner, group: self.group, mode }
    }

    /// A folder gets x where files have r.
    pub(super) fn folder(self) -> Meta<'a> {
        let mode =
            self.dir_mode.or_else(|| self.mode.map(|mode| mode | ((mode & 0o444) >> 2))).unwrap_or(0o755);
        Meta { owner: self.owner, group: self.group, mode }
    }
}

fn header(kind: EntryType, meta: Meta<'_>, size: u64) -> std::io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(meta.mode);
    header.set_size(size);
    header.set_mtime(MTIME);
    // A number is an owner too: the agent looks at the names only where they are not empty.
    header.set_uid(meta.owner.parse().unwrap_or(0));
    header.set_gid(meta.group.parse().unwrap_or(0));
    if meta.owner.parse::<u64>().is_err() {
        header.set_username(meta.owner)?;
    }
    if meta.group.parse::<u64>().is_err() {
        header.set_groupname(meta.group)?;
    }
    Ok(header)
}

fn archive(source: std::io::Error) -> Failure {
    Failure::Io { action: "pack files for", path: "the guest".into(), source }
}
