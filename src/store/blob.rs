//! Immutable files named by their content.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{
    Context, Digest, Result, Store, StoreError,
    identity::{Identity, Now},
    own,
    process::boot_id,
};

/// What a blob's file was when its content was last read, and under which boot of the host.
const KIND: &str = "blob-v1";
/// How well its last use is known: to note it changes what the file system says of the file.
const USED_LATELY: Duration = Duration::from_mins(30);

/// The blobs of a store: a file is there whole and right, or not at all.
#[derive(Debug, Clone, Copy)]
pub struct Blobs<'a> {
    store: &'a Store,
}

impl<'a> Blobs<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store }
    }

    /// Where the blob is or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        self.store.root().join("blobs/sha256").join(&hex[..2]).join(&hex)
    }

    /// The blob's file, if the store has it and it is what its name says: it is read again when the file system
    /// says something else of it than then, and after another boot of the host. One with another content is
    /// removed.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.path(digest);
        let found = path.symlink_metadata().ok()?;
        if !found.is_file() {
            return None;
        }
        let known = self.store.facts().get::<(String, Identity)>(KIND, digest);
        let known = known.is_some_and(|known| known == (boot_id(), Identity::of(&found)));
        if !(known || self.is_as_kept(digest) && own::private(&path).is_ok()) {
            self.store.note(format!("the file {} is not as it was kept: it is fetched anew", digest.short()));
            let _ = std::fs::remove_file(&path);
            return None;
        }
        // The file's time is the time of last use; a store that is read-only still serves.
        let used = found.accessed().is_ok_and(|used| super::shrink::age_of(used) < USED_LATELY);
        if !used && let Ok(file) = File::open(&path) {
            let _ = file.set_times(std::fs::FileTimes::new().set_accessed(std::time::SystemTime::now()));
        }
        if (!known || !used)
            && let Ok(found) = path.symlink_metadata().map(|found| Identity::of(&found))
            && Now::at(path.parent().unwrap_or(self.store.root())).is_after(&found)
        {
            let _ = self.store.facts().put(KIND, digest, &(boot_id(), found));
        }
        Some(path)
    }

    /// Whether a blob's content is what its name says; reads all of it.
    #[must_use]
    pub fn is_as_kept(&self, digest: &Digest) -> bool {
        let file = File::open(self.path(digest));
        file.and_then(|mut file| hash(&mut file)).is_ok_and(|found| found == *digest)
    }

    /// Every blob, whatever is in it.
    #[must_use]
    pub fn list(&self) -> Vec<Digest> {
        let files = walkdir::WalkDir::new(self.store.root().join("blobs/sha256")).sort_by_file_name();
        files.into_iter().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// Where a download of this blob is collected. The file survives its process, so that the
    /// next one can resume; whoever writes must hold a lock on it ([`File::lock`]).
    #[must_use]
    pub fn partial(&self, digest: &Digest) -> PathBuf {
        self.store.root().join("tmp").join(format!("{digest}.partial"))
    }

    /// Takes in bytes.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let mut writer = self.writer()?;
        writer.write_all(bytes).context("write", writer.path())?;
        writer.finish(None)
    }

    /// Takes in everything `reader` gives; with `expected`, only if it is that.
    pub fn put_reader(&self, reader: &mut impl Read, expected: Option<&Digest>) -> Result<Digest> {
        let mut writer = self.writer()?;
        io::copy(reader, &mut writer).context("write", writer.file.path())?;
        writer.finish(expected)
    }

    /// A blob in the making; nothing is kept unless [`BlobWriter::finish`] is reached.
    pub fn writer(&self) -> Result<BlobWriter<'a>> {
        Ok(BlobWriter { blobs: *self, file: self.store.temp_file()?, hash: Sha256::new() })
    }

    /// Moves a complete file on the store's file system in under its digest, which is checked
    /// first; a file with another content is removed.
    pub fn adopt(&self, path: &Path, expected: &Digest) -> Result<PathBuf> {
        let mut file = File::open(path).context("open", path)?;
        let actual = hash(&mut file).context("read", path)?;
        if actual != *expected {
            std::fs::remove_file(path).context("remove", path)?;
            return Err(StoreError::Mismatch {
                what: path.display().to_string(),
                expected: *expected,
                actual,
            });
        }
        let to = self.path(expected);
        self.make_parent(&to)?;
        std::fs::rename(path, &to).context("rename into the store", path)?;
        Ok(to)
    }

    /// Forgets a blob; one that is not there is fine.
    pub fn remove(&self, digest: &Digest) -> Result<()> {
        let path = self.path(digest);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context("remove", &path),
            _ => Ok(()),
        }
    }

    fn make_parent(self, path: &Path) -> Result<()> {
        let parent = path.parent().unwrap_or(self.store.root());
        own::folder(parent)
    }
}

/// Digest of all that is left in `reader`.
pub(super) fn hash(reader: &mut impl Read) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(Digest::from_bytes(hash.finalize().into())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Writes a blob; dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    blobs: Blobs<'a>,
    file: tempfile::NamedTempFile,
    hash: Sha256,
}

impl BlobWriter<'_> {
    /// Where the bytes are before they are a blob.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Makes the blob appear. With `expected`, a content with another digest is an error and is
    /// forgotten.
    pub fn finish(self, expected: Option<&Digest>) -> Result<Digest> {
        let actual = Digest::from_bytes(self.hash.finalize().into());
        if let Some(expected) = expected.filter(|expected| **expected != actual) {
            return Err(StoreError::Mismatch { what: "the content".into(), expected: *expected, actual });
        }
        let to = self.blobs.path(&actual);
        self.blobs.make_parent(&to)?;
        self.file.persist(&to).map_err(|error| error.error).context("write", &to)?;
        Ok(actual)
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        (dir, store)
    }

    #[test]
    fn what_goes_in_comes_out_under_its_digest() {
        let (_dir, store) = store();
        let digest = store.blobs().put(b"hello").unwrap();
        assert_eq!(digest.to_string(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        assert_eq!(std::fs::read(store.blobs().get(&digest).unwrap()).unwrap(), b"hello");
        store.blobs().remove(&digest).unwrap();
        assert_eq!(store.blobs().get(&digest), None);
    }

    #[test]
    fn another_content_than_promised_is_refused_and_leaves_nothing() {
        let (_dir, store) = store();
        let expected = Digest::of(b"right");
        let refused = store.blobs().put_reader(&mut &b"wrong"[..], Some(&expected));
        assert!(matches!(refused, Err(StoreError::Mismatch { .. })), "{refused:?}");
        let partial = store.blobs().partial(&expected);
        std::fs::write(&partial, b"wrong").unwrap();
        assert!(store.blobs().adopt(&partial, &expected).is_err());
        assert!(!partial.exists());
        let files = std::fs::read_dir(store.session.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = files.filter(|name| name != "lock" && name != "journal").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
