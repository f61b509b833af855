//! How a build is watched: on a terminal, or in a log.

use std::sync::Arc;

use clap::ValueEnum;

use super::screen;
use crate::{
    exec::Observer,
    report::progress::{Buffered, Ci, Grouped, JsonLines, Look, Plain, Times, Tree, VisibleNames, Waiting},
};

/// How a build is shown while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// `tty` on a terminal, groups in the logs of GitHub Actions and GitLab CI, else `plain`.
    Auto,
    /// A live view.
    Tty,
    /// One line an event.
    Plain,
    /// The event stream, one JSON object a line, on stdout.
    Json,
}

/// What the user sees. Progress goes to stderr, JSON to stdout, where data belongs.
pub(super) fn view(progress: Progress, times: Times) -> Arc<dyn Observer> {
    let terminal = console::Term::stderr();
    let plain = || Arc::new(VisibleNames(Plain::new(Buffered::new(screen::err()))));
    match progress {
        Progress::Json => Arc::new(JsonLines::new(Buffered::new(screen::json()))),
        Progress::Plain => plain(),
        Progress::Tty => tree(terminal, times),
        Progress::Auto => match Ci::detect(|name| std::env::var_os(name)) {
            Some(ci) => Arc::new(VisibleNames(Grouped::new(Buffered::new(screen::groups(ci)), ci))),
            None if draws(&terminal) => tree(terminal, times),
            None => plain(),
        },
    }
}

/// Whether a terminal can be drawn on.
fn draws(terminal: &console::Term) -> bool {
    terminal.is_term() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A line that moves while a command gets ready; none where there is no terminal to draw on.
pub(super) fn waiting(task: &str) -> Option<Waiting> {
    let terminal = console::Term::stderr();
    let in_ci = Ci::detect(|name| std::env::var_os(name)).is_some();
    (draws(&terminal) && !in_ci).then(|| Waiting::new(screen::drawing(), task, look(terminal)))
}

fn tree(terminal: console::Term, times: Times) -> Arc<dyn Observer> {
    Arc::new(VisibleNames(Tree::expecting(times, screen::drawing(), look(terminal))))
}

/// What the terminal is like, asked before each drawing.
fn look(terminal: console::Term) -> impl Fn() -> Look + Send + Sync + 'static {
    let colour = screen::err_colour();
    let unicode = super::console::unicode();
    move || {
        let (height, width) = terminal.size();
        let height = Some(usize::from(height).saturating_sub(1).max(1));
        Look { colour, unicode, width: width.into(), height }
    }
}
