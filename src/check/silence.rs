//! The last step of a check: doubles out, silenced warnings out, the rest in order.

use std::collections::HashSet;

use crate::diagnostic::Diagnostic;
use crate::text::{Sources, Span};

pub(super) fn settle(mut found: Vec<Diagnostic>, sources: &Sources) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    found.retain(|diagnostic| {
        let double = !seen.insert((diagnostic.code, diagnostic.span(), diagnostic.message.clone()));
        !double && (diagnostic.is_error() || !silenced(diagnostic, sources))
    });
    found.sort_by_key(|diagnostic| diagnostic.span().map(|span| (span.source, span.start, span.end)));
    found
}

/// A warning is silenced by a comment that names its code, on a line it points at.
fn silenced(diagnostic: &Diagnostic, sources: &Sources) -> bool {
    diagnostic.labels.iter().any(|label| {
        line_of(label.span, sources).split_once('#').is_some_and(|(_, comment)| {
            comment.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == diagnostic.code.as_str())
        })
    })
}

fn line_of(span: Span, sources: &Sources) -> &str {
    let source = sources.get(span.source);
    let line = source.lines().line_col(span.start).line;
    let start = source.lines().line_start(line).unwrap_or(0) as usize;
    let end = source.lines().line_start(line + 1).map_or(source.text.len(), |next| next as usize);
    &source.text[start..end]
}
