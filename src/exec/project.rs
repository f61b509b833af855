//! The project's folder, as the executor reads it.

use std::{io::Read, os::unix::fs::MetadataExt};

use super::{
    BuildError,
    times::{EARLIEST, Times},
};
use crate::{check::FileError, store::ProjectFolder};

/// Reads files of the project, by the same rules as `check` (nothing outside its folder).
pub trait ProjectFiles: Send + Sync {
    /// The file at a project-relative path, from its beginning.
    fn open(&self, path: &str) -> Result<Box<dyn Read>, BuildError>;

    /// What the system says of a file beside its content.
    fn facts(&self, _path: &str, _times: Times) -> FileFacts {
        FileFacts::default()
    }

    /// How its files get their times.
    fn times(&self) -> Times {
        Times::none()
    }
}

/// What the system says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// The time it bears in the image, in seconds since 1970.
    pub time: u64,
    /// Device and number, of a file with several names.
    pub identity: Option<(u64, u64)>,
    /// Permission bits beyond those for reading, writing and executing.
    pub special_bits: u32,
    /// Extended attributes that programs look at.
    pub attributes: Vec<String>,
}

impl Default for FileFacts {
    fn default() -> Self {
        Self { time: EARLIEST, identity: None, special_bits: 0, attributes: Vec::new() }
    }
}

impl ProjectFiles for ProjectFolder {
    fn open(&self, path: &str) -> Result<Box<dyn Read>, BuildError> {
        match self.open_regular(path) {
            Ok((file, _)) => Ok(Box::new(file)),
            Err(FileError::Unreadable(reason)) => {
                let source = std::io::Error::other(reason);
                Err(BuildError::Io { action: "read", path: path.into(), source })
            }
            // It was there, and inside, when the plan was made.
            Err(FileError::NotFound | FileError::Outside | FileError::TooLarge) => {
                Err(BuildError::InputChanged { path: path.to_owned() })
            }
        }
    }

    fn facts(&self, path: &str, times: Times) -> FileFacts {
        let Some(found) = self.metadata(path) else { return FileFacts::default() };
        // Of the others the file's mode, its owner's name for it, or a label of this host's own security module.
        let told = |name: &String| name.starts_with("user.") || name == "security.capability";
        FileFacts {
            time: times.file(&found),
            identity: (found.nlink() > 1).then(|| (found.dev(), found.ino())),
            special_bits: found.mode() & 0o7000,
            attributes: self.attributes(path).into_iter().filter(told).collect(),
        }
    }

    fn times(&self) -> Times {
        Times::of(self.root())
    }
}
