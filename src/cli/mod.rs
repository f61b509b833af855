//! Arguments, one file a command.
//!
//! Data goes to stdout, everything else to stderr.

mod apps;
mod bases;
mod build;
mod builds;
mod cache;
mod cancel;
mod candidates;
mod capture;
mod check;
mod completions;
mod console;
mod diff;
mod doctor;
pub mod examples;
mod explain;
mod failed_machine;
mod file_args;
mod findings;
mod fmt;
mod gc;
mod image;
mod images;
mod init;
mod inspect;
mod interrupt;
mod junit;
mod listener;
mod lock;
mod logs;
mod lsp;
mod man;
mod markdown;
mod offered;
mod outdated;
mod plan;
mod publish;
mod recorded;
mod run;
mod sbom;
pub mod schema;
mod screen;
mod setting_args;
mod ssh;
mod table;
mod terminal;
mod test;
mod trace;
mod trust;
mod verify;
mod watch;
mod way_on;
mod why;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    diagnostic::Diagnostic,
    ops::{Class, Error, Reason},
    report,
};
use setting_args::{All, OfStore, With};

/// How a command ended, as the process's exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// The ImageFile, or another file of the user, is wrong.
    Files = 1,
    /// The command line is wrong; clap ends with the same number.
    Usage = 2,
    /// A step or a test failed, or something kept is damaged.
    Failed = 3,
    /// This host, or what it reaches, lacks something.
    Host = 4,
    /// As a shell says of what Ctrl-C ended: 128 and the number of the signal.
    Cancelled = 130,
}

impl Exit {
    /// All of them, with what they mean.
    const ALL: [(Self, &str); 6] = [
        (Self::Done, "done"),
        (Self::Files, "the ImageFile, or another file of yours, is wrong"),
        (Self::Usage, "the command line is wrong"),
        (Self::Failed, "a step or a test failed, or something kept is damaged"),
        (Self::Host, "this host, or what it reaches, lacks something"),
        (Self::Cancelled, "cancelled"),
    ];

    fn status(self) -> i32 {
        self as i32
    }

    /// A line for each, for help and manual pages.
    fn table() -> String {
        Self::ALL.map(|(exit, meaning)| format!("  {:<5}{meaning}", exit.status())).join("\n")
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}

/// The one place where what went wrong becomes an exit status.
impl From<Class> for Exit {
    fn from(class: Class) -> Self {
        match class {
            Class::Files => Self::Files,
            Class::Usage => Self::Usage,
            Class::Failed => Self::Failed,
            Class::Host => Self::Host,
        }
    }
}

/// A command that cannot go on has said why; what is left is its exit status.
type CommandResult<T> = Result<T, Exit>;

/// Shows why a verb failed; the exit status that goes with it.
fn failed(error: Error) -> Exit {
    match &error.reason {
        Reason::Message(text) => complain(text),
        Reason::Diagnosed { diagnostics, sources, is_complete } => {
            findings::show(diagnostics, sources);
            let counted = *is_complete && diagnostics.iter().any(Diagnostic::is_error);
            if let Some(summary) = counted.then(|| report::summary(diagnostics)).flatten() {
                screen::say!("{summary}");
            }
        }
    }
    error.class.into()
}

/// Builds machine images from a checked-in ImageFile: validated, locked, tested.
#[derive(Debug, Parser)]
#[command(name = "imgfile", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = format!(
    "Start with `imgfile init`, then `imgfile check` and `imgfile build`.\n\nExit status:\n{}",
    Exit::table()
))]
pub struct Cli {
    /// When output is coloured.
    #[arg(long, global = true, value_enum, default_value_t = console::Colour::Auto, value_name = "WHEN")]
    color: console::Colour,
    #[command(subcommand)]
    command: Command,
}

/// The commands; each is one file of this folder with its `Args` and a `run`. Those that use settings take them
/// on the command line as well.
#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Plan(With<plan::Args, All>),
    Lock(With<lock::Args, All>),
    Outdated(With<outdated::Args, All>),
    Build(With<build::Args, All>),
    Test(With<test::Args, All>),
    Run(With<run::Args, All>),
    Ssh(With<ssh::Args, OfStore>),
    Builds(With<builds::Args, OfStore>),
    Logs(With<logs::Args, OfStore>),
    Cancel(With<cancel::Args, OfStore>),
    Images(With<images::Args, OfStore>),
    Image(With<image::Args, OfStore>),
    Publish(With<publish::Args, OfStore>),
    Inspect(With<inspect::Args, All>),
    Diff(With<diff::Args, All>),
    Capture(With<capture::Args, All>),
    Sbom(With<sbom::Args, OfStore>),
    Verify(verify::Args),
    Cache(With<cache::Args, OfStore>),
    Gc(With<gc::Args, OfStore>),
    Explain(explain::Args),
    Schema(schema::Args),
    Fmt(fmt::Args),
    Init(init::Args),
    Lsp(lsp::Args),
    Completions(completions::Args),
    Man(man::Args),
    Trust(trust::Args),
    Doctor(With<doctor::Args, All>),
    Apps(apps::Args),
    Bases(bases::Args),
    Why(With<why::Args, All>),
}

/// The whole command line, with examples.
#[must_use]
pub fn command() -> clap::Command {
    examples::added(Cli::command())
}

/// Runs the command the process was started with.
#[must_use]
pub fn main() -> std::process::ExitCode {
    // Before threads are started.
    crate::store::umask::set();
    // A shell that completes asks with the variable COMPLETE, and gets nothing else.
    clap_complete::CompleteEnv::with_factory(command).shells(offered::SHELLS).complete();
    // Help and errors about the command line itself are shown before it is read.
    let matches = command().color(console::asked_for(std::env::args())).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    console::choose(cli.color);
    if let Err(wrong) = trace::begin() {
        complain(&wrong);
        return Exit::Usage.into();
    }
    if let Err(error) = interrupt::listen() {
        complain(&format!("cannot listen for signals: {error}"));
        return Exit::Host.into();
    }
    let exit = match cli.command {
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(args.apart()),
        Command::Lock(args) => lock::run(args.apart()),
        Command::Outdated(args) => outdated::run(args.apart()),
        Command::Build(args) => build::run(args.apart()),
        Command::Test(args) => test::run(args.apart()),
        Command::Run(args) => run::run(args.apart()),
        Command::Ssh(args) => ssh::run(&args.apart()),
        Command::Builds(args) => builds::run(&args.apart()),
        Command::Logs(args) => logs::run(&args.apart()),
        Command::Cancel(args) => cancel::run(&args.apart()),
        Command::Images(args) => images::run(&args.apart()),
        Command::Image(args) => image::run(&args.apart()),
        Command::Publish(args) => publish::run(&args.apart()),
        Command::Inspect(args) => inspect::run(args.apart()),
        Command::Diff(args) => diff::run(args.apart()),
        Command::Capture(args) => capture::run(args.apart()),
        Command::Sbom(args) => sbom::run(&args.apart()),
        Command::Verify(args) => verify::run(&args),
        Command::Cache(args) => cache::run(&args.apart()),
        Command::Gc(args) => gc::run(&args.apart()),
        Command::Explain(args) => explain::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Lsp(args) => lsp::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args, command()),
        Command::Trust(args) => trust::run(&args),
        Command::Apps(args) => apps::run(args),
        Command::Bases(args) => bases::run(args),
        Command::Why(args) => why::run(args.apart()),
        Command::Doctor(args) => doctor::run(&args.apart()),
    };
    // Whoever redirects findings to a full disk is not to believe that there are none.
    let exit = if exit == Exit::Done && !screen::is_complete() { Exit::Host } else { exit };
    exit.into()
}

/// Reads `NAME=VALUE` of `--set`.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Runs a command that waits for processes and the network; Ctrl-C drops it, and what is dropped
/// clears up behind itself.
fn block_on(command: impl Future<Output = Exit>) -> Exit {
    until_stopped(async { Ok(command.await) }).unwrap_or_else(|exit| exit)
}

/// As [`block_on`], for a part of a command that goes on with what it yields.
fn until_stopped<T>(part: impl Future<Output = Result<T, Exit>>) -> Result<T, Exit> {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return Err(Exit::Host);
        }
    };
    let stopped = interrupt::stopped();
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = part => ended,
            Ok(()) = stopped => Err(Exit::Cancelled),
        }
    });
    // A thread that waits for another build's lock would be waited for.
    runtime.shutdown_background();
    ended
}

/// Says what went wrong, on stderr.
fn complain(message: &str) {
    screen::say!("error: {message}");
}

/// Writes text to stdout; what is lost is told at the end.
fn print(text: &str) {
    use std::io::Write;
    let _ = screen::out().write_all(text.as_bytes());
}

/// Writes JSON to stdout.
fn print_json(text: &str) {
    use std::io::Write;
    let _ = screen::json().write_all(text.as_bytes());
}
