//! Bases made on this machine, each made once.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Context, Digest, Result, Store, StoreError, is_named, own, seal::Seal};

const DISK: &str = "disk.qcow2";
const META: &str = "meta.json";
/// Locked by builds that use the base; its time is that of the last use.
const USED: &str = "used";

/// The bases of a store, by key: the digest of the recipe and of its exact packages.
#[derive(Debug, Clone, Copy)]
pub struct Bases<'a> {
    store: &'a Store,
}

/// A finished base, held in use: nobody removes it while this lives. Its files never change; builds put
/// overlays on them.
#[derive(Debug, Clone)]
pub struct Base {
    /// What it is kept under: the digest of its recipe.
    pub key: Digest,
    /// The disk, qcow2.
    pub disk: PathBuf,
    meta: PathBuf,
    /// Shared; removal wants it for itself. None in a store that cannot be written, where nobody removes.
    _lock: Option<Arc<File>>,
}

impl Base {
    /// What its maker wrote about it.
    pub fn meta<T: DeserializeOwned>(&self) -> Result<T> {
        let bytes = std::fs::read(&self.meta).context("read", &self.meta)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| StoreError::Damaged { path: self.meta.clone(), reason: error.to_string() })
    }
}

/// The answer to [`Bases::try_claim`].
#[derive(Debug)]
pub enum BaseSlot<'a> {
    /// It is there, and held in use.
    Ready(Base),
    /// Nobody has made it: the caller must, or drop this.
    Missing(NewBase<'a>),
}

impl<'a> Bases<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store }
    }

    fn folder(self, key: &Digest) -> PathBuf {
        self.store.root().join("bases").join(key.to_string())
    }

    /// The base, held in use, if it was made here and is as it was kept. One that is not is removed, with the
    /// layers that stand on it.
    #[must_use]
    pub fn get(&self, key: &Digest) -> Option<Base> {
        let base = self.hold(key)?;
        if Seal::holds(&self.folder(key), DISK, false) {
            return Some(base);
        }
        drop(base);
        self.discard(key);
        None
    }

    /// Path of a base's disk, whether it exists or not.
    pub(super) fn disk(self, key: &Digest) -> PathBuf {
        self.folder(key).join(DISK)
    }

    /// Every base that was made here, whatever is in it.
    pub fn list(&self) -> Result<Vec<Digest>> {
        let root = self.store.root().join("bases");
        let entries = std::fs::read_dir(&root).context("read", &root)?.flatten();
        let mut keys: Vec<Digest> =
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        keys.sort();
        Ok(keys)
    }

    /// BLAKE3 of a base's file, as it was when it was kept: what names its content, since bases stand on nothing.
    #[must_use]
    pub fn content(&self, key: &Digest) -> Option<Digest> {
        Seal::digest(&self.folder(key))
    }

    /// Whether a base is as it was kept; reads all of it.
    #[must_use]
    pub fn is_as_kept(&self, base: &Base) -> bool {
        Seal::holds(&self.folder(&base.key), DISK, true)
    }

    /// Removes a base that is not what was kept. Builds that use it have its files open.
    pub(super) fn discard(self, key: &Digest) {
        self.store.note(format!("the base {} is not as it was kept: it is made anew", key.short()));
        self.store.layers().discard_on(key);
        // What cannot be moved is found again, and not used then either.
        if let Ok(temp) = self.store.temp_dir("damaged") {
            let _ = std::fs::rename(self.folder(key), temp.path().join("gone"));
        }
    }

    /// The base, held in use, whatever is in it.
    #[must_use]
    pub fn hold(&self, key: &Digest) -> Option<Base> {
        let folder = self.folder(key);
        let (disk, path) = (folder.join(DISK), folder.join(USED));
        loop {
            disk.is_file().then_some(())?;
            let opened = own::options().create(true).truncate(false).write(true).open(&path);
            let lock = match opened.or_else(|_| File::open(&path)) {
                Ok(lock) => lock,
                // Removed just now, or nothing can be written here.
                Err(_) if !disk.is_file() => return None,
                Err(_) => return Some(Base { key: *key, disk, meta: folder.join(META), _lock: None }),
            };
            lock.lock_shared().ok()?;
            // Whoever had the lock may have removed the base, and somebody made it anew.
            if is_named(&lock, &path) {
                let _ = lock.set_modified(SystemTime::now());
                return Some(Base { key: *key, disk, meta: folder.join(META), _lock: Some(Arc::new(lock)) });
            }
        }
    }

    /// When a build last used the base, if it was made here. To ask is no use of it.
    #[must_use]
    pub(super) fn used(self, key: &Digest) -> Option<SystemTime> {
        let folder = self.folder(key);
        folder.join(DISK).is_file().then_some(())?;
        let time = |name: &str| folder.join(name).metadata().and_then(|found| found.modified()).ok();
        Some(time(USED).or_else(|| time(META)).unwrap_or(SystemTime::UNIX_EPOCH))
    }

    /// Removes a base that no build uses, if `unneeded` says so once nobody can begin to use it; says whether
    /// it went.
    pub(super) fn remove(self, key: &Digest, unneeded: impl FnOnce() -> Result<bool>) -> Result<bool> {
        let folder = self.folder(key);
        let path = folder.join(USED);
        let lock =
            own::options().create(true).truncate(false).write(true).open(&path).context("create", &path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error).context("lock", &path),
        }
        if !unneeded()? {
            return Ok(false);
        }
        let temp = self.store.temp_dir("evict")?;
        std::fs::rename(&folder, temp.path().join("gone")).context("remove", &folder)?;
        Ok(true)
    }

    /// The base, or the sole right to make it; none while another process makes it.
    pub fn try_claim(&self, key: &Digest) -> Result<Option<BaseSlot<'a>>> {
        if let Some(base) = self.get(key) {
            return Ok(Some(BaseSlot::Ready(base)));
        }
        let path = self.folder(key).with_extension("lock");
        let lock =
            own::options().create(true).truncate(false).write(true).open(&path).context("create", &path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).context("lock", &path),
        }
        if let Some(base) = self.get(key) {
            return Ok(Some(BaseSlot::Ready(base)));
        }
        Ok(Some(BaseSlot::Missing(NewBase {
            bases: *self,
            key: *key,
            dir: self.store.temp_dir("base")?,
            _lock: lock,
        })))
    }
}

/// A base in the making; dropped, it leaves nothing and the next process may try.
#[derive(Debug)]
pub struct NewBase<'a> {
    bases: Bases<'a>,
    key: Digest,
    dir: tempfile::TempDir,
    /// Held until the base is there. The file itself stays: removing a lock others wait for
    /// would let two in.
    _lock: File,
}

impl NewBase<'_> {
    /// What the base is going to be kept under.
    #[must_use]
    pub fn key(&self) -> Digest {
        self.key
    }

    /// Scratch space on the store's file system; all of it but the disk goes.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the finished disk must be before [`commit`](Self::commit).
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.dir.path().join(DISK)
    }

    /// Makes the base appear.
    pub fn commit<T: Serialize>(self, meta: &T) -> Result<Base> {
        let ready = self.dir.path().join("ready");
        own::folder(&ready)?;
        let disk = self.disk();
        // The disk outlives the host's crash or is not there: rename alone would not promise it.
        File::open(&disk).and_then(|file| file.sync_all()).context("write", &disk)?;
        std::fs::rename(&disk, ready.join(DISK)).context("rename", &disk)?;
        own::private(&ready.join(DISK))?;
        Seal::set(&ready, DISK)?;
        let meta_path = ready.join(META);
        let bytes =
            serde_json::to_vec_pretty(meta).map_err(std::io::Error::from).context("write", &meta_path)?;
        own::write(&meta_path, bytes).context("write", &meta_path)?;
        let folder = self.bases.folder(&self.key);
        let used = ready.join(USED);
        let lock =
            own::options().create(true).truncate(true).write(true).open(&used).context("create", &used)?;
        lock.lock_shared().context("lock", &used)?;
        std::fs::rename(&ready, &folder).context("create", &folder)?;
        let (disk, meta) = (folder.join(DISK), folder.join(META));
        Ok(Base { key: self.key, disk, meta, _lock: Some(Arc::new(lock)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn of_many_that_want_a_base_one_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let key = Digest::of(b"recipe");
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let store = Store::open(dir.path()).unwrap();
                    let base = loop {
                        match store.bases().try_claim(&key).unwrap() {
                            Some(BaseSlot::Ready(base)) => break base,
                            Some(BaseSlot::Missing(new)) => {
                                made.fetch_add(1, Ordering::SeqCst);
                                std::fs::write(new.disk(), "disk").unwrap();
                                break new.commit(&"meta").unwrap();
                            }
                            None => std::thread::yield_now(),
                        }
                    };
                    assert_eq!(std::fs::read(&base.disk).unwrap(), b"disk");
                    assert_eq!(base.meta::<String>().unwrap(), "meta");
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_base_given_up_half_way_is_not_there_and_can_be_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = Digest::of(b"recipe");
        for _ in 0..2 {
            let Some(BaseSlot::Missing(new)) = store.bases().try_claim(&key).unwrap() else {
                panic!("nobody finished it")
            };
            std::fs::write(new.disk(), "half").unwrap();
        }
        assert!(store.bases().get(&key).is_none());
    }
}
