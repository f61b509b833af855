//! `imgfile ssh`: a shell, or a command, in an image that `imgfile run` runs.

use std::os::unix::process::CommandExt as _;

use super::{CommandResult, Exit, failed, recorded, setting_args::given};
use crate::ops::{records, ssh};

/// Log in to an image that `imgfile run` runs in another terminal.
///
/// The machine was given a key that was made for it alone, and goes with it. The host's `ssh` is used, without your own
/// configuration, keys and agent.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The image, or the path of its disk, where several run.
    image: Option<String>,
    /// A command to run instead of a shell, and its arguments.
    #[arg(last = true)]
    command: Vec<String>,
}

pub(super) fn run(args: &Args) -> Exit {
    log_in(args).err().unwrap_or(Exit::Done)
}

fn log_in(args: &Args) -> CommandResult<()> {
    let (program, arguments) = {
        let settings = records::settings(&given(), &super::listener::OnScreen::default()).map_err(failed)?;
        let store = recorded::store(&settings)?;
        ssh::login(&store, args.image.as_deref(), &args.command).map_err(failed)?
    };
    // It takes this process's place, and with it the terminal, the signals and the exit status.
    let error = std::process::Command::new(&program).args(arguments).exec();
    super::complain(&format!("cannot start {}: {error}", program.to_string_lossy()));
    Err(Exit::Host)
}
