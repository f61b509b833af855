//! Clears what a journal names, of a process that is gone.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Entry, JOURNAL, JOURNAL_LIMIT, LOCK};
use crate::store::{Context, Result, identity::Identity};

/// What a journal came to.
#[derive(Debug, Default)]
pub(super) struct Cleared {
    pub removed: Vec<PathBuf>,
    pub killed: Vec<u32>,
    pub foreign: bool,
}

/// Undoes a journal, newest entry first, and removes the folder; its lock must be held. Its lock
/// goes last, so that a sweep that is cut short is taken up by the next.
pub(super) fn clear(folder: &Path) -> Result<Cleared> {
    // The last line may be cut off by a crash: then what it announced was not made yet.
    let journal = crate::store::read_regular(&folder.join(JOURNAL), JOURNAL_LIMIT).unwrap_or_default();
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
pub(super) fn mounts_in(mountinfo: &str, tree: &Path) -> Vec<PathBuf> {
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
pub(in crate::store) fn remove(path: &Path) -> io::Result<bool> {
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
