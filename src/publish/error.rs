//! Why an image is not where it was to go.

use crate::diagnostic::{Code, Diagnostic};

/// Most characters of a service's own words that are shown.
const MOST: usize = 400;

/// Why an image is not where it was to go: what happened, and the way out; with the service's own words, which are known to
/// be such until it is known what the service is called.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", diagnostic.message)]
pub struct PublishError {
    diagnostic: Diagnostic,
    said: Option<String>,
}

impl PublishError {
    /// `message` is a sentence in plain words, without a full stop.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { diagnostic: Diagnostic::new(code, message), said: None }
    }

    /// The service's own words; whoever passes them has masked secrets in them.
    #[must_use]
    pub fn said(mut self, words: &str) -> Self {
        let words: Vec<&str> = words.split_whitespace().collect();
        let words: String = words.join(" ").chars().filter(|c| !c.is_control()).take(MOST).collect();
        self.said = (!words.is_empty()).then_some(words);
        self
    }

    /// A fact that helps to understand it.
    #[must_use]
    pub fn note(self, text: impl Into<String>) -> Self {
        Self { diagnostic: self.diagnostic.note(text), ..self }
    }

    /// A way out.
    #[must_use]
    pub fn help(self, text: impl Into<String>) -> Self {
        Self { diagnostic: self.diagnostic.help(text), ..self }
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.diagnostic.code
    }

    /// In one line, for the record.
    #[must_use]
    pub fn line(&self) -> String {
        match &self.said {
            Some(said) => format!("{self}: {said}"),
            None => self.to_string(),
        }
    }

    /// As it is shown; `target` names whose answer it is.
    #[must_use]
    pub fn diagnostic(&self, target: &str) -> Diagnostic {
        let mut diagnostic = self.diagnostic.clone();
        if let Some(said) = &self.said {
            diagnostic.notes.insert(0, format!("`{target}` says: {said}"));
        }
        diagnostic
    }
}
