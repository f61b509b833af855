//! Who watches a build: the terminal or a log, and the record other terminals read.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use clap::ValueEnum;

use super::{recorded::set_aside, screen};
use crate::{
    exec::{EventKind, Observer, Outcome, Reporter, Tee},
    report::{
        progress::{Buffered, Ci, Grouped, JsonLines, Look, Plain, Times, Tree, VisibleNames, Waiting},
        record::Recorder,
    },
    store::{Records, Store, StoreError, git::Repository, records::Kind},
    text::Digest,
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

/// A build that is watched and recorded. Dropped before its end, it was cancelled.
pub(super) struct Watch {
    reporter: Reporter,
    recorder: Option<Arc<Recorder>>,
    began: Instant,
    ended: bool,
}

impl Watch {
    /// Begins a build of the project in `project`, by the lock at `lock`. One that cannot be recorded is
    /// built all the same, and says so.
    pub(super) fn begin(
        kind: Kind,
        progress: Progress,
        store: &Store,
        project: &Path,
        lock: PathBuf,
    ) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let (recorder, damaged) = match record(kind, store, project, &lock) {
            Ok((recorder, damaged)) => (Ok(Arc::new(recorder)), damaged),
            Err(error) => (Err(error), None),
        };
        let times = recorder
            .as_ref()
            .ok()
            .and_then(|recorder| recorder.records().last_times(&project.to_string_lossy()).ok());
        let mut observers = vec![view(progress, times.unwrap_or_default())];
        if let Ok(recorder) = &recorder {
            observers.push(Arc::clone(recorder) as Arc<dyn Observer>);
        }
        let reporter = Reporter::new(Arc::new(Tee(observers)));
        match &recorder {
            Ok(recorder) => {
                let version = version.to_owned();
                reporter.report(EventKind::Begun { build: recorder.build(), version });
            }
            Err(error) => reporter.note(format!("this build is not recorded: {error}")),
        }
        if let Some(path) = damaged {
            reporter.note(set_aside(&path));
        }
        Self { reporter, recorder: recorder.ok(), began: Instant::now(), ended: false }
    }

    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Number of the build, if it is recorded.
    pub(super) fn build(&self) -> Option<i64> {
        self.recorder.as_ref().map(|recorder| recorder.build())
    }

    /// Keeps what is going to be shown of a failure.
    pub(super) fn diagnosed(&self, text: &str) {
        if let Some(recorder) = &self.recorder {
            recorder.diagnosed(text);
        }
    }

    /// Whether the records have an artifact of this content.
    pub(super) fn made(&self, digest: &Digest) -> bool {
        let records = self.recorder.as_ref().map(|recorder| recorder.records());
        records.is_some_and(|records| records.has_artifact(digest).unwrap_or(false))
    }

    /// The first of these paths that holds a protected artifact.
    pub(super) fn protected<'a>(&self, mut paths: impl Iterator<Item = &'a Path>) -> Option<&'a Path> {
        let records = self.recorder.as_ref()?.records();
        paths.find(|path| {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
            records.is_protected(&absolute.to_string_lossy()).unwrap_or(false)
        })
    }

    /// The build ended; `message` says why it failed. What is printed after this comes below the view.
    pub(super) fn end(mut self, outcome: Outcome, message: Option<&str>) {
        self.finish(outcome, message);
    }

    fn finish(&mut self, outcome: Outcome, message: Option<&str>) {
        self.ended = true;
        if let Some(recorder) = &self.recorder {
            let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            recorder.end(outcome, elapsed, message);
            if let Some(problem) = recorder.problem() {
                self.reporter.note(format!("the record of this build is not whole: {problem}"));
            }
        }
        self.reporter.report(EventKind::Ended { outcome });
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            self.finish(Outcome::Cancelled, None);
        }
    }
}

/// Begins the record of a build, in a new database if the one that is there is damaged: then its path too.
fn record(
    kind: Kind,
    store: &Store,
    project: &Path,
    lock: &Path,
) -> Result<(Recorder, Option<PathBuf>), StoreError> {
    let begin = |records: Records| {
        let build = records.begin_kind(kind, project, env!("CARGO_PKG_VERSION"))?;
        if let Some(commit) = Repository::around(project).and_then(|repository| repository.head()) {
            records.built_from(build, &commit)?;
        }
        Recorder::new(records, build, lock.to_owned())
    };
    let (records, damaged) = store.records_or_new(false)?;
    match begin(records) {
        // Damage that only shows when something is written.
        Err(error) if error.is_corrupt() => {
            let (records, damaged) = store.records_or_new(true)?;
            Ok((begin(records)?, damaged))
        }
        begun => Ok((begun?, damaged)),
    }
}

/// What the user sees. Progress goes to stderr, JSON to stdout, where data belongs.
fn view(progress: Progress, times: Times) -> Arc<dyn Observer> {
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
