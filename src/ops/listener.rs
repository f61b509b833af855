//! Who is told what there is to say besides a verb's result.

use std::{path::Path, sync::Arc};

use crate::{
    diagnostic::Diagnostic,
    exec::{Observer, Tee},
    report::progress::Times,
    store::fetch::Watcher,
    text::Sources,
};

/// Is told what a verb has to say while it works. Called from the thread that works, in order; a method that blocks
/// holds the verb up. Every method does nothing unless it is implemented.
pub trait Listener: Send + Sync {
    /// A sentence about something that was decided or found, without a full stop: that the lock follows the
    /// ImageFile, that nobody vouches for a package, what a crash had left in the store.
    fn note(&self, text: &str) {
        let _ = text;
    }

    /// Warnings about files that are good enough to go on with.
    fn found(&self, diagnostics: &[Diagnostic], sources: &Sources) {
        let _ = (diagnostics, sources);
    }

    /// A file of the project was written: the lock.
    fn wrote(&self, path: &Path) {
        let _ = path;
    }

    /// A file of the project was repaired; its path is as the user would write it.
    fn fixed(&self, path: &Path) {
        let _ = path;
    }

    /// Something begins that takes a while, such as "choosing packages". It has ended when what is returned is dropped;
    /// no note comes before that.
    fn waiting(&self, task: &str) -> Option<Box<dyn Waiting>> {
        let _ = task;
        None
    }

    /// Takes the events of what is done before a build: disks are fetched and looked into.
    fn preparing(&self) -> Arc<dyn Observer> {
        Arc::new(Tee::default())
    }

    /// Takes the events of a build or of tests. `times` has how long its steps took last, in milliseconds, by image and
    /// name.
    fn building(&self, times: Times) -> Arc<dyn Observer> {
        let _ = times;
        Arc::new(Tee::default())
    }
}

/// Something that takes a while and is shown until this is dropped.
pub trait Waiting: Send {
    /// Takes news of what is downloaded meanwhile.
    fn downloads(&self) -> Watcher;

    /// Takes news of what is sent meanwhile: a name in place of an address.
    fn uploads(&self) -> Watcher;
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Listener for Silent {}
