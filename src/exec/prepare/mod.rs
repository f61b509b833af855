//! From a resolution to a plan and its lock: what has to be looked up for that, and where.
//!
//! A lock that holds answers everything, without network and without indexes. Else the archives' verified
//! indexes do, fetched where the store's are too old.

mod found;
mod kernel;
mod pins;
mod trouble;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use super::{
    BaseFormat, Failure, Reporter, Supplies, What,
    base::{self, Recipe, given::Given},
};
use crate::{
    catalog::{self, Bootstrap},
    check::{self, Arch, Files, ImageSpec},
    lock::{LockedImage, LockedSource},
    packages::{Archive, InstalledPackage, Keyring, Mirrors, ReleaseError, Selected, codename},
    plan::{self, Action, BasePlan, BaseSource, CopyFrom, ImagePlan, planned},
    resolve::{BaseOrigin, Resolution},
    store::{
        Store,
        archive::Indexes,
        fetch::{Download, Fetcher},
    },
    text::Digest,
};

pub use found::base_facts;
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
    foundation: Foundation,
}

/// What the build disk stands on.
#[derive(Debug, Clone)]
enum Foundation {
    /// Made when it is missing.
    Recipe(Recipe),
    /// In the store already, qcow2.
    Disk(PathBuf),
}

impl Preparer<'_> {
    /// Pins packages, plans, and says what the lock is to hold. With `locked`, what it says is taken;
    /// the caller has found that it satisfies the image. `given` is the disk of `base file` and
    /// `base url`.
    pub async fn prepare(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        locked: Option<&LockedImage>,
        given: Option<&Given>,
    ) -> Result<Prepared, Failure> {
        match (&resolution.base.origin, given) {
            (
                BaseOrigin::Catalog { source: catalog::BaseSource::Bootstrap(bootstrap), definition, .. },
                _,
            ) => self.on_bootstrap(spec, resolution, locked, (bootstrap, *definition)).await,
            (_, Some(given)) => self.on_disk(spec, resolution, locked, given).await,
            _ => Err(trouble::unsupported_base(spec)),
        }
    }

    async fn on_bootstrap(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        locked: Option<&LockedImage>,
        (bootstrap, definition): (&Bootstrap, Digest),
    ) -> Result<Prepared, Failure> {
        let arch = debian_arch(&resolution.arch);
        let mirrors = self.mirrors.ok_or_else(trouble::no_mirror)?;
        let pins = match locked {
            Some(locked) => Pins::of_lock(locked, None, arch),
            None => {
                let keys = Keyring::debian().map_err(|error| trouble::keyring(&error))?;
                let wish = Wish::Bootstrap { include: &bootstrap.packages };
                self.choose(spec, resolution, suites(bootstrap, mirrors), &keys, wish).await?
            }
        };
        let BasePins::Set(set) = &pins.base else { return Err(trouble::unsupported_base(spec)) };
        let virtual_size = base_size(spec, resolution);
        let sources = base::apt_sources(bootstrap, &mirrors.debian, &mirrors.security);
        let recipe = Recipe::new(bootstrap, arch, set, sources, virtual_size);
        let source = BaseSource::Bootstrap {
            suite: bootstrap.suite.clone(),
            recipe: recipe.key(),
            packages: set.iter().map(planned).collect(),
        };
        let pinned = LockedSource::Bootstrap { recipe: definition.to_string(), packages: set.clone() };
        let base = base_plan(resolution, source, virtual_size);
        self.planned(spec, resolution, &pins, base, pinned, Foundation::Recipe(recipe))
    }

    async fn on_disk(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        locked: Option<&LockedImage>,
        given: &Given,
    ) -> Result<Prepared, Failure> {
        let arch = debian_arch(&resolution.arch);
        let facts = &given.facts;
        let marks = facts.apt_extended_states.as_deref().unwrap_or_default();
        let installed = facts.dpkg_status.as_ref().map(|status| InstalledPackage::read_status(status, marks));
        let asks = !plan::requested(spec, resolution).is_empty() || spec.base.upgrade;
        let pins = match (locked, installed) {
            (Some(locked), installed) => Pins::of_lock(locked, installed, arch),
            (None, Some(installed)) if asks => {
                let keys = found::keys(facts).ok_or_else(|| trouble::no_packages(spec))?;
                let archives = found::archives(&facts.apt, self.mirrors);
                self.choose(spec, resolution, archives, &keys, Wish::Found(installed)).await?
            }
            (None, None) if asks => return Err(trouble::no_packages(spec)),
            (None, _) => Pins::none(marks),
        };
        let (source, pinned) = match &spec.base.source {
            check::BaseSource::Url { url, .. } => (
                BaseSource::Url { url: url.value.clone(), sha256: given.sha256 },
                LockedSource::Url {
                    url: url.value.clone(),
                    sha256: given.sha256.to_string(),
                    size: Some(given.size),
                },
            ),
            _ => (
                BaseSource::File { path: resolution.base.name.clone(), sha256: given.sha256 },
                LockedSource::File {
                    path: resolution.base.name.clone(),
                    sha256: given.sha256.to_string(),
                    size: given.size,
                },
            ),
        };
        let base = base_plan(resolution, source, given.virtual_size);
        self.planned(spec, resolution, &pins, base, pinned, Foundation::Disk(given.base.disk.clone()))
    }

    async fn choose(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        archives: Vec<Archive>,
        keys: &Keyring,
        wish: Wish<'_>,
    ) -> Result<Pins, Failure> {
        let mut archives: Vec<_> = archives.into_iter().map(|archive| (archive, keys)).collect();
        let indexes = Indexes { store: self.store, fetcher: self.fetcher, max_age: self.max_age };
        let arch = debian_arch(&resolution.arch);
        let own = indexes.load(arch, &archives).await.map_err(|error| trouble::archive(&error))?;
        let brought = brought_archives(resolution).map_err(|error| trouble::keyring(&error))?;
        archives.extend(brought.iter().map(|(archive, keys)| (archive.clone(), keys)));
        let wider = if brought.is_empty() {
            None
        } else {
            Some(indexes.load(arch, &archives).await.map_err(|error| trouble::archive(&error))?)
        };
        Pins::choose(&own, wider.as_ref().unwrap_or(&own), wish, spec, resolution)
            .map_err(|error| trouble::packages(&error, spec, resolution))
    }

    fn planned(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        pins: &Pins,
        base: BasePlan,
        pinned: LockedSource,
        foundation: Foundation,
    ) -> Result<Prepared, Failure> {
        let plan = plan::compile(plan::Inputs {
            spec,
            resolution,
            base: &base,
            packages: &pins.solution,
            packages_grow: pins.grow,
            extended_states: &pins.extended_states,
            files: self.files,
            agent_version: self.agent_version,
        })
        .map_err(Failure::Diagnosed)?;
        let locked = plan::locked_image(spec, resolution, &plan, pinned, &pins.solution);
        Ok(Prepared { plan, locked, foundation })
    }

    /// Has everything on this host that the image's steps need, the base among it.
    pub async fn supply(&self, prepared: &Prepared, reporter: &Reporter) -> Result<Supplies, Failure> {
        let mut blobs = self.fetch("download packages", &self.downloads(prepared)?, reporter).await?;
        let recipe = match &prepared.foundation {
            Foundation::Recipe(recipe) => recipe,
            Foundation::Disk(disk) => {
                return Ok(Supplies { base: disk.clone(), base_format: BaseFormat::Qcow2, blobs });
            }
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

    pub async fn fetch(
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

fn base_plan(resolution: &Resolution, source: BaseSource, virtual_size: u64) -> BasePlan {
    BasePlan {
        name: resolution.base.name.clone(),
        source,
        virtual_size,
        firmware: resolution.base.firmware.iter().map(|firmware| firmware.as_str().to_owned()).collect(),
    }
}

/// The archives of a bootstrapped base, in the order of its own sources.
fn suites(bootstrap: &Bootstrap, mirrors: &Mirrors) -> Vec<Archive> {
    let wanted =
        |archive: &Archive| archive.suite == bootstrap.suite || bootstrap.updates.contains(&archive.suite);
    let name = codename(&bootstrap.suite).unwrap_or(&bootstrap.suite);
    let mut archives = mirrors.suites(name);
    archives.retain(wanted);
    for archive in &mut archives {
        archive.components.clone_from(&bootstrap.components);
    }
    archives
}

/// The archives that applications bring, each with the key its catalogue entry pins.
fn brought_archives(resolution: &Resolution) -> Result<Vec<(Archive, Keyring)>, ReleaseError> {
    let mut all: Vec<(Archive, Keyring)> = Vec::new();
    for repository in resolution.apps.iter().flat_map(|app| &app.repositories) {
        let archive = Archive {
            name: repository.url.trim_end_matches('/').to_owned(),
            url: repository.url.trim_end_matches('/').to_owned(),
            suite: repository.suite.clone(),
            components: repository.components.clone(),
        };
        if all.iter().all(|(known, _)| *known != archive) {
            all.push((archive, Keyring::pinned(repository.key.as_bytes(), &repository.fingerprint)?));
        }
    }
    Ok(all)
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
