//! `imgfile completions`: the completion script of a shell.

use super::Exit;

/// Print the completion script of a shell, for example `imgfile completions bash`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Shell to write for.
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args, command: &mut clap::Command) -> Exit {
    clap_complete::generate(args.shell, command, "imgfile", &mut std::io::stdout());
    Exit::Done
}
