//! The store that tests share, as the projects of a user's machine do.

use std::path::{Path, PathBuf};

/// Filled by whoever needs something first; later runs find it again. `IMGFILE_TEST_STORE` names another, such as
/// one of root's own.
pub fn store() -> PathBuf {
    std::env::var_os("IMGFILE_TEST_STORE")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("store"), PathBuf::from)
}
