//! A build inside another program, without the command line: the ImageFile of a folder becomes a tested disk image.
//!
//! `cargo run --example embed-build -- FOLDER`

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use imgfile::exec::{Artifact, Event, EventKind, Observer};
use imgfile::ops::{BuildOptions, Error, Listener, Reason, Workspace, WorkspaceOptions};
use imgfile::report;
use imgfile::report::progress::Times;

/// Keeps what there is to say while a build goes on: notes, and how each step ended.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// What was said so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Listener for Log {
    fn note(&self, text: &str) {
        self.add(format!("note: {text}"));
    }

    fn building(&self, _: Times) -> Arc<dyn Observer> {
        Arc::new(self.clone())
    }
}

impl Observer for Log {
    fn event(&self, event: &Event) {
        match &event.what {
            EventKind::StepFinished { step, outcome, .. } => self.add(format!("{step}: {outcome:?}")),
            EventKind::Note { text } => self.add(format!("note: {text}")),
            _ => {}
        }
    }
}

/// Builds every image of a project; the log is told how that goes.
pub async fn build(options: WorkspaceOptions, log: &Log) -> Result<Vec<Artifact>, Error> {
    let workspace = Workspace::open(options, Arc::new(log.clone())).await?;
    workspace.build(&BuildOptions::default()).await
}

/// What went wrong, for people.
#[must_use]
pub fn told(error: &Error) -> String {
    match &error.reason {
        Reason::Message(text) => format!("{text}\n"),
        Reason::Diagnosed { diagnostics, sources, .. } => report::human(diagnostics, sources, false),
    }
}

/// Exit status 1 if there is no image in the end.
pub fn main() -> ExitCode {
    // Before threads are started: what is made for the store is made under one umask.
    imgfile::store::umask::set();
    let path = std::env::args_os().nth(1).unwrap_or_else(|| ".".into()).into();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let log = Log::default();
    let built = runtime.block_on(build(WorkspaceOptions { path, ..WorkspaceOptions::default() }, &log));
    for line in log.lines() {
        println!("{line}");
    }
    match built {
        Ok(artifacts) => {
            for artifact in artifacts {
                println!("{} ({} bytes, sha256 {})", artifact.path.display(), artifact.size, artifact.sha256);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("{}", told(&error));
            ExitCode::FAILURE
        }
    }
}
