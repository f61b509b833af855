//! The project's folder, as the executor reads it.

use super::Failure;

/// Reads files of the project, by the same rules as `check` (nothing outside its folder).
pub trait ProjectFiles: Send + Sync {
    /// The whole file at a project-relative path.
    fn read(&self, path: &str) -> Result<Vec<u8>, Failure>;
}
