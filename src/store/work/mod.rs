//! Working folders: locked by the process they belong to, with a journal of what exists outside
//! of them, so that whoever finds one without its process can clear everything it had made.

mod clear;

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Context, ProcessName, Result, identity::Identity, own, swap::Swap};
use clear::{Cleared, clear};

pub(super) use clear::remove;

/// A journal, at most: one of a build has some hundred bytes a file.
const JOURNAL_LIMIT: u64 = 16 << 20;
/// Held by the process the folder belongs to.
const LOCK: &str = "lock";
const JOURNAL: &str = "journal";

/// A name under which a folder is prepared before its lock is held; never swept while young.
const UNBORN: &str = ".new-";
/// The few system calls between making an unborn folder and naming it take no longer than this.
const UNBORN_SECONDS: u64 = 600;

/// The working folders of this process.
static OWN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// One thing that a crash would leave behind, written before the thing is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Entry {
    /// The first line: what the lock beside the journal is. Its times are the kernel's, which nobody can choose:
    /// a journal that came from elsewhere, with a project or a backup, does not know them.
    Lock(Identity),
    /// A folder that what follows is made in: as it was, so that nothing is removed through a link that took its
    /// place.
    Root { path: PathBuf, device: u64, inode: u64 },
    /// A file or folder in one of them.
    Path(PathBuf),
    /// A process; `group` says that it leads a process group that goes with it.
    Process { process: ProcessName, group: bool },
    /// Files that are going to take their names; undone unless the next entry follows.
    Swap(Vec<Swap>),
    /// All of them have.
    Swapped,
}

/// What a sweep cleared: the folder of a process that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Name of the working folder; for a build its id.
    pub name: String,
    /// Paths outside the folder that were removed.
    pub removed: Vec<PathBuf>,
    /// Processes that were still running and are killed.
    pub killed: Vec<u32>,
    /// Whether this store did not write the journal, or not about these places: what it names was left alone.
    pub foreign: bool,
    /// Why not all of it could be cleared; the next sweep tries again.
    pub stuck: Option<String>,
}

impl std::fmt::Display for Leftover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.stuck {
            None if self.foreign => write!(
                f,
                "removed the working folder {}; its journal was not written by this store, and what it names \
                 was not touched",
                self.name
            ),
            None => write!(f, "cleared what build {} had left behind", self.name),
            Some(error) => write!(f, "what build {} had left behind is still there: {error}", self.name),
        }
    }
}

/// A folder that belongs to this process. Dropped, it goes with all its journal names.
#[derive(Debug)]
pub struct WorkFolder {
    path: PathBuf,
    journal: File,
    /// Folders that the journal knows.
    roots: Mutex<BTreeSet<PathBuf>>,
    /// Locked as long as the folder lives; the kernel unlocks it when the process ends in any way.
    _lock: File,
    keep: bool,
}

impl WorkFolder {
    /// Makes `parent/name`, which must not exist.
    pub(super) fn create(parent: &Path, name: &str) -> Result<Self> {
        Self::create_as(parent, |_| name.to_owned())
    }

    /// As [`create`](Self::create), with a name nobody else has.
    pub(super) fn create_unique(parent: &Path, prefix: &str) -> Result<Self> {
        Self::create_as(parent, |random| format!("{prefix}-{random}"))
    }

    fn create_as(parent: &Path, name: impl FnOnce(&str) -> String) -> Result<Self> {
        let unborn = tempfile::Builder::new()
            .prefix(UNBORN)
            .tempdir_in(parent)
            .context("create a folder in", parent)?;
        let lock_path = unborn.path().join(LOCK);
        let lock =
            own::options().create_new(true).write(true).open(&lock_path).context("create", &lock_path)?;
        lock.lock().context("lock", &lock_path)?;
        let identity = Identity::of(&lock.metadata().context("read", &lock_path)?);
        let journal_path = unborn.path().join(JOURNAL);
        let journal = own::options()
            .create_new(true)
            .append(true)
            .open(&journal_path)
            .context("create", &journal_path)?;
        let random = unborn.path().file_name().unwrap_or_default().to_string_lossy().replace(UNBORN, "");
        let path = parent.join(name(&random));
        std::fs::rename(unborn.path(), &path).context("create", &path)?;
        let _ = unborn.keep();
        OWN.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        let folder = Self { path, journal, roots: Mutex::default(), _lock: lock, keep: false };
        // Without waiting for the disk: a journal that a crash of the host takes had named nothing yet, since
        // what it names is waited for.
        folder.write(&Entry::Lock(identity))?;
        Ok(folder)
    }

    /// The folder itself, absolute if the store's is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Promises that `path`, outside this folder, goes if this process dies. Call it before
    /// making the path, in a folder that is there. A path renamed away afterwards is gone from here and so is
    /// safe.
    pub fn will_create(&self, path: &Path) -> Result<()> {
        let path = self.know_root(path)?;
        self.append(&Entry::Path(path))
    }

    /// Writes down which folder a path is in; the path as the journal has it, which is absolute.
    fn know_root(&self, path: &Path) -> Result<PathBuf> {
        let path = std::path::absolute(path).context("find", path)?;
        let root = path.parent().unwrap_or(Path::new("/"));
        if self.roots.lock().unwrap_or_else(PoisonError::into_inner).insert(root.to_owned()) {
            let found = root.metadata().context("look at", root)?;
            self.write(&Entry::Root { path: root.to_owned(), device: found.dev(), inode: found.ino() })?;
        }
        Ok(path)
    }

    /// Gives complete files their final names, in the folders they are in: all of them or none, with what had
    /// those names before in its place again; the next sweep sees to that if this process dies.
    pub fn rename_all(&self, files: &[(PathBuf, PathBuf)]) -> Result<()> {
        if let [(staged, target)] = files {
            return std::fs::rename(staged, target).context("write", target);
        }
        let swaps = files
            .iter()
            .map(|(staged, target)| Swap::plan(&self.know_root(staged)?, &self.know_root(target)?))
            .collect::<Result<Vec<_>>>()?;
        self.append(&Entry::Swap(swaps.clone()))?;
        let swapped = swaps.iter().try_for_each(Swap::run).and_then(|()| self.append(&Entry::Swapped));
        // What cannot be cleared now is still in the journal.
        if swapped.is_ok() {
            for swap in &swaps {
                let _ = swap.finish();
            }
        } else {
            for swap in swaps.iter().rev() {
                let _ = swap.undo();
            }
        }
        swapped
    }

    /// Names a process that must not outlive this one. Processes of our own are bound by the
    /// kernel as well; this is for those that shed that bond.
    pub fn started(&self, pid: u32) -> Result<()> {
        self.append_process(pid, false)
    }

    /// As [`started`](Self::started), for the leader of a process group.
    pub fn started_group(&self, pid: u32) -> Result<()> {
        self.append_process(pid, true)
    }

    fn append_process(&self, pid: u32, group: bool) -> Result<()> {
        match ProcessName::of(pid) {
            Some(process) => self.append(&Entry::Process { process, group }),
            None => Ok(()), // gone already
        }
    }

    fn append(&self, entry: &Entry) -> Result<()> {
        self.write(entry)?;
        self.journal.sync_data().context("write", &self.path.join(JOURNAL))
    }

    fn write(&self, entry: &Entry) -> Result<()> {
        let path = self.path.join(JOURNAL);
        let mut line = serde_json::to_vec(entry).map_err(io::Error::from).context("write", &path)?;
        line.push(b'\n');
        (&self.journal).write_all(&line).context("write", &path)
    }

    /// Leaves the folder to whoever wants to look at it (`--on-failure keep`): its journal is
    /// emptied and its lock removed, so that no sweep touches it.
    pub fn keep(mut self) -> Result<PathBuf> {
        self.keep = true;
        forget(&self.path);
        for name in [JOURNAL, LOCK] {
            let path = self.path.join(name);
            std::fs::remove_file(&path).context("remove", &path)?;
        }
        Ok(self.path.clone())
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if !self.keep {
            forget(&self.path);
            // What cannot be removed now is still in the journal, for the next process's sweep.
            let _ = clear(&self.path);
        }
    }
}

fn forget(path: &Path) {
    OWN.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
}

/// Clears all working folders of this process, which is about to end while some of its threads still wait for
/// something. What they make from now on is for the next sweep.
pub fn clear_own() {
    let folders = std::mem::take(&mut *OWN.lock().unwrap_or_else(PoisonError::into_inner));
    for folder in folders {
        let _ = clear(&folder);
    }
}

/// The working folders in `parent` that belong to a process that runs.
pub(super) fn in_use(parent: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(parent).context("read", parent)?.flatten();
    let is_in_use = |folder: &PathBuf| {
        let lock = File::open(folder.join(LOCK));
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    };
    Ok(entries.map(|entry| entry.path()).filter(is_in_use).collect())
}

/// Whether some working folder in `parent` belongs to a process that runs.
pub(super) fn any_in_use(parent: &Path) -> Result<bool> {
    Ok(!in_use(parent)?.is_empty())
}

/// Removes the folders that were kept on purpose, see [`WorkFolder::keep`]; returns their names.
pub(super) fn remove_kept(parent: &Path) -> Result<Vec<String>> {
    let kept = kept(parent)?;
    for name in &kept {
        let path = parent.join(name);
        remove(&path).context("remove", &path)?;
    }
    Ok(kept)
}

/// The working folders whose disks were kept.
pub(super) fn kept(parent: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(parent).context("read", parent)?.flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_kept = |name: &String| {
        let path = parent.join(name);
        !name.starts_with(UNBORN) && path.is_dir() && !path.join(LOCK).exists()
    };
    Ok(names.filter(is_kept).collect())
}

/// Clears every working folder in `parent` whose process is gone.
pub(super) fn sweep(parent: &Path) -> Result<Vec<Leftover>> {
    let mut leftovers = Vec::new();
    for entry in std::fs::read_dir(parent).context("read", parent)? {
        let entry = entry.context("read", parent)?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let found = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // cleared by its owner
            found => found.context("look at", &path)?,
        };
        own::own(&path, &found)?;
        if name.starts_with(UNBORN) {
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|then| then.elapsed().ok());
            if age.is_some_and(|age| age.as_secs() > UNBORN_SECONDS) {
                let _ = std::fs::remove_dir_all(&path);
            }
            continue;
        }
        // A folder without a lock was kept on purpose, unless it is empty: then a sweep was cut short just
        // before its end. A file (a partial download) is no folder.
        let Ok(lock) = super::regular::open_regular(&path.join(LOCK)) else {
            let _ = std::fs::remove_dir(&path);
            continue;
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => return Err(error).context("lock", &path),
        }
        leftovers.push(match clear(&path) {
            Ok(Cleared { removed, killed, foreign }) => {
                Leftover { name, removed, killed, foreign, stuck: None }
            }
            // It stays in the journal, and must not keep everything else from working.
            Err(error) => Leftover {
                name,
                removed: vec![],
                killed: vec![],
                foreign: false,
                stuck: Some(error.to_string()),
            },
        });
    }
    leftovers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(leftovers)
}

#[cfg(test)]
mod tests;
