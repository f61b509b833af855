//! `imgfile logs`: everything a build printed, also while it runs.

use super::{Exit, failed, recorded};
use crate::ops;

/// Show what a build printed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of the build; without it the newest of this project.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::builds))]
    build: Option<i64>,
    /// Go on until the build ends.
    #[arg(long, short)]
    follow: bool,
}

pub(super) fn run(args: &Args) -> Exit {
    let result = recorded::records().and_then(|(_store, records)| {
        let (build, _) = recorded::build(&records, args.build)?;
        ops::logs(&records, build, args.follow, &mut super::screen::out()).map_err(failed)
    });
    result.err().unwrap_or(Exit::Done)
}
