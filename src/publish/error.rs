//! Why an image is not where it was to go.

use crate::diagnostic::{Code, Diagnostic};

/// Most characters of a service's own words that are shown.
const MOST: usize = 400;

/// Why an image is not where it was to go: what happened, in the service's own words as well, and the way out.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct PublishError {
    code: Code,
    message: String,
    said: Option<String>,
    notes: Vec<String>,
    helps: Vec<String>,
}

impl PublishError {
    /// `message` is a sentence in plain words, without a full stop.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), said: None, notes: Vec::new(), helps: Vec::new() }
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
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// A way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// In one line, for the record.
    #[must_use]
    pub fn line(&self) -> String {
        match &self.said {
            Some(said) => format!("{}: {said}", self.message),
            None => self.message.clone(),
        }
    }

    /// As it is shown; `target` names whose answer it is.
    #[must_use]
    pub fn diagnostic(&self, target: &str) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(self.code, self.message.clone());
        if let Some(said) = &self.said {
            diagnostic = diagnostic.note(format!("`{target}` says: {said}"));
        }
        for note in &self.notes {
            diagnostic = diagnostic.note(note.clone());
        }
        for help in &self.helps {
            diagnostic = diagnostic.help(help.clone());
        }
        diagnostic
    }
}
