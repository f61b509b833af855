//! Which files of the client's folders are ImageFiles.

use std::path::{Path, PathBuf};

/// Whether a file is called as ImageFiles are.
pub(super) fn is_image_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "ImageFile")
        || path.extension().is_some_and(|extension| extension == "imagefile")
}

/// The ImageFiles below a folder as `imgfile check` finds them: hidden folders and what git ignores left out, links
/// not followed.
pub(super) fn image_files(root: &Path, left: &mut usize) -> Vec<PathBuf> {
    let walk = ignore::WalkBuilder::new(root)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_name(Ord::cmp)
        .build();
    walk.take_while(|_| {
        *left = left.saturating_sub(1);
        *left > 0
    })
    .filter_map(Result::ok)
    .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()) && is_image_file(entry.path()))
    .map(ignore::DirEntry::into_path)
    .collect()
}
