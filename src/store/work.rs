//! Working folders: locked by the process they belong to, with a journal of what exists outside
//! of them, so that whoever finds one without its process can clear everything it had made.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::{Context, Result, process::start_time, swap::Swap};

/// Held by the process the folder belongs to.
const LOCK: &str = "lock";
const JOURNAL: &str = "journal";

/// A name under which a folder is prepared before its lock is held; never swept while young.
const UNBORN: &str = ".new-";
/// The few system calls between making an unborn folder and naming it take no longer than this.
const UNBORN_SECONDS: u64 = 600;

/// One thing that a crash would leave behind, written before the thing is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Entry {
    /// A file or folder outside the working folder.
    Path(PathBuf),
    /// A process, named with its start time since numbers are used again; `group` says that it
    /// leads a process group that goes with it.
    Process { pid: u32, started: u64, group: bool },
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
    /// Why not all of it could be cleared; the next sweep tries again.
    pub stuck: Option<String>,
}

impl std::fmt::Display for Leftover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.stuck {
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
        let lock = File::create_new(&lock_path).context("create", &lock_path)?;
        lock.lock().context("lock", &lock_path)?;
        let journal_path = unborn.path().join(JOURNAL);
        let journal = File::options()
            .create_new(true)
            .append(true)
            .open(&journal_path)
            .context("create", &journal_path)?;
        let random = unborn.path().file_name().unwrap_or_default().to_string_lossy().replace(UNBORN, "");
        let path = parent.join(name(&random));
        std::fs::rename(unborn.path(), &path).context("create", &path)?;
        let _ = unborn.keep();
        Ok(Self { path, journal, _lock: lock, keep: false })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Promises that `path`, outside this folder, goes if this process dies. Call it before
    /// making the path. A path renamed away afterwards is gone from here and so is safe.
    pub fn will_create(&self, path: &Path) -> Result<()> {
        self.append(&Entry::Path(path.to_owned()))
    }

    /// Gives complete files their final names, in the folders they are in: all of them or none, with what had
    /// those names before in its place again; the next sweep sees to that if this process dies.
    pub fn rename_all(&self, files: &[(PathBuf, PathBuf)]) -> Result<()> {
        if let [(staged, target)] = files {
            return std::fs::rename(staged, target).context("write", target);
        }
        let swaps =
            files.iter().map(|(staged, target)| Swap::plan(staged, target)).collect::<Result<Vec<_>>>()?;
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
        match start_time(pid) {
            Some(started) => self.append(&Entry::Process { pid, started, group }),
            None => Ok(()), // gone already
        }
    }

    fn append(&self, entry: &Entry) -> Result<()> {
        let path = self.path.join(JOURNAL);
        let mut line = serde_json::to_vec(entry).map_err(io::Error::from).context("write", &path)?;
        line.push(b'\n');
        (&self.journal).write_all(&line).context("write", &path)?;
        self.journal.sync_data().context("write", &path)
    }

    /// Leaves the folder to whoever wants to look at it (`--on-failure keep`): its journal is
    /// emptied and its lock removed, so that no sweep touches it.
    pub fn keep(mut self) -> Result<PathBuf> {
        self.keep = true;
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
            // What cannot be removed now is still in the journal, for the next process's sweep.
            let _ = clear(&self.path);
        }
    }
}

/// Whether some working folder in `parent` belongs to a process that runs.
pub(super) fn any_in_use(parent: &Path) -> Result<bool> {
    for entry in std::fs::read_dir(parent).context("read", parent)?.flatten() {
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the folders that were kept on purpose, see [`WorkFolder::keep`]; returns their names.
pub(super) fn remove_kept(parent: &Path) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for entry in std::fs::read_dir(parent).context("read", parent)?.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if !name.starts_with(UNBORN) && path.is_dir() && !path.join(LOCK).exists() {
            remove(&path).context("remove", &path)?;
            removed.push(name);
        }
    }
    Ok(removed)
}

/// Clears every working folder in `parent` whose process is gone.
pub(super) fn sweep(parent: &Path) -> Result<Vec<Leftover>> {
    let mut leftovers = Vec::new();
    for entry in std::fs::read_dir(parent).context("read", parent)? {
        let entry = entry.context("read", parent)?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(UNBORN) {
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|then| then.elapsed().ok());
            if age.is_some_and(|age| age.as_secs() > UNBORN_SECONDS) {
                let _ = std::fs::remove_dir_all(&path);
            }
            continue;
        }
        // A folder without a lock was kept on purpose, unless it is empty: then a sweep was cut short just
        // before its end. A file (a partial download) is no folder.
        let Ok(lock) = File::open(path.join(LOCK)) else {
            let _ = std::fs::remove_dir(&path);
            continue;
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => return Err(error).context("lock", &path),
        }
        leftovers.push(match clear(&path) {
            Ok((removed, killed)) => Leftover { name, removed, killed, stuck: None },
            // It stays in the journal, and must not keep everything else from working.
            Err(error) => Leftover { name, removed: vec![], killed: vec![], stuck: Some(error.to_string()) },
        });
    }
    leftovers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(leftovers)
}

/// Undoes a journal, newest entry first, and removes the folder; its lock must be held. Its lock
/// goes last, so that a sweep that is cut short is taken up by the next.
fn clear(folder: &Path) -> Result<(Vec<PathBuf>, Vec<u32>)> {
    let journal_path = folder.join(JOURNAL);
    let journal = std::fs::read(&journal_path).unwrap_or_default();
    let (mut removed, mut killed) = (Vec::new(), Vec::new());
    let mut swapped = false;
    let lines: Vec<&[u8]> = journal.split(|&byte| byte == b'\n').collect();
    for line in lines.into_iter().rev() {
        // The last line may be cut off by a crash: then what it announced was not made yet.
        match serde_json::from_slice(line) {
            Ok(Entry::Process { pid, started, group }) if start_time(pid) == Some(started) => {
                if let Ok(number) = i32::try_from(pid) {
                    let target = Pid::from_raw(if group { -number } else { number });
                    let _ = kill(target, Signal::SIGKILL);
                }
                killed.push(pid);
            }
            Ok(Entry::Path(path)) => {
                if remove(&path).context("remove", &path)? {
                    removed.push(path);
                }
            }
            Ok(Entry::Swapped) => swapped = true,
            Ok(Entry::Swap(swaps)) => {
                for swap in swaps.iter().rev() {
                    if swapped {
                        swap.finish()?;
                    } else if swap.undo()? {
                        removed.push(swap.target().to_owned());
                    }
                }
                swapped = false;
            }
            Ok(Entry::Process { .. }) | Err(_) => {}
        }
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
    Ok((removed, killed))
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
        let cleared =
            Leftover { name: "b1".into(), removed: vec![outside.clone()], killed: vec![], stuck: None };
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
        folder.append(&Entry::Process { pid: std::process::id(), started: 1, group: false }).unwrap();
        crash(folder);
        assert_eq!(sweep(dir.path()).unwrap()[0].killed, [child.id()]);
        assert!(!child.wait().unwrap().success());
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
