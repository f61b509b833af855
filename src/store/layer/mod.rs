//! Layers: the state of a build disk after a step, under the step's key.
//!
//! A layer is a qcow2 overlay whose backing file is the layer (or base) before it. Layers lie at the
//! same depth below the root as the working folders of builds, so that the *relative* backing path
//! written while a build runs still holds after the file moved here, and the whole store can be moved.

mod ground;
mod sync;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};

use super::{Context, Digest, Result, Store, is_named, own, seal::Seal};

const DISK: &str = "disk.qcow2";
const META: &str = "meta.json";
const LOCK: &str = "lock";

/// The layers of a store.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    store: &'a Store,
}

/// What is known about a layer without opening its disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerMeta {
    /// The step's name, for `cache ls`.
    pub step: String,
    /// The image it was first made for.
    pub image: String,
    /// The layer it stands on; none if it stands on a base.
    pub parent: Option<Digest>,
    /// Number of layers below it, down to the base.
    pub depth: u32,
    /// The base of this store at the very bottom; none if that lies elsewhere, or was not noted yet.
    #[serde(default)]
    pub base: Option<Digest>,
    /// Whether a step that led to it was shown a secret; none of a layer that was kept before this was noted.
    #[serde(default)]
    pub secrets: Option<bool>,
    /// Names what a machine sees on the disk, whatever files it consists of: of two disks that were made for one key, at
    /// different times or on different hosts, each has its own. None where the base is none of this store, or was not
    /// noted yet.
    #[serde(default)]
    pub content: Option<Digest>,
    /// Milliseconds that making it took; none where that was not noted.
    #[serde(default)]
    pub made_ms: Option<u64>,
}

/// A layer held in use: nobody evicts it while this lives.
#[derive(Debug)]
pub struct Layer {
    /// Key of the step it is the state after.
    pub key: Digest,
    /// The disk: a qcow2 overlay on the layer or base below, absolute.
    pub disk: PathBuf,
    /// What the store keeps beside the disk.
    pub meta: LayerMeta,
    /// Shared; eviction wants it for itself.
    _lock: File,
}

/// The sole right to make a layer, see [`Layers::claim`].
#[derive(Debug)]
pub struct Claim {
    /// Exclusive. The file itself stays until a sweep removes it.
    _lock: File,
}

/// What names the content of an overlay: its own file, on what it stands on.
#[must_use]
pub fn content(below: Digest, file: Digest) -> Digest {
    Digest::of(format!("imgfile-content 1\n{below}\n{file}\n"))
}

/// These layers and all that stand on them, each after what it stands on.
fn standing_on(entries: &[LayerEntry], mut keys: Vec<Digest>) -> Vec<Digest> {
    let mut at = 0;
    while let Some(&below) = keys.get(at) {
        let above = entries.iter().filter(|entry| entry.meta.parent == Some(below)).map(|entry| entry.key);
        let new: Vec<Digest> = above.filter(|key| !keys.contains(key)).collect();
        keys.extend(new);
        at += 1;
    }
    keys
}

/// One entry of `cache ls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerEntry {
    /// Key of the step it is the state after.
    pub key: Digest,
    /// What the store keeps beside the disk.
    pub meta: LayerMeta,
    /// Bytes on disk.
    pub size: u64,
    /// When a build last used it.
    pub used: std::time::SystemTime,
}

impl<'a> Layers<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store }
    }

    fn root(self) -> PathBuf {
        self.store.root().join("layers")
    }

    fn folder(self, key: &Digest) -> PathBuf {
        self.root().join(key.to_string())
    }

    /// Path of a layer's disk, whether it exists or not.
    #[must_use]
    pub fn disk(self, key: &Digest) -> PathBuf {
        self.folder(key).join(DISK)
    }

    /// The layer, held in use, if the store has it whole and as it was kept, with all that it stands on. One that
    /// is not is removed, with what stands on it.
    #[must_use]
    pub fn get(self, key: &Digest) -> Option<Layer> {
        let layer = self.hold(key)?;
        match self.changed(&layer) {
            None => Some(layer),
            Some(changed) => {
                drop(layer);
                self.discard(&changed);
                None
            }
        }
    }

    /// The layer itself, or the first one below it, that is not as it was kept.
    fn changed(self, layer: &Layer) -> Option<Digest> {
        let (mut key, mut meta) = (layer.key, layer.meta.clone());
        loop {
            if !Seal::holds(&self.folder(&key), DISK, false) {
                return Some(key);
            }
            key = meta.parent?;
            // What is missing cannot be stood on either.
            let Some(below) = self.meta(&key) else { return Some(key) };
            meta = below;
        }
    }

    fn meta(self, key: &Digest) -> Option<LayerMeta> {
        serde_json::from_slice(&std::fs::read(self.folder(key).join(META)).ok()?).ok()
    }

    /// The bytes of a layer, with those of all that it stands on: made anew from the same steps it has others. As
    /// they were kept; nothing where something is missing.
    #[must_use]
    pub fn content(self, key: &Digest) -> Option<Digest> {
        let mut words = vec![Seal::digest(&self.folder(key))?.to_string()];
        let mut meta = self.meta(key)?;
        let base = meta.base;
        while let Some(parent) = meta.parent {
            words.push(Seal::digest(&self.folder(&parent))?.to_string());
            meta = self.meta(&parent)?;
        }
        if let Some(base) = base {
            words.push(self.store.bases().content(&base)?.to_string());
        }
        Some(Digest::of(words.join(" ")))
    }

    /// Whether a layer is as it was kept; reads all of it.
    #[must_use]
    pub fn is_as_kept(self, layer: &Layer) -> bool {
        Seal::holds(&self.folder(&layer.key), DISK, true)
    }

    /// Removes a layer that is not what was kept and all that stands on it, which would be nonsense on another
    /// disk. Builds that use one of them have its files open.
    pub(super) fn discard(self, key: &Digest) {
        let Ok(entries) = self.list() else { return };
        if let Some(entry) = entries.iter().find(|entry| entry.key == *key) {
            let (step, short) = (&entry.meta.step, key.short());
            self.store.note(format!("the layer {short} (`{step}`) is not as it was kept: it is made anew"));
        }
        for gone in standing_on(&entries, vec![*key]).iter().rev() {
            self.throw_away(gone);
        }
    }

    /// Removes all layers that stand on a base.
    pub(super) fn discard_on(self, base: &Digest) {
        let Ok(entries) = self.list() else { return };
        let on = entries.iter().filter(|entry| self.ground(entry) == Some(*base)).map(|entry| entry.key);
        for gone in standing_on(&entries, on.collect()).iter().rev() {
            self.throw_away(gone);
        }
    }

    fn throw_away(self, key: &Digest) {
        // What cannot be moved is found again, and not used then either.
        if let Ok(temp) = self.store.temp_dir("damaged") {
            let _ = std::fs::rename(self.folder(key), temp.path().join("gone"));
        }
    }

    /// Seals layers of this process again, once the names are gone under which they were made.
    pub fn renew_seals(self) {
        let new = std::mem::take(&mut *self.store.new_layers.lock().unwrap_or_else(PoisonError::into_inner));
        for key in new {
            // Else all of it is read when it is used.
            let _ = Seal::renew(&self.folder(&key), DISK);
        }
    }

    /// The layer, held in use, whatever is in it.
    #[must_use]
    pub fn hold(self, key: &Digest) -> Option<Layer> {
        let folder = self.folder(key);
        let lock = loop {
            let lock = File::open(folder.join(LOCK)).ok()?;
            lock.lock_shared().ok()?;
            // Evicted between the two calls, and perhaps made anew: then this is the lock of a ghost.
            if is_named(&lock, &folder.join(LOCK)) {
                break lock;
            }
        };
        let meta: LayerMeta = serde_json::from_slice(&std::fs::read(folder.join(META)).ok()?).ok()?;
        let disk = folder.join(DISK);
        disk.is_file().then_some(())?;
        // The time of the lock file is the time of last use; a store that is read-only still serves.
        let _ = File::options()
            .write(true)
            .open(folder.join(LOCK))
            .and_then(|file| file.set_modified(std::time::SystemTime::now()));
        Some(Layer { key: *key, disk, meta, _lock: lock })
    }

    /// The sole right to make a layer, or to make what leads to it. Whoever holds it keeps others from
    /// doing the same work; it ends with its holder, however that ends.
    pub fn claim(self, key: &Digest) -> Result<Claim> {
        loop {
            let (path, lock) = self.claim_file(key)?;
            lock.lock().context("lock", &path)?;
            if is_named(&lock, &path) {
                return Ok(Claim { _lock: lock });
            }
        }
    }

    /// As [`claim`](Self::claim), or none if somebody else has it.
    pub fn try_claim(self, key: &Digest) -> Result<Option<Claim>> {
        loop {
            let (path, lock) = self.claim_file(key)?;
            match lock.try_lock() {
                Ok(()) if is_named(&lock, &path) => return Ok(Some(Claim { _lock: lock })),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error).context("lock", &path),
            }
        }
    }

    fn claim_file(self, key: &Digest) -> Result<(PathBuf, File)> {
        let path = self.root().join("claims").join(key.to_string());
        let lock =
            own::options().create(true).truncate(false).write(true).open(&path).context("create", &path)?;
        Ok((path, lock))
    }

    /// Takes a finished overlay in; its content must no longer change. It stays under its old name as
    /// well, since a running machine opens its backing files again by name. The caller holds the layer's
    /// [`Claim`]; a layer that is there all the same (made before the claim was had) is an error, since
    /// two disks of one key are equal in what they hold but not in their bytes.
    ///
    /// This waits for no disk: the layer is there as long as the host runs, see [`sync`](Self::sync).
    ///
    /// Where `meta` does not say what names its content, that is found here.
    pub fn put(self, key: &Digest, disk: &Path, meta: &LayerMeta) -> Result<Layer> {
        tracing::debug!(key = key.short(), disk = %disk.display(), "layer kept");
        let mut meta = meta.clone();
        let temp = self.store.temp_dir("layer")?;
        let ready = temp.path().join("ready");
        own::folder(&ready)?;
        own::write(&ready.join(LOCK), b"").context("write", &ready)?;
        sync::mark(&ready)?;
        let lock = File::open(ready.join(LOCK)).context("open", &ready)?;
        lock.lock_shared().context("lock", &ready)?;
        let folder = self.folder(key);
        std::fs::hard_link(disk, ready.join(DISK)).context("link", disk)?;
        own::private(&ready.join(DISK))?;
        let file = Seal::set(&ready, DISK)?;
        meta.content = meta.content.or_else(|| Some(content(self.below(&meta)?, file)));
        self.write_meta(&ready, &meta)?;
        std::fs::rename(&ready, &folder).context("create", &folder)?;
        self.store.new_layers.lock().unwrap_or_else(PoisonError::into_inner).push(*key);
        Ok(Layer { key: *key, disk: folder.join(DISK), meta, _lock: lock })
    }

    /// Puts another disk of the same content in a layer's place: one that stands on the base directly.
    /// Machines that run on the old one keep it, as the kernel keeps every open file.
    pub fn replace(self, layer: &mut Layer, disk: &Path) -> Result<()> {
        let folder = self.folder(&layer.key);
        sync::mark(&folder)?;
        own::private(disk)?;
        // Between the two the layer is not as it was kept: whoever finds it so makes it anew.
        std::fs::rename(disk, folder.join(DISK)).context("replace", &layer.disk)?;
        Seal::set(&folder, DISK)?;
        layer.meta.parent = None;
        layer.meta.depth = 0;
        // Until this is there the layer only seems to need what was below it.
        self.write_meta(&folder, &layer.meta)
    }

    /// What names the content of the disk that a layer stands on.
    fn below(self, meta: &LayerMeta) -> Option<Digest> {
        match (meta.parent, meta.base) {
            (Some(parent), _) => self.meta(&parent)?.content,
            (None, Some(base)) => self.store.bases().content(&base),
            (None, None) => None,
        }
    }

    /// BLAKE3 of a layer's file, as it was when it was kept.
    #[must_use]
    pub fn file_digest(self, key: &Digest) -> Option<Digest> {
        Seal::digest(&self.folder(key))
    }

    fn write_meta(self, folder: &Path, meta: &LayerMeta) -> Result<()> {
        let path = folder.join(META);
        let mut file = self.store.temp_file()?;
        serde_json::to_writer(&mut file, meta).map_err(std::io::Error::from).context("write", &path)?;
        file.persist(&path).map_err(|error| error.error).context("write", &path)?;
        Ok(())
    }

    /// All whole layers, least recently used first.
    pub fn list(self) -> Result<Vec<LayerEntry>> {
        use std::os::unix::fs::MetadataExt;
        let root = self.root();
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&root).context("read", &root)?.flatten() {
            let path = entry.path();
            let Some(key) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let meta =
                std::fs::read(path.join(META)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let (Some(meta), Ok(disk), Ok(lock)) =
                (meta, path.join(DISK).metadata(), path.join(LOCK).metadata())
            else {
                continue;
            };
            let used = lock.modified().context("read", &path)?;
            entries.push(LayerEntry { key, meta, size: disk.blocks() * 512, used });
        }
        entries.sort_by_key(|entry| (entry.used, entry.key));
        Ok(entries)
    }

    /// Whether somebody holds a layer in use, such as a build that goes on from it.
    pub fn is_held(self, key: &Digest) -> Result<bool> {
        let path = self.folder(key).join(LOCK);
        let Ok(lock) = File::open(&path) else { return Ok(false) };
        match lock.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error).context("lock", &path),
        }
    }

    /// Removes a layer unless a build holds it or another layer stands on it; says whether it went.
    pub fn evict(self, key: &Digest) -> Result<bool> {
        tracing::debug!(key = key.short(), "layer to go");
        self.remove_unless_held(key, || Ok(self.list()?.iter().all(|entry| entry.meta.parent != Some(*key))))
    }

    /// Removes a layer that no build holds, if `unneeded` says so once nobody can begin to use it.
    fn remove_unless_held(self, key: &Digest, unneeded: impl FnOnce() -> Result<bool>) -> Result<bool> {
        let folder = self.folder(key);
        let Ok(lock) = File::open(folder.join(LOCK)) else { return Ok(false) };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error).context("lock", &folder),
        }
        // Asked before, the answer would be of a time when a build could still put a layer on this one.
        if !is_named(&lock, &folder.join(LOCK)) || !unneeded()? {
            return Ok(false);
        }
        let temp = self.store.temp_dir("evict")?;
        std::fs::rename(&folder, temp.path().join("gone")).context("remove", &folder)?;
        Ok(true)
    }

    /// Removes claims that nobody holds: each build leaves one a step.
    pub fn sweep_claims(self) -> Result<()> {
        let folder = self.root().join("claims");
        for entry in std::fs::read_dir(&folder).context("read", &folder)?.flatten() {
            let Ok(lock) = File::options().write(true).open(entry.path()) else { continue };
            if lock.try_lock().is_ok() {
                // Who opened it before this holds the lock of a file without a name: see `claim`.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(parent: Option<Digest>) -> LayerMeta {
        LayerMeta { step: "s".into(), image: "web".into(), parent, ..LayerMeta::default() }
    }

    fn put(store: &Store, name: &str, parent: Option<Digest>) -> (Digest, Layer) {
        let key = Digest::of(name);
        let disk = store.root().join("tmp").join(name);
        std::fs::write(&disk, vec![1; 4096]).unwrap();
        let layer = store.layers().put(&key, &disk, &meta(parent)).unwrap();
        (key, layer)
    }

    #[test]
    fn a_layer_is_found_by_its_key_and_stays_while_it_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (key, held) = put(&store, "a", None);
        assert!(!store.layers().evict(&key).unwrap(), "a build holds it");
        drop(held);
        assert!(store.layers().get(&key).is_some());
        assert!(store.layers().evict(&key).unwrap());
        assert!(store.layers().get(&key).is_none());
    }

    #[test]
    fn what_another_layer_stands_on_goes_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (below, first) = put(&store, "below", None);
        let (above, second) = put(&store, "above", Some(below));
        drop((first, second));
        assert!(!store.layers().evict(&below).unwrap());
        store.shrink(0).unwrap();
        assert!(store.layers().get(&above).is_none() && store.layers().get(&below).is_none());
    }

    #[test]
    fn a_sweep_leaves_claims_that_are_held() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (held, left) = (Digest::of("held"), Digest::of("left"));
        let claim = store.layers().claim(&held).unwrap();
        drop(store.layers().claim(&left).unwrap());
        store.layers().sweep_claims().unwrap();
        let names = std::fs::read_dir(dir.path().join("layers/claims")).unwrap();
        let names: Vec<_> = names.flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, [held.to_string().as_str()]);
        drop(claim);
    }

    #[test]
    fn a_layer_can_be_put_on_the_base_while_it_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (below, first) = put(&store, "below", None);
        let (above, mut second) = put(&store, "above", Some(below));
        let flat = store.root().join("tmp/flat");
        std::fs::write(&flat, "flat").unwrap();
        store.layers().replace(&mut second, &flat).unwrap();
        drop(first);
        assert!(store.layers().evict(&below).unwrap(), "nothing stands on it any more");
        let again = store.layers().get(&above).unwrap();
        assert_eq!((again.meta.parent, std::fs::read(&again.disk).unwrap()), (None, b"flat".to_vec()));
    }

    #[test]
    fn of_two_that_would_make_a_layer_one_has_to_wait() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = Digest::of("a");
        let claim = store.layers().claim(&key).unwrap();
        assert!(store.layers().try_claim(&key).unwrap().is_none());
        drop(claim);
        assert!(store.layers().try_claim(&key).unwrap().is_some());
    }
}
