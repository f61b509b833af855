//! A download in the making, kept beside the blobs until it is whole.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha512};
use tokio::time::Instant;

use super::error::FetchError;
use crate::store::{Digest, Store, StoreError, folder, own};

/// How long a process waits for another one that downloads the same, before it does so itself: what comes from a quick
/// server is there by then, and one that another project has named may never end.
pub(super) const WAITS_FOR_OTHERS: Duration = Duration::from_secs(30);
/// How often it looks.
const LOOKS: Duration = Duration::from_millis(50);

/// A download in the making, locked: processes that want the same file wait for each other, but not for ever.
pub(super) struct Partial {
    file: std::fs::File,
    pub(super) path: PathBuf,
    /// Bytes that are there.
    pub(super) len: u64,
}

impl Partial {
    pub(super) async fn open(store: &Arc<Store>, digest: Digest) -> Result<Self, FetchError> {
        let mut path = store.blobs().partial(&digest);
        let failed = |path: &Path, source| StoreError::Io { action: "open", path: path.to_owned(), source };
        let begun = Instant::now();
        loop {
            if let Some((file, len)) = Self::locked(&path).map_err(|source| failed(&path, source))? {
                return Ok(Self { file, path, len });
            }
            if begun.elapsed() < WAITS_FOR_OTHERS {
                tokio::time::sleep(LOOKS).await;
            } else {
                path = path.with_extension(format!("{}.partial", folder::unguessable()));
            }
        }
    }

    /// The file and its length, unless another process has it.
    fn locked(path: &Path) -> std::io::Result<Option<(std::fs::File, u64)>> {
        use std::os::unix::fs::MetadataExt;
        let file = own::options().create(true).append(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
        // Whoever held the lock may have taken the file away meanwhile.
        let own = file.metadata()?;
        let is_there = std::fs::metadata(path).is_ok_and(|there| there.ino() == own.ino());
        Ok(is_there.then_some((file, own.len())))
    }

    pub(super) fn restart(&mut self) -> Result<(), FetchError> {
        self.len = 0;
        self.file.set_len(0).map_err(|source| self.failed(source))
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.len += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|source| self.failed(source))
    }

    /// Nothing is kept of a download of which nothing has come; what has come is for the next try.
    pub(super) fn clear(&self) {
        if self.len == 0 {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn failed(&self, source: std::io::Error) -> FetchError {
        StoreError::Io { action: "write", path: self.path.clone(), source }.into()
    }

    /// Makes the whole file a blob if it has this digest; its own digest is the answer.
    pub(super) async fn admit(
        &self,
        store: &Arc<Store>,
        sha512: [u8; 64],
    ) -> Result<Option<Digest>, FetchError> {
        let (store, path) = (Arc::clone(store), self.path.clone());
        let taken = tokio::task::spawn_blocking(move || {
            let mut hash = Sha512::new();
            let mut file = std::fs::File::open(&path)?;
            let mut buffer = vec![0; 1 << 18];
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    n => hash.update(&buffer[..n]),
                }
            }
            if <[u8; 64]>::from(hash.finalize()) != sha512 {
                return Ok(None);
            }
            let sha256 = store.digest_file(&path).map_err(std::io::Error::other)?;
            store.blobs().adopt(&path, &sha256).map_err(std::io::Error::other)?;
            Ok(Some(sha256))
        });
        let taken = taken.await.map_err(std::io::Error::other).and_then(|taken| taken);
        taken.map_err(|source| self.failed(source))
    }

    /// Verifies the whole file and makes it a blob; a wrong one is removed.
    pub(super) async fn adopt(
        &mut self,
        store: &Arc<Store>,
        digest: Digest,
        url: &str,
    ) -> Result<PathBuf, FetchError> {
        let (store, path) = (Arc::clone(store), self.path.clone());
        let adopted = tokio::task::spawn_blocking(move || store.blobs().adopt(&path, &digest)).await;
        match adopted {
            Ok(Ok(path)) => Ok(path),
            Ok(Err(StoreError::Mismatch { expected, actual, .. })) => {
                Err(FetchError::Wrong { url: url.to_owned(), expected, actual })
            }
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(self.failed(std::io::Error::other(error))),
        }
    }
}
