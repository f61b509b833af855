//! `imgfile cancel`: stops a build from another terminal.

use super::{CommandResult, Exit, failed, recorded};
use crate::ops;

/// Stop a running build and clear all that it used.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of the build.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::builds))]
    build: i64,
}

pub(super) fn run(args: &Args) -> Exit {
    cancel(args.build).err().unwrap_or(Exit::Done)
}

fn cancel(build: i64) -> CommandResult<()> {
    let (store, records) = recorded::records()?;
    ops::cancel(store, &records, build).map_err(failed)?;
    super::print(&format!("build {build} cancelled\n"));
    Ok(())
}
