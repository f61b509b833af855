//! Who watches a build: the terminal or a log, and the record other terminals read.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use clap::ValueEnum;

use super::recorded::set_aside;
use crate::{
    exec::{Observer, Outcome, Reporter, Tee, What},
    report::{
        progress::{Buffered, Ci, Grouped, JsonLines, Look, Plain, Tree},
        record::Recorder,
    },
    store::{Records, Store, StoreError},
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
    pub(super) fn begin(progress: Progress, store: &Store, project: &Path, lock: PathBuf) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let (recorder, damaged) = match record(store, project, &lock) {
            Ok((recorder, damaged)) => (Ok(Arc::new(recorder)), damaged),
            Err(error) => (Err(error), None),
        };
        let mut observers = vec![view(progress)];
        if let Ok(recorder) = &recorder {
            observers.push(Arc::clone(recorder) as Arc<dyn Observer>);
        }
        let reporter = Reporter::new(Arc::new(Tee(observers)));
        match &recorder {
            Ok(recorder) => {
                let version = version.to_owned();
                reporter.report(What::Begun { build: recorder.build(), version });
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
        self.reporter.report(What::Ended { outcome });
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
fn record(store: &Store, project: &Path, lock: &Path) -> Result<(Recorder, Option<PathBuf>), StoreError> {
    let begin = |records: Records| {
        let build = records.begin(project, env!("CARGO_PKG_VERSION"))?;
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
fn view(progress: Progress) -> Arc<dyn Observer> {
    let terminal = console::Term::stderr();
    let plain = || Arc::new(Plain::new(Buffered::new(std::io::stderr())));
    match progress {
        Progress::Json => Arc::new(JsonLines::new(Buffered::new(std::io::stdout()))),
        Progress::Plain => plain(),
        Progress::Tty => tree(terminal),
        Progress::Auto => match Ci::detect(|name| std::env::var_os(name)) {
            Some(ci) => Arc::new(Grouped::new(Buffered::new(std::io::stderr()), ci)),
            None if draws(&terminal) => tree(terminal),
            None => plain(),
        },
    }
}

/// Whether a terminal can be drawn on.
fn draws(terminal: &console::Term) -> bool {
    terminal.is_term() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn tree(terminal: console::Term) -> Arc<dyn Observer> {
    let colour = super::colour(std::io::stderr().is_terminal());
    // As the C library chooses the locale's character set.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_default()
        .to_lowercase();
    let unicode = locale.contains("utf-8") || locale.contains("utf8");
    Arc::new(Tree::new(std::io::stderr(), move || {
        let (height, width) = terminal.size();
        let height = Some(usize::from(height).saturating_sub(1).max(1));
        Look { colour, unicode, width: width.into(), height }
    }))
}
