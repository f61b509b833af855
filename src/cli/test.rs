//! `imgfile test`: the tests of what was built, again.

use std::{path::PathBuf, sync::Arc};

use super::{
    CommandResult, Exit, failed,
    file_args::FileArgs,
    junit::{self, WithJunit},
    listener::OnScreen,
    watch::Progress,
    way_on::WayOn,
};
use crate::{
    exec::Tests,
    ops::{Workspace, WorkspaceOptions},
    report::Junit,
};

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
    /// Test under every firmware of the base as well, and compare two instances that boot side by side.
    #[arg(long)]
    pub all: bool,
    /// Write what the tests did to a file, as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
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
    super::block_on(async { test(args).await.err().unwrap_or(Exit::Done) })
}

async fn test(args: Args) -> CommandResult<()> {
    let options = WorkspaceOptions {
        image: args.image,
        offline: args.offline,
        runs_steps: true,
        ..args.file.options()
    };
    let junit = Arc::new(Junit::default());
    let listener = WithJunit { screen: OnScreen { progress: args.progress }, junit: Arc::clone(&junit) };
    let workspace = Workspace::open(options, Arc::new(listener)).await.map_err(failed)?;
    let tests = if args.all { Tests::All } else { Tests::Own };
    let tested = workspace.test(args.out.as_deref(), tests).await;
    let reported = junit::write(args.junit.as_deref(), &junit);
    tested.map_err(|error| WayOn { shell: false }.after(&workspace, error)).and(reported)
}
