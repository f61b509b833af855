//! The finished disks of one command's images, for the images that are based on them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use super::chain::FinishedDisk;
use crate::{
    plan::{BaseSource, ImagePlan, Key},
    store::WorkFolder,
};

/// Keeps the disks that others stand on until the last of them is built.
#[derive(Debug, Default)]
pub struct ParentDisks {
    /// Whose disks are wanted.
    wanted: BTreeSet<Key>,
    disks: Mutex<BTreeMap<Key, ParentDisk>>,
}

/// A finished disk, held where it is.
#[derive(Debug)]
struct ParentDisk {
    disk: FinishedDisk,
    /// The folder it lies in, where it was not kept as a layer.
    _work: Option<WorkFolder>,
}

impl ParentDisks {
    /// For the images of one command.
    pub fn new<'a>(plans: impl IntoIterator<Item = &'a ImagePlan>) -> Self {
        let key = |plan: &ImagePlan| match plan.base.source {
            BaseSource::Image { key, .. } => Some(key),
            _ => None,
        };
        Self { wanted: plans.into_iter().filter_map(key).collect(), disks: Mutex::default() }
    }

    /// Whether another image stands on the one of this key.
    pub(super) fn wants(&self, key: Key) -> bool {
        self.wanted.contains(&key)
    }

    /// Holds a finished disk. `work` is the folder of its build, which goes with this if the disk is in it.
    pub(super) fn put(&self, key: Key, disk: FinishedDisk, work: WorkFolder) {
        let work = disk.path.starts_with(work.path()).then_some(work);
        self.lock().insert(key, ParentDisk { disk, _work: work });
    }

    /// Where the disk of a key is, if it is here; it stays as long as this.
    pub(super) fn path(&self, key: Key) -> Option<PathBuf> {
        self.lock().get(&key).map(|kept| kept.disk.path.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, ParentDisk>> {
        // A map of finished disks is whole between any two of its calls.
        self.disks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
