//! What `plan`, `lock`, `build` and `test` share: the way from a path to prepared images.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::file_args::FileArgs;
use super::{
    Exit,
    project::{self, Project},
    settings::{self, Accel, Settings},
    watch::{self, Watch},
};
use crate::{
    catalog::{self, Catalog},
    cell,
    check::{BaseSource, ImageSpec},
    diagnostic::{Diagnostic, codes},
    driver::{
        Driver, Fault,
        qemu::{self, AcceleratorChoice, QemuDriver},
    },
    exec::{
        self, Consent, Failure, Reporter, Request, Secrets,
        base::{
            given::{self, Given, Named},
            listed,
        },
        prepare::{Ground, Prepared, Preparer, Unvouched, Vouching, base_facts, trouble},
    },
    front,
    lock::{self, Class, FORMAT, Lock, LockedImage, Reason},
    packages::{Mirrors, read_list, read_sources},
    plan::Graph,
    report::{self, progress::Plain},
    resolve::{BaseFacts, Resolution, ResolvedProject, resolve_project},
    store::{
        Store,
        archive::FRESH,
        fetch::{Fetcher, Network, Watcher},
        umask,
    },
    text::{Checksum, Digest, Spanned},
};

/// The choices of one command.
#[derive(Debug, Clone, Default)]
pub(super) struct Choices {
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

impl Choices {
    fn updates(&self, image: &str) -> bool {
        self.update.as_ref().is_some_and(|update| update.is_empty() || update == image)
    }
}

/// A project that was understood, with all that is around it.
pub(super) struct Workshop {
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
}

/// A command that cannot go on has said why; what is left is its exit status.
pub(super) type Outcome<T> = Result<T, Exit>;

impl Workshop {
    /// Reads, checks and resolves; whatever is wrong has been shown when this returns.
    pub(super) async fn open(choices: &Choices) -> Outcome<Self> {
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
            let lock = read_lock(&mut project, choices, &mut found);
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
        // What is wrong already is shown before anything is looked up or downloaded.
        if found.iter().any(Diagnostic::is_error) {
            let of_images = resolve(&project, &catalog, &lock, choices, |_| None).diagnostics;
            found.extend(front::of_resolution(of_images, &found, &project.checked.spec, &catalog));
            show(&found, &project);
            return Err(super::wrong_settings(&found));
        }
        let Some(settings) = settings else { return Err(Exit::Files) };
        if settings.allows_weaker_cell() {
            cell::allow_weaker();
        }
        let (store, fetcher) = open_store(&settings, choices.offline)?;
        let mirrors = mirrors(&settings);
        let mut workshop = Self {
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
            agent_version: qemu::agent_version(),
        };
        // A name that no image has is complained of before anything is downloaded.
        workshop.images(choices)?;
        workshop.declared(&choices.file.secrets)?;
        match workshop.look_into_bases(choices).await {
            Ok(given) => workshop.given = given,
            Err(failure) => return Err(workshop.failed(failure)),
        }
        let facts = |name: &str| {
            let given = workshop.given.get(name)?;
            Some(base_facts(&given.facts, given.virtual_size))
        };
        let resolved = resolve(&workshop.project, &catalog, &workshop.lock, choices, facts);
        found.extend(resolved.diagnostics);
        workshop.resolutions = resolved.images;
        if choices.proven_only {
            found.extend(workshop.unproven(choices));
        }
        if !show(&found, &workshop.project) {
            return Err(Exit::Files);
        }
        match workshop.have_listed_bases(choices).await {
            Ok(()) => Ok(workshop),
            Err(failure) => Err(workshop.failed(failure)),
        }
    }

    /// Complaints about bases that nobody has proven.
    fn unproven(&self, choices: &Choices) -> Vec<Diagnostic> {
        let images = self.images(choices).unwrap_or_default().into_iter();
        images.filter_map(|spec| listed::unproven(spec, self.resolutions.get(&spec.name.value)?)).collect()
    }

    /// Takes in the disks of bases that the catalogue lists by URL or file, and lets the resolutions say
    /// what was found in them.
    async fn have_listed_bases(&mut self, choices: &Choices) -> Result<(), Failure> {
        let reporter = Reporter::new(Arc::new(Plain::new(super::screen::err())));
        let mut driver: Option<Box<dyn Driver>> = None;
        let mut found = BTreeMap::new();
        for spec in self.images(choices).unwrap_or_default() {
            let name = &spec.name.value;
            let Some((resolution, source)) = self.resolutions.get(name).and_then(listed::source) else {
                continue;
            };
            if let catalog::BaseSource::File { path, .. } = source
                && let Some(request) = Request::disk(path, spec.base.span, &self.project.files)
                && let Some(refused) = request.refused(&self.consent)
            {
                return Err(Failure::Diagnosed(vec![refused]));
            }
            let locked = self.lock.images.get(name).filter(|_| !choices.updates(name));
            let files = listed::Files {
                store: &self.store,
                fetcher: &self.fetcher,
                mirror: self.settings.disk_mirror.as_ref().map(|mirror| mirror.value.as_str()),
                root: self.project.files.root(),
                reporter: &reporter,
            };
            let disk = files.have(spec, source, locked).await?;
            let named = Named { name: &disk.name, span: spec.base.span, path: &disk.path, sha256: None };
            let given = self.look_into(named, &mut driver, &reporter).await?;
            let resolution = listed::looked_into(spec, resolution, &given).map_err(Failure::Diagnosed)?;
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
    async fn look_into_bases(&self, choices: &Choices) -> Result<BTreeMap<String, Given>, Failure> {
        let mut all = BTreeMap::new();
        let mut found = Vec::new();
        let mut driver: Option<Box<dyn Driver>> = None;
        let reporter = Reporter::new(Arc::new(Plain::new(super::screen::err())));
        for spec in self.images(choices).unwrap_or_default() {
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
                    let named = Named { name: &name.value, span: name.span, path: &path, sha256 };
                    self.look_into(named, &mut driver, &reporter).await
                }
                Err(failure) => Err(failure),
            };
            match given {
                Ok(given) => drop(all.insert(name.value.clone(), given)),
                Err(Failure::Diagnosed(diagnostics)) => found.extend(diagnostics),
                Err(failure) => return Err(failure),
            }
        }
        if found.is_empty() { Ok(all) } else { Err(Failure::Diagnosed(found)) }
    }

    /// The file of a `base file`, or of a `base url` once it is here.
    async fn disk_of(
        &self,
        source: &BaseSource,
        name: &Spanned<String>,
        reporter: &Reporter,
    ) -> Result<(PathBuf, Option<Spanned<Digest>>), Failure> {
        match source {
            BaseSource::Url { url, checksum } => {
                let (sha256, path) = self.download(url, *checksum, reporter).await?;
                Ok((path, Some(Spanned::new(sha256, checksum.span))))
            }
            BaseSource::File { sha256, .. } => Ok((self.project.files.root().join(&name.value), *sha256)),
            BaseSource::Auto | BaseSource::Named { .. } | BaseSource::Image { .. } => {
                Err(Failure::Diagnosed(Vec::new()))
            }
        }
    }

    /// Takes a disk into the store and looks into it, in a machine only if nobody has looked yet.
    async fn look_into(
        &self,
        named: Named<'_>,
        driver: &mut Option<Box<dyn Driver>>,
        reporter: &Reporter,
    ) -> Result<Given, Failure> {
        let disk = given::take_in(&self.store, named).await?;
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
    ) -> Result<(Digest, PathBuf), Failure> {
        self.preparer(false)
            .pinned(&url.value, checksum.value, reporter)
            .await
            .map_err(|error| given::download_trouble(error, url, checksum))
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
    pub(super) fn images(&self, choices: &Choices) -> Outcome<Vec<&ImageSpec>> {
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
        choices: &Choices,
        before: &[Prepared],
        fetcher: &Fetcher,
        said: &mut Vec<String>,
    ) -> Result<Prepared, Failure> {
        let name = &spec.name.value;
        let resolution = self.resolutions.get(name).ok_or_else(|| Failure::Diagnosed(Vec::new()))?;
        let ground = self.ground(spec, before);
        let update = choices.updates(name);
        let preparer = Preparer { fetcher, ..self.preparer(update) };
        let Some(locked) = self.lock.images.get(name).filter(|_| !update) else {
            if choices.locked && !update {
                let nothing = "the lock has nothing about this image".to_owned();
                return Err(Failure::Diagnosed(vec![self.lock_stale(spec, "--locked", [nothing])]));
            }
            return preparer.prepare(spec, resolution, None, ground).await;
        };
        let prepared = preparer.prepare(spec, resolution, Some(locked), ground).await?;
        let reasons = locked.stale(&prepared.locked);
        let points =
            |reasons: &[Reason]| reasons.iter().map(|reason| reason.point.to_string()).collect::<Vec<_>>();
        if choices.locked && !reasons.is_empty() {
            return Err(Failure::Diagnosed(vec![self.lock_stale(spec, "--locked", points(&reasons))]));
        }
        if reasons.iter().any(|reason| reason.class == Class::Changed) {
            return Err(Failure::Diagnosed(vec![self.lock_stale(spec, "", points(&reasons))]));
        }
        for point in points(&reasons) {
            said.push(format!("note: `{name}`: {point}; the lock follows"));
        }
        let moved = self.has_other_packages_below(ground);
        if moved && !locked.packages.is_empty() {
            said.push(format!("note: `{name}`: its base image has other packages; its own are chosen anew"));
        }
        if moved || reasons.iter().any(|reason| reason.class == Class::Missing) {
            return preparer.prepare(spec, resolution, None, ground).await;
        }
        Ok(prepared)
    }

    /// Whether the image below has other packages than the lock says: then what was chosen on top of
    /// them need not fit.
    fn has_other_packages_below(&self, ground: Ground<'_>) -> bool {
        let Ground::Image(below) = ground else { return false };
        let Some(then) = self.lock.images.get(&below.plan.image) else { return true };
        let now = &below.locked;
        then.packages != now.packages
            || then.removed != now.removed
            || then.base.packages() != now.base.packages()
    }

    /// What an image starts from, if that is not of the catalogue.
    fn ground<'a>(&'a self, spec: &ImageSpec, before: &'a [Prepared]) -> Ground<'a> {
        let found = match &spec.base.source {
            BaseSource::File { path: name, .. } | BaseSource::Url { url: name, .. } => {
                self.given.get(&name.value).map(Ground::Disk)
            }
            BaseSource::Image { name } => {
                before.iter().find(|one| one.plan.image == name.value).map(Ground::Image)
            }
            BaseSource::Auto | BaseSource::Named { .. } => {
                self.listed.get(&spec.name.value).map(Ground::Disk)
            }
        };
        found.unwrap_or(Ground::Catalogue)
    }

    /// Prepares the images that were asked for; what goes wrong is shown.
    pub(super) async fn prepare_all(&self, choices: &Choices) -> Outcome<Vec<Prepared>> {
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
        drop(waiting);
        for line in said {
            super::screen::say!("{line}");
        }
        failed.map_or(Ok(all), |failure| Err(self.failed(failure)))
    }

    /// Who vouches for the packages of prepared images. Those of the lock that nobody vouches for are shown,
    /// each at its line, and end the command unless they are allowed.
    pub(super) async fn vouch(&self, prepared: &[Prepared], allow: bool) -> Outcome<Vec<Vouching>> {
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
            let places = places.map(|(id, _)| lock::package_places(id, &self.project.sources));
            let line = |one: &Unvouched| {
                let package = &one.package;
                places.as_ref()?.find(image, one.of_base, &package.name, &package.arch)
            };
            found.extend(trouble::unvouched(image, &unvouched, line));
        }
        if found.is_empty() { Ok(vouchings) } else { Err(self.failed(Failure::Diagnosed(found))) }
    }

    /// The secrets of prepared images, and what their values do to the keys of the steps.
    pub(super) fn with_secrets(&self, prepared: &mut [Prepared]) -> Result<Vec<Secrets>, Failure> {
        let files = &self.project.files;
        let secrets: Vec<Secrets> =
            prepared.iter().map(|one| Secrets::read(&one.plan, files, &self.consent)).collect();
        exec::with_secrets(prepared.iter_mut().map(|one| &mut one.plan).zip(&secrets), &self.store)?;
        Ok(secrets)
    }

    pub(super) fn preparer(&self, refresh: bool) -> Preparer<'_> {
        Preparer {
            store: &self.store,
            fetcher: &self.fetcher,
            mirrors: self.mirrors.as_ref(),
            files: &self.project.files,
            agent_version: &self.agent_version,
            max_age: if refresh { std::time::Duration::ZERO } else { FRESH },
        }
    }

    /// Refuses a project that this host would not hold, unless the user says otherwise.
    fn held() -> Result<(), Failure> {
        if cell::is_weaker_allowed() {
            return Ok(());
        }
        match cell::walls().missing().next() {
            None => Ok(()),
            Some(missing) => Err(Fault::from(missing).into()),
        }
    }

    /// The machines of this host; what there is to say about them is reported.
    pub(super) async fn driver(&self, reporter: &Reporter) -> Result<Box<dyn Driver>, Failure> {
        Self::held()?;
        qemu::programs()?;
        let kernel = self.preparer(false).build_kernel(reporter).await?;
        let choice = match self.settings.accel.value {
            Accel::Auto => AcceleratorChoice::Auto,
            Accel::Kvm => AcceleratorChoice::Kvm,
            Accel::Tcg => AcceleratorChoice::Tcg,
        };
        let driver = QemuDriver::new(kernel, choice, &self.store.machines()).await?;
        let private = self.settings.allow_private_network.as_ref().is_some_and(|allowed| allowed.value);
        let driver = driver.reaching_private_networks(private);
        if let Some(note) = &driver.capabilities().note {
            reporter.note(note.clone());
        }
        Ok(Box::new(driver))
    }

    /// The lock and the ImageFile part, and this command may not change the lock.
    fn lock_stale(
        &self,
        spec: &ImageSpec,
        flag: &str,
        points: impl IntoIterator<Item = String>,
    ) -> Diagnostic {
        let name = &spec.name.value;
        let lock = self.lock_name();
        let message = match flag {
            "" => format!("`{lock}` says something else about the image `{name}` than the ImageFile"),
            flag => {
                format!("`{lock}` would have to change for the image `{name}`, and `{flag}` forbids that")
            }
        };
        let diagnostic = Diagnostic::new(codes::LOCK_STALE, message).label(spec.name.span, "this image");
        points
            .into_iter()
            .fold(diagnostic, Diagnostic::note)
            .help(format!("run `imgfile lock --update {name}`, look at the difference and commit it"))
    }

    /// What the lock is called.
    fn lock_name(&self) -> String {
        lock::file_name(&self.project.name())
    }

    /// Where the lock is or will be.
    pub(super) fn lock_path(&self) -> PathBuf {
        self.project.files.root().join(self.lock_name())
    }

    /// The folder artifacts go to unless the command says otherwise.
    pub(super) fn out(&self) -> PathBuf {
        self.project.path.parent().unwrap_or(Path::new("")).join("out")
    }

    /// The lock with these images' entries in place; entries of images that are gone go.
    pub(super) fn lock_with(&self, prepared: &[Prepared]) -> Lock {
        let mut images: BTreeMap<String, LockedImage> = self.lock.images.clone();
        images.retain(|name, _| self.project.checked.spec.image(name).is_some());
        for one in prepared {
            images.insert(one.plan.image.clone(), one.locked.clone());
        }
        Lock { version: FORMAT, images }
    }

    /// Writes the lock if it changes; says whether it did.
    pub(super) fn write_lock(&self, lock: &Lock) -> Outcome<bool> {
        let path = self.lock_path();
        let text = lock.to_yaml();
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(false);
        }
        let written = tempfile::NamedTempFile::new_in(self.project.files.root()).and_then(|mut file| {
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            umask::share(file.path(), 0o666)?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        });
        match written {
            Ok(()) => Ok(true),
            Err(error) => {
                // Only its kind: the text has the name of a file that nobody knows.
                super::complain(&format!("cannot write `{}`: {}", path.display(), error.kind()));
                Err(Exit::Host)
            }
        }
    }

    /// Shows why something failed; the exit status that goes with it.
    pub(super) fn failed(&self, failure: Failure) -> Exit {
        let (exit, diagnostics) = self.diagnosed(failure);
        show(&diagnostics, &self.project);
        exit
    }

    /// What there is to show of a failure, and the exit status that goes with it.
    pub(super) fn diagnosed(&self, failure: Failure) -> (Exit, Vec<Diagnostic>) {
        let exit = match &failure {
            Failure::Diagnosed(_) => Exit::Files,
            failure if failure.is_host_defect() => Exit::Host,
            _ => Exit::Failed,
        };
        let diagnostics = failure.located(&self.project.sources).diagnostics();
        let on_host = |diagnostic: &Diagnostic| is_about_the_host(diagnostic);
        let exit = if exit == Exit::Files && diagnostics.iter().any(on_host) { Exit::Host } else { exit };
        (exit, diagnostics)
    }

    /// Ends a build that failed: its record keeps what is shown, and what is shown ends with the way on.
    pub(super) fn end_failed(&self, watch: Watch, failures: Vec<Failure>, way_on: WayOn) -> Exit {
        let messages: Vec<String> = failures.iter().map(ToString::to_string).collect();
        let all: Vec<(Exit, Vec<Diagnostic>)> =
            failures.into_iter().map(|failure| self.diagnosed(failure)).collect();
        let exit = all.first().map_or(Exit::Failed, |(exit, _)| *exit);
        let diagnostics: Vec<Diagnostic> = all.into_iter().flat_map(|(_, diagnostics)| diagnostics).collect();
        watch.diagnosed(&report::human(&diagnostics, &self.project.sources, false));
        let build = watch.build();
        // The view ends before anything else is printed.
        watch.end(exec::Outcome::Failed, Some(&messages.join("; ")));
        show(&diagnostics, &self.project);
        way_on.show(&self.project.path, build, &diagnostics, exit);
        exit
    }
}

/// What a person can do after a failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct WayOn {
    /// Whether a shell in the failed machine can be had by another run.
    pub shell: bool,
}

impl WayOn {
    fn show(self, file: &Path, build: Option<i64>, diagnostics: &[Diagnostic], exit: Exit) {
        let mut lines = Vec::new();
        if let Some(build) = build {
            lines.push((format!("imgfile logs {build}"), "everything it printed"));
            lines.push((
                format!("imgfile builds report {build}"),
                "all that is known of it, in one HTML file",
            ));
        }
        if self.shell && exit == Exit::Failed {
            let file =
                if file == Path::new("ImageFile") { String::new() } else { format!("{} ", file.display()) };
            lines.push((format!("imgfile build {file}--on-failure shell"), "look around where it failed"));
        }
        let mut codes: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        for code in codes {
            lines.push((format!("imgfile explain {code}"), "what this means, and what helps"));
        }
        let width = lines.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
        if let Some(build) = build {
            super::screen::say!("build {build} failed");
        }
        for (command, what) in lines {
            super::screen::say!("  {command:width$}  {what}");
        }
    }
}

/// Whether this host lacks something, rather than the user's files being wrong.
fn is_about_the_host(diagnostic: &Diagnostic) -> bool {
    match diagnostic.code {
        // The ImageFile names a disk that is not there, not what it says, or no base.
        // What is gone from where it was is for the user's files to forget, such as the lock.
        // What it may not have is not for this host to give.
        codes::BASE_UNUSABLE
        | codes::BASE_CHANGED
        | codes::IMAGE_UNSUPPORTED
        | codes::DOWNLOAD_GONE
        | codes::SECRET_UNALLOWED
        | codes::FILE_UNALLOWED
        | codes::OUTPUT_LINK
        | codes::OUTPUT_TAKEN
        | codes::UNPACKS_TOO_LARGE => false,
        codes::DOWNLOAD_WRONG => diagnostic.labels.is_empty(),
        code => code.as_str() >= "E0453" && code.as_str() < "E0600",
    }
}

/// Shows diagnostics on stderr; says whether none is an error.
fn show(found: &[Diagnostic], project: &Project) -> bool {
    super::console::show(found, &project.sources);
    let errors = found.iter().any(Diagnostic::is_error);
    if let (true, Some(summary)) = (errors, report::summary(found)) {
        super::screen::say!("{summary}");
    }
    !errors
}

/// The images that a command is about, see [`Workshop::images`].
fn chosen_images<'a>(images: &'a [ImageSpec], choices: &Choices) -> Vec<&'a ImageSpec> {
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

/// The lock beside the ImageFile; empty if there is none, or none that can be read, of which `found` tells.
fn read_lock(project: &mut Project, choices: &Choices, found: &mut Vec<Diagnostic>) -> Lock {
    // What is written anew as a whole need not be readable.
    let all_anew = choices.update.as_ref().is_some_and(String::is_empty) && !choices.compares;
    let lock =
        if all_anew { Ok(None) } else { Lock::beside(&project.name(), &project.files, &mut project.sources) };
    let lock = lock.unwrap_or_else(|wrong| {
        found.extend(wrong);
        None
    });
    lock.unwrap_or_else(|| Lock { version: FORMAT, images: BTreeMap::new() })
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
    choices: &Choices,
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
pub(super) fn mirrors(settings: &Settings) -> Option<Mirrors> {
    if let Some(mirror) = &settings.mirror {
        let security = settings.security_mirror.as_ref().map(|mirror| mirror.value.as_str());
        return Some(Mirrors::setting(&mirror.value, security));
    }
    let mut entries = Vec::new();
    let folder = std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.path()).collect();
    paths.sort();
    paths.insert(0, "/etc/apt/sources.list".into());
    for path in paths {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => entries.extend(read_list(&text)),
            Some("sources") => entries.extend(read_sources(&text)),
            _ => {}
        }
    }
    Mirrors::of_host(&entries)
}
