//! Content-addressed blobs, bases, layers, facts, records, working folders: everything imgfile keeps between runs.
//!
//! Layout below the root (`$XDG_CACHE_HOME/imgfile` unless a setting says otherwise):
//!
//! ```text
//! blobs/sha256/ab/<hex>   immutable files named by their content: .debs, downloads
//! indexes/                archive indexes (see `archive`)
//! bases/<key>/            disk.qcow2 and meta.json of a base made here
//! kernels/                build kernels of the driver
//! machines/               what the driver knows of this host's machines, and saved states of some
//! machines/boots/<key>/   a machine just after a boot, disk and memory (see `saved_boot`)
//! vouchers/               what vouched for the packages of locks (see `voucher`)
//! facts/<kind>/           what was found out about a content, by its digest
//! layers/<key>/           disk.qcow2 and meta.json: a build disk after a step
//! builds/<id>/            working folder of a build, with its journal
//! secret.key              random, for digests of secret values; never exported
//! records/                builds.sqlite and logs/<number>.log: what was built, see `records`
//! tmp/<session>/          working folder of a process
//! ```
//!
//! [`Store::open`] makes sure that the folder is this user's own and a store (`own`), makes what is missing, and
//! clears the working folders of processes that are gone, by their journals (`work`). A build then takes a working
//! folder ([`Store::begin_build`]), holds what it stands on ([`Bases`], [`Layers`]; what is held is not removed),
//! fetches what is missing into blobs ([`fetch`], [`archive`]), and moves what it made into place. [`Store::shrink`]
//! removes the least recently used in the end, where a size is set.
//!
//! Several processes may use one store: files appear complete by rename, things that must be made once are made
//! under a lock, and a working folder is locked by the process it belongs to, so that whoever finds it unlocked
//! knows that its owner is gone and clears it. What is kept bears a seal (`seal`), and is not used when that is
//! broken.
//!
//! Read this file first, then `work.rs` and `layer/mod.rs`. Also here, since it guards files in the same way: a
//! project's folder ([`ProjectFolder`], [`git`]). Not done here: nothing decides when to build, what to reuse or
//! what a key is made of (`plan`, `exec`), no disk's content is understood (`driver`), and no archive's signature is
//! judged (`packages`).

pub mod archive;
mod base;
mod blob;
mod copy;
mod facts;
pub mod fetch;
mod file_digest;
pub mod folder;
pub mod git;
mod identity;
mod layer;
mod own;
mod own_key;
mod process;
mod project;
pub mod records;
mod regular;
pub mod room;
mod saved_boot;
mod scratch;
mod seal;
mod shrink;
mod swap;
pub mod umask;
mod voucher;
mod work;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::model::{STORE_TAG, STORE_TAG_TEXT};
pub use crate::text::Digest;

pub use base::{Base, BaseSlot, Bases, NewBase};
pub use blob::{BlobWriter, Blobs};
pub use copy::copy_whole;
pub use facts::Facts;
pub use file_digest::OwnFile;
pub use folder::Folder;
pub use layer::{Claim, Layer, LayerEntry, LayerMeta, Layers, content as layer_content};
pub use process::{ProcessName, Signal};
pub use project::{ProjectFolder, project_root};
pub use records::Records;
pub use regular::{open_regular, read_regular};
pub use saved_boot::{SavedBoot, SavedBoots};
pub use scratch::Scratch;
pub use shrink::{Usage, WouldGo};
pub use voucher::{Voucher, Vouchers, speaks_for};
pub use work::{Leftover, WorkFolder, clear_own};

/// What can go wrong in the store. Text for people is in `Display`; callers that need more match.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused; `action` reads as in "cannot {action} {path}".
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, such as `open`.
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// What the operating system answers.
        source: io::Error,
    },
    /// The store lies where it cannot work: on FAT or exFAT, or on some network shares.
    #[error("the file system of the store has no hard links, which layers need: {source}")]
    NoLinks {
        /// The store's folder.
        root: PathBuf,
        /// What making a link failed with.
        source: io::Error,
    },
    /// Somebody else could change what is in the store; `reason` reads as in "{path} {reason}".
    #[error("{} {reason}", path.display())]
    NotOwn {
        /// The folder or file in question.
        path: PathBuf,
        /// Such as `belongs to another user`.
        reason: String,
    },
    /// There is something else in the folder.
    #[error("{} is no store of imgfile, and not empty", path.display())]
    NotStore {
        /// The folder that was to be a store.
        path: PathBuf,
    },
    /// A content is not what its name promised.
    #[error("{what} has sha256 {actual}, not {expected}")]
    Mismatch {
        /// What the content is of: a path, for people.
        what: String,
        /// Digest that was promised.
        expected: Digest,
        /// Digest of what is there.
        actual: Digest,
    },
    /// A file the store wrote cannot be understood; removing it is safe.
    #[error("{path} is damaged: {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, such as the error of its parser.
        reason: String,
    },
    /// The database of build records refused; `action` reads as in "cannot {action} the build records".
    #[error("cannot {action} the build records: {source}")]
    Records {
        /// What was tried, such as `read` or `add to`.
        action: &'static str,
        /// What SQLite answers.
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// Whether it is the database of build records that is damaged, see [`Records::open_or_renew`].
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        let Self::Records { source, .. } = self else { return false };
        let code = source.sqlite_error_code();
        matches!(code, Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt))
    }

    /// Whether SQLite met a file that cannot be read or is no longer where it was.
    #[must_use]
    pub fn is_input_output(&self) -> bool {
        let Self::Records { source, .. } = self else { return false };
        source.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure)
    }

    /// Whether the file system is full, which callers report by name.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::NoLinks { source, .. } => room::is_full(source),
            Self::Records { source, .. } => source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Self::Mismatch { .. } | Self::Damaged { .. } | Self::NotOwn { .. } | Self::NotStore { .. } => {
                false
            }
        }
    }
}

/// The folders of a store, each after the one it is in.
const FOLDERS: [&str; 14] = [
    "blobs",
    "blobs/sha256",
    "indexes",
    "bases",
    "kernels",
    "machines",
    "vouchers",
    "facts",
    "builds",
    "layers",
    "layers/claims",
    "records",
    "records/logs",
    "tmp",
];

/// What operations of the store return.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Adds what was tried, and where, to an [`io::Error`].
pub(crate) trait Context<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| StoreError::Io { action, path: path.to_owned(), source })
    }
}

/// Whether a locked file still has its name: a lock on one that was swept keeps nobody out.
fn is_named(file: &std::fs::File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), path.metadata()) {
        (Ok(held), Ok(named)) => held.ino() == named.ino() && held.dev() == named.dev(),
        _ => false,
    }
}

/// Marks a folder that is empty as a store; one with something else in it is none, and nothing in it is ours to clear.
fn mark(root: &Path) -> Result<()> {
    const DRAFT: &str = ".tag-";
    /// The mark of stores before it named imgfile, and folders that such a store has.
    const BEFORE: &str = "Signature: 8a477f597d28d172789f06886806bc55\n";
    const OF_BEFORE: [&str; 3] = ["blobs/sha256", "layers/claims", "records"];
    let tag = root.join(STORE_TAG);
    match std::fs::read_to_string(&tag) {
        Ok(text) if text == STORE_TAG_TEXT => return Ok(()),
        Ok(text) if text == BEFORE && OF_BEFORE.iter().all(|name| root.join(name).is_dir()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A file system's own, and the tag of another process that marks it just now.
            let is_foreign =
                |name: &str| !(name == "lost+found" || name == STORE_TAG || name.starts_with(DRAFT));
            let mut entries = std::fs::read_dir(root).context("read", root)?.flatten();
            if entries.any(|entry| is_foreign(&entry.file_name().to_string_lossy())) {
                // Another process may have marked and filled it between the two looks.
                return match std::fs::read_to_string(&tag) {
                    Ok(text) if text == STORE_TAG_TEXT => Ok(()),
                    _ => Err(StoreError::NotStore { path: root.to_owned() }),
                };
            }
        }
        _ => return Err(StoreError::NotStore { path: root.to_owned() }),
    }
    let mut draft = tempfile::Builder::new().prefix(DRAFT).tempfile_in(root).context("write in", root)?;
    draft.write_all(STORE_TAG_TEXT.as_bytes()).context("write", &tag)?;
    draft.persist(&tag).map(drop).map_err(|error| error.error).context("write", &tag)
}

/// An open store. Cheap to share by reference; all operations block.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// This process's own working folder under `tmp/`; goes when the store is dropped.
    session: WorkFolder,
    /// Layers that were kept by this process.
    new_layers: Mutex<Vec<Digest>>,
    /// What whoever builds has to hear of: what is kept was not as it was kept.
    notes: Mutex<Vec<String>>,
}

/// The digest of all that is left to read.
pub fn digest_of(reader: &mut impl io::Read) -> io::Result<Digest> {
    blob::hash(reader)
}

impl Store {
    /// Opens the store at `root`, made if absent, and clears working folders whose process is
    /// gone. [`open_and_sweep`](Self::open_and_sweep) tells what that was.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        Self::open_and_sweep(root).map(|(store, _)| store)
    }

    /// As [`open`](Self::open), with the builds that a crash had left behind and that are cleared now.
    pub fn open_and_sweep(root: impl Into<PathBuf>) -> Result<(Self, Vec<Leftover>)> {
        let root = root.into();
        own::enter(&root)?;
        mark(&root)?;
        for name in FOLDERS {
            let path = root.join(name);
            own::folder(&path)?;
            // The user may have put a part of it elsewhere by a link.
            if path.is_symlink() { own::enter(&path)? } else { own::check(&path)? }
        }
        work::sweep(&root.join("tmp"))?;
        let leftovers = work::sweep(&root.join("builds"))?;
        let session = WorkFolder::create_unique(&root.join("tmp"), "session")?;
        let store = Self { root, session, new_layers: Mutex::default(), notes: Mutex::default() };
        store.layers().sweep_unsynced()?;
        Ok((store, leftovers))
    }

    /// The store's folder, as it was opened.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What was found wrong with what is kept since this was last asked, a line each.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, note: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    /// The immutable files.
    #[must_use]
    pub fn blobs(&self) -> Blobs<'_> {
        Blobs::new(self)
    }

    /// The bases made on this machine.
    #[must_use]
    pub fn bases(&self) -> Bases<'_> {
        Bases::new(self)
    }

    /// The states of build disks after steps.
    #[must_use]
    pub fn layers(&self) -> Layers<'_> {
        Layers::new(self)
    }

    /// Machines as they were just after a boot.
    #[must_use]
    pub const fn saved_boots(&self) -> SavedBoots<'_> {
        SavedBoots::new(self)
    }

    /// What is known about contents, by digest.
    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        Facts::new(self)
    }

    /// What vouched for packages when they were locked.
    #[must_use]
    pub const fn vouchers(&self) -> Vouchers<'_> {
        Vouchers::new(self)
    }

    /// What was built, and by which builds.
    pub fn records(&self) -> Result<Records> {
        Records::open(&self.root)
    }

    /// As [`records`](Self::records), a damaged database being set aside, see [`Records::open_or_renew`].
    pub fn records_or_new(&self, thoroughly: bool) -> Result<(Records, Option<PathBuf>)> {
        Records::open_or_renew(&self.root, thoroughly)
    }

    /// Where the driver keeps its build kernels.
    #[must_use]
    pub fn kernels(&self) -> PathBuf {
        self.root.join("kernels")
    }

    /// Where archive indexes are kept.
    #[must_use]
    pub fn indexes(&self) -> PathBuf {
        self.root.join("indexes")
    }

    /// Where the driver keeps what it knows of this host's machines.
    #[must_use]
    pub fn machines(&self) -> PathBuf {
        self.root.join("machines")
    }

    /// A fresh folder on the store's file system (so that a rename into the store is atomic),
    /// cleared when dropped, or by the next process if this one dies.
    pub fn temp_dir(&self, prefix: &str) -> Result<tempfile::TempDir> {
        let dir = self.session.path();
        tempfile::Builder::new()
            .prefix(&format!("{prefix}-"))
            .tempdir_in(dir)
            .context("create a folder in", dir)
    }

    /// A fresh file on the store's file system, removed when dropped unless persisted.
    pub fn temp_file(&self) -> Result<tempfile::NamedTempFile> {
        let dir = self.session.path();
        tempfile::NamedTempFile::new_in(dir).context("create a file in", dir)
    }

    /// A folder outside the store, on the fastest file system that has `room` bytes free, which
    /// root of a user namespace can reach too (the store is private).
    pub fn scratch(&self, room: u64) -> Result<Scratch<'_>> {
        Scratch::create(&self.session, room)
    }

    /// Promises that `path`, outside the store, goes if this process dies. Call it before making the path.
    pub fn will_create(&self, path: &Path) -> Result<()> {
        self.session.will_create(path)
    }

    /// A working folder for a build: `builds/<id>/`, locked by this process, with a journal.
    pub fn begin_build(&self, id: &str) -> Result<WorkFolder> {
        let folder = WorkFolder::create(&self.root.join("builds"), id)?;
        // Layers are linked into their place while a machine still uses them: known now, or after an hour.
        let (from, to) = (folder.path().join("journal"), folder.path().join("link"));
        let linked = std::fs::hard_link(&from, &to).and_then(|()| std::fs::remove_file(&to));
        linked.map_err(|source| StoreError::NoLinks { root: self.root.clone(), source })?;
        Ok(folder)
    }

    /// The working folders of builds and instances whose processes run now.
    pub fn working_folders(&self) -> Result<Vec<PathBuf>> {
        work::in_use(&self.root.join("builds"))
    }

    /// Removes the disks of failed builds that were kept to be looked at; returns the builds' ids.
    pub fn remove_kept_builds(&self) -> Result<Vec<String>> {
        work::remove_kept(&self.root.join("builds"))
    }

    /// What [`remove_kept_builds`](Self::remove_kept_builds) would remove.
    pub fn would_remove_kept_builds(&self) -> Result<Vec<WouldGo>> {
        let builds = self.root.join("builds");
        let one = |name: String| {
            let size = shrink::size_of(&builds.join(&name));
            WouldGo { what: format!("the disk of a failed build, builds/{name}"), size }
        };
        Ok(work::kept(&builds)?.into_iter().map(one).collect())
    }

    /// The sha256 of a file anywhere, from the cache if the file is unchanged since it was hashed.
    pub fn digest_file(&self, path: &Path) -> Result<Digest> {
        file_digest::digest_file(self, path)
    }

    /// The same of a file that is open, with the folder that it lies in.
    pub fn digest_open(&self, file: &mut File, path: &Path) -> Result<Digest> {
        file_digest::digest_open(self, file, path)
    }

    /// Reads a file that nobody else writes to, before it gets its final name.
    pub fn own_file(&self, path: &Path) -> Result<OwnFile> {
        file_digest::own_file(path)
    }

    /// Remembers the digest of such a file under its final name, so that it need not be read again.
    pub fn remember_digest(&self, own: &OwnFile, path: &Path) -> Result<()> {
        file_digest::remember(self, own, path)
    }
}
