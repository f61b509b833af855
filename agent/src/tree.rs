//! Telling the host of many files at once: what there is, what is in them, their digests.

use std::collections::{HashSet, VecDeque};
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use imgfile_agent::protocol::frame::CHUNK;
use imgfile_agent::protocol::message::{Answer, Request};
use imgfile_agent::protocol::tree::{Content, Node, Sum};
use imgfile_agent::protocol::wire::{Bytes, Wire};
use nix::libc;
use nix::sys::statfs::{BTRFS_SUPER_MAGIC, statfs};
use sha2::{Digest, Sha256};

use crate::chroot::inside;
use crate::error::{AgentError, At, Result};
use crate::files;
use crate::port::Port;
use crate::serve::Agent;

/// Attributes of a file beyond this are not told of: names, and each value.
const NAMES_LIMIT: usize = 16 * 1024;
const VALUE_LIMIT: usize = 4096;
/// Folders that are listed before the host is told of them: what is known of their files is in memory meanwhile.
const BATCH: usize = 64;
/// A file is read in so large pieces while its digest is made.
const PIECE: usize = 256 * 1024;
/// After so many pieces of one file the host is told that it goes on.
const BUSY: u32 = 256;

/// Values on their way to the host, in messages that are as long as they may be.
struct Stream<'a> {
    port: &'a Port,
    id: u32,
    buffer: Vec<u8>,
    sent: u64,
}

impl<'a> Stream<'a> {
    fn new(port: &'a Port, id: u32) -> Self {
        Self { port, id, buffer: Vec::with_capacity(2 * CHUNK), sent: 0 }
    }

    fn put(&mut self, value: &impl Wire) -> io::Result<()> {
        value.put(&mut self.buffer);
        // A value may be a file of many megabytes: what is behind a piece is moved once, not once for each piece.
        let whole = self.buffer.len() - self.buffer.len() % CHUNK;
        for piece in self.buffer[..whole].chunks(CHUNK) {
            self.port.data(self.id, piece.to_vec())?;
        }
        self.sent += whole as u64;
        self.buffer.drain(..whole);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.sent + self.buffer.len() as u64
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.sent += self.buffer.len() as u64;
        self.port.data(self.id, std::mem::take(&mut self.buffer))
    }

    fn end(mut self) -> io::Result<()> {
        self.flush()
    }
}

/// Answers a request about files, one or many.
pub fn answer(agent: &Agent, id: u32, request: Request) -> Result<Answer> {
    match request {
        Request::Get { path, limit, truncate } => files::get(agent, id, &path, limit, truncate),
        Request::List { path } => files::list(agent.mounts.root(), &path),
        Request::Walk { nodes, bytes } => walk(agent, id, nodes, bytes),
        Request::ReadFiles { paths, each, total } => read(agent, id, &paths, each, total),
        Request::Digests { paths } => digests(agent, id, &paths),
        _ => Err(AgentError::new("not about files")),
    }
}

/// Sends all that is on the image's file systems.
fn walk(agent: &Agent, id: u32, nodes: u64, bytes: u64) -> Result<Answer> {
    // The kernel's own file systems in the image's folders are not the image.
    let own: HashSet<u64> =
        agent.mounts.targets().iter().filter_map(|path| fs::metadata(path).ok()).map(|at| at.dev()).collect();
    inside(agent.mounts.root(), || {
        let mut stream = Stream::new(&agent.port, id);
        let (mut count, mut whole) = (1_u64, true);
        let root = fs::symlink_metadata("/").at("/")?;
        let attributes = Attributes::new().of(Path::new("/"));
        let entry = Entry { name: OsString::new(), metadata: root, target: None, attributes };
        let device = entry.metadata.dev();
        stream.put(&entry.node(0))?;
        let mut folders = VecDeque::from([(0_u32, PathBuf::from("/"), device)]);
        while !folders.is_empty() {
            let batch: Vec<_> = folders.drain(..folders.len().min(BATCH)).collect();
            let listings = list_all(&batch.iter().map(|(_, path, _)| path.as_path()).collect::<Vec<_>>());
            for ((number, path, device), listing) in batch.into_iter().zip(listings) {
                whole &= listing.whole;
                for entry in listing.entries {
                    if count >= nodes || count >= u64::from(u32::MAX) || stream.len() >= bytes {
                        stream.end()?;
                        return Ok(Answer::Walked { nodes: count, whole: false });
                    }
                    stream.put(&entry.node(number))?;
                    let (is_folder, own_device) = (entry.metadata.is_dir(), entry.metadata.dev());
                    let below = path.join(entry.name);
                    if is_folder && is_of_image(&below, own_device, device, &own) {
                        let number = u32::try_from(count).unwrap_or(u32::MAX);
                        folders.push_back((number, below, own_device));
                    }
                    count += 1;
                }
            }
        }
        stream.end()?;
        Ok(Answer::Walked { nodes: count, whole })
    })
}

/// A subvolume of btrfs is a device of its own without being mounted.
fn is_of_image(path: &Path, device: u64, parent: u64, own: &HashSet<u64>) -> bool {
    device == parent
        || own.contains(&device)
        || statfs(path).is_ok_and(|found| found.filesystem_type() == BTRFS_SUPER_MAGIC)
}

/// What is in a folder, in the order of the names.
#[derive(Default)]
struct Listing {
    entries: Vec<Entry>,
    /// Whether these are all: a damaged file system has folders that cannot be read to the end.
    whole: bool,
}

/// What is in some folders: each processor lists one after the other, since most of the time goes into asking for each file.
fn list_all(folders: &[&Path]) -> Vec<Listing> {
    let listings: Vec<OnceLock<Listing>> = folders.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut attributes = Attributes::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (Some(path), Some(listing)) = (folders.get(at), listings.get(at)) else { return };
            let _ = listing.set(list(path, &mut attributes));
        }
    };
    let others = thread::available_parallelism().map_or(0, |count| count.get() - 1).min(folders.len() - 1);
    thread::scope(|scope| {
        for _ in 0..others {
            // Without it the work takes longer.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    listings.into_iter().map(|listing| listing.into_inner().unwrap_or_default()).collect()
}

fn list(path: &Path, attributes: &mut Attributes) -> Listing {
    let Ok(found) = fs::read_dir(path) else { return Listing::default() };
    let mut listing = Listing { entries: Vec::new(), whole: true };
    for entry in found {
        match entry.and_then(|entry| Entry::of(path, &entry, attributes)) {
            Ok(entry) => listing.entries.push(entry),
            Err(_) => listing.whole = false,
        }
    }
    // A damaged one holds a name twice.
    listing.entries.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
    listing.entries.dedup_by(|one, other| one.name == other.name);
    listing
}

/// What is told of an entry of a folder.
struct Entry {
    name: OsString,
    metadata: Metadata,
    target: Option<PathBuf>,
    attributes: Vec<(Bytes, Bytes)>,
}

impl Entry {
    fn of(folder: &Path, entry: &fs::DirEntry, attributes: &mut Attributes) -> io::Result<Self> {
        let (name, metadata) = (entry.file_name(), entry.metadata()?);
        let path = folder.join(&name);
        // A link has no attributes that anybody sets.
        let (target, attributes) = if metadata.is_symlink() {
            (fs::read_link(path).ok(), Vec::new())
        } else {
            (None, attributes.of(&path))
        };
        Ok(Self { name, metadata, target, attributes })
    }

    fn node(&self, parent: u32) -> Node {
        let Self { name, metadata, target, attributes } = self;
        Node {
            parent,
            name: Bytes(name.as_bytes().to_vec()),
            mode: metadata.mode(),
            uid: metadata.uid(),
            gid: metadata.gid(),
            size: metadata.size(),
            used: metadata.blocks().saturating_mul(512),
            mtime: metadata.mtime(),
            links: metadata.nlink(),
            device: metadata.dev(),
            inode: metadata.ino(),
            target: Bytes(
                target.as_ref().map(|path| path.as_os_str().as_bytes().to_vec()).unwrap_or_default(),
            ),
            attributes: attributes.clone(),
        }
    }
}

/// Reads extended attributes: of the thing itself, not of what it points to.
struct Attributes {
    names: Vec<u8>,
    value: Vec<u8>,
}

#[allow(unsafe_code)]
impl Attributes {
    fn new() -> Self {
        Self { names: vec![0; NAMES_LIMIT], value: vec![0; VALUE_LIMIT] }
    }

    /// Of the file at a path.
    fn of(&mut self, path: &Path) -> Vec<(Bytes, Bytes)> {
        let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return Vec::new() };
        // SAFETY: the path ends in NUL, and the buffer is as long as it is said to be.
        let len =
            unsafe { libc::llistxattr(path.as_ptr(), self.names.as_mut_ptr().cast(), self.names.len()) };
        let names = usize::try_from(len).ok().and_then(|len| self.names.get(..len)).unwrap_or_default();
        let mut found = Vec::new();
        for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
            let Ok(c_name) = CString::new(name) else { continue };
            let value = &mut self.value;
            // SAFETY: both strings end in NUL, and the buffer is as long as it is said to be.
            let len = unsafe {
                libc::lgetxattr(path.as_ptr(), c_name.as_ptr(), value.as_mut_ptr().cast(), value.len())
            };
            let value = usize::try_from(len).ok().and_then(|len| value.get(..len)).unwrap_or_default();
            found.push((Bytes(name.to_vec()), Bytes(value.to_vec())));
        }
        found
    }
}

/// Sends the content of files.
fn read(agent: &Agent, id: u32, paths: &[Bytes], each: u64, total: u64) -> Result<Answer> {
    inside(agent.mounts.root(), || {
        let mut stream = Stream::new(&agent.port, id);
        let mut left = total;
        for path in paths {
            let content = content(&path.0, each.min(left));
            if let Content::Whole { bytes } = &content {
                left -= bytes.0.len() as u64;
            }
            stream.put(&content)?;
        }
        stream.end()?;
        Ok(Answer::Nothing)
    })
}

fn content(path: &[u8], limit: u64) -> Content {
    let path = Path::new(OsStr::from_bytes(path));
    // Looked at before it is opened: opening a fifo would wait for ever.
    let found = match fs::metadata(path) {
        Ok(found) if found.is_file() => found,
        Ok(_) => return Content::NotAFile,
        Err(error) => return missing(&error),
    };
    if found.len() > limit {
        return Content::TooLong { size: found.len() };
    }
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
        Ok(_) => Content::Whole { bytes: Bytes(bytes) },
        Err(error) => Content::Unreadable { reason: error.to_string() },
    }
}

fn missing(error: &io::Error) -> Content {
    // A link that goes in circles leads nowhere either.
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::ENAMETOOLONG) => Content::Absent,
        _ => Content::Unreadable { reason: error.to_string() },
    }
}

/// Sends the digests of files.
fn digests(agent: &Agent, id: u32, paths: &[Bytes]) -> Result<Answer> {
    inside(agent.mounts.root(), || {
        let mut stream = Stream::new(&agent.port, id);
        let mut piece = vec![0; PIECE];
        for path in paths {
            let path = Path::new(OsStr::from_bytes(&path.0));
            let sum = match fs::metadata(path) {
                Ok(found) if found.is_file() => match digest(&mut stream, path, &mut piece) {
                    Ok(digest) => Sum::Sha256 { digest: Bytes(digest) },
                    Err(error) => Sum::Unreadable { reason: error.to_string() },
                },
                _ => Sum::None,
            };
            stream.put(&sum)?;
        }
        stream.end()?;
        Ok(Answer::Nothing)
    })
}

fn digest(stream: &mut Stream<'_>, path: &Path, piece: &mut [u8]) -> io::Result<Vec<u8>> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut pieces = 0_u32;
    loop {
        match file.read(piece)? {
            0 => return Ok(hash.finalize().to_vec()),
            len => hash.update(&piece[..len]),
        }
        pieces = pieces.wrapping_add(1);
        if pieces.is_multiple_of(BUSY) {
            // The host waits only so long for the next word.
            stream.put(&Sum::Busy)?;
            stream.flush()?;
        }
    }
}
