//! Immutable files named by their content.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{Context, Digest, Result, Store, StoreError};

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

    /// The blob's file, if the store has it. Its content was verified when it came in.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.path(digest);
        // The file's time is the time of last use; a store that is read-only still serves.
        let file =
            File::open(&path).ok().filter(|file| file.metadata().is_ok_and(|found| found.is_file()))?;
        let _ = file.set_times(std::fs::FileTimes::new().set_accessed(std::time::SystemTime::now()));
        Some(path)
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
        std::fs::create_dir_all(parent).context("create", parent)
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
