//! Layers and power cuts: a layer can be used at once, and outlives the host's crash only when it was written
//! to the disk. Until then it bears a mark with the host's boot; found after another boot, it is worthless.

use std::fs::File;
use std::path::Path;

use super::{DISK, LOCK, LayerEntry, Layers, META, standing_on};
use crate::store::{Context, Result, own, process::boot_id};

/// The mark of a layer that may not be on the disk yet.
const MARK: &str = "unsynced";

/// Marks a layer, or what is about to become one.
pub(super) fn mark(folder: &Path) -> Result<()> {
    let path = folder.join(MARK);
    own::write(&path, boot_id()).context("write", &path)
}

impl Layers<'_> {
    /// Sees to it that all layers there are now outlive a crash of the host. Takes as long as the disk takes.
    pub fn sync(self) -> Result<()> {
        let mut marked: Vec<LayerEntry> =
            self.list()?.into_iter().filter(|entry| self.folder(&entry.key).join(MARK).exists()).collect();
        // What a layer stands on must be safe before the layer is.
        marked.sort_by_key(|entry| entry.meta.depth);
        for entry in marked {
            let folder = self.folder(&entry.key);
            let written = [DISK, META, LOCK]
                .into_iter()
                .try_for_each(|name| File::open(folder.join(name)).and_then(|file| file.sync_all()));
            let written = written.and_then(|()| File::open(self.root())?.sync_all());
            match written.and_then(|()| std::fs::remove_file(folder.join(MARK))) {
                // Evicted meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                result => result.context("write", &folder)?,
            }
        }
        Ok(())
    }

    /// Removes layers that a crash of the host may have damaged, and what stands on them.
    pub(in crate::store) fn sweep_unsynced(self) -> Result<()> {
        let boot = boot_id();
        let entries = self.list()?;
        let marked = entries.iter().filter(|entry| {
            std::fs::read_to_string(self.folder(&entry.key).join(MARK)).is_ok_and(|of| of != boot)
        });
        let doubtful = standing_on(&entries, marked.map(|entry| entry.key).collect());
        for key in doubtful.iter().rev() {
            self.remove_unless_held(key, || Ok(true))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::LayerMeta;
    use super::*;
    use crate::store::{Digest, Store};

    fn put(store: &Store, name: &str, parent: Option<Digest>, depth: u32) -> Digest {
        let key = Digest::of(name);
        let disk = store.root().join("tmp").join(name);
        std::fs::write(&disk, name).unwrap();
        let meta = LayerMeta {
            step: name.into(),
            image: "web".into(),
            parent,
            depth,
            base: None,
            content: None,
            made_ms: None,
        };
        store.layers().put(&key, &disk, &meta).unwrap();
        key
    }

    #[test]
    fn after_a_crash_of_the_host_only_what_was_written_is_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let safe = put(&store, "safe", None, 0);
        store.layers().sync().unwrap();
        let lost = put(&store, "lost", Some(safe), 1);
        let above = put(&store, "above", Some(lost), 2);
        drop(store);

        let store = Store::open(dir.path()).unwrap();
        assert!(store.layers().get(&above).is_some(), "the host has been running all the time");
        std::fs::write(store.layers().folder(&lost).join(MARK), "another boot").unwrap();
        std::fs::remove_file(store.layers().folder(&above).join(MARK)).unwrap();
        drop(store);

        let store = Store::open(dir.path()).unwrap();
        let there = |key| store.layers().get(key).is_some();
        assert_eq!([there(&safe), there(&lost), there(&above)], [true, false, false]);
    }
}
