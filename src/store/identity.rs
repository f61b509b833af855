//! What the file system says of a file, by which it is known again, and when that can be relied on.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::Digest;

/// For file systems that are not asked: whole seconds, since some count in those.
const COARSE_NANOSECONDS: i128 = 2_000_000_000;

/// Everything the file system says that changes when the content does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    mtime: Stamp,
    ctime: Stamp,
}

/// Seconds and nanoseconds.
type Stamp = (i64, i64);

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Of what has this name now; a link is not followed.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&path.symlink_metadata()?))
    }

    /// The key facts about this file are kept under.
    pub(super) fn key(&self) -> Digest {
        Digest::of(format!("{} {}", self.device, self.inode).as_bytes())
    }

    /// Whether it is the same file with the same content under perhaps another name: a new name, or one more,
    /// is a change of the file too, but not of its content.
    pub(super) fn is_but_renamed(&self, other: &Self) -> bool {
        Self { ctime: other.ctime, ..self.clone() } == *other
    }

    /// Whether it is the same, on a device that may have got another number.
    pub(super) fn is_but_for_its_device(&self, other: &Self) -> bool {
        Self { device: other.device, ..self.clone() } == *other
    }

    /// Whether a change from `now` on, a time of the clock that this file's times were taken from, may leave
    /// it the very identity that it has (git calls such entries racy).
    fn is_fresh(&self, now: Stamp) -> bool {
        self.mtime.max(self.ctime) >= now
    }
}

/// The time by the clock of a file system, and by the host's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    device: u64,
    stamp: Stamp,
    host: SystemTime,
}

impl Now {
    /// Asks the file system of a folder by making a file there that has no name; the host's own clock where
    /// that cannot be.
    pub(super) fn at(folder: &Path) -> Self {
        let host = SystemTime::now();
        let asked = tempfile::tempfile_in(folder).and_then(|file: File| Ok(Identity::of(&file.metadata()?)));
        match asked {
            Ok(asked) => Self { device: asked.device, stamp: asked.ctime, host },
            Err(_) => Self { device: 0, stamp: (0, 0), host },
        }
    }

    /// Whether any change of this file from now on gives it another identity.
    pub(super) fn is_after(&self, file: &Identity) -> bool {
        if self.device == file.device { !file.is_fresh(self.stamp) } else { self.is_long_after(file) }
    }

    /// The same by the host's clock, which need not be the file system's.
    fn is_long_after(&self, file: &Identity) -> bool {
        let nanoseconds = |(seconds, rest): Stamp| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let now = self
            .host
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0));
        nanoseconds(file.mtime.max(file.ctime)) + COARSE_NANOSECONDS < now
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn identity(mtime: i64, ctime: i64) -> Identity {
        Identity { device: 1, inode: 2, size: 3, mtime: (mtime, 0), ctime: (ctime, 0) }
    }

    #[test]
    fn the_host_s_clock_tells_of_whole_seconds() {
        let host = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let now = Now { device: 0, stamp: (0, 0), host };
        assert!(!now.is_after(&identity(100, 0)));
        assert!(!now.is_after(&identity(98, 0)));
        assert!(now.is_after(&identity(97, 0)));
        assert!(!now.is_after(&identity(500, 0)), "a time in the future says nothing");
    }

    #[test]
    fn the_file_system_s_own_clock_tells_of_its_ticks() {
        let now = Now { device: 1, stamp: (100, 5), host: SystemTime::UNIX_EPOCH };
        let at = |mtime, ctime| Identity { mtime, ctime, ..identity(0, 0) };
        assert!(now.is_after(&at((100, 4), (99, 9))));
        assert!(!now.is_after(&at((100, 5), (99, 9))), "changed within this very tick");
        assert!(!now.is_after(&at((99, 9), (100, 5))), "renamed within this very tick");
        assert!(!now.is_after(&at((100, 6), (99, 9))), "a time in the future says nothing");
        let elsewhere = Identity { device: 7, ..at((100, 4), (99, 9)) };
        assert!(!now.is_after(&elsewhere), "another file system has another clock");
    }

    #[test]
    fn a_new_name_is_no_other_content() {
        let file = identity(5, 6);
        assert!(file.is_but_renamed(&identity(5, 9)));
        assert!(!file.is_but_renamed(&identity(7, 9)));
        assert!(!file.is_but_renamed(&Identity { size: 4, ..identity(5, 6) }));
    }
}
