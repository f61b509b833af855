//! Places in the text of a lock, and what is said of them.

use serde_saphyr::Location;

use super::{FORMAT, OLDEST_FORMAT};
use crate::diagnostic::{Diagnostic, codes};
use crate::text::{SourceId, Span};

#[derive(Clone, Copy)]
pub struct LockText<'a> {
    pub text: &'a str,
    pub source: SourceId,
}

impl LockText<'_> {
    fn offset(&self, offset: usize) -> u32 {
        u32::try_from(offset.min(self.text.len())).unwrap_or(u32::MAX)
    }

    pub fn line_end(&self, start: usize) -> u32 {
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
    pub fn conflicts(&self) -> Vec<Diagnostic> {
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

    pub fn other_format(&self, version: u32, at: &Location) -> Diagnostic {
        let label = format!("this imgfile reads formats {OLDEST_FORMAT} to {FORMAT}");
        let diagnostic = Diagnostic::new(codes::LOCK_FORMAT, format!("the lock is in format {version}"));
        let diagnostic = diagnostic.label(self.span(at), label);
        if version > FORMAT {
            diagnostic.help("a newer imgfile wrote it: update imgfile")
        } else {
            diagnostic.help("`imgfile lock --update` writes it anew")
        }
    }

    /// The first tab that stands where a line is indented: YAML has spaces there, and a reader stumbles only later.
    fn tab(&self) -> Option<Span> {
        let mut at = 0;
        self.text.split_inclusive('\n').find_map(|line| {
            let start = at;
            at += line.len();
            let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
            let tab = start + line[..indent].find('\t')?;
            Some(Span::new(self.source, self.offset(tab), self.offset(tab + 1)))
        })
    }

    pub fn malformed(&self, error: &serde_saphyr::Error) -> Diagnostic {
        if let Some(tab) = self.tab() {
            return Diagnostic::new(codes::LOCK_UNREADABLE, "the lock cannot be read")
                .label(tab, "a tab, where YAML takes spaces only")
                .help("restore it from version control, or write it anew with `imgfile lock --update`");
        }
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
}
