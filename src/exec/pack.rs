//! Files on their way into the image: a tar stream with the owners and modes the plan says.

use std::{
    collections::HashMap,
    io::{Read, Seek, SeekFrom, Write},
};

use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::{
    BuildError,
    project::{FileFacts, ProjectFiles},
    times::{EARLIEST, Times},
};
use crate::{
    plan::{EntryKind, InlineFile, Tree},
    store::Store,
    text::Digest,
};

/// Archives up to this many bytes stay in memory.
const IN_MEMORY: usize = 8 << 20;

/// Beside a folder's permission bits: one that is there already keeps its owner and mode.
const IF_NEW: u32 = 0o10000;

/// A tar archive in the making.
pub(super) struct Pack {
    tar: Builder<tempfile::SpooledTempFile>,
    times: Times,
    /// What the next entries bear, in seconds since 1970.
    time: u64,
    /// What files lose on their way.
    losses: Vec<String>,
    /// Bytes that archives may unpack to: what the image's disk holds, or the host's where that is less.
    room: u64,
    left: u64,
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
    /// For a disk of `disk_size` bytes.
    pub(super) fn new(store: &Store, disk_size: u64) -> Self {
        let folder = store.root().join("tmp");
        let free = nix::sys::statvfs::statvfs(&folder);
        let free = free.map_or(u64::MAX, |stat| stat.blocks_available() * stat.fragment_size());
        let room = disk_size.min(free);
        let file = tempfile::spooled_tempfile_in(IN_MEMORY, folder);
        Self {
            tar: Builder::new(file),
            times: Times::none(),
            time: EARLIEST,
            losses: Vec::new(),
            room,
            left: room,
        }
    }

    /// With files that bear times.
    pub(super) fn dated(mut self, times: Times) -> Self {
        (self.times, self.time) = (times, times.text());
        self
    }

    /// The next entries are as old as an archive says.
    pub(super) fn as_old_as(&mut self, own: u64) {
        self.time = self.times.entry(own);
    }

    /// What the files lose that were packed so far, a sentence for each.
    pub(super) fn take_losses(&mut self) -> Vec<String> {
        std::mem::take(&mut self.losses)
    }

    /// Sets room aside for what an archive is about to bring; an error has all the room that there was.
    pub(super) fn claim_room(&mut self, bytes: u64) -> Result<(), u64> {
        self.left = self.left.checked_sub(bytes).ok_or(self.room)?;
        Ok(())
    }

    /// Creates the folders above `path` where they are missing, and leaves those alone that are there
    /// (mode 0 says so to the agent).
    pub(super) fn parents(&mut self, path: &str) -> Result<(), BuildError> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        for count in 1..parts.len() {
            self.folder(&parts[..count].join("/"), Meta::root(0))?;
        }
        Ok(())
    }

    pub(super) fn folder(&mut self, path: &str, meta: Meta<'_>) -> Result<(), BuildError> {
        let path = format!("{}/", path.trim_matches('/'));
        self.entry(&path, EntryType::Directory, meta, 0, std::io::empty())
    }

    pub(super) fn file(&mut self, path: &str, meta: Meta<'_>, content: &[u8]) -> Result<(), BuildError> {
        self.entry(path.trim_matches('/'), EntryType::Regular, meta, content.len() as u64, content)
    }

    pub(super) fn entry(
        &mut self,
        path: &str,
        kind: EntryType,
        meta: Meta<'_>,
        size: u64,
        data: impl Read,
    ) -> Result<(), BuildError> {
        let mut header = header(kind, meta, size, self.time).map_err(archive)?;
        self.tar.append_data(&mut header, path, data).map_err(archive)
    }

    /// A regular file of `size` bytes out of `data`.
    pub(super) fn stream(
        &mut self,
        path: &str,
        meta: Meta<'_>,
        size: u64,
        data: impl Read,
    ) -> Result<(), BuildError> {
        self.entry(path.trim_matches('/'), EntryType::Regular, meta, size, data)
    }

    pub(super) fn symlink(&mut self, path: &str, meta: Meta<'_>, target: &str) -> Result<(), BuildError> {
        let mut header = header(EntryType::Symlink, meta, 0, self.time).map_err(archive)?;
        self.tar.append_link(&mut header, path.trim_matches('/'), target).map_err(archive)
    }

    /// A second name of a file that is in the archive already.
    pub(super) fn hard_link(&mut self, path: &str, meta: Meta<'_>, of: &str) -> Result<(), BuildError> {
        let mut header = header(EntryType::Link, meta, 0, self.time).map_err(archive)?;
        self.tar.append_link(&mut header, path.trim_matches('/'), of.trim_matches('/')).map_err(archive)
    }

    /// Adds one text of the plan.
    pub(super) fn inline(&mut self, file: &InlineFile) -> Result<(), BuildError> {
        self.parents(&file.path)?;
        let meta = Meta { owner: &file.owner, group: &file.group, mode: file.mode };
        self.file(&file.path, meta, file.content.as_bytes())
    }

    /// Adds a tree of the project below `to`; every file is checked against the plan's digest.
    pub(super) fn tree(
        &mut self,
        tree: &Tree,
        to: &str,
        place: Placement<'_>,
        project: &dyn ProjectFiles,
    ) -> Result<(), BuildError> {
        self.parents(to)?;
        let mut known: HashMap<(u64, u64), (Digest, String)> = HashMap::new();
        for entry in &tree.entries {
            let target = match entry.path.as_str() {
                "" => to.to_owned(),
                path => format!("{}/{path}", to.trim_end_matches('/')),
            };
            match &entry.kind {
                // All of an image: its root is there.
                EntryKind::Folder if target.trim_matches('/').is_empty() => {}
                // The destination folder itself may be one of the system's: its mode is not ours.
                EntryKind::Folder if entry.path.is_empty() => {
                    let meta = place.folder();
                    self.folder(&target, Meta { mode: meta.mode | IF_NEW, ..meta })?;
                }
                EntryKind::Folder => self.folder(&target, place.folder())?,
                EntryKind::Symlink { target: link } => self.symlink(&target, place.file(false), link)?,
                EntryKind::File { sha256, size, executable } => {
                    let path = tree.source_path(entry);
                    let facts = project.facts(&path, self.times);
                    self.time = facts.time;
                    if let Some((_, first)) = facts
                        .identity
                        .and_then(|identity| known.get(&identity))
                        .filter(|(digest, _)| digest == sha256)
                    {
                        let first = first.clone();
                        self.hard_link(&target, place.file(*executable), &first)?;
                        continue;
                    }
                    self.losses.extend(losses(&path, &facts, place.mode));
                    if let Some(identity) = facts.identity {
                        known.insert(identity, (*sha256, target.clone()));
                    }
                    let mut content = Hashing { inner: project.open(&path)?, hash: Sha256::new() };
                    let mut whole = content.by_ref().take(*size);
                    self.stream(&target, place.file(*executable), *size, &mut whole)?;
                    // What was packed is thrown away if it is not what the plan says, or not all of it.
                    let read = size - whole.limit();
                    if read != *size || !content.is_at_its_end()? || content.digest() != *sha256 {
                        return Err(BuildError::InputChanged { path });
                    }
                }
            }
        }
        self.time = self.times.text();
        Ok(())
    }

    /// The finished archive, from its beginning.
    pub(super) fn finish(self) -> Result<Box<dyn Read + Send>, BuildError> {
        let mut file = self.tar.into_inner().map_err(archive)?;
        file.flush().and_then(|()| file.seek(SeekFrom::Start(0))).map_err(archive)?;
        Ok(Box::new(file))
    }
}

/// A file of the project, with the digest of what was read of it.
struct Hashing {
    inner: Box<dyn Read>,
    hash: Sha256,
}

impl Hashing {
    fn is_at_its_end(&mut self) -> Result<bool, BuildError> {
        self.inner.read(&mut [0]).map(|more| more == 0).map_err(archive)
    }

    fn digest(self) -> Digest {
        Digest::from_bytes(self.hash.finalize().into())
    }
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
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

    /// A folder gets x where files have r. Without a word about modes, one that the image has already stays as it is.
    pub(super) fn folder(self) -> Meta<'a> {
        let mode = self
            .dir_mode
            .or_else(|| self.mode.map(|mode| mode | ((mode & 0o444) >> 2)))
            .unwrap_or(0o755 | IF_NEW);
        Meta { owner: self.owner, group: self.group, mode }
    }
}

/// What a file of the project has and its copy has not.
fn losses(path: &str, facts: &FileFacts, mode: Option<u32>) -> Option<String> {
    let bits =
        [(0o4000, "its set-user-id bit"), (0o2000, "its set-group-id bit"), (0o1000, "its sticky bit")];
    // Where the statement says which bits there are to be, nothing is lost unseen.
    let bits = bits.iter().filter(|(bit, _)| mode.is_none() && facts.special_bits & bit != 0);
    let lost: Vec<String> = bits
        .map(|(_, name)| (*name).to_owned())
        .chain(facts.attributes.iter().map(|name| match name.as_str() {
            "security.capability" => "its capabilities".to_owned(),
            name => format!("the extended attribute {name}"),
        }))
        .collect();
    (!lost.is_empty()).then(|| format!("`{path}` is copied without {}", lost.join(" and ")))
}

fn header(kind: EntryType, meta: Meta<'_>, size: u64, time: u64) -> std::io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(meta.mode);
    header.set_size(size);
    header.set_mtime(time);
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

pub(super) fn archive(source: std::io::Error) -> BuildError {
    BuildError::Io { action: "pack files for", path: "the guest".into(), source }
}
