//! Structural defects of one file: whatever is wrong with a token, list, block or heredoc, no
//! matter which statement it belongs to.

use std::collections::HashSet;

use super::value::{Piece, decode};
use crate::diagnostic::{Applicability, Diagnostic, Edit, Fix, codes};
use crate::syntax::keywords::{Form, Place};
use crate::syntax::{
    Ast, Body, Entry, Heredoc, Item, Keyword, List, Open, Operand, OperandKind, OptionItem, Options,
    Statement,
};
use crate::text::{Source, SourceId, Span};

/// Words that other languages choose and repeat by.
const CONTROL: [&str; 7] = ["if", "for", "foreach", "for_each", "unless", "while", "when"];

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub diagnostics: Vec<Diagnostic>,
    /// Statements whose tokens are broken, by their span: what they mean is not to be judged.
    pub broken: HashSet<Span>,
    /// A heredoc without an end took in the rest of the file.
    pub swallowed: bool,
}

/// Walks the whole tree.
pub(super) fn shape(ast: &Ast, source: &Source) -> Shape {
    let mut walk = Walk {
        id: ast.source,
        text: &source.text,
        source,
        out: Shape::default(),
        found: 0,
        unknown_blocks: 0,
    };
    if let Some(bom) = ast.bom {
        walk.report(
            Diagnostic::new(codes::BYTE_ORDER_MARK, "the file starts with a byte-order mark")
                .label(bom, "this invisible character")
                .help("save the file as UTF-8 without a byte-order mark")
                .fix(Applicability::Safe, "remove the byte-order mark", bom, ""),
        );
    }
    walk.items(&ast.items, true);
    walk.out
}

struct Walk<'a> {
    id: SourceId,
    text: &'a str,
    source: &'a Source,
    out: Shape,
    /// How many findings there were, kept or not.
    found: usize,
    /// Blocks of statements that there are not: each leaves a `}` over.
    unknown_blocks: usize,
}

impl Walk<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.found += 1;
        if self.out.diagnostics.len() < super::MOST {
            self.out.diagnostics.push(diagnostic);
        }
    }

    fn slice(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn line(&self, offset: u32) -> u32 {
        self.source.lines().line_col(offset).line
    }

    fn items(&mut self, items: &[Item], top: bool) {
        // Whether a `}` that closes nothing follows from something said already: what stands before
        // it belongs into a block that was never opened, or it is one of several in a row.
        let mut excused = false;
        for item in items {
            match item {
                Item::Comment(_) => {}
                Item::SlashComment(span) => self.slash_comment(*span),
                Item::Statement(statement) => {
                    self.statement(statement);
                    let info = Keyword::of(self.slice(statement.keyword)).map(Keyword::info);
                    excused = info.is_none_or(|info| {
                        info.place != Place::Top || statement.body.is_none() && info.form == Form::Block
                    });
                }
                Item::Bad(statement) => self.bad(statement),
                Item::StrayClose(_) if top && self.unknown_blocks > 0 => self.unknown_blocks -= 1,
                Item::StrayClose(span) => {
                    if top && !std::mem::replace(&mut excused, true) {
                        self.report(
                            Diagnostic::new(codes::STRAY_CLOSE, "this `}` closes nothing")
                                .label(*span, "no block is open here")
                                .help("remove it, or look for a `}` too many above")
                                .fix(Applicability::Maybe, "remove `}`", *span, ""),
                        );
                    }
                }
            }
        }
    }

    fn bad(&mut self, statement: &Statement) {
        self.out.broken.insert(statement.span);
        let before = self.found;
        self.operands(statement);
        let said = self.found > before;
        if let Some(body) = &statement.body {
            self.body(statement, body, true);
        }
        if said {
            return;
        }
        let first = statement.operands.first().map_or(statement.span, |operand| operand.span);
        let found = short(self.slice(first));
        self.report(
            Diagnostic::new(codes::UNEXPECTED, format!("expected a statement, found `{found}`"))
                .label(first, "a line starts with the name of a statement")
                .help("statements look like `os linux debian 13` or `app nginx { port = 8080 }`"),
        );
    }

    fn statement(&mut self, statement: &Statement) {
        let keyword = self.slice(statement.keyword).to_owned();
        if CONTROL.contains(&keyword.as_str()) {
            self.out.broken.insert(statement.span);
            let unclosed = |operand: &Operand| matches!(&operand.kind, OperandKind::Options(options) if options.close.is_none());
            self.unknown_blocks += usize::from(statement.operands.iter().any(unclosed));
            self.report(
                Diagnostic::new(codes::UNKNOWN_STATEMENT, format!("there is no statement `{keyword}`"))
                    .label(statement.keyword, "nothing is conditional or repeated")
                    .help("images that differ are images of their own; a `profile` has what they share, a `param` what differs"),
            );
            return;
        }
        let before = self.found;
        self.operands(statement);
        let broken = self.found > before;
        if let Some(body) = &statement.body {
            self.body(statement, body, broken);
        }
        if broken {
            self.out.broken.insert(statement.span);
        }
    }

    fn operands(&mut self, statement: &Statement) {
        for operand in &statement.operands {
            self.operand(operand);
        }
        if let Some(last) = statement.operands.last().filter(|last| last.kind == OperandKind::Word)
            && self.slice(last.span).ends_with(';')
        {
            // As HCL and C have it.
            let end = Span { start: last.span.end - 1, ..last.span };
            self.report(
                Diagnostic::new(codes::UNEXPECTED, "a statement ends where its line ends")
                    .label(end, "no `;` is needed")
                    .help("remove it")
                    .fix(Applicability::Safe, "remove `;`", end, ""),
            );
        }
        if let Some(heredoc) = statement.heredoc() {
            self.heredoc(statement, heredoc);
        }
    }

    fn slash_comment(&mut self, span: Span) {
        let written = self.slice(span);
        let inner = written.trim_start_matches("//").trim_start_matches("/*").trim_end_matches("*/").trim();
        let fixed = inner.lines().map(|line| format!("# {}", line.trim())).collect::<Vec<_>>().join("\n");
        let mark = if written.starts_with("//") { "//" } else { "/*" };
        let applicability = if inner.contains('\n') { Applicability::Maybe } else { Applicability::Safe };
        self.report(
            Diagnostic::new(codes::COMMENT_STYLE, format!("`{mark}` does not start a comment"))
                .label(Span { end: span.start + 2, ..span }, "comments start with `#`")
                .help("write `# …`")
                .fix(applicability, "write it with `#`", span, fixed),
        );
    }

    fn operand(&mut self, operand: &Operand) {
        let span = operand.span;
        match &operand.kind {
            OperandKind::Word if self.slice(span).starts_with(['“', '”', '„', '‘', '’', '«', '»']) =>
            {
                let mut typographic = self.slice(span).chars();
                let open = typographic.next().unwrap_or_default();
                let first = Span { end: span.start + u32::try_from(open.len_utf8()).unwrap_or(1), ..span };
                self.report(
                    Diagnostic::new(
                        codes::NEEDS_QUOTES,
                        format!("`{open}` is a typographic quote, and part of the text"),
                    )
                    .label(first, "text is quoted with `\"`")
                    .help("write `\"` on both sides"),
                );
            }
            OperandKind::Word
            | OperandKind::Eq
            | OperandKind::Comma
            | OperandKind::Comment
            | OperandKind::Heredoc(_) => {}
            OperandKind::String => self.string(span),
            OperandKind::Single => {
                let inner = self.slice(Span { start: span.start + 1, end: span.end - 1, ..span }).to_owned();
                let fixed =
                    format!("\"{}\"", inner.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "$${"));
                self.report(
                    Diagnostic::new(codes::SINGLE_QUOTES, "text is quoted with `\"`, not with `'`")
                        .label(span, "single quotes")
                        .help(format!("write `{}`", short(&fixed)))
                        .fix(
                            // `'it\'s'` ends where its writer did not mean it to end.
                            if inner.ends_with('\\') { Applicability::Maybe } else { Applicability::Safe },
                            "use double quotes",
                            span,
                            fixed,
                        ),
                );
            }
            OperandKind::Param => self.param(span),
            OperandKind::SlashComment => self.slash_comment(span),
            OperandKind::Junk => {
                let found = short(self.slice(span)).replace('\r', "\\r");
                let diagnostic = Diagnostic::new(codes::UNEXPECTED, format!("unexpected `{found}`"))
                    .label(span, "nothing starts with this");
                let diagnostic = match found.as_str() {
                    "]" => diagnostic.help("remove it, or look for the `[` that is missing before it"),
                    "<<" => diagnostic.help("a heredoc's tag starts with a letter, such as `<<-EOF`"),
                    "'" => diagnostic.help("text is written in double quotes, such as `\"site/\"`"),
                    _ => diagnostic.help("remove it"),
                };
                self.report(diagnostic.fix(Applicability::Maybe, "remove it", span, ""));
            }
            OperandKind::List(list) => self.list(span, list),
            OperandKind::Options(options) => self.options(span, options),
        }
    }

    fn string(&mut self, span: Span) {
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

    fn bad_escape(&mut self, bad: Span) {
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
    fn not_closed(&mut self, span: Span, is_named: bool) {
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

    fn param(&mut self, span: Span) {
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

    fn list(&mut self, span: Span, list: &List) {
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

    fn extra_open(&mut self, extra: &[Span]) {
        if let (Some(first), Some(last)) = (extra.first(), extra.last()) {
            self.report(
                Diagnostic::new(codes::UNEXPECTED, "a block opens with one `{`")
                    .label(first.to(*last), "one too many")
                    .fix(Applicability::Safe, "remove it", first.to(*last), ""),
            );
        }
    }

    fn options(&mut self, span: Span, options: &Options) {
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

    fn entry(&mut self, entry: &Entry) {
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

    /// Where a closing brace is missing: on the last line if all is on one, else on the line below
    /// the last.
    fn closing_place(&self, open: u32, end: u32) -> Span {
        let at = if self.line(open) == self.line(end) {
            end
        } else {
            self.source.lines().line_start(self.line(end) + 1).unwrap_or(end)
        };
        Span::new(self.id, at, at)
    }

    fn body(&mut self, statement: &Statement, body: &Body, head_broken: bool) {
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
    fn last_options(&self, items: &[Item]) -> Option<Span> {
        let Some(Item::Statement(last)) = items.last() else { return None };
        let operand =
            last.operands.last().filter(|operand| matches!(operand.kind, OperandKind::Options(_)))?;
        let span = operand.span;
        (self.line(span.start) != self.line(span.end)).then_some(Span { end: span.start + 1, ..span })
    }

    /// Whether a lone unknown word stands where the `}` should: that is said of the word.
    fn ends_in_something_unknown(&self, items: &[Item]) -> bool {
        let Some(Item::Statement(last)) = items.last() else { return false };
        last.operands.is_empty() && Keyword::of(self.slice(last.keyword)).is_none()
    }

    fn heredoc(&mut self, statement: &Statement, heredoc: &Heredoc) {
        let tag = self.slice(heredoc.tag).to_owned();
        let written = self.slice(heredoc.marker).to_owned();
        if heredoc.quoted || heredoc.flavour == Some('~') {
            let dash = if heredoc.flavour.is_some() { "-" } else { "" };
            let fixed = format!("<<{dash}{tag}");
            let why = if heredoc.quoted {
                "a heredoc's tag is not quoted, since heredocs are never interpolated"
            } else {
                "`<<~` is not known; `<<-` strips the common indentation"
            };
            self.report(
                Diagnostic::new(codes::HEREDOC_MARKER, why)
                    .label(heredoc.marker, format!("write `{fixed}`"))
                    .fix(Applicability::Safe, format!("write `{fixed}`"), heredoc.marker, fixed),
            );
        }
        if heredoc.end.is_none() {
            self.out.swallowed = true;
            self.report(
                Diagnostic::new(
                    codes::HEREDOC_NOT_CLOSED,
                    format!("this heredoc has no line with `{tag}` alone"),
                )
                .label(heredoc.marker, format!("`{written}` ends at a line that holds only `{tag}`"))
                .help(format!("write `{tag}` on a line of its own below the text")),
            );
            return;
        }
        if let Some((opening, end)) = inner_use(self.slice(heredoc.body), &tag) {
            let at = |(start, len): (usize, usize)| {
                let start = heredoc.body.start + u32::try_from(start).unwrap_or(0);
                Span { start, end: start + u32::try_from(len).unwrap_or(0), ..heredoc.body }
            };
            self.report(
                Diagnostic::new(
                    codes::HEREDOC_TAG_INSIDE,
                    format!("the tag `{tag}` is used again inside its own heredoc"),
                )
                .label(at(opening), "used again here")
                .label(at(end), "so the outer heredoc would end here")
                .label(heredoc.marker, "the outer heredoc starts here")
                .help(format!("give the outer one another tag, such as `<<-{tag}_OUTER`")),
            );
        }
        // Options behind the marker must close on its line; `options` has said so if they do not.
        let _ = statement;
    }
}

/// Where a heredoc's body opens another with the same tag and where that one ends: offset and
/// length each.
fn inner_use(body: &str, tag: &str) -> Option<((usize, usize), (usize, usize))> {
    let mut opening = None;
    let mut offset = 0;
    for line in body.split_inclusive('\n') {
        if let Some(opening) = opening {
            if line.trim() == tag {
                let lead = line.len() - line.trim_start().len();
                return Some((opening, (offset + lead, tag.len())));
            }
        } else if let Some((at, len)) = marker_of(line, tag) {
            opening = Some((offset + at, len));
        }
        offset += line.len();
    }
    None
}

fn marker_of(line: &str, tag: &str) -> Option<(usize, usize)> {
    line.match_indices("<<").find_map(|(at, _)| {
        let rest = &line[at + 2..];
        let name = rest.trim_start_matches(['-', '~']).trim_start_matches(['"', '\'', '\\']);
        let after = name.strip_prefix(tag)?;
        let ends = !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        ends.then(|| (at, 2 + rest.len() - name.len() + tag.len()))
    })
}

/// Whether the text ends in an odd number of backslashes.
fn ends_in_escape(text: &str) -> bool {
    text.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 1
}

/// The user's text as it may stand in a message: one line, not too long.
pub(super) fn short(text: &str) -> String {
    const LIMIT: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    let cut = line.chars().count() > LIMIT || line.len() < text.trim_end().len();
    let mut shown: String =
        line.chars().take(LIMIT).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    if cut {
        shown.push('…');
    }
    shown
}
