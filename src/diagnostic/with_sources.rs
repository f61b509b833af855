//! A diagnostic as miette knows them. Its spans mean something only together with the texts they point into.

use std::fmt;
use std::sync::Arc;

use miette::{LabeledSpan, SourceCode};

use super::{Diagnostic, Severity};
use crate::text::{Source, SourceId, Sources};

/// A [`Diagnostic`] together with its sources: a [`miette::Diagnostic`], for any handler to draw.
///
/// miette points into one file a diagnostic and knows no notes. So the places in each further file are one
/// [`related`](miette::Diagnostic::related) advice, and so is each note, without a place. Several helps are a
/// list, each of them after a bullet.
#[derive(Debug, Clone)]
pub struct WithSources {
    diagnostic: Diagnostic,
    main: Places,
    related: Vec<Advice>,
}

/// The labels in one file.
#[derive(Debug, Clone, Default)]
struct Places {
    source: Option<Arc<Source>>,
    labels: Vec<LabeledSpan>,
}

/// A note, or what has to do with a diagnostic in another file.
#[derive(Debug, Clone)]
struct Advice {
    message: String,
    places: Places,
}

/// Before each help, if there are several.
pub(crate) const BULLET: &str = "• ";

/// What is said of another file's places where they stand alone.
pub(crate) fn concerns(file: &str) -> String {
    format!("this has to do with {file}")
}

impl Diagnostic {
    /// Together with the texts that its spans are in, which it keeps.
    #[must_use]
    pub fn with_sources(self, sources: &Sources) -> WithSources {
        let mut files: Vec<(SourceId, Places)> = Vec::new();
        for (nth, label) in self.labels.iter().enumerate() {
            let id = label.span.source;
            let at = files.iter().position(|(file, _)| *file == id).unwrap_or_else(|| {
                files.push((id, Places { source: Some(sources.share(id)), labels: Vec::new() }));
                files.len() - 1
            });
            let text = (!label.text.is_empty()).then(|| label.text.clone());
            let span = (label.span.start as usize, label.span.len() as usize);
            files[at].1.labels.push(if nth == 0 {
                LabeledSpan::new_primary_with_span(text, span)
            } else {
                LabeledSpan::new_with_span(text, span)
            });
        }
        let mut files = files.into_iter().map(|(_, places)| places);
        let main = files.next().unwrap_or_default();
        let elsewhere = files.map(|places| {
            let name = places.source.as_ref().map_or("", |source| source.name.as_str());
            Advice { message: concerns(name), places }
        });
        let notes = self.notes.iter().map(|note| Advice { message: note.clone(), places: Places::default() });
        let related = elsewhere.chain(notes).collect();
        WithSources { diagnostic: self, main, related }
    }
}

impl WithSources {
    /// With what miette has no word for, such as fixes.
    #[must_use]
    pub fn diagnostic(&self) -> &Diagnostic {
        &self.diagnostic
    }
}

impl From<Severity> for miette::Severity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Error,
            Severity::Warning => Self::Warning,
        }
    }
}

impl Places {
    fn source(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as _)
    }
}

impl fmt::Display for WithSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for WithSources {}

impl miette::Diagnostic for WithSources {
    fn code(&self) -> Option<Box<dyn fmt::Display + '_>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.diagnostic.severity.into())
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        match self.diagnostic.helps.as_slice() {
            [] => None,
            [one] => Some(Box::new(one)),
            several => Some(Box::new(format!("{BULLET}{}", several.join(&format!("\n{BULLET}"))))),
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.main.source()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.main.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        let related = self.related.iter().map(|advice| advice as &dyn miette::Diagnostic);
        (!self.related.is_empty()).then(|| Box::new(related) as _)
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Advice {}

impl miette::Diagnostic for Advice {
    fn severity(&self) -> Option<miette::Severity> {
        Some(miette::Severity::Advice)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.places.source()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.places.labels()
    }
}
