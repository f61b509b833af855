//! One defect, one [`Diagnostic`]: a stable code, a message, labelled spans, a way out.
//!
//! Modules build diagnostics; only `report` turns them into text. With its sources one is a
//! [`miette::Diagnostic`].

mod code;
mod conflict;
mod with_sources;

use serde::{Deserialize, Serialize};

use crate::text::Span;

pub use code::{Cause, Code, codes, codes_with_titles, page};
pub use conflict::merge_conflicts;
pub use with_sources::WithSources;
pub(crate) use with_sources::{BULLET, concerns};

/// How bad a diagnostic is; its code decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Codes `E…`: nothing is built.
    Error,
    /// Codes `W…`: the build goes on, and a comment with the code silences it.
    Warning,
}

/// A span with words that make sense alone in an editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// What is at fault or, behind the first label, the cause.
    pub span: Span,
    /// Such as "first used here".
    pub text: String,
}

/// Whether a fix may be applied without a person looking at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Applicability {
    /// The result means what the user meant; `check --fix` applies it.
    Safe,
    /// Offered in the editor, applied by hand.
    Maybe,
}

/// One replacement of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What goes; empty where something is only inserted.
    pub span: Span,
    /// What stands there instead; empty where something is only removed.
    pub text: String,
}

/// Edits that together resolve the diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What the editor's menu shows, such as "write `8GiB`".
    pub title: String,
    /// Applied all or none; they do not overlap.
    pub edits: Vec<Edit>,
    /// Whether `check --fix` applies it.
    pub applicability: Applicability,
}

/// A defect, or something that looks like one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Such as `E0312`, the page that `imgfile explain` shows.
    pub code: Code,
    /// The one of its code.
    pub severity: Severity,
    /// The problem in plain words: lower case, no full stop, standing alone.
    pub message: String,
    /// The smallest span at fault comes first; causes follow, in any file. Empty only for defects
    /// of the host, which have no place in a file.
    pub labels: Vec<Label>,
    /// Facts that help to understand it, each a line of its own.
    pub notes: Vec<String>,
    /// What to write or run instead.
    pub helps: Vec<String>,
    /// Ways to resolve it; one of them is enough.
    pub fixes: Vec<Fix>,
    /// Whether the words of the call are wrong, such as `--set NAME=VALUE`, and no file is.
    pub is_of_call: bool,
}

impl Diagnostic {
    /// A diagnostic without a place; add one with [`label`](Self::label).
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            helps: Vec::new(),
            fixes: Vec::new(),
            is_of_call: false,
        }
    }

    /// Says that the words of the call are wrong, and no file is.
    #[must_use]
    pub const fn of_call(mut self) -> Self {
        self.is_of_call = true;
        self
    }

    /// Adds a place; the first is the primary one.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds a fact that helps to understand it.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds what to write or run instead.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }

    /// Adds a fix that replaces one span.
    #[must_use]
    pub fn fix(
        mut self,
        applicability: Applicability,
        title: impl Into<String>,
        span: Span,
        text: impl Into<String>,
    ) -> Self {
        self.fixes.push(Fix {
            title: title.into(),
            edits: vec![Edit { span, text: text.into() }],
            applicability,
        });
        self
    }

    /// Adds a fix of several edits, which belong together.
    #[must_use]
    pub fn fix_all<const N: usize>(
        mut self,
        applicability: Applicability,
        title: impl Into<String>,
        edits: [(Span, &str); N],
    ) -> Self {
        let edits = edits.into_iter().map(|(span, text)| Edit { span, text: text.into() }).collect();
        self.fixes.push(Fix { title: title.into(), edits, applicability });
        self
    }

    /// The primary place.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }

    /// Whether it keeps the project from being built.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
