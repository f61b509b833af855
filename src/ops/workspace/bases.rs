//! What an image starts from: a disk that the ImageFile names, or one that the catalogue lists.

use std::{collections::BTreeMap, path::PathBuf};

use super::Workspace;
use crate::{
    catalog,
    check::BaseSource,
    diagnostic::Diagnostic,
    driver::Driver,
    exec::{
        self, BuildError, Reporter, Request,
        base::{
            imported::{self, ImportedDisk, Named},
            listed,
        },
    },
    text::{Checksum, Digest, Spanned},
};

impl Workspace {
    /// Complaints about bases that nobody has proven.
    pub(super) fn unproven(&self) -> Vec<Diagnostic> {
        let images = self.images().unwrap_or_default().into_iter();
        images.filter_map(|spec| listed::unproven(spec, self.resolutions.get(&spec.name.value)?)).collect()
    }

    /// Takes in the disks of bases that the catalogue lists by URL or file, and lets the resolutions say
    /// what was found in them.
    pub(super) async fn have_listed_bases(&mut self) -> Result<(), BuildError> {
        let reporter = Reporter::new(self.listener.preparing());
        let mut driver: Option<Box<dyn Driver>> = None;
        let mut found = BTreeMap::new();
        for spec in self.images().unwrap_or_default() {
            let name = &spec.name.value;
            let Some((resolution, source)) = self.resolutions.get(name).and_then(listed::source) else {
                continue;
            };
            if let catalog::BaseSource::File { path, .. } = source
                && let Some(request) = Request::disk(path, spec.base.span, &self.project.files)
                && let Some(refused) = request.refused(&self.consent)
            {
                return Err(BuildError::Diagnosed(vec![refused]));
            }
            let locked = self.lock.images.get(name).filter(|_| !self.options.updates(name));
            let files = listed::Files {
                store: &self.store,
                fetcher: &self.fetcher,
                mirror: self.settings.disk_mirror.as_ref().map(|mirror| mirror.value.as_str()),
                root: self.project.files.root(),
                reporter: &reporter,
            };
            let disk = files.have(spec, source, locked).await?;
            let named = Named {
                name: &disk.name,
                span: spec.base.span,
                path: &disk.path,
                sha256: None,
                is_ours: matches!(source, catalog::BaseSource::Url { .. }),
            };
            let given = self.look_into(named, &mut driver, &reporter).await?;
            let resolution = listed::looked_into(spec, resolution, &given).map_err(BuildError::Diagnosed)?;
            found.insert(name.clone(), (resolution, given));
        }
        for (name, (resolution, given)) in found {
            self.resolutions.insert(name.clone(), resolution);
            self.listed.insert(name, given);
        }
        Ok(())
    }

    /// Takes in the disks that `base file` and `base url` name, and looks into those that nobody has
    /// looked into yet. Every disk that cannot be used is told, not only the first.
    pub(super) async fn look_into_bases(&self) -> Result<BTreeMap<String, ImportedDisk>, BuildError> {
        let mut all = BTreeMap::new();
        let mut found = Vec::new();
        let mut driver: Option<Box<dyn Driver>> = None;
        let reporter = Reporter::new(self.listener.preparing());
        for spec in self.images().unwrap_or_default() {
            let (BaseSource::File { path: name, .. } | BaseSource::Url { url: name, .. }) = &spec.base.source
            else {
                continue;
            };
            if all.contains_key(&name.value) {
                continue;
            }
            let outside = exec::disk_outside(spec, &self.project.files);
            if let Some(refused) = outside.and_then(|request| request.refused(&self.consent)) {
                found.push(refused);
                continue;
            }
            let disk = self.disk_of(&spec.base.source, name, &reporter).await;
            let given = match disk {
                Ok((path, sha256)) => {
                    let is_ours = matches!(spec.base.source, BaseSource::Url { .. });
                    let named = Named { name: &name.value, span: name.span, path: &path, sha256, is_ours };
                    self.look_into(named, &mut driver, &reporter).await
                }
                Err(failure) => Err(failure),
            };
            match given {
                Ok(given) => drop(all.insert(name.value.clone(), given)),
                Err(BuildError::Diagnosed(diagnostics)) => found.extend(diagnostics),
                Err(failure) => return Err(failure),
            }
        }
        if found.is_empty() { Ok(all) } else { Err(BuildError::Diagnosed(found)) }
    }

    /// The file of a `base file`, or of a `base url` once it is here.
    async fn disk_of(
        &self,
        source: &BaseSource,
        name: &Spanned<String>,
        reporter: &Reporter,
    ) -> Result<(PathBuf, Option<Spanned<Digest>>), BuildError> {
        match source {
            BaseSource::Url { url, checksum } => {
                let (sha256, path) = self.download(url, *checksum, reporter).await?;
                Ok((path, Some(Spanned::new(sha256, checksum.span))))
            }
            BaseSource::File { sha256, .. } => Ok((self.project.files.root().join(&name.value), *sha256)),
            BaseSource::Auto | BaseSource::Named { .. } | BaseSource::Image { .. } => {
                Err(BuildError::Diagnosed(Vec::new()))
            }
        }
    }

    /// Takes a disk into the store and looks into it, in a machine only if nobody has looked yet.
    async fn look_into(
        &self,
        named: Named<'_>,
        driver: &mut Option<Box<dyn Driver>>,
        reporter: &Reporter,
    ) -> Result<ImportedDisk, BuildError> {
        let file = imported::open(named)?;
        if !named.is_ours
            && let Some(request) = Request::open_disk(&file, named.span, &self.project.files)
            && let Some(refused) = request.refused(&self.consent)
        {
            return Err(BuildError::Diagnosed(vec![refused]));
        }
        let disk =
            imported::import((&self.store, (self.settings.driver.value.disks)().as_ref()), named, file)
                .await?;
        if let Some(facts) = disk.known(&self.store) {
            return disk.keep(facts);
        }
        let driver = match driver {
            Some(driver) => driver,
            None => driver.insert(self.driver(reporter).await?),
        };
        let look = disk.look(&self.store, driver.as_ref(), named);
        let facts = reporter.step(&format!("look into {}", named.name), look).await?;
        disk.keep(facts)
    }

    /// The disk of a `base url`, with its SHA-256.
    async fn download(
        &self,
        url: &Spanned<String>,
        checksum: Spanned<Checksum>,
        reporter: &Reporter,
    ) -> Result<(Digest, PathBuf), BuildError> {
        self.preparer(false)
            .pinned(&url.value, checksum.value, reporter)
            .await
            .map_err(|error| imported::download_error(error, url, checksum))
    }
}
