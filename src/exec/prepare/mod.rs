//! From a resolution to a plan and its lock: what has to be looked up for that, and where.
//!
//! A lock that holds answers everything, without network and without indexes. Else the archives' verified
//! indexes do, fetched where the store's are too old.

mod answers;
mod asked;
mod elsewhere;
pub mod errors;
mod found;
mod kernel;
mod pins;
pub mod suites;
mod supply;
pub mod unsolved;
pub mod versions;
mod vouch;
mod whole;

use std::{borrow::Cow, sync::Arc, time::Duration};

use super::{
    BuildError,
    base::{self, Recipe, imported::ImportedDisk},
};
use crate::{
    catalog::{self, Bootstrap},
    check::{self, Files, ImageSpec},
    lock::{Class, LockedImage, LockedSource},
    packages::{Archive, InstalledPackage, Keyring, Manager, Mirrors, Selected},
    plan::{self, BasePlan, BaseSource, ImagePlan},
    resolve::{BaseOrigin, Resolution},
    store::{Base, Store, archive::Indexes, fetch::Fetcher},
    text::Digest,
};

pub use answers::Answers;
use answers::place_of;
pub use found::base_facts;
pub use pins::{BasePins, PackageRequest, Pins};
pub use vouch::{Unvouched, Vouching};

/// Where things are looked up.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "`Files` is a door, not data")]
pub struct Preparer<'a> {
    /// Where indexes, vouchers and downloads are kept.
    pub store: &'a Arc<Store>,
    /// What fetches those that are missing or too old.
    pub fetcher: &'a Fetcher,
    /// None if neither a setting nor the host's own package sources name a Debian mirror.
    pub mirrors: Option<&'a Mirrors>,
    /// The project's files, which plans have digests of.
    pub files: &'a dyn Files,
    /// Version of the agent, which is part of every step's key.
    pub agent_version: &'a str,
    /// Indexes older than this are fetched again.
    pub max_age: Duration,
    /// What is known of other images already.
    pub answers: &'a Answers,
}

/// An image that is ready to be supplied and built.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The steps, with their keys.
    pub plan: ImagePlan,
    /// What the lock is to hold about it.
    pub locked: LockedImage,
    resolved_base: ResolvedBase,
    /// What images based on this one find in it; none if its system has no package manager that is known.
    packaging: Option<Packaging>,
    /// Bytes that its packages and copies, and those of the images below, put on the base.
    grown: u64,
}

impl Prepared {
    /// The key of its base in a store, if that is one that is made by a recipe.
    #[must_use]
    pub fn recipe_key(&self) -> Option<Digest> {
        match &self.resolved_base {
            ResolvedBase::Recipe { recipe, .. } => Some(recipe.key()),
            ResolvedBase::Disk(_) | ResolvedBase::Image => None,
        }
    }
}

/// What an image stands on, as far as the catalogue does not say.
#[derive(Debug, Clone, Copy)]
pub enum BaseInput<'a> {
    /// The catalogue says all there is: a base that is made here.
    Catalogue,
    /// The disk of `base file` and `base url`.
    Disk(&'a ImportedDisk),
    /// The image that `base image` names.
    Image(&'a Prepared),
}

/// What the build disk stands on.
#[derive(Debug, Clone)]
enum ResolvedBase {
    /// Made when it is missing.
    Recipe { recipe: Arc<Recipe>, built_in: bool },
    /// In the store already.
    Disk(Base),
    /// Built before this one.
    Image,
}

/// The package manager's side of a system: what it has, and where it gets more.
#[derive(Debug, Clone)]
struct Packaging {
    manager: Manager,
    installed: Arc<[InstalledPackage]>,
    archives: Vec<(Archive, Keys)>,
    /// As the manager calls it.
    arch: &'static str,
}

impl Packaging {
    /// Who looks after its packages, and the architecture that they are of.
    const fn system(&self) -> (Manager, &'static str) {
        (self.manager, self.arch)
    }

    /// The keys of each archive.
    fn rings(&self) -> Result<Vec<Cow<'_, Keyring>>, BuildError> {
        self.archives.iter().map(|(_, keys)| keys.ring()).collect()
    }

    /// The archives, each with its keys of `rings`.
    fn signed<'k>(&self, rings: &'k [Cow<'_, Keyring>]) -> Vec<(Archive, &'k Keyring)> {
        self.archives.iter().zip(rings).map(|((archive, _), ring)| (archive.clone(), &**ring)).collect()
    }
}

/// The keys that sign an archive.
#[derive(Debug, Clone)]
enum Keys {
    /// The distribution's own, read when they are needed.
    Distribution(Manager),
    Own(Arc<Keyring>),
}

impl Keys {
    fn ring(&self) -> Result<Cow<'_, Keyring>, BuildError> {
        match self {
            Self::Distribution(manager) => {
                let keys = manager.distribution_keys().map(Cow::Owned);
                keys.map_err(|error| errors::keyring(&error, None))
            }
            Self::Own(keys) => Ok(Cow::Borrowed(keys)),
        }
    }
}

impl Preparer<'_> {
    /// Pins packages, plans, and says what the lock is to hold. With `locked`, what it says is taken;
    /// the caller has found that it satisfies the image.
    pub async fn prepare(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        locked: Option<&LockedImage>,
        base_input: BaseInput<'_>,
    ) -> Result<Prepared, BuildError> {
        match (&resolution.base.origin, base_input) {
            (
                BaseOrigin::Catalog {
                    source: catalog::BaseSource::Bootstrap(bootstrap),
                    definition,
                    built_in,
                    ..
                },
                _,
            ) => self.on_bootstrap(spec, resolution, locked, (bootstrap, *definition, *built_in)).await,
            (_, BaseInput::Disk(given)) => self.on_disk(spec, resolution, locked, given).await,
            (_, BaseInput::Image(below)) => self.on_image(spec, resolution, locked, below).await,
            (_, BaseInput::Catalogue) => Err(errors::unsupported_base(spec)),
        }
    }

    async fn on_bootstrap(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        locked: Option<&LockedImage>,
        (bootstrap, definition, built_in): (&Bootstrap, Digest, bool),
    ) -> Result<Prepared, BuildError> {
        let manager = Manager::of_distribution(&resolution.os.distro);
        let arch = manager.arch(resolution.arch);
        let mirrors = self.mirrors.ok_or_else(errors::no_mirror)?;
        let Some(sources) = base::sources(manager, bootstrap, mirrors) else {
            return Err(errors::unsupported_base(spec));
        };
        let Bootstrap { suite, updates, components, packages, .. } = bootstrap;
        let archives = manager.release_archives(mirrors, suite, updates, components);
        let archives: Vec<_> =
            archives.into_iter().map(|archive| (archive, Keys::Distribution(manager))).collect();
        let pins = match locked {
            Some(locked) => self.locked_pins(locked, None, (manager, arch)),
            None => {
                let request = PackageRequest::Bootstrap { include: packages };
                self.choose(spec, resolution, (manager, &archives), request).await?
            }
        };
        // A lock of another kind of base has no packages for this one. What comes out is there for the caller
        // to see that the lock says something else, and nothing has to be looked up for that.
        let set: Arc<[Selected]> = match &pins.base {
            BasePins::Set(set) => Arc::clone(set),
            BasePins::Found(_) => Arc::default(),
        };
        let virtual_size = base_size(spec, resolution);
        let question = (definition, manager, arch, place_of(&set), &sources, virtual_size);
        let (recipe, key) = self.answers.recipes().get(&question).unwrap_or_else(|| {
            let recipe = Recipe::new((manager, arch), bootstrap, &set, sources.clone(), virtual_size);
            let key = recipe.key();
            self.answers.recipes().put(&question, (Arc::new(recipe), key))
        });
        let source = BaseSource::Bootstrap {
            suite: suite.clone(),
            recipe: key,
            packages: Arc::clone(&pins.planned.0),
        };
        let pinned = LockedSource::Bootstrap { recipe: definition.to_string(), packages: set };
        let base = base_plan(resolution, source, virtual_size);
        let resolved_base = ResolvedBase::Recipe { recipe, built_in };
        self.planned(spec, resolution, &pins, (base, pinned, resolved_base, 0), Some(archives), locked)
    }

    async fn on_disk(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        locked: Option<&LockedImage>,
        given: &ImportedDisk,
    ) -> Result<Prepared, BuildError> {
        let facts = &given.facts;
        if let Some(size) = &spec.min_storage
            && size.value.bytes() > given.virtual_size
            && !facts.root.last_partition
        {
            return Err(errors::cannot_grow(spec, size, given));
        }
        let systems = self.answers.systems();
        let read = || {
            let (manager, installed) = Manager::of_system(&facts.files)?;
            Some(systems.put(&given.sha256, (manager, installed.into())))
        };
        let packaging = systems.get(&given.sha256).or_else(read).map(|(manager, installed)| {
            let own = manager.keys_of(&facts.files);
            let keys = own.map_or(Keys::Distribution(manager), |keys| Keys::Own(Arc::new(keys)));
            let archives = manager.archives_of(&facts.files, self.mirrors);
            Packaging {
                manager,
                arch: manager.arch(resolution.arch),
                installed,
                archives: archives.into_iter().map(|archive| (archive, keys.clone())).collect(),
            }
        });
        let pins = self.on_found(spec, resolution, locked, packaging.as_ref()).await?;
        let sha256 = given.sha256.to_string();
        let (source, pinned) = match disk_place(spec, resolution) {
            DiskPlace::Url(url) => (
                BaseSource::Url { url: url.to_owned(), sha256: given.sha256 },
                LockedSource::Url { url: url.to_owned(), sha256, size: Some(given.size) },
            ),
            DiskPlace::File(path) => (
                BaseSource::File { path: path.to_owned(), sha256: given.sha256 },
                LockedSource::File { path: path.to_owned(), sha256, size: given.size },
            ),
        };
        let base = base_plan(resolution, source, given.virtual_size);
        let resolved_base = ResolvedBase::Disk(given.base.clone());
        let archives = packaging.map(|packaging| packaging.archives);
        self.planned(spec, resolution, &pins, (base, pinned, resolved_base, 0), archives, locked)
    }

    async fn on_image(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        locked: Option<&LockedImage>,
        below: &Prepared,
    ) -> Result<Prepared, BuildError> {
        let pins = self.on_found(spec, resolution, locked, below.packaging.as_ref()).await?;
        let key = below.plan.key();
        let source = BaseSource::Image { image: below.plan.image.clone(), key };
        let pinned = LockedSource::Image { plan: key.to_string() };
        let base = base_plan(resolution, source, below.plan.disk_size);
        let archives = below.packaging.as_ref().map(|packaging| packaging.archives.clone());
        let base = (base, pinned, ResolvedBase::Image, below.grown);
        self.planned(spec, resolution, &pins, base, archives, locked)
    }

    /// Packages on top of a system that has some already.
    async fn on_found(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        locked: Option<&LockedImage>,
        packaging: Option<&Packaging>,
    ) -> Result<Arc<Pins>, BuildError> {
        let system = packaging.map_or_else(|| system_of(resolution), Packaging::system);
        let installed = packaging.map(|packaging| Arc::clone(&packaging.installed));
        let asks = !plan::requested(spec, resolution).is_empty() || spec.base.upgrade;
        match (locked, packaging) {
            (Some(locked), _) => Ok(self.locked_pins(locked, installed, system)),
            (None, Some(Packaging { manager, installed, archives, .. })) if asks => {
                let request = PackageRequest::Found(Arc::clone(installed));
                self.choose(spec, resolution, (*manager, archives), request).await
            }
            (None, None) if asks => Err(errors::no_packages(spec)),
            (None, _) => Ok(Arc::new(Pins::none(installed.unwrap_or_default(), system))),
        }
    }

    /// What a lock says; images that share their sets there share them here.
    fn locked_pins(
        &self,
        locked: &LockedImage,
        found: Option<Arc<[InstalledPackage]>>,
        system: (Manager, &'static str),
    ) -> Arc<Pins> {
        // The lock outlives the answers; what was found is kept by an answer that is about it.
        if found.is_some() && matches!(locked.base.source, LockedSource::Bootstrap { .. }) {
            return Arc::new(Pins::of_lock(locked, found, system));
        }
        let question = (
            place_of(locked.base.packages()),
            place_of(&locked.packages),
            (&locked.removed, &locked.now_manual, &locked.temporary),
            found.as_deref().map(place_of),
            system,
        );
        self.answers.pins().get(&question).unwrap_or_else(|| {
            let pins = Arc::new(Pins::of_lock(locked, found.clone(), system));
            self.answers.pins().put(&question, pins)
        })
    }

    async fn choose(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        (manager, archives): (Manager, &[(Archive, Keys)]),
        request: PackageRequest<'_>,
    ) -> Result<Arc<Pins>, BuildError> {
        let asked = asked::archives(manager, spec, archives)?;
        let system = (manager, manager.arch(resolution.arch));
        let question =
            (system, archives, &asked, request.question(), pins::question(spec, resolution), self.max_age);
        if let Some(known) = self.answers.pins().get(&question) {
            return Ok(known);
        }
        let rings = archives.iter().map(|(_, keys)| keys.ring()).collect::<Result<Vec<_>, _>>()?;
        let more = asked.iter().map(|(_, keys)| keys.ring()).collect::<Result<Vec<_>, _>>()?;
        let own: Vec<(Archive, &Keyring)> =
            archives.iter().zip(&rings).map(|((archive, _), ring)| (archive.clone(), &**ring)).collect();
        let base = archives;
        let mut archives = own.clone();
        let brought = brought_archives(resolution)?;
        archives.extend(asked.iter().zip(&more).map(|((archive, _), ring)| (archive.clone(), &**ring)));
        archives.extend(brought.iter().map(|(archive, keys)| (archive.clone(), keys)));
        let own_pool = self
            .pool(system, &own, self.max_age)
            .await
            .map_err(|error| errors::archive(&error, Some(resolution)))?;
        let wider = if brought.is_empty() && asked.is_empty() {
            None
        } else {
            Some(
                self.pool(system, &archives, self.max_age)
                    .await
                    .map_err(|error| asked::failure(&error, spec, (manager, base), resolution))?,
            )
        };
        let (own_pool, pool) = (&*own_pool, &**wider.as_ref().unwrap_or(&own_pool));
        match Pins::choose((manager, own_pool, pool), &request, spec, resolution) {
            Ok(mut pins) => {
                for package in pins.packages_mut() {
                    if let Some(sha512) = pool.sha512(package) {
                        package.sha256 = self.sha256_of(package, sha512).await?;
                    }
                }
                let (base, own): (Vec<_>, Vec<_>) = pins.packages().partition(|(of_base, _)| *of_base);
                let packages =
                    |of: Vec<(bool, _)>| of.into_iter().map(|(_, package)| package).collect::<Vec<_>>();
                self.remember(own_pool, &packages(base))?;
                self.remember(pool, &packages(own))?;
                Ok(self.answers.pins().put(&question, Arc::new(pins)))
            }
            Err(error) => {
                let indexes = self.indexes(manager);
                let elsewhere = elsewhere::look(&indexes, system.1, &archives, pool, &error).await;
                Err(unsolved::packages(&error, manager, (spec, resolution), &elsewhere))
            }
        }
    }

    fn indexes(&self, manager: Manager) -> Indexes<'_> {
        Indexes { store: self.store, fetcher: self.fetcher, max_age: self.max_age, manager }
    }

    fn planned(
        &self,
        spec: &ImageSpec,
        resolution: &Resolution,
        pins: &Pins,
        (base, pinned, resolved_base, base_grown): (BasePlan, LockedSource, ResolvedBase, u64),
        archives: Option<Vec<(Archive, Keys)>>,
        before: Option<&LockedImage>,
    ) -> Result<Prepared, BuildError> {
        let plan = plan::compile(plan::Inputs {
            spec,
            resolution,
            base: &base,
            manager: pins.manager,
            packages: &pins.solution,
            planned: &pins.planned.1,
            packages_grow: pins.grow,
            base_grown,
            marks: &pins.marks,
            temporary: (&pins.temporary, &pins.final_states),
            mirror: self.mirrors.map(|mirrors| mirrors.debian.as_str()),
            files: self.files,
            agent_version: self.agent_version,
        })
        .map_err(BuildError::Diagnosed)?;
        let chosen = plan::ChosenPackages {
            manager: pins.manager,
            solution: &pins.solution,
            temporary: &pins.temporary,
        };
        let locked = plan::locked_image(spec, resolution, &plan, pinned, chosen);
        // The packages of a lock that says something else, or less, are not those that the image will have.
        let chosen = before
            .is_none_or(|before| before.stale(&locked).iter().all(|reason| reason.class == Class::Input));
        if archives.is_some() && chosen {
            versions::check(spec, resolution, &pins.installed).map_err(BuildError::Diagnosed)?;
        }
        let packaging = match archives {
            Some(mut archives) => {
                let brought = brought_archives(resolution)?;
                archives.extend(asked::archives(pins.manager, spec, &archives)?);
                archives
                    .extend(brought.into_iter().map(|(archive, keys)| (archive, Keys::Own(Arc::new(keys)))));
                let (manager, installed) = (pins.manager, Arc::clone(&pins.installed));
                Some(Packaging { manager, installed, archives, arch: manager.arch(resolution.arch) })
            }
            None => None,
        };
        let grown = base_grown.saturating_add(plan::growth(&plan, pins.grow));
        Ok(Prepared { plan, locked, resolved_base, packaging, grown })
    }
}

/// Where a disk came from, as the ImageFile or the catalogue names it.
enum DiskPlace<'a> {
    Url(&'a str),
    File(&'a str),
}

fn disk_place<'a>(spec: &'a ImageSpec, resolution: &'a Resolution) -> DiskPlace<'a> {
    match (&resolution.base.origin, &spec.base.source) {
        (BaseOrigin::Catalog { source: catalog::BaseSource::Url { url, .. }, .. }, _) => DiskPlace::Url(url),
        (BaseOrigin::Catalog { source: catalog::BaseSource::File { path, .. }, .. }, _) => {
            DiskPlace::File(path)
        }
        (_, check::BaseSource::Url { url, .. }) => DiskPlace::Url(&url.value),
        _ => DiskPlace::File(&resolution.base.name),
    }
}

fn base_plan(resolution: &Resolution, source: BaseSource, virtual_size: u64) -> BasePlan {
    BasePlan {
        name: resolution.base.name.clone(),
        source,
        virtual_size,
        firmware: resolution.base.firmware.clone(),
    }
}

/// Who looks after packages in a system in which none was found, and its architecture.
fn system_of(resolution: &Resolution) -> (Manager, &'static str) {
    let manager = Manager::of_distribution(&resolution.os.distro);
    (manager, manager.arch(resolution.arch))
}

/// The archives that applications bring, each with the key its catalogue entry pins.
fn brought_archives(resolution: &Resolution) -> Result<Vec<(Archive, Keyring)>, BuildError> {
    let mut all: Vec<(Archive, Keyring)> = Vec::new();
    let brought = resolution
        .own_apps()
        .flat_map(|app| app.repositories.iter().map(move |repository| (app, repository)));
    for (app, repository) in brought {
        let archive = Archive {
            name: repository.url.trim_end_matches('/').to_owned(),
            url: repository.url.trim_end_matches('/').to_owned(),
            suite: repository.suite.clone(),
            components: repository.components.clone(),
            priority: None,
        };
        if all.iter().all(|(known, _)| *known != archive) {
            let keys = Keyring::pinned(repository.key.as_bytes(), &repository.fingerprint);
            all.push((archive, keys.map_err(|error| errors::keyring(&error, Some(app)))?));
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
