//! The one layout of ImageFiles.

use std::path::Path;

use super::{image_files::foreign, project, rewrite};
use crate::{
    check::{FILE_LIMIT, FileError, Files as _},
    diagnostic::codes,
    syntax,
    text::{SourceId, conflicts},
};

/// A text, and how it is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaidOut {
    /// As it is.
    pub before: String,
    /// As it is to be.
    pub after: String,
}

impl LaidOut {
    /// Lays a text out. One with an unresolved merge is left to who resolves it: its markers count at the start of a line
    /// only.
    ///
    /// # Errors
    /// A sentence about it.
    pub fn of(before: String) -> Result<Self, String> {
        if conflicts(&before).is_empty() {
            let after = syntax::format(&syntax::parse(SourceId::default(), &before), &before);
            Ok(Self { before, after })
        } else {
            Err(format!("it has an unresolved merge conflict (`imgfile explain {}`)", codes::MERGE_CONFLICT))
        }
    }

    /// Whether anything changes.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.before != self.after
    }
}

/// Lays out one file, and writes it back if anything changes and `write` says so. As with every command for files of
/// strangers, a link that leads out of the file's folder is not followed, and a pipe not waited for.
///
/// # Errors
/// A sentence about the file.
pub fn format(file: &Path, write: bool) -> Result<LaidOut, String> {
    let (_, files, name) = project::around(file).map_err(|error| error.to_string())?;
    let bytes = files.read(name, FILE_LIMIT).map_err(|error| match error {
        FileError::NotFound => "it is not there".to_owned(),
        FileError::Outside => "it leads out of its folder".to_owned(),
        FileError::TooLarge => "it is too large for an ImageFile".to_owned(),
        FileError::Unreadable(reason) => reason,
    })?;
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8 text")?;
    foreign(file, &text)?;
    let laid_out = LaidOut::of(text)?;
    if write && laid_out.differs() {
        rewrite(&files, name, &laid_out.after).map_err(|why| format!("it cannot be written: {why}"))?;
    }
    Ok(laid_out)
}
