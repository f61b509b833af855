//! The store's size, and what goes when it is too large: the least recently used first, whatever it is; never
//! what a running build uses, nor what something that stays stands on.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Context, Digest, Result, Store, work};

/// What was used so shortly ago may be wanted by a build that has not begun its machine yet.
const FRESH: Duration = Duration::from_hours(1);

/// One thing that can go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    used: SystemTime,
    size: u64,
    what: Removable,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Removable {
    Layer(Digest),
    Base(Digest),
    File(PathBuf),
}

/// Bytes on disk, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// States of build disks after steps.
    pub layers: u64,
    /// Bases that were made here.
    pub bases: u64,
    /// Package files and downloads.
    pub blobs: u64,
    /// Archive indexes.
    pub indexes: u64,
    /// Memory of machines that have just come up.
    pub machines: u64,
}

impl Usage {
    /// Bytes of all kinds together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.layers + self.bases + self.blobs + self.indexes + self.machines
    }
}

/// What would go, without anything going: what is held by a build, or carries something that stays, is told only
/// by trying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WouldGo {
    /// Such as `layer 0123456789ab`, or a path in the store.
    pub what: String,
    /// Bytes on disk that would be free.
    pub size: u64,
}

impl Candidate {
    fn would_go(&self, root: &Path) -> WouldGo {
        let what = match &self.what {
            Removable::Layer(key) => format!("layer {}", key.short()),
            Removable::Base(key) => format!("base {}", key.short()),
            Removable::File(path) => path.strip_prefix(root).unwrap_or(path).display().to_string(),
        };
        WouldGo { what, size: self.size }
    }
}

/// The first of these, until no more than `limit` of `total` bytes is left.
fn until(candidates: Vec<Candidate>, mut total: u64, limit: u64) -> impl Iterator<Item = Candidate> {
    candidates.into_iter().take_while(move |one| {
        let goes = total > limit;
        total = total.saturating_sub(one.size);
        goes
    })
}

impl Store {
    /// What [`shrink`](Self::shrink) would try to remove, first to last.
    pub fn would_shrink(&self, limit: u64) -> Result<Vec<WouldGo>> {
        let all = until(self.candidates(FRESH)?, self.usage()?.total(), limit);
        Ok(all.map(|one| one.would_go(&self.root)).collect())
    }

    /// What [`shrink_layers`](Self::shrink_layers) would try to remove, first to last.
    pub fn would_shrink_layers(&self, limit: u64) -> Result<Vec<WouldGo>> {
        let all = until(self.layer_candidates()?, self.usage()?.layers, limit);
        Ok(all.map(|one| one.would_go(&self.root)).collect())
    }

    /// What [`forget_unused`](Self::forget_unused) would try to remove.
    pub fn would_forget_unused(&self, age: Duration) -> Result<Vec<WouldGo>> {
        let all = self.candidates(FRESH.max(age))?.into_iter().filter(|one| age_of(one.used) >= age);
        Ok(all.map(|one| one.would_go(&self.root)).collect())
    }

    /// What the store takes.
    pub fn usage(&self) -> Result<Usage> {
        let sum = |candidates: Vec<Candidate>| -> u64 { candidates.iter().map(|one| one.size).sum() };
        Ok(Usage {
            layers: sum(self.layer_candidates()?),
            bases: sum(self.base_candidates()?),
            blobs: sum(files(&self.root.join("blobs"))) + sum(self.partial_downloads()),
            indexes: sum(files(&self.indexes())),
            machines: sum(files(&self.machines())),
        })
    }

    /// Removes the least recently used until the store takes at most `limit` bytes, or nothing more can go;
    /// returns the bytes freed.
    pub fn shrink(&self, limit: u64) -> Result<u64> {
        let mut total = self.usage()?.total();
        let mut freed = 0;
        // A layer that goes may be the last that stood on another, or on a base: look again.
        while total > limit {
            let mut went = 0;
            for candidate in self.candidates(FRESH)? {
                if total - went <= limit {
                    break;
                }
                if self.remove(&candidate.what)? {
                    went += candidate.size;
                }
            }
            if went == 0 {
                break;
            }
            total -= went;
            freed += went;
        }
        Ok(freed)
    }

    /// Removes the least recently used layers until all together take at most `limit` bytes, or nothing more
    /// can go; returns the bytes freed.
    pub fn shrink_layers(&self, limit: u64) -> Result<u64> {
        let mut total = self.usage()?.layers;
        let mut freed = 0;
        while total > limit {
            let mut went = 0;
            for candidate in self.layer_candidates()? {
                if total - went > limit && self.remove(&candidate.what)? {
                    went += candidate.size;
                    // What this one stood on is next in age, not the next in the list.
                    break;
                }
            }
            if went == 0 {
                break;
            }
            total -= went;
            freed += went;
        }
        Ok(freed)
    }

    /// Removes what no build has used for so long; returns the bytes freed.
    pub fn forget_unused(&self, age: Duration) -> Result<u64> {
        let mut freed = 0;
        loop {
            let mut went = 0;
            for candidate in self.candidates(FRESH.max(age))? {
                if age_of(candidate.used) >= age && self.remove(&candidate.what)? {
                    went += candidate.size;
                }
            }
            if went == 0 {
                return Ok(freed);
            }
            freed += went;
        }
    }

    /// Everything that could go now, least recently used first. Layers have locks that tell whether they are
    /// in use; for the rest, none is touched while a build runs, or before `fresh` has passed.
    fn candidates(&self, fresh: Duration) -> Result<Vec<Candidate>> {
        let mut all = self.layer_candidates()?;
        if !work::any_in_use(&self.root.join("builds"))? {
            let mut rest = self.base_candidates()?;
            rest.extend(files(&self.root.join("blobs")));
            rest.extend(self.partial_downloads());
            rest.extend(files(&self.indexes()));
            rest.extend(files(&self.machines()));
            rest.retain(|one| age_of(one.used) >= fresh);
            all.extend(rest);
        }
        all.sort_by_key(|one| one.used);
        Ok(all)
    }

    fn layer_candidates(&self) -> Result<Vec<Candidate>> {
        let entries = self.layers().list()?;
        let candidate = |entry: super::LayerEntry| Candidate {
            used: entry.used,
            size: entry.size,
            what: Removable::Layer(entry.key),
        };
        Ok(entries.into_iter().map(candidate).collect())
    }

    /// The beginnings of downloads, from which the next try goes on. One that is written to now is not old.
    fn partial_downloads(&self) -> Vec<Candidate> {
        let is_partial = |path: &Path| path.extension().is_some_and(|extension| extension == "partial");
        let mut all = files(&self.root.join("tmp"));
        all.retain(|one| matches!(&one.what, Removable::File(path) if is_partial(path)));
        all
    }

    fn base_candidates(&self) -> Result<Vec<Candidate>> {
        let root = self.root.join("bases");
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&root).context("read", &root)?.flatten() {
            let Some(key) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let Some(used) = self.bases().used(&key) else { continue };
            let size = files(&entry.path()).iter().map(|file| file.size).sum();
            all.push(Candidate { used, size, what: Removable::Base(key) });
        }
        Ok(all)
    }

    fn remove(&self, what: &Removable) -> Result<bool> {
        match what {
            Removable::Layer(key) => self.layers().evict(key),
            Removable::Base(key) => self.bases().remove(key, || Ok(!self.layers().grounds()?.contains(key))),
            Removable::File(path) => match std::fs::remove_file(path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
                result => result.map(|()| true).context("remove", path),
            },
        }
    }
}

/// How long ago that was. A time in the future is one of a clock that was wrong then, or is now: it is as far
/// from the truth as it seems, and nothing stays for ever because of it.
pub(super) fn age_of(time: SystemTime) -> Duration {
    time.elapsed().unwrap_or_else(|ahead| ahead.duration())
}

/// The files below a folder; one that is not there has none.
fn files(folder: &Path) -> Vec<Candidate> {
    use std::os::unix::fs::MetadataExt;
    let mut all = Vec::new();
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        // Gone meanwhile: then it takes nothing.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let accessed = metadata.accessed().unwrap_or(used);
            let what = Removable::File(entry.into_path());
            all.push(Candidate { used: used.max(accessed), size: metadata.blocks() * 512, what });
        }
    }
    all
}

/// Bytes that a folder takes on its file system, with all that is in it; what goes meanwhile takes nothing.
pub(super) fn size_of(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = walkdir::WalkDir::new(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.blocks() * 512)).sum()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::store::{BaseSlot, LayerMeta};

    fn age(path: &Path, hours: u64) {
        let past = SystemTime::now() - Duration::from_hours(hours);
        let times = std::fs::FileTimes::new().set_accessed(past).set_modified(past);
        File::options().write(true).open(path).unwrap().set_times(times).unwrap();
    }

    /// A base, a layer on it, and a blob, each of 64 KiB and so many hours old.
    fn filled(store: &Store, hours: [u64; 3]) -> (Digest, Digest, Digest) {
        let (base, layer) = (Digest::of("base"), Digest::of("layer"));
        let Some(BaseSlot::Missing(new)) = store.bases().try_claim(&base).unwrap() else { panic!() };
        std::fs::write(new.disk(), vec![1; 65536]).unwrap();
        drop(new.commit(&()).unwrap());
        age(&store.root().join(format!("bases/{base}/used")), hours[0]);
        let disk = store.root().join("tmp/disk");
        std::fs::write(&disk, vec![2; 65536]).unwrap();
        let meta = LayerMeta {
            step: "s".into(),
            image: "i".into(),
            parent: None,
            depth: 0,
            base: Some(base),
            content: None,
            made_ms: None,
        };
        store.layers().put(&layer, &disk, &meta).unwrap();
        age(&store.root().join(format!("layers/{layer}/lock")), hours[1]);
        let blob = store.blobs().put(&vec![3; 65536]).unwrap();
        age(&store.blobs().path(&blob), hours[2]);
        (base, layer, blob)
    }

    fn there(store: &Store, (base, layer, blob): &(Digest, Digest, Digest)) -> [bool; 3] {
        // Not by `get`, which is a use.
        let base = store.root().join(format!("bases/{base}"));
        [base.exists(), store.layers().disk(layer).exists(), store.blobs().path(blob).exists()]
    }

    #[test]
    fn the_least_recently_used_goes_first_and_a_base_after_its_layers() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let all = filled(&store, [30, 20, 10]);
        let total = store.usage().unwrap().total();
        assert!(store.shrink(total).unwrap() == 0 && there(&store, &all) == [true; 3]);
        // One of three has to go. The base is the oldest, and carries the layer; that is the next.
        store.shrink(total - 4096).unwrap();
        assert_eq!(there(&store, &all), [true, false, true]);
        store.shrink(0).unwrap();
        assert_eq!(there(&store, &all), [false; 3]);
    }

    /// The first bytes of a qcow2 disk over another one.
    fn overlay(backing: &str) -> Vec<u8> {
        let mut disk = vec![0; 65536];
        let length = u32::try_from(backing.len()).unwrap();
        disk[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        disk[8..16].copy_from_slice(&512u64.to_be_bytes());
        disk[16..20].copy_from_slice(&length.to_be_bytes());
        disk[512..512 + backing.len()].copy_from_slice(backing.as_bytes());
        disk
    }

    #[test]
    fn a_layer_that_notes_no_base_keeps_the_one_its_disk_names_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (base, layer, _) = filled(&store, [30, 20, 10]);
        store.layers().evict(&layer).unwrap();
        let other = Digest::of("other");
        let Some(BaseSlot::Missing(new)) = store.bases().try_claim(&other).unwrap() else { panic!() };
        std::fs::write(new.disk(), "unused").unwrap();
        new.commit(&()).unwrap();
        let held: Vec<_> = [overlay(&format!("../../bases/{base}/disk.qcow2")), b"damaged".to_vec()]
            .into_iter()
            .map(|bytes| {
                let disk = store.root().join("tmp/disk");
                std::fs::write(&disk, &bytes).unwrap();
                let meta = LayerMeta {
                    step: "s".into(),
                    image: "i".into(),
                    parent: None,
                    depth: 0,
                    base: None,
                    content: None,
                    made_ms: None,
                };
                let layer = store.layers().put(&Digest::of(&bytes), &disk, &meta).unwrap();
                std::fs::remove_file(&disk).unwrap();
                layer
            })
            .collect();
        let goes = |key| store.remove(&Removable::Base(key)).unwrap();
        assert!(!goes(base) && goes(other));
        drop(held);
        store.shrink_layers(0).unwrap();
        assert!(goes(base));
    }

    #[test]
    fn what_would_go_is_told_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let all = filled(&store, [30, 20, 10]);
        let total = store.usage().unwrap().total();
        assert_eq!(store.would_shrink(total).unwrap(), []);
        assert_eq!(store.would_shrink(0).unwrap().len(), 3);
        assert_eq!(store.would_shrink_layers(0).unwrap().len(), 1);
        assert!(store.would_forget_unused(Duration::from_hours(25)).unwrap()[0].what.starts_with("base "));
        assert_eq!(there(&store, &all), [true; 3]);
    }

    #[test]
    fn what_a_running_build_may_need_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let all = filled(&store, [30, 20, 10]);
        let held = store.layers().get(&all.1).unwrap();
        let build = store.begin_build("b1").unwrap();
        store.shrink(0).unwrap();
        assert_eq!(there(&store, &all), [true; 3]);
        drop((held, build));
        store.shrink(0).unwrap();
        assert_eq!(there(&store, &all), [false; 3]);
    }

    #[test]
    fn what_a_build_has_found_stays_though_it_has_not_begun() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let all = filled(&store, [30, 20, 10]);
        // No working folder says that there is a build, and to be found is no reason to be old no longer.
        let found = store.bases().get(&all.0).unwrap();
        age(&store.root().join(format!("bases/{}/used", all.0)), 30);
        store.shrink(0).unwrap();
        assert_eq!(there(&store, &all), [true, false, false]);
        drop(found);
        store.shrink(0).unwrap();
        assert_eq!(there(&store, &all), [false; 3]);
        assert!(store.bases().get(&all.0).is_none());
    }

    #[test]
    fn the_beginning_of_a_download_goes_when_nobody_takes_it_up() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let [old, new] = ["old", "new"].map(|name| store.blobs().partial(&Digest::of(name)));
        for path in [&old, &new] {
            std::fs::write(path, vec![4; 65536]).unwrap();
        }
        age(&old, 100);
        assert_eq!(store.usage().unwrap().blobs, 2 * 65536);
        store.forget_unused(Duration::from_hours(50)).unwrap();
        assert_eq!([old.exists(), new.exists()], [false, true]);
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nothing_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let all = filled(&store, [30, 20, 10]);
        let ahead = SystemTime::now() + Duration::from_hours(24 * 365);
        let times = std::fs::FileTimes::new().set_accessed(ahead).set_modified(ahead);
        let base = store.root().join(format!("bases/{}/used", all.0));
        for path in [base, store.blobs().path(&all.2)] {
            File::options().write(true).open(path).unwrap().set_times(times).unwrap();
        }
        store.shrink(0).unwrap();
        assert_eq!(there(&store, &all), [false; 3]);
    }

    #[test]
    fn what_was_used_just_now_stays_and_what_nobody_used_for_long_goes() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let all = filled(&store, [0, 100, 0]);
        assert!(store.forget_unused(Duration::from_hours(50)).unwrap() >= 65536);
        assert_eq!(there(&store, &all), [true, false, true]);
        store.shrink(0).unwrap();
        assert_eq!(there(&store, &all), [true, false, true], "somebody may be about to use it");
    }

    #[test]
    fn kept_disks_of_failed_builds_are_told_before_they_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let kept = dir.path().join("builds/1-0");
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("disk.qcow2"), [1; 9000]).unwrap();
        let would = store.would_remove_kept_builds().unwrap();
        assert!(
            would.len() == 1 && would[0].what.ends_with("builds/1-0") && would[0].size >= 9000,
            "{would:?}"
        );
        assert_eq!(store.remove_kept_builds().unwrap(), ["1-0"]);
        assert_eq!(store.would_remove_kept_builds().unwrap(), []);
    }
}
