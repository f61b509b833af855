//! `imgfile build`: from the ImageFile to tested artifacts.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{
    Exit,
    settings::Accel,
    watch::Watch,
    workshop::{Choices, Outcome, Workshop},
};
use crate::exec::{self, Artifact, Executor, Failure, Options, Reporter, Standing, prepare::Prepared};

/// Build the images of an ImageFile.
///
/// Writes `out/NAME.qcow2` (or what `output` says) and `ImageFile.lock`, and prints each artifact's path
/// and sha256. The file appears only after all tests passed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// ImageFile, or a folder with one.
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Build only this image (and those it is based on).
    #[arg(long, value_name = "NAME")]
    pub image: Option<String>,
    /// Name of the artifact, instead of `output`'s; for a single image.
    #[arg(long, value_name = "OUTPUT")]
    pub name: Option<String>,
    /// Start from this base of the catalogue, if it is compatible.
    #[arg(long, value_name = "NAME")]
    pub base: Option<String>,
    /// Give a `param` a value.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = super::key_value)]
    pub set: Vec<(String, String)>,
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
    /// How the machine's processor is provided.
    #[arg(long, value_enum)]
    pub accel: Option<Accel>,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub progress: Progress,
    /// Where artifacts go; without it `out` beside the ImageFile.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// `tty` on a terminal, groups in the logs of GitHub Actions and GitLab CI, else `plain`.
    Auto,
    /// A live view.
    Tty,
    /// One line an event.
    Plain,
    /// The event stream, one JSON object a line, on stdout.
    Json,
}

pub(super) fn run(args: Args) -> Exit {
    let choices = Choices {
        path: args.path.clone(),
        set: args.set.clone(),
        image: args.image.clone(),
        base: args.base.clone(),
        offline: args.offline,
        locked: args.locked,
        update: None,
        proven_only: !args.unproven,
    };
    super::block_on(async {
        let workshop = match Workshop::open(&choices).await {
            Ok(workshop) => workshop,
            Err(exit) => return exit,
        };
        match build(&args, &choices, &workshop).await {
            Ok(()) => Exit::Done,
            Err(exit) => exit,
        }
    })
}

async fn build(args: &Args, choices: &Choices, workshop: &Workshop) -> Outcome<()> {
    let mut prepared = workshop.prepare_all(choices).await?;
    if let Some(name) = &args.name {
        rename(&mut prepared, choices.image.as_deref(), name)?;
    }
    if workshop.write_lock(&workshop.lock_with(&prepared))? {
        eprintln!("wrote {}", super::shown(&workshop.lock_path()));
    }
    let options = Options {
        out: args.out.clone().unwrap_or_else(|| workshop.out()),
        test: !args.no_test,
        cache: !args.no_cache,
    };
    let folder = workshop.project.files.root();
    let watch = Watch::begin(args.progress, &workshop.store, folder, workshop.lock_path());
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
    let result = build_all(args, workshop, &prepared, &options, watch.reporter()).await;
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
        Err(failure) => {
            watch.end(exec::Outcome::Failed, Some(&failure.to_string()));
            Err(workshop.failed(failure))
        }
    }
}

/// Builds the images one after the other, up to the first that fails.
async fn build_all(
    args: &Args,
    workshop: &Workshop,
    prepared: &[Prepared],
    options: &Options,
    reporter: &Reporter,
) -> Result<Vec<Artifact>, Failure> {
    let driver = workshop.driver(args.accel, reporter).await?;
    let standing = Standing::new(prepared.iter().map(|one| &one.plan));
    let executor = Executor {
        standing: &standing,
        store: &workshop.store,
        driver: driver.as_ref(),
        project: &workshop.project.files,
        reporter,
    };
    if args.no_test {
        reporter.note("tests are left out (--no-test)");
    }
    let mut artifacts = Vec::new();
    for one in prepared {
        let supplies = workshop.preparer(false).supply(one, &reporter.of_image(&one.plan.image)).await?;
        artifacts.extend(executor.build(&one.plan, &supplies, options).await?);
    }
    Ok(artifacts)
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
