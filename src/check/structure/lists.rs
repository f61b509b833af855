//! Lists: what parts their values, and where they end.

use super::Walk;
use crate::diagnostic::{Applicability, Diagnostic, Edit, Fix, codes};
use crate::syntax::{List, OperandKind};
use crate::text::Span;

impl Walk<'_> {
    pub(super) fn list(&mut self, span: Span, list: &List) {
        let before = self.found;
        let mut separated = true;
        let mut last: Option<Span> = None;
        let mut missing: Vec<Span> = Vec::new();
        for item in &list.items {
            match &item.kind {
                OperandKind::Comment => continue,
                OperandKind::Comma => {
                    if separated {
                        self.report(
                            Diagnostic::new(codes::LIST, "a list has a comma without a value before it")
                                .label(item.span, "no value before this comma")
                                .fix(Applicability::Safe, "remove the comma", item.span, ""),
                        );
                    }
                    separated = true;
                    continue;
                }
                OperandKind::Eq => {
                    self.report(
                        Diagnostic::new(codes::EQUALS_SIGN, "a list holds values, not pairs")
                            .label(item.span, "no `=` in a list")
                            .help("lists look like `[\"a\", \"b\"]`"),
                    );
                    separated = true;
                    continue;
                }
                OperandKind::Junk => separated = true,
                // As shells and Dockerfiles go on with a line.
                OperandKind::Word if self.slice(item.span) == "\\" => {
                    self.report(
                        Diagnostic::new(codes::LIST, "a list needs no `\\` at the end of a line")
                            .label(item.span, "part of the list")
                            .help("lines break freely between `[` and `]`")
                            .fix(Applicability::Safe, "remove it", item.span, ""),
                    );
                    continue;
                }
                // As other languages part values.
                OperandKind::Word if matches!(self.slice(item.span), ";" | "|") => {
                    let found = self.slice(item.span).to_owned();
                    self.report(
                        Diagnostic::new(
                            codes::LIST,
                            format!("values of a list are parted by `,`, not by `{found}`"),
                        )
                        .label(item.span, "a comma belongs here")
                        .help("lists look like `[\"a\", \"b\"]`")
                        .fix(Applicability::Safe, "write a comma", item.span, ","),
                    );
                    separated = true;
                    continue;
                }
                _ => {}
            }
            missing.extend(last.filter(|_| !separated).map(Span::after));
            self.operand(item);
            last = Some(item.span);
            separated = item.kind == OperandKind::Junk;
        }
        if let Some(first) = missing.first() {
            let mut diagnostic =
                Diagnostic::new(codes::LIST, "a comma is missing between two values of a list")
                    .label(*first, "a comma belongs here")
                    .help("lists look like `[\"a\", \"b\"]`");
            let edits = missing.iter().map(|&span| Edit { span, text: ",".into() }).collect();
            let title = if missing.len() == 1 { "insert a comma" } else { "insert the commas" };
            diagnostic.fixes.push(Fix { title: title.into(), edits, applicability: Applicability::Safe });
            self.report(diagnostic);
        }
        if list.close.is_none() && self.found == before {
            let place = self.closing_place(span.start, span.end);
            self.report(
                Diagnostic::new(codes::LIST, "this list is not closed")
                    .label(place, "a `]` belongs here")
                    .label(Span { end: span.start + 1, ..span }, "the list starts here")
                    .fix(Applicability::Maybe, "insert `]`", span.after(), "]"),
            );
        }
    }
}
