//! Structural defects of one file: whatever is wrong with a token, list, block or heredoc, no
//! matter which statement it belongs to.

mod blocks;
mod heredocs;
mod lists;
mod options;
mod text;

use std::collections::HashSet;

use super::shown::short;
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::syntax::keywords::{Form, Place};
use crate::syntax::{Ast, Item, Keyword, Operand, OperandKind, Statement};
use crate::text::{Source, SourceId, Span};

/// Words that other languages choose and repeat by.
const CONTROL: [&str; 7] = ["if", "for", "foreach", "for_each", "unless", "while", "when"];

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Structure {
    pub diagnostics: Vec<Diagnostic>,
    /// Statements whose tokens are broken, by their span: what they mean is not to be judged.
    pub broken: HashSet<Span>,
    /// A heredoc without an end took in the rest of the file.
    pub swallowed: bool,
}

/// Walks the whole tree.
pub(super) fn structure(ast: &Ast, source: &Source) -> Structure {
    let mut walk = Walk {
        id: ast.source,
        text: &source.text,
        source,
        out: Structure::default(),
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
    out: Structure,
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
            self.heredoc(heredoc);
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
}
