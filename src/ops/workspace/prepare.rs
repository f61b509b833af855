//! From what images resolve to, and the lock, to plans.

use super::{super::error::Error, Workspace};
use crate::{
    check::{BaseSource, ImageSpec},
    exec::{
        self, BuildError, Secrets,
        prepare::{BaseInput, Prepared, Preparer},
    },
    lock::{Class, Reason},
    store::{archive::FRESH, fetch::Fetcher},
};

impl Workspace {
    /// Prepares an image from the lock, if that has it. What the lock lacks is chosen; where it says
    /// something else than the ImageFile, only `lock --update` changes it. `before` has the image that it
    /// is based on, if it is based on one.
    async fn prepare(
        &self,
        spec: &ImageSpec,
        before: &[Prepared],
        fetcher: &Fetcher,
        notes: &mut Vec<String>,
    ) -> Result<Prepared, BuildError> {
        let name = &spec.name.value;
        let resolution = self.resolutions.get(name).ok_or_else(|| BuildError::Diagnosed(Vec::new()))?;
        let base_input = self.base_input(spec, before);
        let update = self.options.updates(name);
        let preparer = Preparer { fetcher, ..self.preparer(update) };
        let Some(locked) = self.lock.images.get(name).filter(|_| !update) else {
            if self.options.locked && !update {
                let nothing = "the lock has nothing about this image".to_owned();
                return Err(BuildError::Diagnosed(vec![self.lock_stale(spec, "--locked", true, [nothing])]));
            }
            return preparer.prepare(spec, resolution, None, base_input).await;
        };
        let prepared = preparer.prepare(spec, resolution, Some(locked), base_input).await?;
        let reasons = locked.stale(&prepared.locked);
        let points =
            |reasons: &[Reason]| reasons.iter().map(|reason| reason.point.to_string()).collect::<Vec<_>>();
        if self.options.locked && !reasons.is_empty() {
            let adds = reasons.iter().all(|reason| reason.class != Class::Changed);
            return Err(BuildError::Diagnosed(vec![self.lock_stale(
                spec,
                "--locked",
                adds,
                points(&reasons),
            )]));
        }
        if reasons.iter().any(|reason| reason.class == Class::Changed) {
            return Err(BuildError::Diagnosed(vec![self.lock_stale(spec, "", false, points(&reasons))]));
        }
        for point in points(&reasons) {
            notes.push(format!("`{name}`: {point}; `lock` and `build` write that to the lock"));
        }
        let moved = self.has_other_packages_below(base_input);
        if moved && !locked.packages.is_empty() {
            notes.push(format!("`{name}`: its base image has other packages; its own are chosen anew"));
        }
        if moved || reasons.iter().any(|reason| reason.class == Class::Missing) {
            return preparer.prepare(spec, resolution, None, base_input).await;
        }
        Ok(prepared)
    }

    /// Whether the image below has other packages than the lock says: then what was chosen on top of
    /// them need not fit.
    fn has_other_packages_below(&self, base_input: BaseInput<'_>) -> bool {
        let BaseInput::Image(below) = base_input else { return false };
        let Some(then) = self.lock.images.get(&below.plan.image) else { return true };
        let now = &below.locked;
        then.packages != now.packages
            || then.removed != now.removed
            || then.base.packages() != now.base.packages()
    }

    /// What an image starts from, if that is not of the catalogue.
    fn base_input<'a>(&'a self, spec: &ImageSpec, before: &'a [Prepared]) -> BaseInput<'a> {
        let found = match &spec.base.source {
            BaseSource::File { path: name, .. } | BaseSource::Url { url: name, .. } => {
                self.given.get(&name.value).map(BaseInput::Disk)
            }
            BaseSource::Image { name } => {
                before.iter().find(|one| one.plan.image == name.value).map(BaseInput::Image)
            }
            BaseSource::Auto | BaseSource::Named { .. } => {
                self.listed.get(&spec.name.value).map(BaseInput::Disk)
            }
        };
        found.unwrap_or(BaseInput::Catalogue)
    }

    /// Prepares the images that were asked for, each after the one it is based on: from the lock where that has them,
    /// else with what is chosen now. The listener is told where the lock follows the ImageFile.
    ///
    /// # Errors
    /// `Files` where the lock and the ImageFile part, or nothing can be chosen; `Host` where an index cannot be had.
    pub async fn prepare_all(&self) -> Result<Vec<Prepared>, Error> {
        let mut all = Vec::new();
        let waiting = self.listener.waiting("choosing packages");
        let fetcher = match &waiting {
            Some(waiting) => self.fetcher.clone().watched(waiting.downloads()),
            None => self.fetcher.clone(),
        };
        // What there is to say waits until the line has gone.
        let (mut notes, mut failed) = (Vec::new(), None);
        for spec in self.images()? {
            match self.prepare(spec, &all, &fetcher, &mut notes).await {
                Ok(prepared) => all.push(prepared),
                Err(failure) => {
                    failed = Some(failure);
                    break;
                }
            }
        }
        self.answers.forget_indexes();
        drop(waiting);
        for note in notes {
            self.listener.note(&note);
        }
        failed.map_or(Ok(all), |failure| Err(self.failed(failure)))
    }

    /// The secrets of prepared images, and what their values do to the keys of the steps.
    pub(in crate::ops) fn with_secrets(&self, prepared: &mut [Prepared]) -> Result<Vec<Secrets>, Error> {
        let files = &self.project.files;
        let secrets: Vec<Secrets> =
            prepared.iter().map(|one| Secrets::read(&one.plan, files, &self.consent)).collect();
        exec::with_secrets(prepared.iter_mut().map(|one| &mut one.plan).zip(&secrets), &self.store)
            .map_err(|failure| self.failed(failure))?;
        Ok(secrets)
    }

    /// What downloads for this project.
    pub(in crate::ops) const fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Asks for what this project's images are made of; `refresh` for indexes as they are now.
    pub(in crate::ops) fn preparer(&self, refresh: bool) -> Preparer<'_> {
        Preparer {
            store: &self.store,
            fetcher: &self.fetcher,
            mirrors: self.mirrors.as_ref(),
            files: &self.project.files,
            agent_version: &self.agent_version,
            max_age: if refresh { std::time::Duration::ZERO } else { FRESH },
            answers: &self.answers,
        }
    }
}
