//! Arguments, one file a command.
//!
//! Data goes to stdout, everything else to stderr.

mod completions;
pub mod settings;

use clap::{CommandFactory, Parser, Subcommand};

/// How a command ended, as the process's exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: the user's files are wrong.
    Files,
    /// 2: the command line is wrong.
    Usage,
    /// 3: a step or test failed.
    Failed,
    /// 4: the host lacks something.
    Host,
    /// 130: cancelled.
    Cancelled,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Files => 1,
            Exit::Usage => 2,
            Exit::Failed => 3,
            Exit::Host => 4,
            Exit::Cancelled => 130,
        })
    }
}

/// Builds machine images from a checked-in ImageFile: validated, locked, tested.
#[derive(Debug, Parser)]
#[command(name = "imgfile", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Start with `imgfile init`, then `imgfile check` and `imgfile build`.")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The commands; each is one file of this folder with its `Args` and a `run`.
#[derive(Debug, Subcommand)]
enum Command {
    /// Print the completion script of a shell.
    Completions(completions::Args),
}

/// Runs the command the process was started with.
#[must_use]
pub fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
    }
    .into()
}
