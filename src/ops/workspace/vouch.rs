//! Whether the packages of a lock are what a signed index says, and make a whole.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::Path,
};

use super::{super::error::Error, Workspace};
use crate::{
    exec::{
        BuildError,
        prepare::{Prepared, Unvouched, Vouching, errors},
    },
    lock::package_places,
};

impl Workspace {
    /// Who vouches for the packages of prepared images, one answer an image. The listener is told of packages that
    /// nobody vouches for and that are allowed all the same.
    ///
    /// # Errors
    /// `Files` with those of the lock that nobody vouches for, each at its line, unless they are allowed.
    pub(in crate::ops) async fn vouch(
        &self,
        prepared: &[Prepared],
        allow: bool,
    ) -> Result<Vec<Vouching>, Error> {
        let mut vouchings = Vec::new();
        let mut found = Vec::new();
        for one in prepared {
            let vouch = self.preparer(false).vouch(one).await;
            let (vouching, unvouched) = vouch.map_err(|failure| self.failed(failure))?;
            vouchings.push(vouching);
            if unvouched.is_empty() {
                continue;
            }
            let image = &one.plan.image;
            if allow {
                for one in &unvouched {
                    let (name, version) = (&one.package.name, &one.package.version);
                    self.listener.note(&format!(
                        "`{image}`: nobody vouches for `{name}` {version}; it is allowed this once"
                    ));
                }
                continue;
            }
            let name = self.lock_name();
            let places =
                self.project.sources.iter().find(|(_, source)| {
                    Path::new(&source.name).file_name().is_some_and(|file| *file == *name)
                });
            let places = places.map(|(id, _)| package_places(id, &self.project.sources));
            let line = |one: &Unvouched| places.as_ref()?.find(image, one.of_base, &one.package);
            found.extend(errors::unvouched(image, &unvouched, line));
        }
        self.answers.forget_indexes();
        if found.is_empty() { Ok(vouchings) } else { Err(self.failed(BuildError::Diagnosed(found))) }
    }

    /// Whether the packages that the lock has for each image make a whole. What was chosen just now does.
    ///
    /// # Errors
    /// `Files` with the relations that are not met.
    pub(in crate::ops) async fn whole(&self, prepared: &[Prepared]) -> Result<(), Error> {
        let mut found = Vec::new();
        // Images that have the same packages share them: those are looked at once.
        let mut seen = BTreeMap::new();
        for one in prepared.iter().filter(|one| self.lock.images.get(&one.plan.image) == Some(&one.locked)) {
            let unmet = match seen.entry(one.place_of_packages()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let lacking = self.preparer(false).lacking(one).await;
                    new.insert(lacking.map_err(|failure| self.failed(failure))?)
                }
            };
            let spec = self.project.checked.spec.image(&one.plan.image);
            if let (Some(spec), false) = (spec, unmet.is_empty()) {
                found.push(errors::lacking(&one.plan.image, spec.name.span, unmet));
            }
        }
        self.answers.forget_indexes();
        if found.is_empty() { Ok(()) } else { Err(self.failed(BuildError::Diagnosed(found))) }
    }
}
