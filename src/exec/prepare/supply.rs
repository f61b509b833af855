//! What a build needs on this host: packages, downloads, a base.

use std::{collections::BTreeMap, path::PathBuf};

use super::{Prepared, Preparer, ResolvedBase, Vouching, errors};
use crate::{
    driver::Driver,
    exec::{
        BuildError, BuildInputs, EventKind, Reporter,
        base::{self, Vouched},
    },
    model::DiskFormat,
    packages::Selected,
    plan::{Action, CopyFrom, CopyStep, ImagePlan},
    store::{
        Base, Voucher,
        fetch::{Download, FetchError},
    },
    text::{Checksum, Digest, without_credentials},
};

impl Preparer<'_> {
    /// Has everything on this host that the image's steps need, the base among it; only that one where every step is done,
    /// and somebody holds what it led to. A base may have to be made in one of the driver's machines.
    pub async fn supply(
        &self,
        prepared: &Prepared,
        (vouching, done): (Vouching, bool),
        driver: &dyn Driver,
        reporter: &Reporter,
    ) -> Result<BuildInputs, BuildError> {
        let mut blobs = if done { BTreeMap::new() } else { self.supply_steps(prepared, reporter).await? };
        let (recipe, built_in) = match &prepared.resolved_base {
            ResolvedBase::Recipe { recipe, built_in } => (recipe, *built_in),
            ResolvedBase::Disk(base) => return Ok(inputs(base.clone(), blobs)),
            ResolvedBase::Image => return Ok(BuildInputs { blobs, ..BuildInputs::default() }),
        };
        let made = match self.store.bases().get(&recipe.key()) {
            Some(made) => made,
            None => {
                let downloads = self.package_downloads(&recipe.packages)?;
                blobs.extend(self.fetch("download the base's packages", &downloads, reporter).await?);
                // Where the scripts of its packages may run.
                let vouched = match vouching.base {
                    Voucher::Distribution if built_in => Vouched::Ours,
                    _ => Vouched::Nobody,
                };
                // Why it has to be made, if it was there.
                self.store.take_notes().into_iter().for_each(|note| reporter.note(note));
                let step = format!("make base {}", prepared.plan.base.name);
                let mut line = |text: &str| reporter.output(&step, &format!("{text}\n"));
                let made = base::obtain(self.store, (recipe, vouched), driver, &blobs, &mut line);
                reporter.step(&step, made).await?
            }
        };
        Ok(inputs(made, blobs))
    }

    /// Has the packages and downloads of the image's steps.
    async fn supply_steps(
        &self,
        prepared: &Prepared,
        reporter: &Reporter,
    ) -> Result<BTreeMap<Digest, PathBuf>, BuildError> {
        let mut blobs = self
            .try_fetch("download packages", &self.downloads(prepared)?, reporter)
            .await
            .map_err(|error| errors::supply(&error, &prepared.plan))?;
        for (url, checksum) in copied(&prepared.plan).filter(|(_, sum)| matches!(sum, Checksum::Sha512(_))) {
            let fetched = self.pinned(url, checksum, reporter).await;
            let (_, path) = fetched.map_err(|error| errors::supply(&error, &prepared.plan))?;
            blobs.insert(checksum.id(), path);
        }
        Ok(blobs)
    }

    /// Has files in the store; `step` is the name under which a download is reported.
    ///
    /// # Errors
    /// [`BuildError::Diagnosed`] if one cannot be downloaded, or is not what was promised.
    pub async fn fetch(
        &self,
        step: &str,
        downloads: &[Download],
        reporter: &Reporter,
    ) -> Result<BTreeMap<Digest, PathBuf>, BuildError> {
        self.try_fetch(step, downloads, reporter).await.map_err(|error| errors::fetch(&error))
    }

    /// Has files in the store; whoever asked for them knows what their lack means.
    pub async fn try_fetch(
        &self,
        step: &str,
        downloads: &[Download],
        reporter: &Reporter,
    ) -> Result<BTreeMap<Digest, PathBuf>, FetchError> {
        let missing = downloads.iter().filter(|one| self.store.blobs().get(&one.sha256).is_none()).count();
        let progress = |done, total| {
            reporter.report(EventKind::Progress { task: step.to_owned(), done, total });
        };
        let fetch = self.fetcher.all(self.store, downloads, &progress);
        if missing == 0 { fetch.await } else { reporter.step(step, fetch).await }
    }

    /// Has one file in the store that is pinned by either checksum: its SHA-256 and where it lies.
    pub async fn pinned(
        &self,
        url: &str,
        checksum: Checksum,
        reporter: &Reporter,
    ) -> Result<(Digest, PathBuf), FetchError> {
        let step = format!("download {}", without_credentials(url));
        let progress = |done, total| {
            reporter.report(EventKind::Progress { task: step.clone(), done, total });
        };
        let fetch = self.fetcher.published(self.store, url, checksum, &progress);
        if self.fetcher.has(self.store, &checksum) { fetch.await } else { reporter.step(&step, fetch).await }
    }

    /// The package files of the plan's steps, and their downloads that are pinned by what names files here.
    fn downloads(&self, prepared: &Prepared) -> Result<Vec<Download>, BuildError> {
        let mut downloads = self.package_downloads(&prepared.locked.packages)?;
        for (url, checksum) in copied(&prepared.plan) {
            if let Checksum::Sha256(sha256) = checksum {
                downloads.push(Download { name: url.to_owned(), url: url.to_owned(), sha256, size: None });
            }
        }
        Ok(downloads)
    }

    fn package_downloads(&self, packages: &[Selected]) -> Result<Vec<Download>, BuildError> {
        let mirrors = self.mirrors.ok_or_else(errors::no_mirror)?;
        let download = |package: &Selected| Download {
            name: format!("{} {}", package.name, package.version),
            url: mirrors.url(&package.origin),
            sha256: package.sha256,
            size: Some(package.size),
        };
        Ok(packages.iter().map(download).collect())
    }
}

/// The downloads of a plan's `copy url`.
fn copied(plan: &ImagePlan) -> impl Iterator<Item = (&str, Checksum)> {
    plan.steps.iter().filter_map(|step| match &step.action {
        Action::Copy(CopyStep { from: CopyFrom::Download { url, checksum, .. }, .. }) => {
            Some((url.as_str(), *checksum))
        }
        _ => None,
    })
}

/// What a build on a base of the store needs.
fn inputs(base: Base, blobs: BTreeMap<Digest, PathBuf>) -> BuildInputs {
    let disk = base.disk.clone();
    BuildInputs {
        base: disk,
        base_format: DiskFormat::Qcow2,
        held: Some(base),
        blobs,
        ..BuildInputs::default()
    }
}
