//! Paths as people read them.

use std::path::Path;

/// A path for people: relative to the working directory where it is below.
#[must_use]
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let path = here.as_deref().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    path.display().to_string()
}
