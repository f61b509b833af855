//! The last step of a check: doubles out, silenced warnings out, the rest in order.

use std::collections::HashSet;

use crate::diagnostic::{Diagnostic, codes};
use crate::text::{Sources, Span};

/// Most findings of one check: nobody reads more, and a file of rubbish could have a million.
const LIMIT: usize = 1_000;

pub(super) fn settle(mut found: Vec<Diagnostic>, sources: &Sources) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    // Beside errors, something unused or unset may well be part of one of them.
    let absences = [codes::UNUSED_PARAM, codes::UNUSED_PROFILE, codes::UNUSED_SECRET, codes::UNSET_VARIABLE];
    if found.iter().any(Diagnostic::is_error) {
        found.retain(|diagnostic| !absences.contains(&diagnostic.code));
    }
    found.retain(|diagnostic| {
        let double = !seen.insert((diagnostic.code, diagnostic.span(), diagnostic.message.clone()));
        !double && (diagnostic.is_error() || !silenced(diagnostic, sources))
    });
    let place = |diagnostic: &Diagnostic| diagnostic.span().map(|span| (span.source, span.start, span.end));
    if found.len() > LIMIT {
        // Errors must not become none by being cut off.
        found.sort_by_key(|diagnostic| (!diagnostic.is_error(), place(diagnostic)));
        let more = found.split_off(LIMIT).len();
        if let Some(last) = found.last_mut() {
            last.notes.push(format!("{more} more findings are not shown"));
        }
    }
    found.sort_by_key(place);
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
