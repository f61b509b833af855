//! `imgfile build`: from the ImageFile to tested artifacts.

use std::path::PathBuf;

use super::file_args::FileArgs;
use super::{
    Exit,
    failed::{self, OnFailure},
    settings::{Settings, host_cpus, host_memory},
    watch::{Progress, Watch},
    workspace::{Outcome, WayOn, Workspace, WorkspaceOptions},
};
use crate::{
    check::Size,
    exec::{
        self, Artifact, Budget, BuildError, Executor, FailedMachineSlot, Options, ParentDisks, Reporter,
        Secrets,
        prepare::{Prepared, Vouching},
    },
    plan::BaseSource,
    store::records::Kind,
};

/// Build the images of an ImageFile.
///
/// Writes `out/NAME.qcow2` (or what `output` says) and `ImageFile.lock`, and prints each artifact's path
/// and sha256. The file appears only after all tests passed.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub file: FileArgs,
    /// Build only this image (and those it is based on).
    #[arg(long, value_name = "NAME", add = clap_complete::ArgValueCompleter::new(super::candidates::images))]
    pub image: Option<String>,
    /// Name of the artifact, instead of `output`'s; for a single image.
    #[arg(long, value_name = "OUTPUT")]
    pub name: Option<String>,
    /// Start from this base of the catalogue, if it is compatible.
    #[arg(long, value_name = "NAME")]
    pub base: Option<String>,
    /// Fail instead of writing or changing the lock.
    #[arg(long)]
    pub locked: bool,
    /// Use only what is in the store.
    #[arg(long)]
    pub offline: bool,
    /// Run every step again.
    #[arg(long)]
    pub no_cache: bool,
    /// Leave the tests of the artifact out.
    #[arg(long)]
    pub no_test: bool,
    /// Allow bases that nobody has proven yet.
    #[arg(long)]
    pub unproven: bool,
    /// Install packages of the lock that no signed index vouches for, this once. They run in machines only.
    #[arg(long)]
    pub allow_unvouched: bool,
    /// What becomes of the machine in which a step or test failed.
    #[arg(long, value_enum, default_value_t = OnFailure::Clean, value_name = "WHAT")]
    pub on_failure: OnFailure,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub progress: Progress,
    /// Where artifacts go; without it `out` beside the ImageFile.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace files that imgfile did not write.
    #[arg(long)]
    pub force: bool,
}

pub(super) fn run(args: Args) -> Exit {
    let choices = WorkspaceOptions {
        file: args.file.clone(),
        image: args.image.clone(),
        base: args.base.clone(),
        offline: args.offline,
        locked: args.locked,
        update: None,
        compares: false,
        proven_only: !args.unproven,
        runs_steps: true,
    };
    super::block_on(async {
        let workspace = match Workspace::open(&choices).await {
            Ok(workspace) => workspace,
            Err(exit) => return exit,
        };
        match build(&args, &choices, &workspace).await {
            Ok(()) => Exit::Done,
            Err(exit) => exit,
        }
    })
}

async fn build(args: &Args, choices: &WorkspaceOptions, workspace: &Workspace) -> Outcome<()> {
    let options = Options {
        out: args.out.clone().unwrap_or_else(|| workspace.out()),
        out_given: args.out.is_some(),
        force: args.force,
        test: !args.no_test,
        cache: !args.no_cache,
    };
    exec::output::check_folder(&options).map_err(|failure| workspace.failed(failure))?;
    let mut prepared = workspace.prepare_all(choices).await?;
    let vouchings = workspace.vouch(&prepared, args.allow_unvouched).await?;
    if let Some(name) = &args.name {
        rename(&mut prepared, choices.image.as_deref(), name)?;
    }
    if workspace.write_lock(&workspace.lock_with(&prepared), choices)? {
        super::screen::say!("wrote {}", super::shown(&workspace.lock_path()));
    }
    let secrets = workspace.with_secrets(&mut prepared).map_err(|failure| workspace.failed(failure))?;
    let folder = workspace.project.files.root();
    let watch = Watch::begin(Kind::Build, args.progress, &workspace.store, folder, workspace.lock_path());
    let targets: Vec<PathBuf> = prepared
        .iter()
        .flat_map(|one| one.plan.outputs.iter().map(|output| options.out.join(&output.file)))
        .collect();
    if let Some(path) = watch.protected(targets.iter().map(PathBuf::as_path)) {
        let message = format!(
            "{} is protected; take that off with `imgfile image unprotect {}`, or choose another folder with `--out`",
            super::shown(path),
            path.file_stem().unwrap_or_default().display()
        );
        watch.end(exec::Outcome::Failed, Some(&message));
        super::complain(&message);
        return Err(Exit::Files);
    }
    if let Err(failure) = in_the_way(&watch, workspace, &prepared, &options) {
        watch.end(exec::Outcome::Failed, Some(&failure.to_string()));
        return Err(workspace.failed(failure));
    }
    let failed_machines = FailedMachineSlot::default();
    drop(settle(workspace));
    let result = build_all(
        args,
        workspace,
        (&prepared, &vouchings, &secrets),
        &options,
        (watch.reporter(), &failed_machines),
    )
    .await;
    workspace.store.layers().renew_seals();
    if let Some(limit) = &workspace.settings.store_size
        && let Err(error) = workspace.store.shrink(limit.value.bytes())
    {
        watch.reporter().note(format!("the store could not be brought to its size: {error}"));
    }
    // The view ends before anything else is printed.
    match result {
        Ok(artifacts) => {
            watch.end(exec::Outcome::Done, None);
            if args.progress != Progress::Json {
                for artifact in artifacts {
                    super::print(&format!("{}  sha256:{}\n", artifact.path.display(), artifact.sha256));
                }
            }
            Ok(())
        }
        Err(failures) => {
            let shell = args.on_failure == OnFailure::Clean;
            let exit = workspace.end_failed(watch, failures, WayOn { shell });
            if let Some(failed_machine) = failed_machines.take() {
                failed::deal(args.on_failure, failed_machine, workspace.settings.driver.value).await;
            }
            Err(exit)
        }
    }
}

/// Refuses to begin where an artifact could not be put in the end.
fn in_the_way(
    watch: &Watch,
    workspace: &Workspace,
    prepared: &[Prepared],
    options: &Options,
) -> Result<(), BuildError> {
    let files = || prepared.iter().flat_map(|one| one.plan.outputs.iter().map(|output| output.file.as_str()));
    for path in files().map(|file| options.out.join(file)) {
        // What the records know, of builds before such notes were taken.
        if path.symlink_metadata().is_ok_and(|found| found.is_file())
            && let Ok(digest) = workspace.store.digest_file(&path)
            && watch.made(&digest)
        {
            exec::output::remember(&workspace.store, &digest)?;
        }
    }
    exec::output::check(&workspace.store, options, files())
}

/// Builds all images, as many at once as the budget has room for, each after the one it is based on. One that
/// fails stops those that are based on it; the others go on to their ends.
async fn build_all(
    args: &Args,
    workspace: &Workspace,
    (prepared, vouchings, secrets): (&[Prepared], &[Vouching], &[Secrets]),
    options: &Options,
    (reporter, failed_machines): (&Reporter, &FailedMachineSlot),
) -> Result<Vec<Artifact>, Vec<BuildError>> {
    let driver = workspace.driver(reporter).await.map_err(|failure| vec![failure])?;
    let standing = ParentDisks::new(prepared.iter().map(|one| &one.plan));
    let budget = budget(&workspace.settings);
    let executor = Executor {
        standing: &standing,
        store: &workspace.store,
        driver: driver.as_ref(),
        project: &workspace.project.files,
        reporter,
        budget: &budget,
        failed_machines: (args.on_failure != OnFailure::Clean).then_some(failed_machines),
    };
    if args.no_test {
        reporter.note("tests are left out (--no-test)");
    }
    // Bases are made, and files fetched, for one image at a time: several may want the same.
    let supplying = tokio::sync::Mutex::new(());
    let ends: Vec<_> = prepared.iter().map(|_| tokio::sync::watch::Sender::new(None)).collect();
    let (executor, supplying, ends) = (&executor, &supplying, &ends);
    let images = prepared.iter().zip(vouchings).zip(secrets).zip(ends);
    let builds = images.map(|(((one, vouching), secrets), end)| async move {
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
            let mut supplies = {
                let _one_at_a_time = supplying.lock().await;
                workspace.preparer(false).supply(one, *vouching, executor.driver, &reporter).await?
            };
            supplies.secrets = secrets.clone();
            executor.build(&one.plan, &supplies, options).await
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
    if failures.is_empty() { Ok(artifacts) } else { Err(failures) }
}

/// Writes layers of earlier builds to the disk while this one runs; those of this one follow with the next.
fn settle(workspace: &Workspace) -> tokio::task::JoinHandle<()> {
    let store = std::sync::Arc::clone(&workspace.store);
    tokio::task::spawn_blocking(move || {
        // What could not be written is tried again, and until then only a crash of the host can lose it.
        let _ = store.layers().settle();
    })
}

/// What all machines may take together: the settings, else three quarters of the memory that is free now and
/// every processor.
fn budget(settings: &Settings) -> Budget {
    let memory = settings.memory.as_ref().map_or_else(host_memory, |size| Size::bytes(size.value)) >> 20;
    Budget::new(memory, settings.cpus.as_ref().map_or_else(host_cpus, |cpus| cpus.value))
}

/// `--name` is for one image with one output: the chosen one, not those it is based on.
fn rename(prepared: &mut [Prepared], image: Option<&str>, name: &str) -> Outcome<()> {
    let one = prepared.len() == 1;
    let plan = prepared.iter_mut().map(|one| &mut one.plan).find(|plan| one || Some(&*plan.image) == image);
    let Some(plan) = plan else {
        super::complain("`--name` names the artifact of one image; choose it with `--image`");
        return Err(Exit::Usage);
    };
    for output in &mut plan.outputs {
        let extension = output.file.rsplit('.').next().unwrap_or_default().to_owned();
        output.file = format!("{name}.{extension}");
    }
    Ok(())
}
