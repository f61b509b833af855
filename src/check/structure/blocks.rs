//! Blocks of statements: where they open and close.

use super::Walk;
use crate::check::shown::short;
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::syntax::{Body, Item, Keyword, Open, OperandKind, Statement};
use crate::text::Span;

impl Walk<'_> {
    pub(super) fn extra_open(&mut self, extra: &[Span]) {
        if let (Some(first), Some(last)) = (extra.first(), extra.last()) {
            self.report(
                Diagnostic::new(codes::UNEXPECTED, "a block opens with one `{`")
                    .label(first.to(*last), "one too many")
                    .fix(Applicability::Safe, "remove it", first.to(*last), ""),
            );
        }
    }

    /// Where a closing brace is missing: on the last line if all is on one, else on the line below
    /// the last.
    pub(super) fn closing_place(&self, open: u32, end: u32) -> Span {
        let at = if self.line(open) == self.line(end) {
            end
        } else {
            self.source.lines().line_start(self.line(end) + 1).unwrap_or(end)
        };
        Span::new(self.id, at, at)
    }

    pub(super) fn body(&mut self, statement: &Statement, body: &Body, head_broken: bool) {
        let head = statement.operands.last().map_or(statement.keyword, |operand| operand.span);
        match body.open {
            Open::Here(_) => {}
            Open::Late(open) => self.report(
                Diagnostic::new(codes::BLOCK_NOT_OPENED, "a block opens on its statement's own line")
                    .label(open, "this `{` belongs to the line above")
                    .label(head.after(), "here")
                    .help(format!("write `{} {{`", short(self.slice(statement.keyword.to(head)))))
                    .fix_all(
                        Applicability::Safe,
                        "move `{` to the statement's line",
                        [(head.after(), " {"), (open, "")],
                    ),
            ),
            // Something stands where the `{` should; reading the head says so.
            Open::Lost if head_broken || statement.operands.len() > 1 => {}
            Open::Lost => self.report(
                Diagnostic::new(codes::BLOCK_NOT_OPENED, "a `{` is missing before these statements")
                    .label(head.after(), "a `{` belongs here")
                    .fix(Applicability::Maybe, "insert `{`", head.after(), " {"),
            ),
        }
        self.extra_open(&body.extra_open);
        self.items(&body.items, false);
        let told_otherwise = self.out.swallowed
            || self.ends_in_something_unknown(&body.items)
            || (matches!(body.open, Open::Lost) && head_broken);
        if body.close.is_none() && !told_otherwise {
            let place = self.closing_place(statement.span.start, body.span.end);
            let open = match body.open {
                Open::Here(open) | Open::Late(open) => open,
                Open::Lost => head.after(),
            };
            let mut diagnostic = Diagnostic::new(codes::BLOCK_NOT_CLOSED, "this block is not closed")
                .label(place, "a `}` belongs here")
                .label(open, "the block opens here")
                .fix(Applicability::Maybe, "insert `}`", body.span.after(), "\n}");
            if let Some(options) = self.last_options(&body.items) {
                diagnostic = diagnostic.label(options, "or these options lack theirs and took the block's");
            }
            self.report(diagnostic);
        }
    }

    /// The `{` of the options that end the last statement on a later line than they start on.
    pub(super) fn last_options(&self, items: &[Item]) -> Option<Span> {
        let Some(Item::Statement(last)) = items.last() else { return None };
        let operand =
            last.operands.last().filter(|operand| matches!(operand.kind, OperandKind::Options(_)))?;
        let span = operand.span;
        (self.line(span.start) != self.line(span.end)).then_some(Span { end: span.start + 1, ..span })
    }

    /// Whether a lone unknown word stands where the `}` should: that is said of the word.
    pub(super) fn ends_in_something_unknown(&self, items: &[Item]) -> bool {
        let Some(Item::Statement(last)) = items.last() else { return false };
        last.operands.is_empty() && Keyword::of(self.slice(last.keyword)).is_none()
    }
}
