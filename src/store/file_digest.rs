//! Digests of large files, remembered by the file's identity.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Context, Digest, Result, Store, blob};

const KIND: &str = "file-v1";

/// A change so shortly before hashing could be followed by another one within the same time
/// stamp (git calls such entries racy). Whole seconds, since some file systems count in those.
const RACY_NANOSECONDS: i128 = 2_000_000_000;

/// Everything the file system says that changes when the content does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The key facts about this file are kept under.
    fn key(&self) -> Digest {
        Digest::of(format!("{} {}", self.device, self.inode).as_bytes())
    }

    fn is_racy(&self, now: SystemTime) -> bool {
        let nanoseconds =
            |(seconds, rest): (i64, i64)| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0));
        nanoseconds(self.mtime.max(self.ctime)) + RACY_NANOSECONDS >= now
    }
}

pub(super) fn digest_file(store: &Store, path: &Path) -> Result<Digest> {
    loop {
        let mut file = File::open(path).context("open", path)?;
        let before = Identity::of(&file.metadata().context("read", path)?);
        let key = before.key();
        if let Some((_, digest)) =
            store.facts().get::<(Identity, Digest)>(KIND, &key).filter(|(known, _)| *known == before)
        {
            return Ok(digest);
        }
        let started = SystemTime::now();
        let digest = blob::hash(&mut file).context("read", path)?;
        if Identity::of(&file.metadata().context("read", path)?) != before {
            continue; // written to while it was read: what was hashed never existed as a whole
        }
        if !before.is_racy(started) {
            store.facts().put(KIND, &key, &(before, digest))?;
        }
        return Ok(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn age(path: &Path) {
        let past = SystemTime::now() - Duration::from_hours(1);
        File::options().write(true).open(path).unwrap().set_modified(past).unwrap();
    }

    #[test]
    fn a_change_is_seen_even_with_the_old_size_and_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        let path = dir.path().join("disk");
        std::fs::write(&path, "one").unwrap();
        age(&path);
        assert_eq!(store.digest_file(&path).unwrap(), Digest::of(b"one"));
        std::fs::write(&path, "two").unwrap();
        age(&path);
        assert_eq!(store.digest_file(&path).unwrap(), Digest::of(b"two"));
    }

    #[test]
    fn only_a_file_at_rest_is_remembered() {
        let identity = |mtime| Identity { device: 1, inode: 2, size: 3, mtime: (mtime, 0), ctime: (0, 0) };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        assert!(identity(100).is_racy(now));
        assert!(identity(98).is_racy(now));
        assert!(!identity(97).is_racy(now));
        assert!(identity(500).is_racy(now), "a time in the future says nothing");
    }
}
