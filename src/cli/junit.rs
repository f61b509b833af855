//! `--junit FILE`: what the tests did, for a CI system.

use std::{path::Path, sync::Arc};

use super::{CommandResult, Exit, listener::OnScreen};
use crate::{
    diagnostic::Diagnostic,
    exec::{Observer, Tee},
    ops::{Listener, Waiting, shown},
    report::{Junit, progress::Times},
    text::Sources,
};

/// A listener on the screen that keeps what the tests do, too.
pub(super) struct WithJunit {
    pub screen: OnScreen,
    pub junit: Arc<Junit>,
}

impl Listener for WithJunit {
    fn note(&self, text: &str) {
        self.screen.note(text);
    }

    fn found(&self, diagnostics: &[Diagnostic], sources: &Sources) {
        self.screen.found(diagnostics, sources);
    }

    fn wrote(&self, path: &Path) {
        self.screen.wrote(path);
    }

    fn fixed(&self, path: &Path) {
        self.screen.fixed(path);
    }

    fn waiting(&self, task: &str) -> Option<Box<dyn Waiting>> {
        self.screen.waiting(task)
    }

    fn preparing(&self) -> Arc<dyn Observer> {
        self.screen.preparing()
    }

    fn building(&self, times: Times) -> Arc<dyn Observer> {
        Arc::new(Tee(vec![self.screen.building(times), Arc::clone(&self.junit) as Arc<dyn Observer>]))
    }
}

/// Writes the file, if one is wanted; it tells of tests that failed as well.
pub(super) fn write(file: Option<&Path>, junit: &Junit) -> CommandResult<()> {
    let Some(file) = file else { return Ok(()) };
    std::fs::write(file, junit.xml()).map_err(|error| {
        super::complain(&format!("cannot write {}: {error}", shown(file)));
        Exit::Host
    })
}
