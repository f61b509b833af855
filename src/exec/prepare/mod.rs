//! From a resolution to a plan and its lock: what has to be looked up for that, and where.
//!
//! A lock that holds answers everything, without network and without indexes. Else the archives' verified
//! indexes do, fetched where the store's are too old.

mod kernel;
mod pins;
mod trouble;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::{BaseFormat, Failure, Reporter, Supplies, What, base::{self, Recipe}};
use crate::{
    catalog::{self, Bootstrap},
    check::{Arch, Files, ImageSpec},
    lock::{LockedImage, LockedSource},
    packages::{Archive, Keyring, Mirrors, Selected, codename},
    plan::{self, Action, BasePlan, BaseSource, CopyFrom, ImagePlan, planned},
    resolve::{BaseOrigin, Resolution},
    store::{
        Store,
        archive::Indexes,
        fetch::{Download, Fetcher},
    },
    text::Digest,
};

pub use pins::{BasePins, Pins, Wish};

/// Where things are looked up.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "`Files` is a door, not data")]
pub struct Preparer<'a> {
    pub store: &'a Arc<Store>,
    pub fetcher: &'a Fetcher,
    /// None if neither a setting nor the host's apt sources name a Debian mirror.
    pub mirrors: Option<&'a Mirrors>,
    pub files: &'a dyn Files,
    pub agent_version: &'a str,
    /// Indexes older than this are fetched again.
    pub max_age: Duration,
}

/// An image that is ready to be supplied and built.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub plan: ImagePlan,
    pub locked: LockedImage,
    /// How the base is made; none for bases that are disks already.
    recipe: Option<Recipe>,
}

impl Preparer<'_> {
    /// Pins packages, plans, and says what the lock is to hold. With `locked`, what it says is taken;
    /// the caller has found that it satisfies the image.
    pub async fn prepare(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        locked: Option<&LockedImage>,
    ) -> Result<Prepared, Failure> {
        let arch = debian_arch(&resolution.arch);
        let BaseOrigin::Catalog { source: catalog::BaseSource::Bootstrap(bootstrap), definition, .. } =
            &resolution.base.origin
        else {
            return Err(trouble::unsupported_base(spec));
        };
        let mirrors = self.mirrors.ok_or_else(trouble::no_mirror)?;
        let pins = match locked {
            Some(locked) => Pins::of_lock(locked, None, arch),
            None => {
                let keys = Keyring::debian().map_err(|error| trouble::keyring(&error))?;
                let archives = suites(bootstrap, mirrors);
                let archives: Vec<_> = archives.iter().map(|archive| (archive.clone(), &keys)).collect();
                let indexes = Indexes { store: self.store, fetcher: self.fetcher, max_age: self.max_age };
                let universe = indexes.load(arch, &archives).await.map_err(|error| trouble::archive(&error))?;
                let wish = Wish::Bootstrap { include: &bootstrap.packages };
                Pins::choose(&universe, wish, spec, resolution)
                    .map_err(|error| trouble::packages(&error, spec, resolution))?
            }
        };
        let BasePins::Set(set) = &pins.base else { return Err(trouble::unsupported_base(spec)) };
        let virtual_size = base_size(spec, resolution);
        let sources = base::apt_sources(bootstrap, &mirrors.debian, &mirrors.security);
        let recipe = Recipe::new(bootstrap, arch, set, sources, virtual_size);
        let base = BasePlan {
            name: resolution.base.name.clone(),
            source: BaseSource::Bootstrap {
                suite: bootstrap.suite.clone(),
                recipe: recipe.key(),
                packages: set.iter().map(planned).collect(),
            },
            virtual_size,
            firmware: resolution.base.firmware.iter().map(|firmware| firmware.as_str().to_owned()).collect(),
        };
        let plan = plan::compile(plan::Inputs {
            spec,
            resolution,
            base: &base,
            packages: &pins.solution,
            extended_states: &pins.extended_states,
            files: self.files,
            agent_version: self.agent_version,
        })
        .map_err(Failure::Diagnosed)?;
        let source = LockedSource::Bootstrap { recipe: definition.to_string(), packages: set.clone() };
        let locked = plan::locked_image(spec, resolution, &plan, source, &pins.solution);
        Ok(Prepared { plan, locked, recipe: Some(recipe) })
    }

    /// Has everything on this host that the image's steps need, the base among it.
    pub async fn supply(&self, prepared: &Prepared, reporter: &Reporter) -> Result<Supplies, Failure> {
        let mut blobs = self.fetch("download packages", &self.downloads(prepared)?, reporter).await?;
        let Some(recipe) = &prepared.recipe else {
            return Ok(Supplies { base: PathBuf::new(), base_format: BaseFormat::Qcow2, blobs });
        };
        let made = match self.store.bases().get(&recipe.key()) {
            Some(made) => made,
            None => {
                let downloads = self.package_downloads(&recipe.packages)?;
                blobs.extend(self.fetch("download the base's packages", &downloads, reporter).await?);
                let step = format!("make base {}", prepared.plan.base.name);
                let mut line = |text: &str| reporter.output(&step, &format!("{text}\n"));
                reporter.step(&step, base::obtain(self.store, recipe, &blobs, &mut line)).await?
            }
        };
        Ok(Supplies { base: made.disk, base_format: BaseFormat::Qcow2, blobs })
    }

    async fn fetch(
        &self,
        step: &str,
        downloads: &[Download],
        reporter: &Reporter,
    ) -> Result<BTreeMap<Digest, PathBuf>, Failure> {
        let missing = downloads.iter().filter(|one| self.store.blobs().get(&one.sha256).is_none()).count();
        let progress = |done, total| {
            reporter.report(What::Progress { task: step.to_owned(), done, total });
        };
        let fetch = async {
            let result = self.fetcher.all(self.store, downloads, &progress).await;
            result.map_err(|error| trouble::fetch(&error))
        };
        if missing == 0 { fetch.await } else { reporter.step(step, fetch).await }
    }

    /// The package files and downloads of the plan's steps.
    fn downloads(&self, prepared: &Prepared) -> Result<Vec<Download>, Failure> {
        let mut downloads = self.package_downloads(&prepared.locked.packages)?;
        for step in &prepared.plan.steps {
            if let Action::Copy(copy) = &step.action
                && let CopyFrom::Download { url, sha256, .. } = &copy.from
            {
                downloads.push(Download { name: url.clone(), url: url.clone(), sha256: *sha256, size: None });
            }
        }
        Ok(downloads)
    }

    fn package_downloads(&self, packages: &[Selected]) -> Result<Vec<Download>, Failure> {
        let mirrors = self.mirrors.ok_or_else(trouble::no_mirror)?;
        let download = |package: &Selected| Download {
            name: format!("{} {}", package.name, package.version),
            url: mirrors.url(&package.origin),
            sha256: package.sha256,
            size: Some(package.size),
        };
        Ok(packages.iter().map(download).collect())
    }
}

/// The archives of a bootstrapped base, in the order of its own sources.
fn suites(bootstrap: &Bootstrap, mirrors: &Mirrors) -> Vec<Archive> {
    let wanted = |archive: &Archive| archive.suite == bootstrap.suite || bootstrap.updates.contains(&archive.suite);
    let name = codename(&bootstrap.suite).unwrap_or(&bootstrap.suite);
    let mut archives = mirrors.suites(name);
    archives.retain(wanted);
    for archive in &mut archives {
        archive.components.clone_from(&bootstrap.components);
    }
    archives
}

/// A bootstrapped base is made as small as `min_storage` asks; a larger disk is grown from it, so that
/// images of many sizes share one base.
fn base_size(spec: &ImageSpec, resolution: &Resolution) -> u64 {
    let usual = resolution.base.virtual_size.unwrap_or(4 << 30);
    spec.min_storage.as_ref().map_or(usual, |size| size.value.bytes().min(usual))
}

fn debian_arch(arch: &str) -> &'static str {
    if arch == Arch::Aarch64.as_str() { Arch::Aarch64.debian() } else { Arch::X86_64.debian() }
}
