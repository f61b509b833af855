//! The locks by which QEMU's processes tell each other what they do with a disk file: bytes of the file, locked for the open
//! file description (QEMU's block/file-posix.c). Whoever writes has a lock on one byte, whoever minds has one on another.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// `RAW_LOCK_PERM_BASE` and `RAW_LOCK_SHARED_BASE`, each with the bit of `BLK_PERM_WRITE` added.
const WRITES: i64 = 100 + 1;
const MINDS_WRITERS: i64 = 200 + 1;

/// Opens a file so that no QEMU begins to write to it; nothing where one writes to it already.
pub(super) fn against_writers(path: &Path) -> io::Result<Option<File>> {
    let file = File::open(path)?;
    fcntl(&file, FcntlArg::F_OFD_SETLK(&byte(libc::F_RDLCK, MINDS_WRITERS)))?;
    // After that, so that none begins between.
    let mut others = byte(libc::F_WRLCK, WRITES);
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut others))?;
    let is_free = i32::from(others.l_type) == libc::F_UNLCK;
    Ok(is_free.then_some(file))
}

fn byte(kind: i32, at: i64) -> libc::flock {
    libc::flock {
        // The constants are small numbers of another width.
        l_type: i16::try_from(kind).unwrap_or_default(),
        l_whence: 0,
        l_start: at,
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_somebody_writes_to_is_not_held_and_a_held_one_is_seen_by_writers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = File::open(file.path()).unwrap();
        let held = against_writers(file.path()).unwrap();
        assert!(held.is_some());
        // As QEMU asks before it writes.
        let mut minds = byte(libc::F_WRLCK, MINDS_WRITERS);
        fcntl(&writer, FcntlArg::F_OFD_GETLK(&mut minds)).unwrap();
        assert_eq!(i32::from(minds.l_type), libc::F_RDLCK);
        drop(held);
        fcntl(&writer, FcntlArg::F_OFD_SETLK(&byte(libc::F_RDLCK, WRITES))).unwrap();
        assert!(against_writers(file.path()).unwrap().is_none());
        drop(writer);
        assert!(against_writers(file.path()).unwrap().is_some());
    }
}
