//! What a layer or base was when it was kept: a digest of all its bytes, and what the file system said of the file.
//!
//! As long as the file system says the same, within one boot of the host, nobody has written to it. Else all of it
//! is read: what then differs is not used any more.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    Context, Digest, Result,
    file_digest::at_rest,
    identity::{Identity, Now},
    own,
    process::boot_id,
    read_regular,
};

/// Beside the disk.
const SEAL: &str = "seal.json";
const LIMIT: u64 = 1 << 16;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seal {
    blake3: String,
    /// After another boot of the host the file may be what a power cut left, or another system wrote to it.
    boot: String,
    identity: Identity,
    /// Whether any change since the file was read shows in that: not one within the same tick of the clock.
    at_rest: bool,
}

impl Seal {
    /// Seals the disk in a folder, as it is now; the answer is BLAKE3 of its bytes.
    pub(super) fn set(folder: &Path, disk: &str) -> Result<Digest> {
        let path = folder.join(disk);
        let (identity, blake3) = read_through(&path).context("read", &path)?;
        let digest = Digest::from_bytes(blake3.into());
        let at_rest = Now::at(folder).is_after(&identity);
        let blake3 = blake3.to_hex().to_string();
        Self { blake3, boot: boot_id(), identity, at_rest }.write(folder)?;
        Ok(digest)
    }

    /// BLAKE3 of the bytes of the disk that was sealed in a folder.
    pub(super) fn digest(folder: &Path) -> Option<Digest> {
        Self::of(folder)?.blake3.parse().ok()
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(SEAL);
        let bytes = serde_json::to_vec(self).map_err(io::Error::from).context("write", &path)?;
        // Whole or not at all: several processes may find at once that the host has booted.
        let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
            io::Write::write_all(&mut file, &bytes)?;
            file.persist(&path).map_err(|error| error.error).map(|_| ())
        });
        written.context("write", &path)
    }

    /// Whether the disk was kept before there were seals: it is sealed as it is when it is used next. Whoever could
    /// take a seal away could as well write another.
    fn is_missing(folder: &Path) -> bool {
        folder.join(SEAL).symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    fn of(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&read_regular(&folder.join(SEAL), LIMIT).ok()?).ok()
    }

    /// Whether the disk in a folder is the one that was kept. `thoroughly` reads it in any case.
    pub(super) fn holds(folder: &Path, disk: &str, thoroughly: bool) -> bool {
        let path = folder.join(disk);
        let Ok(found) = path.symlink_metadata() else { return false };
        if !is_own_file(&path, &found) {
            return false;
        }
        if Self::is_missing(folder) {
            return Self::set(folder, disk).is_ok();
        }
        let Some(seal) = Self::of(folder) else { return false };
        let same = seal.at_rest && seal.boot == boot_id() && seal.identity == Identity::of(&found);
        if same && !thoroughly {
            return true;
        }
        let Ok((identity, blake3)) = read_through(&path) else { return false };
        if blake3.to_hex().as_str() != seal.blake3 {
            return false;
        }
        // A store that cannot be written is read anew each time.
        if !same {
            let at_rest = Now::at(folder).is_after(&identity);
            let _ = Self { identity, boot: boot_id(), at_rest, ..seal }.write(folder);
        }
        true
    }

    /// Notes that the disk has lost a second name that it had while it was kept, which the file system says of the
    /// file too. Its content is what it was then: this is called before anything else happens to it.
    pub(super) fn renew(folder: &Path, disk: &str) -> Result<()> {
        let path = folder.join(disk);
        match (Self::of(folder), at_rest(&path)?) {
            (Some(seal), Some(now)) if seal.identity.is_but_renamed(&now) => {
                Self { identity: now, at_rest: true, ..seal }.write(folder)
            }
            _ => Ok(()),
        }
    }
}

fn is_own_file(path: &Path, found: &Metadata) -> bool {
    found.is_file() && own::own(path, found).is_ok()
}

/// All of a file, and what it is; once more if it was changed meanwhile.
fn read_through(path: &Path) -> io::Result<(Identity, blake3::Hash)> {
    loop {
        let mut file = File::open(path)?;
        let before = Identity::of(&file.metadata()?);
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => {
                    hasher.update(&buffer[..count]);
                }
            }
        }
        if Identity::of(&file.metadata()?) == before {
            return Ok((before, hasher.finalize()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::path::PathBuf;

    use super::*;
    use crate::store::{BaseSlot, LayerMeta, Store};

    /// A store with a base, two layers that stand on it and on each other, and a file.
    struct World {
        _dir: tempfile::TempDir,
        store: Store,
        base: Digest,
        layers: [Digest; 2],
        blob: Digest,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path().join("store")).unwrap();
            let base = Digest::of("base");
            let Some(BaseSlot::Missing(new)) = store.bases().try_claim(&base).unwrap() else { panic!("new") };
            std::fs::write(new.disk(), "the base's disk").unwrap();
            new.commit(&"meta").unwrap();
            let layers = [Digest::of("below"), Digest::of("above")];
            for (depth, key) in layers.iter().enumerate() {
                let disk = dir.path().join(format!("{depth}"));
                std::fs::write(&disk, format!("disk number {depth}")).unwrap();
                let meta = LayerMeta {
                    step: format!("step {depth}"),
                    image: "web".into(),
                    parent: (depth > 0).then(|| layers[0]),
                    depth: u32::try_from(depth).unwrap(),
                    base: Some(base),
                    secrets: None,
                    content: None,
                    made_ms: None,
                };
                store.layers().put(key, &disk, &meta).unwrap();
                std::fs::remove_file(&disk).unwrap();
            }
            store.layers().renew_seals();
            let blob = store.blobs().put(b"a file").unwrap();
            let world = Self { _dir: dir, store, base, layers, blob };
            at_rest(&world.store.blobs().path(&blob)).unwrap().expect("a clock that ticks");
            // What was too new to be known by its times is read once more.
            assert_eq!(world.there(), [true; 4]);
            world
        }

        fn there(&self) -> [bool; 4] {
            let [below, above] = self.layers.map(|key| self.store.layers().get(&key).is_some());
            let base = self.store.bases().get(&self.base).is_some();
            [base, below, above, self.store.blobs().get(&self.blob).is_some()]
        }

        fn folder(&self, kind: &str, key: &Digest) -> PathBuf {
            self.store.root().join(kind).join(key.to_string())
        }
    }

    /// Changes one byte and leaves size and time of change as they were.
    fn flip(path: &Path) {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, 2).unwrap();
        file.write_all_at(&[byte[0] ^ 1], 2).unwrap();
        file.set_modified(modified).unwrap();
    }

    #[test]
    fn a_layer_that_was_changed_is_not_used_nor_what_stands_on_it() {
        let world = World::new();
        flip(&world.store.layers().disk(&world.layers[0]));
        let held = world.store.layers().hold(&world.layers[0]).unwrap();
        assert!(!world.store.layers().is_as_kept(&held));
        assert!(world.store.layers().get(&world.layers[1]).is_none(), "it stands on what was changed");
        let notes = world.store.take_notes();
        assert!(notes.len() == 1 && notes[0].contains("(`step 0`) is not as it was kept"), "{notes:?}");
        assert_eq!(world.there(), [true, false, false, true]);
    }

    #[test]
    fn the_layer_above_alone_goes_when_only_it_was_changed() {
        let world = World::new();
        flip(&world.store.layers().disk(&world.layers[1]));
        assert!(world.store.layers().get(&world.layers[1]).is_none());
        assert_eq!(world.there(), [true, true, false, true]);
    }

    #[test]
    fn a_base_that_was_changed_goes_with_its_layers() {
        let world = World::new();
        flip(&world.folder("bases", &world.base).join("disk.qcow2"));
        assert!(world.store.bases().get(&world.base).is_none());
        assert!(world.store.take_notes()[0].contains("the base"));
        assert_eq!(world.there(), [false, false, false, true]);
    }

    #[test]
    fn a_file_that_was_changed_goes() {
        let world = World::new();
        flip(&world.store.blobs().path(&world.blob));
        assert!(!world.store.blobs().is_as_kept(&world.blob));
        assert!(world.store.blobs().get(&world.blob).is_none());
        assert!(world.store.take_notes()[0].contains("the file"));
        assert_eq!(world.there(), [true, true, true, false]);
    }

    #[test]
    fn all_bytes_are_read_after_another_boot_and_when_the_file_system_says_something_else() {
        let world = World::new();
        let folder = world.folder("layers", &world.layers[0]);
        let seal = Seal::of(&folder).unwrap();
        let changed = |change: &dyn Fn(&mut Seal)| {
            let mut other = seal.clone();
            change(&mut other);
            other.write(&folder).unwrap();
            (Seal::holds(&folder, "disk.qcow2", false), Seal::of(&folder).unwrap())
        };
        // What is right is found so, and need not be read the next time.
        assert_eq!(changed(&|seal| seal.boot = "another".into()), (true, seal.clone()));
        // Whether it was read shows in that a wrong digest is found out.
        let wrong = |seal: &mut Seal| seal.blake3 = "0".repeat(64);
        assert!(changed(&wrong).0, "not read without a reason");
        assert!(!changed(&|seal| (seal.boot, seal.blake3) = ("another".into(), String::new())).0);
        std::fs::write(folder.join(SEAL), "{}").unwrap();
        assert!(!Seal::holds(&folder, "disk.qcow2", false), "a seal that is none");
    }

    #[test]
    fn what_was_kept_before_there_were_seals_is_sealed_when_it_is_used() {
        let world = World::new();
        let folders = [world.folder("bases", &world.base), world.folder("layers", &world.layers[0])];
        for folder in &folders {
            std::fs::remove_file(folder.join(SEAL)).unwrap();
        }
        assert_eq!((world.there(), world.store.take_notes()), ([true; 4], vec![]));
        for folder in &folders {
            flip(&folder.join("disk.qcow2"));
        }
        assert_eq!(world.there(), [false, false, false, true]);
    }

    #[test]
    fn a_name_less_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, name) = (dir.path().join("disk"), dir.path().join("name"));
        std::fs::write(&disk, "disk").unwrap();
        std::fs::hard_link(&disk, &name).unwrap();
        Seal::set(dir.path(), "disk").unwrap();
        std::fs::remove_file(&name).unwrap();
        Seal::renew(dir.path(), "disk").unwrap();
        assert_eq!(Seal::of(dir.path()).unwrap().identity, Identity::at(&disk).unwrap());
        let before = Seal::of(dir.path()).unwrap();
        std::fs::write(&disk, "else").unwrap();
        Seal::renew(dir.path(), "disk").unwrap();
        assert_eq!(Seal::of(dir.path()).unwrap(), before, "another time of change is a change");
    }
}
