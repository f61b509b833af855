//! The lock from text, with a message at every mistake: people merge locks, and edit them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned as YamlSpanned};

use super::{FORMAT, Lock, file_name};
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
        let place = Place { text, source };
        let conflicts = place.conflicts();
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        match serde_saphyr::from_str_with_options::<Format>(text, options()) {
            Ok(Format { version: Some(version) }) if version.value != FORMAT => {
                return Err(vec![place.other_format(version.value, &version.referenced)]);
            }
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
            _ => {}
        }
        let lock: Self = serde_saphyr::from_str_with_options(text, options())
            .map_err(|error| vec![place.malformed(&error)])?;
        let doubles = place.doubles();
        if doubles.is_empty() { Ok(lock) } else { Err(doubles) }
    }
}

/// Enough for hundreds of images with a thousand packages each; anchors, with which a few lines
/// can mean gigabytes, have no business in a lock.
pub(super) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: 20_000_000,
            max_events: 40_000_000,
            max_total_scalar_bytes: 1 << 30,
            max_anchors: 0,
            max_aliases: 0,
            max_depth: 32,
        },
        with_snippet: false,
    }
}

#[derive(Deserialize)]
struct Format {
    version: Option<YamlSpanned<u32>>,
}

/// As much of a lock as is needed to find one package that stands there twice.
#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    images: BTreeMap<String, ImageNames>,
}

#[derive(Deserialize)]
struct ImageNames {
    #[serde(default)]
    packages: Vec<PackageName>,
}

#[derive(Deserialize)]
struct PackageName {
    name: YamlSpanned<String>,
    arch: String,
}

#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub text: &'a str,
    pub source: SourceId,
}

impl Place<'_> {
    fn offset(&self, offset: usize) -> u32 {
        u32::try_from(offset.min(self.text.len())).unwrap_or(u32::MAX)
    }

    fn line_end(&self, start: usize) -> u32 {
        self.offset(self.text[start..].find('\n').map_or(self.text.len(), |end| start + end))
    }

    pub fn span(&self, location: &Location) -> Span {
        let span = location.span();
        let start =
            span.byte_offset().and_then(|offset| usize::try_from(offset).ok()).unwrap_or(self.text.len());
        let start = start.min(self.text.len());
        let length = span.byte_len().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        // A whole block is a poor place to look at: its first line will do.
        let line = self.line_end(start);
        let end = self.offset(start + length).clamp(self.offset(start), line);
        Span::new(self.source, self.offset(start), end)
    }

    /// One message for each conflict that a merge left.
    fn conflicts(&self) -> Vec<Diagnostic> {
        let mut found: Vec<Diagnostic> = Vec::new();
        let mut at = 0;
        for line in self.text.split_inclusive('\n') {
            let span = Span::new(self.source, self.offset(at), self.line_end(at));
            at += line.len();
            let marker = line.trim_end();
            if marker.starts_with("<<<<<<<") || found.is_empty() && marker.starts_with(">>>>>>>") {
                found.push(
                    Diagnostic::new(codes::LOCK_CONFLICT, "the lock has an unresolved merge conflict")
                        .label(span, "starts here")
                        .help("take either side and run `imgfile lock`: it adds what the other side wanted"),
                );
            } else if (marker == "=======" || marker.starts_with(">>>>>>>"))
                && let Some(last) = found.pop()
            {
                let text = if marker == "=======" { "the other side" } else { "ends here" };
                found.push(last.label(span, text));
            }
        }
        found
    }

    fn other_format(&self, version: u32, at: &Location) -> Diagnostic {
        let label = format!("this imgfile reads format {FORMAT}");
        let diagnostic = Diagnostic::new(codes::LOCK_FORMAT, format!("the lock is in format {version}"));
        let diagnostic = diagnostic.label(self.span(at), label);
        if version > FORMAT {
            diagnostic.help("a newer imgfile wrote it: update imgfile")
        } else {
            diagnostic.help("`imgfile lock --update` writes it anew")
        }
    }

    fn malformed(&self, error: &serde_saphyr::Error) -> Diagnostic {
        let error = error.without_snippet();
        // The position is in the label; the text repeats it at its end.
        let text = error.to_string();
        let text = text.lines().next().unwrap_or_default();
        let words = text.rfind(" at line ").map_or(text, |end| &text[..end]);
        let span =
            error.location().map_or_else(|| Span::new(self.source, 0, self.line_end(0)), |at| self.span(&at));
        Diagnostic::new(codes::LOCK_UNREADABLE, "the lock cannot be read")
            .label(span, words.trim_end_matches([':', ',', ' ']).to_owned())
            .help("restore it from version control, or write it anew with `imgfile lock --update`")
    }

    /// Merging two branches that each added a package leaves it there twice.
    fn doubles(&self) -> Vec<Diagnostic> {
        let Ok(names) = serde_saphyr::from_str_with_options::<Names>(self.text, options()) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (image, packages) in names.images {
            let mut seen: BTreeMap<(String, String), Span> = BTreeMap::new();
            for package in packages.packages {
                let span = self.span(&package.name.referenced);
                if let Some(first) = seen.insert((package.name.value.clone(), package.arch), span) {
                    let message = format!("image \"{image}\" has the package `{}` twice", package.name.value);
                    found.push(
                        Diagnostic::new(codes::LOCK_DOUBLE, message)
                            .label(span, "here again")
                            .label(first, "first here")
                            .help("remove one of the lines, or run `imgfile lock --update`"),
                    );
                }
            }
        }
        found
    }
}
