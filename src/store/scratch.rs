//! Room outside the store for work in a user namespace.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

use super::{Context, Result, StoreError, WorkFolder, work};

/// Memory that stays free when work is done in memory.
const RESERVE: u64 = 2 << 30;

/// A private folder: what is made in it may have set-user-id programs of this user. It goes when dropped, with files of
/// subordinate users in it, and is in this process's journal for the case of a crash.
#[derive(Debug)]
pub struct Scratch<'a> {
    journal: &'a WorkFolder,
    path: PathBuf,
}

impl<'a> Scratch<'a> {
    pub(super) fn create(journal: &'a WorkFolder, room: u64) -> Result<Self> {
        let parent = choose(room)?;
        // The name is in the journal before the folder is there; nobody else makes one of that name.
        let dir = tempfile::Builder::new().prefix("imgfile-").rand_bytes(12).make_in(&parent, |path| {
            journal.will_create(path).map_err(std::io::Error::other)?;
            std::fs::create_dir(path)
        });
        let ((), path) = dir
            .context("create a folder in", &parent)?
            .keep()
            .map_err(|e| e.error)
            .context("keep", &parent)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o700)).context("change", &path)?;
        Ok(Self { journal, path })
    }

    /// Where it is: below `/dev/shm`, `$TMPDIR`, `/var/tmp` or `/tmp`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names the leader of a process group that works here and must not outlive this process.
    pub fn started_group(&self, pid: u32) -> Result<()> {
        self.journal.started_group(pid)
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is in the journal.
        let _ = work::remove(&self.path);
    }
}

/// Memory, if there is plenty: setting up a system writes many small files. Else the disk.
fn choose(room: u64) -> Result<PathBuf> {
    let memory = Path::new("/dev/shm");
    if free(memory) >= room && available_memory() >= room + RESERVE {
        return Ok(memory.to_owned());
    }
    let set = std::env::var_os("TMPDIR").map(PathBuf::from);
    let candidates: Vec<PathBuf> = set.into_iter().chain(["/var/tmp".into(), "/tmp".into()]).collect();
    let found = candidates.iter().find(|path| free(path) >= room);
    found.cloned().ok_or_else(|| StoreError::Io {
        action: "find room in",
        path: candidates.first().cloned().unwrap_or_default(),
        source: std::io::ErrorKind::StorageFull.into(),
    })
}

/// Bytes that may be written below `path`; 0 where programs could not be run.
fn free(path: &Path) -> u64 {
    match statvfs(path) {
        Ok(stat) if !stat.flags().intersects(FsFlags::ST_NOEXEC | FsFlags::ST_RDONLY) => {
            stat.blocks_available() * stat.fragment_size()
        }
        _ => 0,
    }
}

/// Bytes of memory that can be had without swapping (proc(5), MemAvailable).
fn available_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use crate::store::Store;

    #[test]
    fn scratch_is_gone_afterwards_and_known_to_the_journal_before() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let scratch = store.scratch(1).unwrap();
        let path = scratch.path().to_owned();
        std::fs::create_dir_all(path.join("a/b")).unwrap();
        let journal = std::fs::read_to_string(store.session.path().join("journal")).unwrap();
        assert!(journal.contains(path.to_str().unwrap()), "{journal}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn more_room_than_there_is_is_refused_as_a_full_disk() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert!(store.scratch(u64::MAX / 2).unwrap_err().is_full());
    }
}
