//! The lock from text, with a message at every mistake: people merge locks, and edit them.

use serde::Deserialize;
use serde_saphyr::Spanned as YamlSpanned;

use super::limits::options;
use super::lock_text::LockText;
use super::{FORMAT, Lock, OLDEST_FORMAT, file_name, format_1, format_2, link};
use crate::check::{FileError, Files};
use crate::diagnostic::{Diagnostic, codes};
use crate::text::{SourceId, Sources, Span};

/// Largest lock that is read, in bytes.
const LIMIT: u64 = 64 << 20;

impl Lock {
    /// The lock beside the ImageFile, if there is one. Callers that only want its preferences do without one
    /// that is wrong: it is for the commands that use it to complain of.
    pub fn beside(
        image_file: &str,
        files: &dyn Files,
        sources: &mut Sources,
    ) -> Result<Option<Self>, Vec<Diagnostic>> {
        let name = file_name(image_file);
        let refused = |reason: &str| {
            let message = format!("`{name}` cannot be read: {reason}");
            vec![
                Diagnostic::new(codes::LOCK_UNREADABLE, message)
                    .help("take it from version control again, or move it away and run `imgfile lock`"),
            ]
        };
        let bytes = match files.read(&name, LIMIT) {
            Ok(bytes) => bytes,
            Err(FileError::NotFound) => return Ok(None),
            Err(FileError::Outside) => return Err(refused("it leads out of the project")),
            Err(FileError::TooLarge) => {
                return Err(refused(&format!("it is larger than {} MiB", LIMIT >> 20)));
            }
            Err(FileError::Unreadable(reason)) => return Err(refused(&reason)),
        };
        let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8 text"))?;
        let source = sources.add(&*name, text);
        Self::read(source, sources).map(Some)
    }

    /// Reads a lock.
    pub fn read(source: SourceId, sources: &Sources) -> Result<Self, Vec<Diagnostic>> {
        let text = &*sources.get(source).text;
        let place = LockText { text, source };
        let conflicts = place.conflicts();
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        let version = match serde_saphyr::from_str_with_options::<Format>(text, options()) {
            Ok(Format { version: Some(version) }) if !(OLDEST_FORMAT..=FORMAT).contains(&version.value) => {
                return Err(vec![place.other_format(version.value, &version.referenced)]);
            }
            Ok(Format { version: Some(version) }) => version.value,
            Ok(Format { version: None }) => {
                let first = Span::new(source, 0, place.line_end(0));
                let message = "the lock does not say which format it is in";
                return Err(vec![
                    Diagnostic::new(codes::LOCK_FORMAT, message)
                        .label(first, format!("`version: {FORMAT}` is expected"))
                        .help("`imgfile lock --update` writes it anew"),
                ]);
            }
            // What is no YAML at all fails below, with its own message.
            Err(_) => FORMAT,
        };
        if version == OLDEST_FORMAT {
            let lock: Self = serde_saphyr::from_str_with_options(text, options())
                .map_err(|error| vec![place.malformed(&error)])?;
            let mut wrong = format_1::doubles(place);
            wrong.extend(format_1::nameless(&lock, source, sources));
            return if wrong.is_empty() { Ok(lock) } else { Err(wrong) };
        }
        let file: format_2::File = serde_saphyr::from_str_with_options(text, options())
            .map_err(|error| vec![place.malformed(&error)])?;
        link::link(file, place)
    }
}

#[derive(Deserialize)]
struct Format {
    version: Option<YamlSpanned<u32>>,
}
