//! Arguments, one file a command.
//!
//! Data goes to stdout, everything else to stderr.

mod bases;
mod build;
pub mod builds;
pub mod cache;
mod cancel;
mod check;
mod completions;
mod doctor;
mod explain;
mod failed;
mod file_args;
mod fmt;
mod gc;
mod image;
pub mod images;
mod init;
mod lock;
mod logs;
mod lsp;
pub mod outdated;
mod plan;
mod project;
mod recorded;
mod resolving;
pub mod schema;
pub mod settings;
mod terminal;
mod test;
mod trust;
mod watch;
mod why;
mod why_step;
mod workshop;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{diagnostic::Diagnostic, report, text::Sources};

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
    Check(check::Args),
    Plan(plan::Args),
    Lock(lock::Args),
    Outdated(outdated::Args),
    Build(build::Args),
    Test(test::Args),
    Builds(builds::Args),
    Logs(logs::Args),
    Cancel(cancel::Args),
    Images(images::Args),
    Image(image::Args),
    Cache(cache::Args),
    Gc(gc::Args),
    Explain(explain::Args),
    Schema(schema::Args),
    Fmt(fmt::Args),
    Init(init::Args),
    Lsp(lsp::Args),
    /// Print the completion script of a shell.
    Completions(completions::Args),
    Trust(trust::Args),
    Doctor(doctor::Args),
    Bases(bases::Args),
    Why(why::Args),
}

/// Runs the command the process was started with.
#[must_use]
pub fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(args),
        Command::Lock(args) => lock::run(args),
        Command::Outdated(args) => outdated::run(args),
        Command::Build(args) => build::run(args),
        Command::Test(args) => test::run(args),
        Command::Builds(args) => builds::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Cancel(args) => cancel::run(&args),
        Command::Images(args) => images::run(&args),
        Command::Image(args) => image::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Gc(args) => gc::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Lsp(args) => lsp::run(&args),
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
        Command::Trust(args) => trust::run(&args),
        Command::Bases(args) => bases::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Doctor(args) => explained(|sources| doctor::run(&args, sources)),
    }
    .into()
}

/// Reads `NAME=VALUE` of `--set`.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Runs a command that waits for processes and the network; Ctrl-C drops it, and what is dropped
/// clears up behind itself. Whoever cannot wait for that presses it again: what is left then is for the
/// next command to clear.
fn block_on(command: impl Future<Output = Exit>) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return Exit::Host;
        }
    };
    let exit = runtime.block_on(async {
        // Before the command makes anything: until somebody listens, a signal ends the process as it is.
        let signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => {
                complain(&format!("cannot listen for signals: {error}"));
                return Exit::Host;
            }
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        // Beside the command, since clearing up does not give way.
        tokio::spawn(signals.stop_and_then_exit(stop));
        tokio::select! {
            exit = command => exit,
            Ok(()) = stopped => Exit::Cancelled,
        }
    });
    // A thread that waits for another build's lock would be waited for.
    runtime.shutdown_background();
    exit
}

/// The signals that end a command.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn stop_and_then_exit(mut self, stop: tokio::sync::oneshot::Sender<()>) {
        self.next().await;
        // The command may have ended by itself just now.
        let _ = stop.send(());
        self.next().await;
        std::process::exit(130);
    }
}

/// A path for people: relative to the working directory where it is below.
fn shown(path: &std::path::Path) -> String {
    let here = std::env::current_dir().ok();
    let path = here.as_deref().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    path.display().to_string()
}

/// Says what went wrong, on stderr.
fn complain(message: &str) {
    eprintln!("error: {message}");
}

/// Writes data to stdout; a reader that closed the pipe has seen enough.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Whether to use colour on a stream.
fn colour(terminal: bool) -> bool {
    terminal
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Runs a command that may end in diagnostics; those are for stderr.
fn explained(command: impl FnOnce(&mut Sources) -> Result<Exit, Vec<Diagnostic>>) -> Exit {
    let mut sources = Sources::default();
    command(&mut sources).unwrap_or_else(|diagnostics| {
        complain_of(&diagnostics, &sources);
        Exit::Files
    })
}

/// Shows diagnostics on stderr.
fn complain_of(found: &[Diagnostic], sources: &Sources) {
    let colour = colour(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    eprint!("{}", report::human(found, sources, colour));
}
