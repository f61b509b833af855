//! A disk that somebody else owns, while an image is made of it: it has to stay what it is.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{BuildError, error::host};
use crate::{
    diagnostic::{Diagnostic, codes},
    driver::{Disks, HeldDisk},
};

/// A disk to which no machine writes as long as this is there.
#[derive(Debug)]
pub struct SourceDisk {
    path: PathBuf,
    _held: HeldDisk,
    state: State,
}

/// What of a file changes when it is written to: its size, and when that was done last.
type State = (u64, i64, i64);

impl SourceDisk {
    /// Keeps others from writing to the disk at `path`.
    ///
    /// # Errors
    /// If a machine writes to it, or it cannot be opened.
    pub fn hold(disks: &dyn Disks, path: &Path) -> Result<Self, BuildError> {
        let opened = disks.hold(path).and_then(|held| Ok((held, state(path)?)));
        match opened {
            Ok((Some(held), state)) => Ok(Self { path: path.to_owned(), _held: held, state }),
            Ok((None, _)) => Err(in_use(path)),
            Err(source) => Err(BuildError::Io { action: "open", path: path.to_owned(), source }),
        }
    }

    /// Refuses a disk that was written to since.
    ///
    /// # Errors
    /// If it was, or is not there any more.
    pub fn is_unchanged(&self) -> Result<(), BuildError> {
        match state(&self.path) {
            Ok(state) if state == self.state => Ok(()),
            Ok(_) => Err(changed(&self.path)),
            Err(error) => {
                let message = format!("cannot look at `{}`: {error}", self.path.display());
                Err(BuildError::Diagnosed(vec![host(message, false)]))
            }
        }
    }
}

fn state(path: &Path) -> std::io::Result<State> {
    let found = path.metadata()?;
    Ok((found.len(), found.mtime(), found.mtime_nsec()))
}

/// A machine writes to a disk that is to be captured.
#[must_use]
pub fn in_use(path: &Path) -> BuildError {
    let message = format!("`{}` is in use: a machine writes to it", path.display());
    BuildError::Diagnosed(vec![
        Diagnostic::new(codes::DISK_IN_USE, message)
            .help("shut the machine down, or capture it while it runs: `--qmp SOCKET`"),
    ])
}

/// Somebody wrote to a disk while it was captured.
#[must_use]
pub fn changed(path: &Path) -> BuildError {
    let message = format!("`{}` changed while it was captured", path.display());
    BuildError::Diagnosed(vec![
        Diagnostic::new(codes::DISK_CHANGED, message).help("try again when nobody writes to it"),
    ])
}
