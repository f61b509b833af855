//! Working folders: locked by the process they belong to, with a journal of what exists outside
//! of them, so that whoever finds one without its process can clear everything it had made.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Context, ProcessName, Result, identity::Identity, own, swap::Swap};

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

/// What a journal came to.
#[derive(Debug, Default)]
struct Cleared {
    removed: Vec<PathBuf>,
    killed: Vec<u32>,
    foreign: bool,
}

/// Undoes a journal, newest entry first, and removes the folder; its lock must be held. Its lock
/// goes last, so that a sweep that is cut short is taken up by the next.
fn clear(folder: &Path) -> Result<Cleared> {
    // The last line may be cut off by a crash: then what it announced was not made yet.
    let journal = super::read_regular(&folder.join(JOURNAL), JOURNAL_LIMIT).unwrap_or_default();
    let entries: Vec<Entry> =
        journal.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let mut cleared = Cleared::default();
    match entries.split_first() {
        Some((Entry::Lock(lock), rest)) if is_lock_of(folder, lock) => undo(rest, &mut cleared)?,
        None => {}
        Some(_) => cleared.foreign = true,
    }
    for entry in std::fs::read_dir(folder).context("read", folder)? {
        let path = entry.context("read", folder)?.path();
        if path.file_name().is_none_or(|name| name != LOCK && name != JOURNAL) {
            remove(&path).context("remove", &path)?;
        }
    }
    for name in [JOURNAL, LOCK] {
        let path = folder.join(name);
        remove(&path).context("remove", &path)?;
    }
    std::fs::remove_dir(folder).context("remove", folder)?;
    Ok(cleared)
}

/// Whether the lock in a working folder is the one that was made with its journal. The number of a device may be
/// another after the host has booted again.
fn is_lock_of(folder: &Path, lock: &Identity) -> bool {
    Identity::at(&folder.join(LOCK)).is_ok_and(|found| lock.is_but_for_its_device(&found))
}

/// Undoes what a journal of this store names.
fn undo(entries: &[Entry], cleared: &mut Cleared) -> Result<()> {
    let is_root = |path: &Path| {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let known = entries.iter().find_map(|entry| match entry {
            Entry::Root { path, device, inode } if path == folder => Some((*device, *inode)),
            _ => None,
        });
        let found = folder.metadata().ok().map(|found| (found.dev(), found.ino()));
        // What was in a folder that is gone is gone.
        known.is_some() && (found == known || found.is_none())
    };
    let mut swapped = false;
    for entry in entries.iter().rev() {
        match entry {
            Entry::Process { process, group } => {
                if process.kill(*group) {
                    cleared.killed.push(process.pid);
                }
            }
            Entry::Path(path) if is_root(path) => {
                if remove(path).context("remove", path)? {
                    cleared.removed.push(path.clone());
                }
            }
            Entry::Swapped => swapped = true,
            Entry::Swap(swaps)
                if swaps.iter().all(|swap| is_root(swap.target()) && is_root(swap.staged())) =>
            {
                for swap in swaps.iter().rev() {
                    if swapped {
                        swap.finish()?;
                    } else if swap.undo()? {
                        cleared.removed.push(swap.target().to_owned());
                    }
                }
                swapped = false;
            }
            Entry::Path(_) | Entry::Swap(_) => cleared.foreign = true,
            Entry::Lock(_) | Entry::Root { .. } => {}
        }
    }
    Ok(())
}

/// Takes off what is mounted in a tree: a bootstrap that was killed while it ran as root leaves its mounts
/// behind, and removing files through them would reach the host's own. What stays mounted is an error.
fn detach(tree: &Path) -> io::Result<()> {
    let mut mounted = mounts_in(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default(), tree);
    // A mount lies on another that was made before it.
    mounted.reverse();
    mounted.iter().try_for_each(|point| Ok(nix::mount::umount2(point, nix::mount::MntFlags::MNT_DETACH)?))
}

/// Mount points below a folder, from the text of `mountinfo` (proc(5)), in its order.
fn mounts_in(mountinfo: &str, tree: &Path) -> Vec<PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(unescaped).filter(|point| point.starts_with(tree) && point != tree).collect()
}

/// A path of `mountinfo`, in which blanks and backslashes are written in octal.
fn unescaped(text: &str) -> PathBuf {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (octal, plain)| text.replace(octal, plain)).into()
}

/// Removes a file or a tree; false if there was none.
///
/// A root file system unpacked in a user namespace holds files of subordinate users, which their
/// owner on the host can only remove from within such a namespace.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if !metadata.is_dir() {
        return std::fs::remove_file(path).map(|()| true);
    }
    detach(path)?;
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let helper = std::process::Command::new("mmdebstrap")
                .args(["--unshare-helper", "rm", "-rf", "--"])
                .arg(path)
                .status();
            match helper {
                Ok(status) if status.success() => Ok(true),
                _ => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state a killed process leaves: files as they are, the lock given back by the kernel.
    fn crash(mut folder: WorkFolder) {
        folder.keep = true;
    }

    #[test]
    fn a_crash_is_cleared_by_the_next_sweep_and_by_no_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        let builds = dir.path().join("builds");
        let (inside, outside) = (builds.join("b1/disk"), dir.path().join("out.partial"));
        std::fs::create_dir(&builds).unwrap();
        let folder = WorkFolder::create(&builds, "b1").unwrap();
        folder.will_create(&outside).unwrap();
        std::fs::write(&inside, "x").unwrap();
        std::fs::write(&outside, "x").unwrap();

        assert_eq!(sweep(&builds).unwrap(), [], "its process is alive");
        assert!(inside.exists() && outside.exists());

        crash(folder);
        let cleared = Leftover {
            name: "b1".into(),
            removed: vec![outside.clone()],
            killed: vec![],
            foreign: false,
            stuck: None,
        };
        assert_eq!(sweep(&builds).unwrap(), [cleared]);
        assert!(!inside.exists() && !outside.exists() && !builds.join("b1").exists());
    }

    #[test]
    fn files_get_their_names_all_or_none_and_a_crash_changes_nothing_about_that() {
        let dir = tempfile::tempdir().unwrap();
        let (builds, out) = (dir.path().join("builds"), dir.path().join("out"));
        std::fs::create_dir(&builds).unwrap();
        std::fs::create_dir(&out).unwrap();
        let read = |name: &str| std::fs::read_to_string(out.join(name)).ok();
        let stage = |text: &str| {
            ["a", "b", "c"].map(|name| {
                let staged = out.join(format!("{name}.7.part"));
                std::fs::write(&staged, text).unwrap();
                (staged, out.join(name))
            })
        };
        let there = || std::fs::read_dir(&out).unwrap().count();

        let folder = WorkFolder::create(&builds, "b1").unwrap();
        folder.rename_all(&stage("one")).unwrap();
        crash(folder);
        sweep(&builds).unwrap();
        assert_eq!((read("a"), read("c"), there()), (Some("one".into()), Some("one".into()), 3));

        // The last one cannot have its name: known before anything is done, and only when it comes to it.
        let folder = WorkFolder::create(&builds, "b2").unwrap();
        std::fs::create_dir_all(out.join("taken/by a folder")).unwrap();
        let mut files = stage("two");
        files[2].1 = out.join("taken");
        assert!(folder.rename_all(&files).is_err(), "a folder has that name");
        std::fs::write(out.join("c.7.old"), "another's").unwrap();
        assert!(folder.rename_all(&stage("two")).is_err(), "what is there cannot be kept");
        assert_eq!(
            ["a", "b", "c", "c.7.old"].map(read),
            ["one", "one", "one", "another's"].map(|text| Some(text.into()))
        );
        std::fs::remove_file(out.join("c.7.old")).unwrap();
        // The process ends in the middle.
        let files = stage("three");
        let swaps: Vec<Swap> = files.iter().map(|(from, to)| Swap::plan(from, to).unwrap()).collect();
        folder.know_root(&files[0].0).unwrap();
        folder.append(&Entry::Swap(swaps.clone())).unwrap();
        for swap in &swaps[..2] {
            swap.run().unwrap();
        }
        assert_eq!(read("b"), Some("three".into()));
        crash(folder);
        let cleared = sweep(&builds).unwrap();
        assert_eq!(cleared[0].removed, [out.join("b"), out.join("a")]);
        assert_eq!(["a", "b", "c"].map(read), ["one"; 3].map(|text| Some(text.into())));
    }

    #[test]
    fn a_process_in_the_journal_is_killed_and_a_namesake_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let folder = WorkFolder::create(dir.path(), "b1").unwrap();
        folder.started(child.id()).unwrap();
        let namesake = ProcessName { started: 1, ..ProcessName::own() };
        folder.append(&Entry::Process { process: namesake, group: false }).unwrap();
        crash(folder);
        assert_eq!(sweep(dir.path()).unwrap()[0].killed, [child.id()]);
        assert!(!child.wait().unwrap().success());
    }

    /// What a journal from elsewhere names: a folder with a file, and a process.
    struct Victims {
        dir: tempfile::TempDir,
        process: std::process::Child,
    }

    impl Victims {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("victim")).unwrap();
            std::fs::write(dir.path().join("victim/file"), "precious").unwrap();
            Self { dir, process: std::process::Command::new("sleep").arg("1000").spawn().unwrap() }
        }

        fn fill(&self, folder: &WorkFolder) {
            folder.will_create(&self.dir.path().join("victim")).unwrap();
            folder.started(self.process.id()).unwrap();
        }

        fn are_well(&mut self) -> bool {
            self.dir.path().join("victim/file").exists() && self.process.try_wait().unwrap().is_none()
        }
    }

    impl Drop for Victims {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    #[test]
    fn a_journal_from_elsewhere_is_not_obeyed() {
        let (dir, mut victims) = (tempfile::tempdir().unwrap(), Victims::new());
        let builds = dir.path().join("builds");
        std::fs::create_dir(&builds).unwrap();
        let folder = WorkFolder::create(dir.path(), "original").unwrap();
        victims.fill(&folder);
        let original = std::fs::read_to_string(folder.path().join(JOURNAL)).unwrap();
        let (head, rest) = original.split_once('\n').unwrap();
        let bare = format!("{{\"path\":\"{}/victim\"}}\n", victims.dir.path().display());
        // As it is, without its beginning, with the beginning alone, and as somebody would write it by hand.
        for journal in [&original, rest, &format!("{head}\n"), &bare] {
            let copy = builds.join("copy");
            std::fs::create_dir(&copy).unwrap();
            std::fs::write(copy.join(LOCK), "").unwrap();
            std::fs::write(copy.join(JOURNAL), journal).unwrap();
            let cleared = sweep(&builds).unwrap();
            assert_eq!((cleared.len(), cleared[0].foreign), (1, true), "{journal}");
            assert!(cleared[0].removed.is_empty() && cleared[0].killed.is_empty() && victims.are_well());
            assert!(!copy.exists());
        }
        // The same in its own place is.
        crash(folder);
        let cleared = sweep(dir.path()).unwrap();
        assert!(!cleared.iter().any(|one| one.name == "original" && one.foreign));
        assert!(!victims.are_well());
    }

    #[test]
    fn a_folder_that_was_changed_for_another_is_not_cleared() {
        let (dir, mut victims) = (tempfile::tempdir().unwrap(), Victims::new());
        let out = dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let folder = WorkFolder::create(dir.path(), "b1").unwrap();
        folder.will_create(&out.join("victim")).unwrap();
        crash(folder);
        std::fs::remove_dir(&out).unwrap();
        std::os::unix::fs::symlink(victims.dir.path(), &out).unwrap();
        let cleared = sweep(dir.path()).unwrap();
        assert!(cleared[0].foreign && cleared[0].removed.is_empty() && victims.are_well());
    }

    #[test]
    fn a_path_below_no_root_of_the_journal_is_left_alone() {
        let (dir, mut victims) = (tempfile::tempdir().unwrap(), Victims::new());
        let folder = WorkFolder::create(dir.path(), "b1").unwrap();
        folder.append(&Entry::Path(victims.dir.path().join("victim"))).unwrap();
        crash(folder);
        assert!(sweep(dir.path()).unwrap()[0].foreign && victims.are_well());
    }

    #[test]
    fn a_process_that_ends_by_force_clears_up() {
        let dir = tempfile::tempdir().unwrap();
        let folder = WorkFolder::create(dir.path(), "b1").unwrap();
        let outside = dir.path().join("outside");
        folder.will_create(&outside).unwrap();
        std::fs::write(&outside, "").unwrap();
        // Other tests of this process have folders too: only this one.
        let _ = clear(folder.path());
        assert!(!outside.exists() && !folder.path().exists());
        crash(folder);
    }

    #[test]
    fn a_journal_cut_in_the_middle_of_a_line_is_read_up_to_there() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("file");
        std::fs::write(&kept, "x").unwrap();
        let folder = WorkFolder::create(dir.path(), "b1").unwrap();
        folder.will_create(&kept).unwrap();
        (&folder.journal).write_all(b"{\"path\":\"/no").unwrap();
        drop(folder);
        assert!(!kept.exists() && !dir.path().join("b1").exists());
    }

    #[test]
    fn a_sweep_that_is_cut_short_is_taken_up_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let folder = WorkFolder::create(dir.path(), "b1").unwrap();
        for name in [JOURNAL, LOCK] {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        crash(folder);
        assert_eq!(sweep(dir.path()).unwrap(), []);
        assert!(!dir.path().join("b1").exists());
    }

    #[test]
    fn a_kept_folder_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = WorkFolder::create(dir.path(), "b1").unwrap();
        std::fs::write(folder.path().join("disk"), "x").unwrap();
        let path = folder.keep().unwrap();
        assert_eq!(sweep(dir.path()).unwrap(), []);
        assert!(path.join("disk").exists());
    }

    #[test]
    fn what_is_mounted_in_a_tree_is_found() {
        let info = "22 1 0:20 / / rw - ext4 /dev/vda rw\n\
            80 22 0:30 / /dev/shm/a rw - tmpfs none rw\n\
            81 80 0:31 / /dev/shm/a/b\\040c/proc ro - proc none rw\n\
            82 81 0:32 / /dev/shm/ab rw - tmpfs none rw\n";
        assert_eq!(mounts_in(info, Path::new("/dev/shm/a")), [Path::new("/dev/shm/a/b c/proc")]);
    }

    #[test]
    fn what_cannot_be_cleared_keeps_nobody_from_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b1", "b2"] {
            let folder = WorkFolder::create(dir.path(), name).unwrap();
            if name == "b1" {
                // Nothing can be removed there, whoever tries.
                folder.will_create(Path::new("/proc/self/status")).unwrap();
            }
            crash(folder);
        }
        let leftovers = sweep(dir.path()).unwrap();
        assert_eq!(leftovers.iter().map(|one| one.stuck.is_some()).collect::<Vec<_>>(), [true, false]);
        assert!(dir.path().join("b1").exists() && !dir.path().join("b2").exists());
    }
}
