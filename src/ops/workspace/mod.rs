//! What `plan`, `lock`, `build` and `test` share: the way from a path to prepared images.

mod bases;
mod driver;
mod lock;
mod mirrors;
mod prepare;
mod vouch;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::mirrors::mirrors;
use super::{
    error::{Class, Error},
    listener::Listener,
    project::{self, Project},
    records::open_store,
    resolved::{load_catalog, preferences},
    settings::{Flags, LookupContext, Settings},
};
use crate::{
    catalog::Catalog,
    cell,
    check::{BaseSource, ImageSpec},
    diagnostic::Diagnostic,
    driver::agent,
    exec::{
        self, BuildError, Consent, Outside,
        base::imported::ImportedDisk,
        prepare::{Answers, base_facts},
    },
    front,
    lock::Lock,
    packages::Mirrors,
    plan::Graph,
    resolve::{BaseFacts, Resolution, ResolvedProject, resolve_project},
    store::{
        Store,
        fetch::{Fetcher, Network},
    },
};

/// Which project is opened, and what for.
#[derive(Debug, Clone, Default)]
pub struct WorkspaceOptions {
    /// The ImageFile, or a folder with one.
    pub path: PathBuf,
    /// Values of its `param`s, by name.
    pub set: Vec<(String, String)>,
    /// Where values of its `secret`s are from, by name; a relative path starts from the working folder.
    pub secrets: Vec<(String, Outside)>,
    /// Disks outside its folder that it may start from; of a folder, any in it.
    pub allow_files: Vec<PathBuf>,
    /// Settings that come before those of the environment and of files.
    pub flags: Flags,
    /// Only this image, and those it is based on.
    pub image: Option<String>,
    /// This base or none.
    pub base: Option<String>,
    /// Nothing is downloaded.
    pub offline: bool,
    /// Nothing in the lock may change.
    pub locked: bool,
    /// Images whose locked entry is made anew; an empty name means every image.
    pub update: Option<String>,
    /// What comes out is compared with the lock, which has to be readable for that.
    pub compares: bool,
    /// A base that is only listed is an error.
    pub proven_only: bool,
    /// Steps may run: a secret that the user does not allow is told of at once, not when a step needs it.
    pub runs_steps: bool,
}

impl WorkspaceOptions {
    /// Whether the locked entry of an image is made anew.
    fn updates(&self, image: &str) -> bool {
        self.update.as_ref().is_some_and(|update| update.is_empty() || update == image)
    }

    /// For a look at what is newer: as if every image were locked anew, and with a lock that can be read.
    #[must_use]
    pub fn comparing(self) -> Self {
        Self { update: Some(String::new()), compares: true, ..self }
    }

    /// What this call allows, beside what the user allows otherwise.
    fn consent(&self, mut consent: Consent) -> Consent {
        let here = std::env::current_dir().unwrap_or_default();
        let secrets = self.secrets.iter().map(|(name, source)| (name.clone(), source.clone().located(&here)));
        consent.secrets.extend(secrets);
        let files = self.allow_files.iter().map(|path| Outside::File(path.clone()).located(&here));
        consent.sources.extend(files);
        consent
    }
}

/// A project that was understood, with all that is around it.
pub struct Workspace {
    /// Its files and what `check` makes of them.
    pub project: Project,
    /// All settings, as they hold for this call.
    pub settings: Settings,
    /// The store that the settings name, open.
    pub store: Arc<Store>,
    /// What its images resolve to, by name as in the ImageFile.
    pub resolutions: BTreeMap<String, Resolution>,
    /// What the lock beside the ImageFile says.
    pub lock: Lock,
    /// What the user lets the project read outside its folder.
    pub consent: Consent,
    fetcher: Fetcher,
    mirrors: Option<Mirrors>,
    /// The disks of `base file` and `base url`, by name as written.
    given: BTreeMap<String, ImportedDisk>,
    /// The disks of listed bases, by image: two images may have one base locked at different times.
    listed: BTreeMap<String, ImportedDisk>,
    agent_version: String,
    answers: Answers,
    options: WorkspaceOptions,
    listener: Arc<dyn Listener>,
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspace").field("path", &self.project.path).finish_non_exhaustive()
    }
}

impl Workspace {
    /// Reads, checks and resolves a project, and opens its store. Disks that its images start from are fetched and
    /// looked into, in a machine where that was not done before. The listener is told of warnings.
    ///
    /// # Errors
    /// All that is wrong with the project, or with the settings; `Usage` where the options name an image or a secret
    /// that it does not have; `Host` where the store cannot be opened.
    pub async fn open(options: WorkspaceOptions, listener: Arc<dyn Listener>) -> Result<Self, Error> {
        let mut project = project::open(&project::find(&options.path)?, &options.set)?;
        let mut found = std::mem::take(&mut project.checked.diagnostics);
        let catalog = load_catalog(&mut project, &mut found);
        found.extend(front::unusable_keys(&project.checked.spec));
        found.extend(front::unusable_app_keys(&project.checked.spec, &catalog));
        let lock = lock::read_lock(&mut project, &options, &mut found);
        let settings = load_settings(&options.flags, &mut project, &mut found);
        let consent = settings.as_ref().map(|settings| settings.consent.clone()).unwrap_or_default();
        let consent = options.consent(consent);
        if options.runs_steps {
            let images = chosen_images(&project.checked.spec.images, &options);
            found.extend(
                images.iter().flat_map(|image| exec::refused_secrets(image, &project.files, &consent)),
            );
        }
        let driver = settings.as_ref().map(|settings| settings.driver.value.capabilities);
        let beyond = |found: &[Diagnostic]| match driver {
            Some(driver) => front::beyond(&project.checked.spec, found, driver),
            None => Vec::new(),
        };
        // What is wrong already is told before anything is looked up or downloaded.
        if found.iter().any(Diagnostic::is_error) || !beyond(&found).is_empty() {
            let of_images = resolve(&project, &catalog, &lock, &options, |_| None).diagnostics;
            found.extend(front::of_resolution(of_images, &found, &project.checked.spec, &catalog));
            found.extend(beyond(&found));
            return Err(Error::of_project(Class::of_settings(&found), found, &project.sources));
        }
        let Some(settings) = settings else {
            return Err(Error::of_project(Class::Files, found, &project.sources));
        };
        if settings.allows_weaker_cell() {
            cell::allow_weaker();
        }
        let store = open_store(&settings, listener.as_ref())?;
        let fetcher = fetcher(&settings, options.offline)?;
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
            options,
            listener,
        };
        // A name that no image has is complained of before anything is downloaded.
        workspace.images()?;
        workspace.declared()?;
        workspace.given = workspace.look_into_bases().await.map_err(|failure| workspace.failed(failure))?;
        let facts = |name: &str| {
            let given = workspace.given.get(name)?;
            Some(base_facts(&given.facts, given.virtual_size))
        };
        let resolved = resolve(&workspace.project, &catalog, &workspace.lock, &workspace.options, facts);
        found.extend(resolved.diagnostics);
        workspace.resolutions = resolved.images;
        if workspace.options.proven_only {
            found.extend(workspace.unproven());
        }
        if found.iter().any(Diagnostic::is_error) {
            return Err(Error::of_project(Class::Files, found, &workspace.project.sources));
        }
        workspace.listener.found(&found, &workspace.project.sources);
        match workspace.have_listed_bases().await {
            Ok(()) => Ok(workspace),
            Err(failure) => Err(workspace.failed(failure)),
        }
    }

    /// What a failure of `exec` is to those who called a verb.
    pub(in crate::ops) fn failed(&self, failure: BuildError) -> Error {
        Error::of_build(vec![failure], &self.project.sources)
    }

    /// Refuses a value for a secret that no image declares.
    fn declared(&self) -> Result<(), Error> {
        let images = &self.project.checked.spec.images;
        let known = |name: &String| {
            images.iter().any(|image| image.secrets.iter().any(|one| one.name.value == *name))
        };
        match self.options.secrets.iter().find(|(name, _)| !known(name)) {
            None => Ok(()),
            Some((name, _)) => {
                let text = format!("no image of the ImageFile has a secret `{name}`");
                Err(Error::message(Class::Usage, text))
            }
        }
    }

    /// The images to work on, each after the one it is based on: all, or the chosen one and those it is
    /// based on.
    ///
    /// # Errors
    /// `Usage` if the options name an image that the ImageFile does not have.
    pub fn images(&self) -> Result<Vec<&ImageSpec>, Error> {
        let images = &self.project.checked.spec.images;
        let updated = self.options.update.as_ref().filter(|name| !name.is_empty());
        for name in self.options.image.iter().chain(updated) {
            if images.iter().all(|image| image.name.value != *name) {
                let names: Vec<&str> = images.iter().map(|image| image.name.value.as_str()).collect();
                let names = names.join(", ");
                let text = format!("there is no image `{name}`; the ImageFile has {names}");
                return Err(Error::message(Class::Usage, text));
            }
        }
        Ok(chosen_images(images, &self.options))
    }

    /// What it was opened with.
    #[must_use]
    pub fn options(&self) -> &WorkspaceOptions {
        &self.options
    }

    /// Who is told what there is to say.
    pub(in crate::ops) fn listener(&self) -> &dyn Listener {
        self.listener.as_ref()
    }

    /// The folder artifacts go to unless the options of a build say otherwise.
    #[must_use]
    pub fn out(&self) -> PathBuf {
        self.project.path.parent().unwrap_or(Path::new("")).join("out")
    }
}

/// The images that a command is about, see [`Workspace::images`].
fn chosen_images<'a>(images: &'a [ImageSpec], options: &WorkspaceOptions) -> Vec<&'a ImageSpec> {
    // `check` has told of circles, and nothing is built then.
    let graph = Graph::of_images(images).unwrap_or_default();
    let numbers = match &options.image {
        None => graph.order(),
        Some(name) => {
            let chosen = images.iter().position(|image| image.name.value == *name);
            chosen.map(|image| graph.lineage(image)).unwrap_or_default()
        }
    };
    numbers.into_iter().map(|image| &images[image]).collect()
}

fn resolve(
    project: &Project,
    catalog: &Catalog,
    lock: &Lock,
    options: &WorkspaceOptions,
    facts: impl Fn(&str) -> Option<BaseFacts>,
) -> ResolvedProject {
    // `--base` is about the disk that a chain of images begins with.
    let chosen = chosen_images(&project.checked.spec.images, options);
    let on_disk = |image: &str| {
        let mut chosen = chosen.iter().filter(|spec| !matches!(spec.base.source, BaseSource::Image { .. }));
        chosen.any(|spec| spec.name.value == image)
    };
    let preferred = |image: &str| {
        let lock = Some(lock).filter(|_| !options.updates(image));
        preferences(lock, image, options.base.as_deref().filter(|_| on_disk(image)))
    };
    resolve_project(&project.checked.spec, catalog, preferred, facts)
}

fn load_settings(flags: &Flags, project: &mut Project, found: &mut Vec<Diagnostic>) -> Option<Settings> {
    let folder = project.files.root().to_owned();
    let around = LookupContext { project: Some(&folder), env: |name: &str| std::env::var_os(name) };
    match Settings::load(flags, &around, &mut project.sources) {
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

/// How the network is reached, by the settings.
pub(in crate::ops) fn network(settings: &Settings, offline: bool) -> Network {
    Network {
        proxy: settings.proxy.as_ref().map(|proxy| proxy.value.clone()),
        ca: settings.ca.as_ref().map(|ca| ca.value.clone()),
        offline,
    }
}

/// What fetches, by the settings.
pub(in crate::ops) fn fetcher(settings: &Settings, offline: bool) -> Result<Fetcher, Error> {
    Fetcher::new(&network(settings, offline)).map_err(|error| Error::message(Class::Host, error.to_string()))
}
