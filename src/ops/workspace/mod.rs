//! What `plan`, `lock`, `build` and `test` share: the way from a path to prepared images.

mod bases;
mod failure;
mod lock;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::{Path, PathBuf},
    sync::Arc,
};

pub(super) use self::failure::WayOn;
use self::failure::show;
use super::{
    Exit,
    file_args::FileArgs,
    project::{self, Project},
    settings::{self, Settings},
    watch,
};
use crate::{
    catalog::{self, Catalog},
    cell,
    check::{BaseSource, ImageSpec},
    diagnostic::Diagnostic,
    driver::{Driver, DriverError, DriverOptions, agent},
    exec::{
        self, BuildError, Consent, Reporter, Secrets,
        base::given::Given,
        prepare::{Answers, BaseInput, Prepared, Preparer, Unvouched, Vouching, base_facts, errors},
    },
    front,
    lock::{Class, Lock, Reason, package_places},
    packages::{HOST_SOURCES, Mirrors},
    plan::Graph,
    resolve::{BaseFacts, Resolution, ResolvedProject, resolve_project},
    store::{
        Store,
        archive::FRESH,
        fetch::{Fetcher, Network, Watcher},
    },
};

/// The choices of one command.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct WorkspaceOptions {
    pub file: FileArgs,
    /// Only this image, and those it is based on.
    pub image: Option<String>,
    /// This base or none.
    pub base: Option<String>,
    pub offline: bool,
    /// Nothing in the lock may change.
    pub locked: bool,
    /// Images whose locked entry is made anew; an empty name means every image.
    pub update: Option<String>,
    /// What comes out is compared with the lock, which has to be readable for that.
    pub compares: bool,
    /// A base that is only listed is an error.
    pub proven_only: bool,
    /// Steps that get secrets may run.
    pub runs_steps: bool,
}

impl WorkspaceOptions {
    fn updates(&self, image: &str) -> bool {
        self.update.as_ref().is_some_and(|update| update.is_empty() || update == image)
    }
}

/// A project that was understood, with all that is around it.
pub(in crate::cli) struct Workspace {
    pub project: Project,
    pub settings: Settings,
    pub store: Arc<Store>,
    pub fetcher: Fetcher,
    pub mirrors: Option<Mirrors>,
    pub resolutions: BTreeMap<String, Resolution>,
    /// The disks of `base file` and `base url`, by name as written.
    given: BTreeMap<String, Given>,
    /// The disks of listed bases, by image: two images may have one base locked at different times.
    listed: BTreeMap<String, Given>,
    /// What the lock beside the ImageFile says.
    pub lock: Lock,
    /// What the user lets the project read outside its folder.
    pub consent: Consent,
    agent_version: String,
    answers: Answers,
}

/// A command that cannot go on has said why; what is left is its exit status.
pub(in crate::cli) type Outcome<T> = Result<T, Exit>;

impl Workspace {
    /// Reads, checks and resolves; whatever is wrong has been shown when this returns.
    pub(in crate::cli) async fn open(choices: &WorkspaceOptions) -> Outcome<Self> {
        let complain = |error: project::OpenError| {
            super::complain(&error.to_string());
            Exit::Files
        };
        let file = project::find(&choices.file.path).map_err(complain)?;
        let mut project = project::open(&file, &choices.file.set).map_err(complain)?;
        let mut found = std::mem::take(&mut project.checked.diagnostics);
        let (catalog, lock, settings) = {
            let (catalog, mistakes) =
                catalog::load_project(&project.checked.spec.catalogs, &mut project.sources, &project.files);
            found.extend(front::of_catalogue(mistakes, &project.checked.spec, &catalog));
            found.extend(front::unusable_keys(&project.checked.spec));
            found.extend(front::unusable_app_keys(&project.checked.spec, &catalog));
            let lock = lock::read_lock(&mut project, choices, &mut found);
            let settings = load_settings(&mut project, &mut found);
            (catalog, lock, settings)
        };
        let consent = settings.as_ref().map(|settings| settings.consent.clone()).unwrap_or_default();
        let consent = choices.file.consent(consent);
        if choices.runs_steps {
            let images = chosen_images(&project.checked.spec.images, choices);
            found.extend(
                images.iter().flat_map(|image| exec::refused_secrets(image, &project.files, &consent)),
            );
        }
        let driver = settings.as_ref().map(|settings| settings.driver.value.capabilities);
        let beyond = |found: &[Diagnostic]| match driver {
            Some(driver) => front::beyond(&project.checked.spec, found, driver),
            None => Vec::new(),
        };
        // What is wrong already is shown before anything is looked up or downloaded.
        if found.iter().any(Diagnostic::is_error) || !beyond(&found).is_empty() {
            let of_images = resolve(&project, &catalog, &lock, choices, |_| None).diagnostics;
            found.extend(front::of_resolution(of_images, &found, &project.checked.spec, &catalog));
            found.extend(beyond(&found));
            show(&found, &project);
            return Err(super::wrong_settings(&found));
        }
        let Some(settings) = settings else { return Err(Exit::Files) };
        if settings.allows_weaker_cell() {
            cell::allow_weaker();
        }
        let (store, fetcher) = open_store(&settings, choices.offline)?;
        let mirrors = mirrors(&settings);
        let mut workspace = Self {
            project,
            settings,
            store,
            fetcher,
            mirrors,
            resolutions: BTreeMap::new(),
            given: BTreeMap::new(),
            listed: BTreeMap::new(),
            lock,
            consent,
            agent_version: agent::version(),
            answers: Answers::default(),
        };
        // A name that no image has is complained of before anything is downloaded.
        workspace.images(choices)?;
        workspace.declared(&choices.file.secrets)?;
        match workspace.look_into_bases(choices).await {
            Ok(given) => workspace.given = given,
            Err(failure) => return Err(workspace.failed(failure)),
        }
        let facts = |name: &str| {
            let given = workspace.given.get(name)?;
            Some(base_facts(&given.facts, given.virtual_size))
        };
        let resolved = resolve(&workspace.project, &catalog, &workspace.lock, choices, facts);
        found.extend(resolved.diagnostics);
        workspace.resolutions = resolved.images;
        if choices.proven_only {
            found.extend(workspace.unproven(choices));
        }
        if !show(&found, &workspace.project) {
            return Err(Exit::Files);
        }
        match workspace.have_listed_bases(choices).await {
            Ok(()) => Ok(workspace),
            Err(failure) => Err(workspace.failed(failure)),
        }
    }

    /// Complains of a `--secret` that no image declares.
    fn declared(&self, secrets: &[(String, exec::Outside)]) -> Outcome<()> {
        let images = &self.project.checked.spec.images;
        let known = |name: &String| {
            images.iter().any(|image| image.secrets.iter().any(|one| one.name.value == *name))
        };
        match secrets.iter().find(|(name, _)| !known(name)) {
            None => Ok(()),
            Some((name, _)) => {
                super::complain(&format!("no image of the ImageFile has a secret `{name}`"));
                Err(Exit::Usage)
            }
        }
    }

    /// The images to work on, each after the one it is based on: all, or the chosen one and those it is
    /// based on.
    pub(in crate::cli) fn images(&self, choices: &WorkspaceOptions) -> Outcome<Vec<&ImageSpec>> {
        let images = &self.project.checked.spec.images;
        let updated = choices.update.as_ref().filter(|name| !name.is_empty());
        for name in choices.image.iter().chain(updated) {
            if images.iter().all(|image| image.name.value != *name) {
                let names: Vec<&str> = images.iter().map(|image| image.name.value.as_str()).collect();
                let names = names.join(", ");
                super::complain(&format!("there is no image `{name}`; the ImageFile has {names}"));
                return Err(Exit::Usage);
            }
        }
        Ok(chosen_images(images, choices))
    }

    /// Prepares an image from the lock, if that has it. What the lock lacks is chosen; where it says
    /// something else than the ImageFile, only `lock --update` changes it. `before` has the image that it
    /// is based on, if it is based on one.
    async fn prepare(
        &self,
        spec: &ImageSpec,
        choices: &WorkspaceOptions,
        before: &[Prepared],
        fetcher: &Fetcher,
        said: &mut Vec<String>,
    ) -> Result<Prepared, BuildError> {
        let name = &spec.name.value;
        let resolution = self.resolutions.get(name).ok_or_else(|| BuildError::Diagnosed(Vec::new()))?;
        let base_input = self.base_input(spec, before);
        let update = choices.updates(name);
        let preparer = Preparer { fetcher, ..self.preparer(update) };
        let Some(locked) = self.lock.images.get(name).filter(|_| !update) else {
            if choices.locked && !update {
                let nothing = "the lock has nothing about this image".to_owned();
                return Err(BuildError::Diagnosed(vec![self.lock_stale(spec, "--locked", true, [nothing])]));
            }
            return preparer.prepare(spec, resolution, None, base_input).await;
        };
        let prepared = preparer.prepare(spec, resolution, Some(locked), base_input).await?;
        let reasons = locked.stale(&prepared.locked);
        let points =
            |reasons: &[Reason]| reasons.iter().map(|reason| reason.point.to_string()).collect::<Vec<_>>();
        if choices.locked && !reasons.is_empty() {
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
            said.push(format!("note: `{name}`: {point}; the lock follows"));
        }
        let moved = self.has_other_packages_below(base_input);
        if moved && !locked.packages.is_empty() {
            said.push(format!("note: `{name}`: its base image has other packages; its own are chosen anew"));
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

    /// Prepares the images that were asked for; what goes wrong is shown.
    pub(in crate::cli) async fn prepare_all(&self, choices: &WorkspaceOptions) -> Outcome<Vec<Prepared>> {
        let mut all = Vec::new();
        let waiting = watch::waiting("choosing packages");
        let fetcher = match &waiting {
            Some(waiting) => self.fetcher.clone().watched(Watcher(Arc::new(waiting.download()))),
            None => self.fetcher.clone(),
        };
        // What there is to say waits until the line has gone.
        let (mut said, mut failed) = (Vec::new(), None);
        for spec in self.images(choices)? {
            match self.prepare(spec, choices, &all, &fetcher, &mut said).await {
                Ok(prepared) => all.push(prepared),
                Err(failure) => {
                    failed = Some(failure);
                    break;
                }
            }
        }
        self.answers.forget_indexes();
        drop(waiting);
        for line in said {
            super::screen::say!("{line}");
        }
        failed.map_or(Ok(all), |failure| Err(self.failed(failure)))
    }

    /// Who vouches for the packages of prepared images. Those of the lock that nobody vouches for are shown,
    /// each at its line, and end the command unless they are allowed.
    pub(in crate::cli) async fn vouch(&self, prepared: &[Prepared], allow: bool) -> Outcome<Vec<Vouching>> {
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
                    super::screen::say!(
                        "note: `{image}`: nobody vouches for `{name}` {version}; it is allowed this once"
                    );
                }
                continue;
            }
            let name = self.lock_name();
            let places = self.project.sources.iter().find(|(_, source)| {
                std::path::Path::new(&source.name).file_name().is_some_and(|file| *file == *name)
            });
            let places = places.map(|(id, _)| package_places(id, &self.project.sources));
            let line = |one: &Unvouched| places.as_ref()?.find(image, one.of_base, &one.package);
            found.extend(errors::unvouched(image, &unvouched, line));
        }
        self.answers.forget_indexes();
        if found.is_empty() { Ok(vouchings) } else { Err(self.failed(BuildError::Diagnosed(found))) }
    }

    /// Complains of images whose packages in the lock do not make a whole. What was chosen just now does.
    pub(in crate::cli) async fn whole(&self, prepared: &[Prepared]) -> Outcome<()> {
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

    /// The secrets of prepared images, and what their values do to the keys of the steps.
    pub(in crate::cli) fn with_secrets(&self, prepared: &mut [Prepared]) -> Result<Vec<Secrets>, BuildError> {
        let files = &self.project.files;
        let secrets: Vec<Secrets> =
            prepared.iter().map(|one| Secrets::read(&one.plan, files, &self.consent)).collect();
        exec::with_secrets(prepared.iter_mut().map(|one| &mut one.plan).zip(&secrets), &self.store)?;
        Ok(secrets)
    }

    pub(in crate::cli) fn preparer(&self, refresh: bool) -> Preparer<'_> {
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

    /// Refuses a project that this host would not hold, unless the user says otherwise.
    fn held() -> Result<(), BuildError> {
        if cell::is_weaker_allowed() {
            return Ok(());
        }
        match cell::walls().missing().next() {
            None => Ok(()),
            Some(missing) => Err(DriverError::from(missing).into()),
        }
    }

    /// The machines of this host; what there is to say about them is reported.
    pub(in crate::cli) async fn driver(&self, reporter: &Reporter) -> Result<Box<dyn Driver>, BuildError> {
        Self::held()?;
        let chosen = self.settings.driver.value;
        chosen.installed()?;
        let kernel = self.preparer(false).build_kernel(reporter).await?;
        let options = DriverOptions {
            kernel,
            accelerator: self.settings.accel.value,
            machines: &self.store.machines(),
            private_network: self.settings.allow_private_network.as_ref().is_some_and(|one| one.value),
        };
        let driver = (chosen.open)(options).await?;
        if let Some(note) = driver.note() {
            reporter.note(note.to_owned());
        }
        Ok(driver)
    }

    /// The folder artifacts go to unless the command says otherwise.
    pub(in crate::cli) fn out(&self) -> PathBuf {
        self.project.path.parent().unwrap_or(Path::new("")).join("out")
    }
}

/// The images that a command is about, see [`Workspace::images`].
fn chosen_images<'a>(images: &'a [ImageSpec], choices: &WorkspaceOptions) -> Vec<&'a ImageSpec> {
    // `check` has told of circles, and nothing is built then.
    let graph = Graph::of_images(images).unwrap_or_default();
    let numbers = match &choices.image {
        None => graph.order(),
        Some(name) => {
            let chosen = images.iter().position(|image| image.name.value == *name);
            chosen.map(|image| graph.lineage(image)).unwrap_or_default()
        }
    };
    numbers.into_iter().map(|image| &images[image]).collect()
}

fn load_settings(project: &mut Project, found: &mut Vec<Diagnostic>) -> Option<Settings> {
    let folder = project.files.root().to_owned();
    let around = settings::Surroundings { project: Some(&folder), env: |name: &str| std::env::var_os(name) };
    match Settings::load(&super::setting_args::given(), &around, &mut project.sources) {
        Ok(mut settings) => {
            found.append(&mut settings.ignored);
            Some(settings)
        }
        Err(diagnostics) => {
            found.extend(diagnostics);
            None
        }
    }
}

fn resolve(
    project: &Project,
    catalog: &Catalog,
    lock: &Lock,
    choices: &WorkspaceOptions,
    facts: impl Fn(&str) -> Option<BaseFacts>,
) -> ResolvedProject {
    // `--base` is about the disk that a chain of images begins with.
    let chosen = chosen_images(&project.checked.spec.images, choices);
    let on_disk = |image: &str| {
        let mut chosen = chosen.iter().filter(|spec| !matches!(spec.base.source, BaseSource::Image { .. }));
        chosen.any(|spec| spec.name.value == image)
    };
    let preferences = |image: &str| {
        let lock = Some(lock).filter(|_| !choices.updates(image));
        super::resolving::preferences(lock, image, choices.base.as_deref().filter(|_| on_disk(image)))
    };
    resolve_project(&project.checked.spec, catalog, preferences, facts)
}

fn open_store(settings: &Settings, offline: bool) -> Outcome<(Arc<Store>, Fetcher)> {
    let opened = Store::open_and_sweep(&settings.store.value).map_err(super::recorded::refused);
    let (store, leftovers) = opened?;
    for leftover in leftovers {
        super::screen::say!("note: {leftover}");
    }
    let network = Network {
        proxy: settings.proxy.as_ref().map(|proxy| proxy.value.clone()),
        ca: settings.ca.as_ref().map(|ca| ca.value.clone()),
        offline,
    };
    match Fetcher::new(&network) {
        Ok(fetcher) => Ok((Arc::new(store), fetcher)),
        Err(error) => {
            super::complain(&error.to_string());
            Err(Exit::Host)
        }
    }
}

/// The mirror of the settings, else the one the host's own apt sources name.
pub(in crate::cli) fn mirrors(settings: &Settings) -> Option<Mirrors> {
    if let Some(mirror) = &settings.mirror {
        let security = settings.security_mirror.as_ref().map(|mirror| mirror.value.as_str());
        return Some(Mirrors::setting(&mirror.value, security));
    }
    let (file, folder) = HOST_SOURCES;
    let folder = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.path()).collect();
    paths.sort();
    paths.insert(0, file.into());
    Mirrors::of_files(
        paths.into_iter().filter_map(|path| {
            Some((path.to_string_lossy().into_owned(), std::fs::read_to_string(&path).ok()?))
        }),
    )
}
