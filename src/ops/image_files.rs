//! Which files are ImageFiles.

use std::path::{Path, PathBuf};

use super::project::OpenError;
use crate::{
    syntax::{self, Item, Keyword},
    text::SourceId,
};

/// The file itself, or every ImageFile below a folder: `ImageFile` and `NAME.imagefile`, hidden
/// folders and what git ignores left out.
pub fn image_files(path: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => OpenError::NotFound(path.to_owned()),
        _ => OpenError::Io { path: path.to_owned(), error },
    })?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let walk = ignore::WalkBuilder::new(path)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_name(Ord::cmp)
        .build();
    Ok(walk
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(ignore::DirEntry::into_path)
        .filter(|file| is_image_file(file))
        .map(|file| file.strip_prefix("./").map(Path::to_owned).unwrap_or(file))
        .collect())
}

/// Whether a file is called as ImageFiles are.
#[must_use]
pub fn is_image_file(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "ImageFile")
        || file.extension().is_some_and(|extension| extension == "imagefile")
}

/// Refuses a file that is called otherwise than an ImageFile and is none: a pattern such as `ImageFile*` names more.
pub fn foreign(file: &Path, text: &str) -> Result<(), String> {
    if is_image_file(file) {
        return Ok(());
    }
    let tree = syntax::parse(SourceId::default(), text);
    let is_known = |item: &Item| match item {
        Item::Statement(one) => {
            let keyword = &text[one.keyword.start as usize..one.keyword.end as usize];
            Keyword::of(keyword).is_some()
        }
        Item::Comment(_) => true,
        _ => false,
    };
    if tree.items.iter().all(is_known) { Ok(()) } else { Err("it is no ImageFile".to_owned()) }
}
