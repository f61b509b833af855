//! `imgfile test`: the tests of what was built, again.

use std::path::PathBuf;

use super::file_args::FileArgs;
use super::{
    Exit,
    watch::{Progress, Watch},
    workshop::{Choices, WayOn, Workshop},
};
use crate::exec::{self, Budget, Executor, Failure, Standing};
use crate::store::records::Kind;

/// Run the tests of artifacts that are in the output folder.
///
/// Each is booted by its own boot loader in a throw-away overlay; the file does not change.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub file: FileArgs,
    /// Test only this image.
    #[arg(long, value_name = "NAME", add = clap_complete::ArgValueCompleter::new(super::candidates::images))]
    pub image: Option<String>,
    /// Use only what is in the store.
    #[arg(long)]
    pub offline: bool,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub progress: Progress,
    /// Where the artifacts are; without it `out` beside the ImageFile.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> Exit {
    let choices = Choices {
        file: args.file.clone(),
        image: args.image.clone(),
        offline: args.offline,
        runs_steps: true,
        ..Choices::default()
    };
    super::block_on(async {
        let workshop = match Workshop::open(&choices).await {
            Ok(workshop) => workshop,
            Err(exit) => return exit,
        };
        let mut prepared = match workshop.prepare_all(&choices).await {
            Ok(prepared) => prepared,
            Err(exit) => return exit,
        };
        let secrets = match workshop.with_secrets(&mut prepared) {
            Ok(secrets) => secrets,
            Err(failure) => return workshop.failed(failure),
        };
        let out = args.out.clone().unwrap_or_else(|| workshop.out());
        let folder = workshop.project.files.root();
        let watch = Watch::begin(Kind::Test, args.progress, &workshop.store, folder, workshop.lock_path());
        let tested = async {
            let driver = workshop.driver(watch.reporter()).await?;
            let executor = Executor {
                standing: &Standing::default(),
                store: &workshop.store,
                driver: driver.as_ref(),
                project: &workshop.project.files,
                reporter: watch.reporter(),
                budget: &Budget::new(u64::MAX, u32::MAX),
                wrecks: None,
            };
            // Those it is based on have tests of their own.
            let chosen = |name: &str| choices.image.as_ref().is_none_or(|image| image == name);
            for (one, secrets) in prepared.iter().zip(&secrets).filter(|(one, _)| chosen(&one.plan.image)) {
                executor.test(&one.plan, secrets, &out).await?;
            }
            Ok::<(), Failure>(())
        };
        match tested.await {
            Ok(()) => {
                watch.end(exec::Outcome::Done, None);
                Exit::Done
            }
            Err(failure) => workshop.end_failed(watch, vec![failure], WayOn { shell: false }),
        }
    })
}
