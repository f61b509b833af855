//! Options in braces: pairs of a key and a value.

use super::Walk;
use crate::check::shown::short;
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::syntax::{Entry, OptionItem, Options};
use crate::text::Span;

impl Walk<'_> {
    pub(super) fn options(&mut self, span: Span, options: &Options) {
        if options.lost_open {
            let place = Span { end: span.start, ..span };
            self.report(
                Diagnostic::new(codes::BLOCK_NOT_OPENED, "a `{` is missing before these options")
                    .label(place, "a `{` belongs before this")
                    .fix(Applicability::Maybe, "insert `{`", place, "{ "),
            );
            return;
        }
        let before = self.found;
        self.extra_open(&options.extra_open);
        // The line of the last defect: what else is odd on it follows from that.
        let mut bad_line = None;
        for item in &options.items {
            let line = self.line(item.span().start);
            match item {
                OptionItem::Entry(entry) => {
                    let alone = entry.eq.is_empty();
                    if alone && bad_line == Some(line) {
                        continue;
                    }
                    let before = self.found;
                    self.entry(entry);
                    if self.found > before {
                        bad_line = Some(line);
                    }
                }
                OptionItem::Stray(span) => {
                    if bad_line.replace(line) != Some(line) {
                        let found = short(self.slice(*span));
                        self.report(
                            Diagnostic::new(
                                codes::OPTION_PAIR,
                                format!("expected `key = value`, found `{found}`"),
                            )
                            .label(*span, "not a pair")
                            .help("options look like `{ port = 8080, workers = auto }`"),
                        );
                    }
                }
                OptionItem::Comma(_) | OptionItem::Comment(_) => {}
            }
        }
        if options.close.is_none() && self.found == before {
            let place = self.closing_place(span.start, span.end);
            self.report(
                Diagnostic::new(codes::BLOCK_NOT_CLOSED, "these options are not closed")
                    .label(place, "a `}` belongs here")
                    .label(Span { end: span.start + 1, ..span }, "the options open here")
                    .fix(Applicability::Maybe, "insert `}`", span.after(), " }"),
            );
        }
    }

    pub(super) fn entry(&mut self, entry: &Entry) {
        self.operand(&entry.key);
        let key = short(self.slice(entry.key.span));
        if let [_, extra, ..] = entry.eq[..] {
            self.report(
                Diagnostic::new(codes::EQUALS_SIGN, format!("one `=` too many behind `{key}`"))
                    .label(extra, "not needed")
                    .fix(Applicability::Safe, "remove it", extra, ""),
            );
        }
        match (&entry.eq[..], &entry.value) {
            // Of other languages: `port : 80`, `port => 80`.
            (equals @ ([] | [_]), Some(value))
                if self.slice(value.span) == if equals.is_empty() { ":" } else { ">" } =>
            {
                let sign = equals.first().map_or(value.span, |equals| equals.to(value.span));
                let written = self.slice(sign).to_owned();
                self.report(
                    Diagnostic::new(
                        codes::EQUALS_SIGN,
                        format!("`{key}` gets its value by `=`, not by `{written}`"),
                    )
                    .label(sign, "an `=` belongs here")
                    .help("options look like `{ port = 8080, workers = auto }`")
                    .fix(
                        Applicability::Safe,
                        format!("replace `{written}` by `=`"),
                        sign,
                        "=",
                    ),
                );
                return;
            }
            // As YAML and JSON have it; the colon is a character of the word.
            ([], Some(value)) if key.len() > 1 && key.ends_with(':') => {
                let colon = Span { start: entry.key.span.end - 1, ..entry.key.span };
                let name = key.trim_end_matches(':');
                self.report(
                    Diagnostic::new(
                        codes::EQUALS_SIGN,
                        format!("an `=` is missing between `{name}` and its value"),
                    )
                    .label(colon, "an `=` belongs here, in place of the colon")
                    .help(format!("write `{name} = {}`", short(self.slice(value.span))))
                    .fix(Applicability::Safe, "replace `:` by `=`", colon, " ="),
                );
            }
            ([], Some(value)) => self.report(
                Diagnostic::new(
                    codes::EQUALS_SIGN,
                    format!("an `=` is missing between `{key}` and its value"),
                )
                .label(
                    Span { end: entry.key.span.end, start: entry.key.span.end, ..entry.span },
                    "an `=` belongs here",
                )
                .help(format!("write `{key} = {}`", short(self.slice(value.span))))
                .fix(Applicability::Safe, "insert `=`", entry.key.span.after(), " ="),
            ),
            ([], None) => self.report(
                Diagnostic::new(codes::OPTION_PAIR, format!("expected `key = value`, found `{key}` alone"))
                    .label(entry.key.span, "has no value")
                    .help(format!("write `{key} = …`; several options are separated by commas or newlines")),
            ),
            ([eq, ..], None) => self.report(
                Diagnostic::new(codes::OPTION_PAIR, format!("`{key}` has no value"))
                    .label(eq.after(), "a value belongs here")
                    .help(format!("write `{key} = …`")),
            ),
            _ => {}
        }
        if let Some(value) = &entry.value {
            self.operand(value);
        }
    }
}
