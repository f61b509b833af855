//! The project's folder, as the executor reads it.

use super::Failure;
use crate::{
    check::{FileError, Files},
    store::ProjectFolder,
};

/// A single project file that goes into an image, at most: it is packed in memory.
const FILE_LIMIT: u64 = 4 << 30;

/// Reads files of the project, by the same rules as `check` (nothing outside its folder).
pub trait ProjectFiles: Send + Sync {
    /// The whole file at a project-relative path.
    fn read(&self, path: &str) -> Result<Vec<u8>, Failure>;
}

impl ProjectFiles for ProjectFolder {
    fn read(&self, path: &str) -> Result<Vec<u8>, Failure> {
        Files::read(self, path, FILE_LIMIT).map_err(|error| match error {
            FileError::Unreadable(reason) => {
                let source = std::io::Error::other(reason);
                Failure::Io { action: "read", path: path.into(), source }
            }
            // It was there, inside and of that size when the plan was made.
            FileError::NotFound | FileError::Outside | FileError::TooLarge => {
                Failure::InputChanged { path: path.to_owned() }
            }
        })
    }
}
