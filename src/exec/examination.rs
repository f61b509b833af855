//! What was seen of a finished disk, for everybody who asks later.

use serde::{Deserialize, Serialize};

use super::BuildError;
use crate::{
    describe::Inventory,
    hygiene::Finding,
    plan::{ImagePlan, Key},
    store::Store,
    text::Digest,
};

/// Changes with the meaning of [`Examination`], and with the rules.
pub(super) const KIND: &str = "examination-v2";

/// What was seen of a finished disk, kept under the key that names the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Examination {
    /// Every breach of a rule for finished disks.
    pub findings: Vec<Finding>,
    /// What it consists of.
    pub inventory: Inventory,
    /// What decides how it comes up, see [`boot_parts`](super::boot_parts).
    pub boot_parts: Digest,
}

impl Examination {
    /// That of the disk with this key, if somebody looked at it.
    pub(super) fn known(store: &Store, key: Key) -> Option<Self> {
        store.facts().get(KIND, &key.0)
    }

    /// Keeps it with a disk that is kept itself.
    pub(super) fn remember(&self, store: &Store, image: &ImagePlan) -> Result<(), BuildError> {
        Ok(store.facts().put(KIND, &image.key().0, self)?)
    }
}
