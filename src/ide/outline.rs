//! The shape of a file: what it declares, and what can be folded away.

use super::analysis::{as_statement, unquote};
use crate::syntax::keywords::{NamedBy, OutlineKind};
use crate::syntax::{Ast, Item, Keyword, Operand, OperandKind, Statement};
use crate::text::{Source, Span};

/// Longest name shown, in characters.
const MAX_NAME: usize = 80;

/// One declared thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// What it is called, such as `web`; the keyword where it has no name. At most 80 characters.
    pub name: String,
    /// The statement's keyword.
    pub detail: String,
    /// What an editor draws it as.
    pub kind: OutlineKind,
    /// The whole statement with its block.
    pub span: Span,
    /// The part to put the cursor on.
    pub name_span: Span,
    /// What its block declares, in order.
    pub children: Vec<Outline>,
}

/// The things that a file declares, in order.
#[must_use]
pub fn outline(ast: &Ast, source: &Source) -> Vec<Outline> {
    entries(&ast.items, &source.text)
}

fn entries(items: &[Item], text: &str) -> Vec<Outline> {
    items.iter().filter_map(as_statement).filter_map(|statement| entry(statement, text)).collect()
}

fn entry(statement: &Statement, text: &str) -> Option<Outline> {
    let slice = |span: Span| text.get(span.start as usize..span.end as usize).unwrap_or_default();
    let keyword = slice(statement.keyword);
    let outlined = Keyword::of(keyword)?.info().outline?;
    let first = statement.operands.first().filter(|operand| is_text(operand));
    // A heredoc script is known by its `name`, a copy of text by its destination.
    let named = || {
        let last = || statement.operands.iter().rev().find(|operand| operand.kind == OperandKind::String);
        option(statement, "name", text).or_else(last)
    };
    let shown = match outlined.named_by {
        NamedBy::First => first,
        NamedBy::Last => named().or(first),
    };
    let (name, name_span) = match shown {
        Some(operand) if !slice(operand.span).trim_matches('"').trim().is_empty() => {
            (unquote(slice(operand.span)).chars().take(MAX_NAME).collect(), operand.span)
        }
        _ => (keyword.to_owned(), statement.keyword),
    };
    let children = statement.body.as_ref().map_or(Vec::new(), |body| entries(&body.items, text));
    let kind = outlined.kind;
    Some(Outline { name, detail: keyword.to_owned(), kind, span: statement.span, name_span, children })
}

const fn is_text(operand: &Operand) -> bool {
    matches!(operand.kind, OperandKind::Word | OperandKind::String)
}

fn option<'a>(statement: &'a Statement, key: &str, text: &str) -> Option<&'a Operand> {
    statement.operands.iter().find_map(|operand| match &operand.kind {
        OperandKind::Options(options) => options
            .entries()
            .find(|entry| text.get(entry.key.span.start as usize..entry.key.span.end as usize) == Some(key))
            .and_then(|entry| entry.value.as_ref())
            .filter(|value| is_text(value)),
        _ => None,
    })
}

/// What a fold hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoldKind {
    /// A block, a list, options or a heredoc.
    Block,
    /// Comment lines that follow each other.
    Comment,
}

/// Lines that can be folded: from the end of `start` to the end of `end`, both counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// Line that stays visible, from 0.
    pub start: u32,
    /// Last line that is hidden, from 0.
    pub end: u32,
    /// What is hidden.
    pub kind: FoldKind,
}

/// Everything of more than one line, in order.
#[must_use]
pub fn folds(ast: &Ast, source: &Source) -> Vec<Fold> {
    let mut out = Vec::new();
    fold_items(&ast.items, source, &mut out);
    out.sort_by_key(|fold| (fold.start, fold.end));
    out.dedup_by_key(|fold| fold.start);
    out
}

fn fold_items(items: &[Item], source: &Source, out: &mut Vec<Fold>) {
    let line = |offset: u32| source.lines().line_col(offset).line;
    let mut comments: Option<(u32, u32)> = None;
    for item in items {
        if let Item::Comment(span) = item {
            let here = line(span.start);
            match &mut comments {
                Some((_, last)) if *last + 1 == here => *last = here,
                _ => {
                    push(comments.take(), FoldKind::Comment, out);
                    comments = Some((here, here));
                }
            }
            continue;
        }
        push(comments.take(), FoldKind::Comment, out);
        let (Item::Statement(statement) | Item::Bad(statement)) = item else { continue };
        for operand in &statement.operands {
            let span = match &operand.kind {
                // The terminator stays in sight, as a closing bracket does.
                OperandKind::Heredoc(heredoc) => Span {
                    start: heredoc.marker.start,
                    end: heredoc.body.end.saturating_sub(1),
                    ..heredoc.marker
                },
                OperandKind::List(_) | OperandKind::Options(_) => {
                    Span { end: operand.span.end.saturating_sub(1), ..operand.span }
                }
                _ => continue,
            };
            let end = line(span.end.max(span.start));
            let brackets = matches!(&operand.kind, OperandKind::List(_) | OperandKind::Options(_));
            push(Some((line(span.start), end.saturating_sub(u32::from(brackets)))), FoldKind::Block, out);
        }
        if let Some(body) = &statement.body {
            let end = body.close.map_or(line(body.span.end), |close| line(close.start).saturating_sub(1));
            push(Some((line(statement.span.start), end)), FoldKind::Block, out);
            fold_items(&body.items, source, out);
        }
    }
    push(comments, FoldKind::Comment, out);
}

fn push(lines: Option<(u32, u32)>, kind: FoldKind, out: &mut Vec<Fold>) {
    if let Some((start, end)) = lines.filter(|(start, end)| start < end) {
        out.push(Fold { start, end, kind });
    }
}
