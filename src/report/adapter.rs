//! Diagnostics for programs that speak miette: what embeds this crate may show them by its own handler.
//!
//! `imgfile` itself draws by [`human`](super::human()). miette's graphical handler draws one file a
//! diagnostic and puts what lies in other files below it as diagnostics of their own, while the cause in
//! another file belongs into the same frame here; it prints a line of megabytes whole, and passes control
//! characters of a stranger's file on to the terminal.

use std::fmt;

use miette::{LabeledSpan, NamedSource, Severity as Level, SourceCode};

use crate::diagnostic::{Diagnostic, Severity};
use crate::text::{SourceId, Sources};

/// A diagnostic with the texts that it points into, as [`miette::Diagnostic`].
///
/// Labels in other files than the first one's are [`related`](miette::Diagnostic::related) diagnostics,
/// one a file.
#[derive(Debug)]
pub struct Reported {
    message: String,
    code: Option<&'static str>,
    level: Level,
    /// Notes and helps: miette knows helps alone.
    help: Option<String>,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    elsewhere: Vec<Reported>,
}

/// Makes a diagnostic that owns all it needs, the texts of its files included.
#[must_use]
pub fn miette(diagnostic: &Diagnostic, sources: &Sources) -> Reported {
    let mut files: Vec<SourceId> = Vec::new();
    for label in &diagnostic.labels {
        if !files.contains(&label.span.source) {
            files.push(label.span.source);
        }
    }
    let level = match diagnostic.severity {
        Severity::Error => Level::Error,
        Severity::Warning => Level::Warning,
    };
    let in_file = |file: SourceId| {
        let labels = diagnostic.labels.iter().enumerate().filter(|(_, label)| label.span.source == file);
        labels
            .map(|(nth, label)| {
                let text = (!label.text.is_empty()).then(|| label.text.clone());
                let span = (label.span.start as usize, label.span.len() as usize);
                if nth == 0 {
                    LabeledSpan::new_primary_with_span(text, span)
                } else {
                    LabeledSpan::new_with_span(text, span)
                }
            })
            .collect()
    };
    let text_of = |file: SourceId| {
        let source = sources.get(file);
        NamedSource::new(&source.name, source.text.clone())
    };
    let elsewhere = files.iter().skip(1).map(|&file| Reported {
        message: format!("this has to do with {}", sources.get(file).name),
        code: None,
        level: Level::Advice,
        help: None,
        source: Some(text_of(file)),
        labels: in_file(file),
        elsewhere: Vec::new(),
    });
    let help: Vec<&str> = diagnostic.notes.iter().chain(&diagnostic.helps).map(String::as_str).collect();
    Reported {
        message: diagnostic.message.clone(),
        code: Some(diagnostic.code.as_str()),
        level,
        help: (!help.is_empty()).then(|| help.join("\n")),
        source: files.first().map(|&file| text_of(file)),
        labels: files.first().map_or_else(Vec::new, |&file| in_file(file)),
        elsewhere: elsewhere.collect(),
    }
}

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Reported {}

impl miette::Diagnostic for Reported {
    fn code(&self) -> Option<Box<dyn fmt::Display + '_>> {
        Some(Box::new(self.code?))
    }

    fn severity(&self) -> Option<Level> {
        Some(self.level)
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        Some(Box::new(self.help.as_deref()?))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related(&self) -> Option<Box<dyn Iterator<Item = &dyn miette::Diagnostic> + '_>> {
        if self.elsewhere.is_empty() {
            return None;
        }
        Some(Box::new(self.elsewhere.iter().map(|other| other as &dyn miette::Diagnostic)))
    }
}
