//! From prepared images to tested artifacts.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    error::{Class, Error},
    paths::shown,
    recording::Recording,
    revoked,
    settings::{Settings, host_cpus, host_memory},
    sharing::{self, Held, Sharing},
    workspace::Workspace,
};
use crate::{
    advisory::Severity,
    check::Size,
    describe::SbomFormat,
    exec::{
        self, Artifact, Budget, BuildError, Executor, FailedMachineSlot, Options, ParentDisks, Reporter,
        Secrets, Tests,
        prepare::{Prepared, Vouching},
    },
    model::OutputFormat,
    plan::BaseSource,
    shared_cache::SharedCache,
    store::records::{Keeps, Kind},
};

/// How images are built.
#[derive(Debug, Clone)]
pub struct BuildOptions<'a> {
    /// Name of the artifact instead of the one that `output` gives; for a single image.
    pub name: Option<String>,
    /// Where artifacts go; without it `out` beside the ImageFile.
    pub out: Option<PathBuf>,
    /// Files there that imgfile did not write are replaced.
    pub force: bool,
    /// Which tests of the artifacts run; without it `Changed` where machines are accelerated, and `Own` where they are
    /// emulated and two more boots would take a minute.
    pub tests: Option<Tests>,
    /// Results of earlier builds are reused.
    pub cache: bool,
    /// Packages of the lock that no signed index vouches for are installed, this once.
    pub allow_unvouched: bool,
    /// Bills of materials that are written beside the artifacts.
    pub sbom: Vec<SbomFormat>,
    /// The provenance is written beside the artifacts even where no key signs it.
    pub provenance: bool,
    /// No artifact appears that has advisories as bad as this, or worse.
    pub deny: Option<Severity>,
    /// Takes the machine in which a step or test failed, if somebody wants it.
    pub failed_machines: Option<&'a FailedMachineSlot>,
}

impl Default for BuildOptions<'_> {
    fn default() -> Self {
        Self {
            name: None,
            out: None,
            force: false,
            tests: None,
            cache: true,
            allow_unvouched: false,
            sbom: Vec::new(),
            provenance: false,
            deny: None,
            failed_machines: None,
        }
    }
}

impl Workspace {
    /// Builds the images that the workspace was opened for, and those they are based on, and writes the lock. Their
    /// artifacts appear only after all their tests passed.
    ///
    /// Ends a build that is dropped: what it used is cleared, and its record says that it was cancelled.
    ///
    /// # Errors
    /// `Files` where the lock and the ImageFile part, or an artifact may not be written where it is to go; `Usage`
    /// where `name` would be that of several; `Failed` for a step or a test; `Host` for what this host lacks.
    pub async fn build(&self, args: &BuildOptions<'_>) -> Result<Vec<Artifact>, Error> {
        let mut options = Options {
            out: args.out.clone().unwrap_or_else(|| self.out()),
            out_given: args.out.is_some(),
            force: args.force,
            tests: args.tests.unwrap_or_default(),
            cache: args.cache,
            describe: None,
        };
        exec::output::check_folder(&options).map_err(|failure| self.failed(failure))?;
        let shared_cache = if args.cache { sharing::open(self)? } else { None };
        let mut describing = self.describing(args).await?;
        let mut prepared = self.prepare_all().await?;
        let vouchings = self.vouch(&prepared, args.allow_unvouched).await?;
        if let Some(name) = &args.name {
            rename(&mut prepared, self.options().image.as_deref(), name)?;
        }
        if self.save_lock(&self.lock_with(&prepared))? {
            self.listener().wrote(&self.lock_path());
        }
        describing.lock = self.lock_digest();
        options.describe = Some(Arc::new(describing));
        let secrets = self.with_secrets(&mut prepared)?;
        let recording = Recording::begin(Kind::Build, self);
        let outputs = prepared.iter().flat_map(|one| &one.plan.outputs);
        let targets: Vec<PathBuf> = outputs.map(|output| options.out.join(&output.file)).collect();
        if let Some((path, keeps)) = recording.kept(targets.iter().map(PathBuf::as_path)) {
            let message = kept(path, &keeps);
            recording.end(exec::Outcome::Failed, Some(&message));
            return Err(Error::message(Class::Files, message));
        }
        let revoked = revoked::of_plans(&self.project.checked.spec, &prepared, &recording.revocations());
        if !revoked.is_empty() {
            let failure = BuildError::Diagnosed(revoked);
            recording.end(exec::Outcome::Failed, Some(&failure.to_string()));
            return Err(self.failed(failure));
        }
        if let Err(failure) = in_the_way(&recording, self, &prepared, &options) {
            recording.end(exec::Outcome::Failed, Some(&failure.to_string()));
            return Err(self.failed(failure));
        }
        drop(sync_layers(self));
        let images = (&prepared[..], &vouchings[..], &secrets[..]);
        let shared_cache = shared_cache.as_ref();
        let result = build_all(args, self, images, (&options, shared_cache), recording.reporter()).await;
        self.store.layers().renew_seals();
        if let Some(limit) = &self.settings.store_size
            && let Err(error) = self.store.shrink(limit.value.bytes())
        {
            let note = format!("the store could not be brought to its size: {error}");
            recording.reporter().note(note);
        }
        match result {
            Ok(artifacts) => {
                recording.end(exec::Outcome::Done, None);
                Ok(artifacts)
            }
            Err(failures) => Err(recording.fail(failures, &self.project.sources)),
        }
    }
}

/// Why what is at `path` may not be replaced, and the way out.
pub(super) fn kept(path: &Path, keeps: &Keeps) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let (why, way) = match keeps {
        Keeps::Protected => {
            let name = OutputFormat::split(&file).0;
            ("is protected".to_owned(), format!("take that off with `imgfile image unprotect {name}`"))
        }
        Keeps::Tagged(tags) => (
            format!("is tagged `{}`", tags.join("`, `")),
            format!(
                "take that off with `imgfile image untag {}`, build by another name with `--name`",
                tags.join(" ")
            ),
        ),
    };
    format!("{} {why}; {way}, or choose another folder with `--out`", shown(path))
}

/// Refuses to begin where an artifact could not be put in the end.
fn in_the_way(
    recording: &Recording,
    workspace: &Workspace,
    prepared: &[Prepared],
    options: &Options,
) -> Result<(), BuildError> {
    let files = || prepared.iter().flat_map(|one| one.plan.outputs.iter().map(|output| output.file.as_str()));
    for path in files().map(|file| options.out.join(file)) {
        // What the records know, of builds before such notes were taken.
        if path.symlink_metadata().is_ok_and(|found| found.is_file())
            && let Ok(digest) = workspace.store.digest_file(&path)
            && recording.made(&digest)
        {
            exec::output::remember(&workspace.store, &digest)?;
        }
    }
    exec::output::check(&workspace.store, options, files())
}

/// Builds all images, as many at once as the budget has room for, each after the one it is based on. One that
/// fails stops those that are based on it; the others go on to their ends.
async fn build_all(
    args: &BuildOptions<'_>,
    workspace: &Workspace,
    (prepared, vouchings, secrets): (&[Prepared], &[Vouching], &[Secrets]),
    (options, shared_cache): (&Options, Option<&SharedCache>),
    reporter: &Reporter,
) -> Result<Vec<Artifact>, Vec<BuildError>> {
    let driver = workspace.driver(reporter).await.map_err(|failure| vec![failure])?;
    let usual = if driver.is_accelerated() { Tests::Changed } else { Tests::Own };
    let options = &Options { tests: args.tests.unwrap_or(usual), ..options.clone() };
    let parent_disks = ParentDisks::new(prepared.iter().map(|one| &one.plan));
    let budget = budget(&workspace.settings);
    let executor = Executor {
        parent_disks: &parent_disks,
        store: &workspace.store,
        driver: driver.as_ref(),
        project: &workspace.project.files,
        reporter,
        budget: &budget,
        failed_machines: args.failed_machines,
    };
    if options.tests == Tests::None {
        reporter.note("tests are left out (--no-test)");
    }
    // Bases are made, and files fetched, for one image at a time: several may want the same.
    let supplying = tokio::sync::Mutex::new(());
    let ends: Vec<_> = prepared.iter().map(|_| tokio::sync::watch::Sender::new(None)).collect();
    let (executor, supplying, ends) = (&executor, &supplying, &ends);
    let sharing = shared_cache.map(|cache| Sharing::new(cache, workspace, driver.as_ref(), prepared));
    let sharing = sharing.as_ref();
    let images = prepared.iter().zip(vouchings).zip(secrets).zip(ends).enumerate();
    let builds = images.map(|(number, (((one, vouching), secrets), end))| async move {
        let reporter = reporter.of_image(&one.plan.image);
        if let BaseSource::Image { image, .. } = &one.plan.base.source
            && let Some(base) = prepared.iter().position(|other| other.plan.image == *image)
        {
            let mut ended = ends[base].subscribe();
            // The senders live as long as this does, so there is an answer.
            let built = ended.wait_for(Option::is_some).await.is_ok_and(|end| *end == Some(true));
            if !built {
                reporter.note(format!("not built, since `{image}` is not there"));
                end.send_replace(Some(false));
                return Ok(Vec::new());
            }
        }
        let result = async {
            let (mut inputs, _held) = {
                let _one_at_a_time = supplying.lock().await;
                let held = match sharing {
                    Some(sharing) => Some(sharing.bring(number, one, &reporter).await),
                    None => None,
                };
                let whole = held.as_ref().is_some_and(Held::is_whole);
                let preparer = workspace.preparer(false);
                (preparer.supply(one, (*vouching, whole), executor.driver, &reporter).await?, held)
            };
            inputs.secrets = secrets.clone();
            executor.build(&one.plan, &inputs, options).await
        };
        let result = result.await;
        end.send_replace(Some(result.is_ok()));
        result
    });
    let (mut artifacts, mut failures) = (Vec::new(), Vec::new());
    for result in futures_util::future::join_all(builds).await {
        match result {
            Ok(made) => artifacts.extend(made),
            Err(failure) => failures.push(failure),
        }
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    if let Some(sharing) = sharing {
        sharing.send(prepared, reporter).await;
    }
    Ok(artifacts)
}

/// Writes layers of earlier builds to the disk while this one runs; those of this one follow with the next.
fn sync_layers(workspace: &Workspace) -> tokio::task::JoinHandle<()> {
    let store = std::sync::Arc::clone(&workspace.store);
    tokio::task::spawn_blocking(move || {
        // What could not be written is tried again, and until then only a crash of the host can lose it.
        let _ = store.layers().sync();
    })
}

/// What all machines may take together: the settings, else three quarters of the memory that is free now and
/// every processor.
pub(super) fn budget(settings: &Settings) -> Budget {
    let memory = settings.memory.as_ref().map_or_else(host_memory, |size| Size::bytes(size.value)) >> 20;
    let cpus = settings.cpus.as_ref().map_or_else(host_cpus, |cpus| cpus.value);
    Budget::new(memory, cpus).saving_boots(settings.saved_boots.value.bytes())
}

/// Names the artifact of the one image that is asked for, not of those it is based on.
fn rename(prepared: &mut [Prepared], image: Option<&str>, name: &str) -> Result<(), Error> {
    let one = prepared.len() == 1;
    let plan = prepared.iter_mut().map(|one| &mut one.plan).find(|plan| one || Some(&*plan.image) == image);
    let Some(plan) = plan else {
        let text = "`--name` names the artifact of one image; choose it with `--image`";
        return Err(Error::message(Class::Usage, text));
    };
    if let Some(output) = plan.outputs.iter().find(|output| !output.format.takes_name(name)) {
        let text =
            format!("the platform of `output {}` takes no image named `{name}` (E0248)", output.format);
        return Err(Error::message(Class::Usage, text));
    }
    for output in &mut plan.outputs {
        output.file = format!("{name}.{}", output.format.extension());
    }
    Ok(())
}
