//! What was found out for one image of a project and holds for others: a project of a thousand images asks few
//! different questions, and each answer is worth seconds and megabytes.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Pins, Preparer, Vouching};
use crate::{
    exec::base::Recipe,
    packages::{Archive, InstalledPackage, Keyring, Manager, Pool},
    store::archive::ArchiveError,
    text::Digest,
};

/// The answers of one command.
#[derive(Debug, Default)]
pub struct Answers {
    pins: Memo<Arc<Pins>>,
    /// What disks have, and who looks after it, by their digest.
    systems: Memo<(Manager, Arc<[InstalledPackage]>)>,
    recipes: Memo<(Arc<Recipe>, Digest)>,
    vouchings: Memo<Vouching>,
    pools: Memo<Arc<dyn Pool>>,
}

/// A set as part of a question: where it lies. Whoever asks, or the answer, has to keep it there for as long as there
/// are answers.
pub fn place_of<T>(set: &[T]) -> (usize, usize) {
    (set.as_ptr().addr(), set.len())
}

impl Answers {
    /// Packages that were chosen, by what was asked of the solve.
    pub fn pins(&self) -> &Memo<Arc<Pins>> {
        &self.pins
    }

    /// Packages that disks have, and who looks after them, by the digest of the disk.
    pub fn systems(&self) -> &Memo<(Manager, Arc<[InstalledPackage]>)> {
        &self.systems
    }

    /// Recipes of bases that are made here, with their keys, by all that decides them.
    pub fn recipes(&self) -> &Memo<(Arc<Recipe>, Digest)> {
        &self.recipes
    }

    /// Who vouches for a set of locked packages, by the set.
    pub fn vouchings(&self) -> &Memo<Vouching> {
        &self.vouchings
    }

    /// Lets go of the indexes, which take more memory than all else.
    pub fn forget_indexes(&self) {
        self.pools.forget();
    }
}

/// Answers of one kind, by question.
#[derive(Debug)]
pub struct Memo<T>(Mutex<HashMap<Digest, T>>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Memo<T> {
    pub fn get(&self, question: &impl Debug) -> Option<T> {
        self.lock().get(&digest(question)).cloned()
    }

    pub fn put(&self, question: &impl Debug, answer: T) -> T {
        self.lock().insert(digest(question), answer.clone());
        answer
    }

    fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, T>> {
        // An answer is put there whole or not at all.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Questions are plain data, of which Debug leaves nothing out.
fn digest(question: &impl Debug) -> Digest {
    Digest::of(format!("{question:?}"))
}

impl Preparer<'_> {
    /// All packages of some archives; two sets of archives are kept at most.
    pub(super) async fn pool(
        &self,
        (manager, arch): (Manager, &str),
        archives: &[(Archive, &Keyring)],
        max_age: std::time::Duration,
    ) -> Result<Arc<dyn Pool>, ArchiveError> {
        let question = (manager, arch, archives, max_age);
        if let Some(known) = self.answers.pools.get(&question) {
            return Ok(known);
        }
        let indexes = crate::store::archive::Indexes { max_age, ..self.indexes(manager) };
        let pool = indexes.load(arch, archives).await?;
        if self.answers.pools.lock().len() >= 2 {
            self.answers.pools.forget();
        }
        Ok(self.answers.pools.put(&question, pool))
    }
}
