//! Saved boots: machines as they were just after a boot of an image, disk and memory as one pair, for the next
//! build that would have to boot the same.
//!
//! One is found by a key that says all it depends on: the bytes of the layer or base that was booted and of everything that
//! one stands on ([`Layers::content`](super::Layers::content)), and the make of the machine, which holds for one boot
//! of the host. It bears a seal (what the file system says of each of its files, once any further change would show
//! in that), and is not used when anything differs: a boot costs seconds, and is never wrong. Nothing in it is
//! understood here.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{
    Context, Digest, Result, Store, WorkFolder, file_digest::at_rest, identity::Identity, own,
    process::boot_id, read_regular,
};

/// Below the folder of the driver's machines.
const FOLDER: &str = "boots";
const SEAL: &str = "seal.json";
const SEAL_LIMIT: u64 = 1 << 16;
/// Its time is that of the last use.
const USED: &str = "used";
/// Held while something is given its name, or taken away for want of room.
const LOCK: &str = "lock";
/// That many are there at most.
const KEPT: usize = 16;

/// The saved boots of a store.
#[derive(Debug, Clone, Copy)]
pub struct SavedBoots<'a> {
    store: &'a Store,
}

/// What is kept with the files of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seal {
    /// The layer or base that was booted.
    on: Digest,
    /// Name of the image.
    image: String,
    /// Memory outlives no boot of the host.
    boot: String,
    files: BTreeMap<String, Identity>,
}

/// One of them, as `cache ls` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedBoot {
    /// What it is kept under.
    pub key: Digest,
    /// Name of the image; none where its seal is broken.
    pub image: Option<String>,
    /// The layer or base that was booted.
    pub on: Option<Digest>,
    /// Bytes on disk.
    pub size: u64,
    /// When a build last used it.
    pub used: SystemTime,
}

impl<'a> SavedBoots<'a> {
    pub(super) const fn new(store: &'a Store) -> Self {
        Self { store }
    }

    fn root(self) -> PathBuf {
        self.store.machines().join(FOLDER)
    }

    fn folder(self, key: &Digest) -> PathBuf {
        self.root().join(key.to_string())
    }

    /// The folder of the machine that is kept under this key, if all of it is as it was kept; it counts as used. It
    /// may go at any time, which whoever reads it has to bear. One that differs is removed.
    #[must_use]
    pub fn get(self, key: &Digest) -> Option<PathBuf> {
        let folder = self.folder(key);
        folder.symlink_metadata().ok()?;
        if !Seal::holds(&folder) {
            let _ = self.forget(key);
            return None;
        }
        let used = File::options().write(true).open(folder.join(USED));
        let _ = used.and_then(|file| file.set_modified(SystemTime::now()));
        Some(folder)
    }

    /// An empty private folder for one in the making, of the build in `work`: it goes with it unless it is
    /// [`put`](Self::put).
    pub fn draft(self, work: &WorkFolder) -> Result<PathBuf> {
        let draft = work.path().join("saved-boot");
        match std::fs::remove_dir_all(&draft) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).context("remove", &draft);
            }
            _ => {}
        }
        own::folder(&draft)?;
        Ok(draft)
    }

    /// Keeps what is in `draft`, unless somebody has kept the same meanwhile. The least recently used go, until all
    /// together take no more than `most` bytes; says whether this one stayed.
    pub fn put(self, key: &Digest, draft: &Path, on: &Digest, image: &str, most: u64) -> Result<bool> {
        own::write(&draft.join(USED), b"").context("write", draft)?;
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(draft).context("read", draft)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            own::private(&entry.path())?;
            if name == USED {
                continue;
            }
            let Some(identity) = at_rest(&entry.path())? else { return Ok(false) };
            files.insert(name, identity);
        }
        let seal = Seal { on: *on, image: image.to_owned(), boot: boot_id(), files };
        let bytes = serde_json::to_vec(&seal).map_err(std::io::Error::from).context("write", draft)?;
        own::write(&draft.join(SEAL), bytes).context("write", draft)?;
        let _lock = self.lock()?;
        let folder = self.folder(key);
        match std::fs::rename(draft, &folder) {
            Ok(()) => {}
            // Somebody was first, or the two are on different file systems: it is a draft, and goes as such.
            Err(_) => return Ok(false),
        }
        self.bound(KEPT, most);
        Ok(folder.exists())
    }

    /// All of them, least recently used first.
    #[must_use]
    pub fn list(self) -> Vec<SavedBoot> {
        let entries = std::fs::read_dir(self.root()).into_iter().flatten().flatten();
        let mut all: Vec<SavedBoot> = entries
            .filter_map(|entry| {
                let key = entry.file_name().to_str()?.parse().ok()?;
                let path = entry.path();
                let used = path.join(USED).metadata().and_then(|found| found.modified());
                let seal = Seal::of(&path);
                Some(SavedBoot {
                    key,
                    image: seal.as_ref().map(|seal| seal.image.clone()),
                    on: seal.map(|seal| seal.on),
                    size: super::shrink::size_of(&path),
                    used: used.unwrap_or(SystemTime::UNIX_EPOCH),
                })
            })
            .collect();
        all.sort_by_key(|saved| (saved.used, saved.key));
        all
    }

    /// Removes one; says whether it was there.
    #[must_use]
    pub fn forget(self, key: &Digest) -> bool {
        // Moved away first: nobody finds a part of it.
        let Ok(temp) = self.store.temp_dir("boot") else { return false };
        std::fs::rename(self.folder(key), temp.path().join("gone")).is_ok()
    }

    /// Removes those that nobody can go on from any more: of another boot of the host, or of a layer or base that is
    /// gone.
    /// Answers the bytes that were freed.
    pub(super) fn sweep(self) -> u64 {
        let mut freed = 0;
        for saved in self.list() {
            let of_now = Seal::of(&self.folder(&saved.key)).is_some_and(|seal| seal.is_of_now());
            let stands =
                |on: Digest| self.store.layers().disk(&on).exists() || self.store.bases().disk(&on).exists();
            if !(of_now && saved.on.is_some_and(stands)) && self.forget(&saved.key) {
                freed += saved.size;
            }
        }
        freed
    }

    /// Removes those beyond a number and a size.
    fn bound(self, count: usize, most: u64) {
        self.sweep();
        let all = self.list();
        let (mut left, mut size) = (all.len(), all.iter().map(|saved| saved.size).sum::<u64>());
        for saved in all {
            if left <= count && size <= most {
                break;
            }
            if self.forget(&saved.key) {
                left -= 1;
                size = size.saturating_sub(saved.size);
            }
        }
    }

    fn lock(self) -> Result<File> {
        own::folder(&self.root())?;
        let path = self.root().join(LOCK);
        let lock =
            own::options().create(true).truncate(false).write(true).open(&path).context("create", &path)?;
        lock.lock().context("lock", &path)?;
        Ok(lock)
    }
}

impl Seal {
    fn of(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&read_regular(&folder.join(SEAL), SEAL_LIMIT).ok()?).ok()
    }

    fn is_of_now(&self) -> bool {
        self.boot == boot_id()
    }

    /// Whether a folder holds what was kept there, to the last file, in this boot of the host.
    fn holds(folder: &Path) -> bool {
        let is_own = |path: &Path| path.symlink_metadata().is_ok_and(|found| own::own(path, &found).is_ok());
        let Some(seal) = Self::of(folder) else { return false };
        let same = |(name, identity): (&String, &Identity)| {
            let path = folder.join(name);
            is_own(&path) && Identity::at(&path).is_ok_and(|found| found == *identity)
        };
        is_own(folder) && is_own(&folder.join(SEAL)) && seal.is_of_now() && seal.files.iter().all(same)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::LayerMeta;

    struct World {
        _dir: tempfile::TempDir,
        store: Store,
        work: WorkFolder,
        layer: Digest,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path().join("store")).unwrap();
            let work = store.begin_build("build").unwrap();
            let layer = Digest::of("layer");
            let disk = work.path().join("disk");
            std::fs::write(&disk, "disk").unwrap();
            let meta = LayerMeta { step: "s".into(), image: "web".into(), ..LayerMeta::default() };
            drop(store.layers().put(&layer, &disk, &meta).unwrap());
            Self { _dir: dir, store, work, layer }
        }

        fn boots(&self) -> SavedBoots<'_> {
            self.store.saved_boots()
        }

        fn draft(&self) -> PathBuf {
            let draft = self.boots().draft(&self.work).unwrap();
            std::fs::write(draft.join("memory"), vec![1; 1 << 16]).unwrap();
            std::fs::write(draft.join("disk.qcow2"), vec![2; 1 << 16]).unwrap();
            draft
        }

        fn put(&self, name: &str, most: u64) -> (Digest, bool) {
            let key = Digest::of(name);
            (key, self.boots().put(&key, &self.draft(), &self.layer, "web", most).unwrap())
        }
    }

    #[test]
    fn what_is_kept_is_found_whole_and_private() {
        let world = World::new();
        let (key, kept) = world.put("one", u64::MAX);
        assert!(kept);
        let folder = world.boots().get(&key).unwrap();
        assert_eq!(std::fs::read(folder.join("memory")).unwrap(), vec![1; 1 << 16]);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("memory"))), (0o700, 0o600));
        assert!(world.boots().get(&Digest::of("another")).is_none());
        let listed = world.boots().list();
        assert_eq!(
            (listed.len(), listed[0].image.as_deref(), listed[0].on),
            (1, Some("web"), Some(world.layer))
        );
        assert!(listed[0].size >= 1 << 17);
    }

    #[test]
    fn whoever_keeps_the_same_second_leaves_the_first() {
        let world = World::new();
        let (key, _) = world.put("one", u64::MAX);
        let before = Identity::at(&world.boots().get(&key).unwrap().join("memory")).unwrap();
        assert!(!world.put("one", u64::MAX).1);
        assert_eq!(Identity::at(&world.boots().get(&key).unwrap().join("memory")).unwrap(), before);
    }

    #[test]
    fn what_was_changed_cut_or_is_of_another_boot_is_not_used_and_goes() {
        let damages: [(&str, fn(&Path)); 6] = [
            ("a byte of the memory", |folder| {
                use std::os::unix::fs::FileExt;
                File::options().write(true).open(folder.join("memory")).unwrap().write_at(b"!", 9).unwrap();
            }),
            ("the memory's end", |folder| {
                File::options().write(true).open(folder.join("memory")).unwrap().set_len(100).unwrap();
            }),
            ("the disk", |folder| std::fs::remove_file(folder.join("disk.qcow2")).unwrap()),
            ("another in its place", |folder| {
                let content = std::fs::read(folder.join("memory")).unwrap();
                std::fs::remove_file(folder.join("memory")).unwrap();
                std::fs::write(folder.join("memory"), content).unwrap();
            }),
            ("the seal", |folder| std::fs::write(folder.join(SEAL), "{").unwrap()),
            ("the host's boot", |folder| {
                let text = std::fs::read_to_string(folder.join(SEAL)).unwrap();
                std::fs::write(folder.join(SEAL), text.replace(&boot_id(), "another")).unwrap();
            }),
        ];
        for (what, damage) in damages {
            let world = World::new();
            let (key, _) = world.put("one", u64::MAX);
            let folder = world.boots().get(&key).unwrap();
            damage(&folder);
            assert!(world.boots().get(&key).is_none(), "{what}");
            assert!(!folder.exists(), "{what}");
            // The next is kept in its place.
            assert!(world.put("one", u64::MAX).1, "{what}");
        }
    }

    #[test]
    fn they_are_bounded_in_number_and_size_and_the_last_used_stay() {
        let world = World::new();
        let age = |key: &Digest, seconds: u64| {
            let used = world.boots().folder(key).join(USED);
            let time = SystemTime::now() - std::time::Duration::from_secs(seconds);
            File::options().write(true).open(used).unwrap().set_modified(time).unwrap();
        };
        let (first, _) = world.put("one", u64::MAX);
        let (second, _) = world.put("two", u64::MAX);
        age(&first, 100);
        age(&second, 50);
        let each = world.boots().list()[0].size;
        let (third, kept) = world.put("three", 2 * each + each / 2);
        assert!(kept);
        assert!(world.boots().get(&first).is_none());
        assert!(world.boots().get(&second).is_some() && world.boots().get(&third).is_some());
        assert!(!world.put("too large", each / 2).1);
        assert!(world.boots().list().is_empty());
        for number in 0..KEPT + 3 {
            world.put(&number.to_string(), u64::MAX);
        }
        assert_eq!(world.boots().list().len(), KEPT);
    }

    #[test]
    fn a_draft_goes_with_its_build_and_a_boot_with_its_layer() {
        let world = World::new();
        world.put("one", u64::MAX);
        let draft = world.draft();
        assert!(draft.exists());
        let World { store, work, layer, _dir } = world;
        drop(work);
        assert!(!draft.exists());
        assert_eq!(store.saved_boots().list().len(), 1);
        assert!(store.usage().unwrap().machines >= 1 << 17);
        store.layers().evict(&layer).unwrap();
        store.saved_boots().sweep();
        assert!(store.saved_boots().list().is_empty());
    }
}
