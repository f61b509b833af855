//! What verbs have to say while they work, on the terminal.

use std::{path::Path, sync::Arc};

use super::{
    findings, screen,
    watch::{self, Progress},
};
use crate::{
    diagnostic::Diagnostic,
    exec::Observer,
    ops::{self, Listener, shown},
    report::progress::{Plain, Times, Waiting},
    store::fetch::Watcher,
    text::Sources,
};

/// Shows everything on stderr, and a build as the user wants to see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnScreen {
    pub progress: Progress,
}

impl Default for OnScreen {
    fn default() -> Self {
        Self { progress: Progress::Auto }
    }
}

impl Listener for OnScreen {
    fn note(&self, text: &str) {
        screen::say!("note: {text}");
    }

    fn found(&self, diagnostics: &[Diagnostic], sources: &Sources) {
        findings::show(diagnostics, sources);
    }

    fn wrote(&self, path: &Path) {
        screen::say!("wrote {}", shown(path));
    }

    fn fixed(&self, path: &Path) {
        screen::say!("fixed {}", path.display());
    }

    fn waiting(&self, task: &str) -> Option<Box<dyn ops::Waiting>> {
        Some(Box::new(Line(watch::waiting(task)?)))
    }

    fn preparing(&self) -> Arc<dyn Observer> {
        Arc::new(Plain::new(screen::err()))
    }

    fn building(&self, times: Times) -> Arc<dyn Observer> {
        watch::view(self.progress, times)
    }
}

/// The line that moves.
struct Line(Waiting);

impl ops::Waiting for Line {
    fn downloads(&self) -> Watcher {
        Watcher(Arc::new(self.0.download()))
    }

    fn uploads(&self) -> Watcher {
        Watcher(Arc::new(self.0.upload()))
    }
}
