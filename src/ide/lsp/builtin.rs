//! Compiled-in catalogue files as files that an editor can open.
//!
//! An editor goes to a definition by opening a file, and these lie in none. The one that is asked for is
//! put into a folder of the user's cache, and nothing before somebody asks.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::text::{Digest, Source};

/// Puts a compiled-in file below `folder`; none if that cannot be written. Its folder is named by its
/// text, so that two versions of this program do not get in each other's way.
pub(super) fn shown(folder: &Path, source: &Source) -> Option<PathBuf> {
    let digest = Digest::of(&source.text).to_string();
    let path = folder.join(digest.get(..16)?).join(&source.name);
    if fs::read_to_string(&path).is_ok_and(|text| text == source.text) {
        return Some(path);
    }
    let parent = path.parent()?;
    fs::create_dir_all(parent).ok()?;
    let mut file = tempfile::NamedTempFile::new_in(parent).ok()?;
    file.write_all(source.text.as_bytes()).ok()?;
    // Editing it would change nothing.
    let mut permissions = file.as_file().metadata().ok()?.permissions();
    permissions.set_readonly(true);
    file.as_file().set_permissions(permissions).ok()?;
    file.persist(&path).ok()?;
    Some(path)
}
