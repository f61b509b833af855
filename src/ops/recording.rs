//! A build that goes on: whoever watches it, and the record that others read.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use super::{
    error::{Begun, Error},
    listener::Listener,
    records::set_aside,
    workspace::Workspace,
};
use crate::{
    exec::{BuildError, EventKind, Observer, Outcome, Reporter, Tee},
    report::{self, record::Recorder},
    store::{
        Records, Store, StoreError,
        git::Repository,
        records::{Keeps, Kind, Revocation},
    },
    text::{Digest, Sources},
};

/// A build, or tests, that are observed and recorded. Dropped before its end, it was cancelled.
pub(super) struct Recording {
    reporter: Reporter,
    recorder: Option<Arc<Recorder>>,
    began: Instant,
    ended: bool,
}

impl Recording {
    /// Begins a build of the project in `project`, by the lock at `lock`. One that cannot be recorded is
    /// built all the same, and says so.
    pub(super) fn begin(kind: Kind, workspace: &Workspace) -> Self {
        let (project, lock) = (workspace.project.files.root(), workspace.lock_path());
        Self::begin_at(kind, &workspace.store, (project, Some(&lock)), workspace.listener())
    }

    /// The same where no project was opened: of whatever is in the folder `project`.
    pub(super) fn begin_at(
        kind: Kind,
        store: &Store,
        (project, lock): (&Path, Option<&Path>),
        listener: &dyn Listener,
    ) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let (recorder, damaged) = match record(kind, store, project, lock) {
            Ok((recorder, damaged)) => (Ok(Arc::new(recorder)), damaged),
            Err(error) => (Err(error), None),
        };
        let times = recorder
            .as_ref()
            .ok()
            .and_then(|recorder| recorder.records().last_times(&project.to_string_lossy()).ok());
        let mut observers = vec![listener.building(times.unwrap_or_default())];
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

    /// Whether the records have an artifact of this content.
    pub(super) fn made(&self, digest: &Digest) -> bool {
        let records = self.recorder.as_ref().map(|recorder| recorder.records());
        records.is_some_and(|records| records.has_artifact(digest).unwrap_or(false))
    }

    /// The first of these paths that holds an artifact which may not be replaced, and what keeps it.
    pub(super) fn kept<'a>(&self, mut paths: impl Iterator<Item = &'a Path>) -> Option<(&'a Path, Keeps)> {
        let records = self.recorder.as_ref()?.records();
        paths.find_map(|path| {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
            Some((path, records.keeps(&absolute.to_string_lossy()).ok()??))
        })
    }

    /// What was revoked, by the key of its content.
    pub(super) fn revocations(&self) -> HashMap<String, Revocation> {
        let records = self.recorder.as_ref().map(|recorder| recorder.records());
        records.and_then(|records| records.revocations().ok()).unwrap_or_default()
    }

    /// It failed: the record keeps what there is to show of that. Whatever is shown after this comes below the view.
    pub(super) fn fail(self, failures: Vec<BuildError>, sources: &Sources) -> Error {
        let messages: Vec<String> = failures.iter().map(ToString::to_string).collect();
        let number = self.recorder.as_ref().map(|recorder| recorder.build());
        let error = Error { build: Some(Begun { number }), ..Error::of_build(failures, sources) };
        if let Some(recorder) = &self.recorder {
            recorder.diagnosed(&report::human(error.diagnostics(), sources, false));
        }
        self.end(Outcome::Failed, Some(&messages.join("; ")));
        error
    }

    /// It ended; `message` says why it failed. Whatever is shown after this comes below the view.
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

impl Drop for Recording {
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
    lock: Option<&Path>,
) -> Result<(Recorder, Option<PathBuf>), StoreError> {
    let begin = |records: Records| {
        let build = records.begin_kind(kind, project, env!("CARGO_PKG_VERSION"))?;
        if let Some(commit) = Repository::around(project).and_then(|repository| repository.head()) {
            records.built_from(build, &commit)?;
        }
        Recorder::new(records, build, lock.map(Path::to_owned))
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
