//! Quoted texts and params: whether they are closed, and their escapes.

use super::Walk;
use crate::check::shown::short;
use crate::check::value::{Piece, decode};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::text::Span;

impl Walk<'_> {
    pub(super) fn string(&mut self, span: Span) {
        let written = self.slice(span);
        let closed =
            written.len() > 1 && written.ends_with('"') && !ends_in_escape(&written[..written.len() - 1]);
        if !closed {
            let insert =
                Span { start: span.start + u32::try_from(written.trim_end().len()).unwrap_or(0), ..span };
            self.report(
                Diagnostic::new(codes::STRING_NOT_CLOSED, "this text has no closing `\"`")
                    .label(Span { end: insert.start, ..span }, "starts here and runs to the end of the line")
                    .help("a quoted text ends on its own line; for several lines use a heredoc, `<<-EOF`")
                    .fix(Applicability::Maybe, "close it here", Span { end: insert.start, ..insert }, "\""),
            );
            return;
        }
        let (mut escapes, mut unclosed) = (Vec::new(), Vec::new());
        let inner = &written[1..written.len() - 1];
        decode(inner, |piece| match piece {
            Piece::BadEscape { at, len } => escapes.push((at, len)),
            Piece::Unclosed { at, name } => unclosed.push((at, name.to_owned())),
            Piece::Text(_) | Piece::Char(_) | Piece::Param { .. } => {}
        });
        let part = |at: usize, len: usize| {
            let start = span.start + 1 + u32::try_from(at).unwrap_or(0);
            Span { start, end: start + u32::try_from(len).unwrap_or(1), ..span }
        };
        for (at, len) in escapes {
            self.bad_escape(part(at, len));
        }
        for (at, name) in unclosed {
            self.not_closed(part(at, "${".len() + name.len()), !name.is_empty());
        }
    }

    pub(super) fn bad_escape(&mut self, bad: Span) {
        let text = self.slice(bad).to_owned();
        let diagnostic = Diagnostic::new(codes::BAD_ESCAPE, format!("`{}` is not an escape", short(&text)))
            .label(bad, "not understood")
            .help("known are `\\n`, `\\t`, `\\\"`, `\\\\` and `\\u{1F600}`; a backslash itself is `\\\\`");
        self.report(if text.starts_with("\\u") {
            diagnostic
        } else {
            let backslash = Span { end: bad.start + 1, ..bad };
            diagnostic.fix(Applicability::Maybe, "write a backslash", backslash, "\\\\")
        });
    }

    /// `${` without its `}`, in a quoted text.
    pub(super) fn not_closed(&mut self, span: Span, is_named: bool) {
        let message = format!("`{}` has no closing `}}`", short(self.slice(span)));
        let diagnostic = Diagnostic::new(codes::STRING_NOT_CLOSED, message)
            .label(span, "a param's value is written `${name}`")
            .help("the characters `${` themselves are written `$${`");
        self.report(if is_named {
            diagnostic.fix(Applicability::Maybe, "close it", span.after(), "}")
        } else {
            diagnostic
        });
    }

    pub(super) fn param(&mut self, span: Span) {
        let written = self.slice(span);
        if !written.ends_with('}') {
            self.report(
                Diagnostic::new(
                    codes::STRING_NOT_CLOSED,
                    format!("`{}` has no closing `}}`", short(written)),
                )
                .label(span, "a param's value is written `${name}`")
                .fix(Applicability::Maybe, "close it", span.after(), "}"),
            );
        }
    }
}

/// Whether the text ends in an odd number of backslashes.
fn ends_in_escape(text: &str) -> bool {
    text.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 1
}
