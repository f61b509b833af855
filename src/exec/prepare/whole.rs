//! Whether the packages of a lock make a whole: a merge of two locks that are need not be one.

use super::{Prepared, Preparer, answers::place_of, errors};
use crate::{exec::BuildError, packages::Unmet};

impl Prepared {
    /// Where the list of its packages lies in memory: equal for images that share it.
    #[must_use]
    pub fn place_of_packages(&self) -> impl Ord + use<> {
        self.packaging.as_ref().map(|packaging| place_of(&packaging.installed))
    }
}

impl Preparer<'_> {
    /// What packages of a prepared image need and do not have, as far as the archives know it.
    pub async fn lacking(&self, prepared: &Prepared) -> Result<Vec<Unmet>, BuildError> {
        let Some(packaging) = &prepared.packaging else { return Ok(Vec::new()) };
        // What a lock names comes without control data.
        if packaging.installed.iter().all(|one| !one.control.is_empty()) {
            return Ok(Vec::new());
        }
        let rings = packaging.rings()?;
        let pool = self.pool(packaging.system(), &packaging.signed(&rings), self.max_age).await;
        let pool = pool.map_err(|error| errors::archive(&error, None))?;
        Ok(pool.lacking(&packaging.installed))
    }
}
