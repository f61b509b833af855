//! `imgfile test`: the tests of what was built, again.

use std::path::PathBuf;

use super::file_args::FileArgs;
use super::{
    Exit,
    watch::{Progress, Watch},
    workspace::{WayOn, Workspace, WorkspaceOptions},
};
use crate::exec::{self, Budget, BuildError, Executor, ParentDisks};
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
    let choices = WorkspaceOptions {
        file: args.file.clone(),
        image: args.image.clone(),
        offline: args.offline,
        runs_steps: true,
        ..WorkspaceOptions::default()
    };
    super::block_on(async {
        let workspace = match Workspace::open(&choices).await {
            Ok(workspace) => workspace,
            Err(exit) => return exit,
        };
        let mut prepared = match workspace.prepare_all(&choices).await {
            Ok(prepared) => prepared,
            Err(exit) => return exit,
        };
        let secrets = match workspace.with_secrets(&mut prepared) {
            Ok(secrets) => secrets,
            Err(failure) => return workspace.failed(failure),
        };
        let out = args.out.clone().unwrap_or_else(|| workspace.out());
        let folder = workspace.project.files.root();
        let watch = Watch::begin(Kind::Test, args.progress, &workspace.store, folder, workspace.lock_path());
        let tested = async {
            let driver = workspace.driver(watch.reporter()).await?;
            let executor = Executor {
                standing: &ParentDisks::default(),
                store: &workspace.store,
                driver: driver.as_ref(),
                project: &workspace.project.files,
                reporter: watch.reporter(),
                budget: &Budget::new(u64::MAX, u32::MAX),
                failed_machines: None,
            };
            // Those it is based on have tests of their own.
            let chosen = |name: &str| choices.image.as_ref().is_none_or(|image| image == name);
            for (one, secrets) in prepared.iter().zip(&secrets).filter(|(one, _)| chosen(&one.plan.image)) {
                executor.test(&one.plan, secrets, &out).await?;
            }
            Ok::<(), BuildError>(())
        };
        match tested.await {
            Ok(()) => {
                watch.end(exec::Outcome::Done, None);
                Exit::Done
            }
            Err(failure) => workspace.end_failed(watch, vec![failure], WayOn { shell: false }),
        }
    })
}
