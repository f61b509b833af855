//! What stands at a place of the tree, for features that start from a cursor.

use super::analysis::as_statement;
use crate::syntax::{Ast, Entry, Item, Operand, OperandKind, OptionItem, Options, Statement};
use crate::text::Span;

/// Where a cursor is.
#[derive(Debug)]
pub(super) enum Place<'a> {
    /// Where a statement may start, or on its keyword; `block` is the statement around it.
    Keyword { block: Option<&'a Statement> },
    /// On or before the operand number `index` of a statement.
    Operand { block: Option<&'a Statement>, statement: &'a Statement, index: usize },
    /// In `{ }` where a key may stand. `outer` is the entry around a nested map.
    Key { statement: &'a Statement, outer: Option<&'a Entry>, options: &'a Options },
    /// Behind the `=` of an option, perhaps in the list there.
    Value {
        block: Option<&'a Statement>,
        statement: &'a Statement,
        outer: Option<&'a Entry>,
        entry: &'a Entry,
    },
    /// In a comment or heredoc, where the language has nothing to say.
    Outside,
}

/// Looks up what stands at a byte offset; `text` is the tree's source.
pub(super) fn place<'a>(ast: &'a Ast, text: &str, offset: u32) -> Place<'a> {
    let mut block = None;
    let mut items = &ast.items;
    loop {
        let Some(item) = nearest_item(items, text, offset) else { return Place::Keyword { block } };
        match item {
            Item::Comment(span) | Item::SlashComment(span) if span.start < offset => return Place::Outside,
            Item::Statement(statement) => match &statement.body {
                Some(body)
                    if body.span.start < offset && body.close.is_none_or(|close| offset <= close.start) =>
                {
                    block = Some(statement);
                    items = &body.items;
                }
                Some(body) if body.close.is_some_and(|close| close.end <= offset) => return Place::Outside,
                _ => return in_statement(block, statement, offset),
            },
            Item::Bad(statement) => return in_statement(block, statement, offset),
            _ => return Place::Outside,
        }
    }
}

/// The item that the offset is in, or behind on the same line.
fn nearest_item<'a>(items: &'a [Item], text: &str, offset: u32) -> Option<&'a Item> {
    let last = items.partition_point(|item| item.span().start <= offset).checked_sub(1)?;
    let item = &items[last];
    let end = item.span().end;
    let open = matches!(item, Item::Statement(Statement { body: Some(body), .. }) if body.close.is_none());
    let gap = text.get(end as usize..offset as usize).unwrap_or_default();
    (offset <= end || open || !gap.contains('\n')).then_some(item)
}

fn in_statement<'a>(block: Option<&'a Statement>, statement: &'a Statement, offset: u32) -> Place<'a> {
    if statement.keyword.touches(offset) && !statement.keyword.is_empty() {
        return Place::Keyword { block };
    }
    let mut index = 0;
    for operand in &statement.operands {
        match &operand.kind {
            OperandKind::Options(options) if inside(operand.span, options.close, offset) => {
                return in_options(block, statement, None, options, offset);
            }
            OperandKind::Heredoc(heredoc) => {
                let end = heredoc.end.map_or(heredoc.body.end, |end| end.end);
                if heredoc.body.start <= offset && offset <= end && heredoc.body.start > heredoc.marker.end
                    || heredoc.comment.is_some_and(|comment| comment.start < offset && offset <= comment.end)
                {
                    return Place::Outside;
                }
                if operand.span.end < offset {
                    index += 1;
                }
            }
            // Tokens that end before the cursor lie behind; one that touches it is being written.
            _ if operand.span.end < offset => index += 1,
            _ => {}
        }
    }
    Place::Operand { block, statement, index }
}

fn inside(span: Span, close: Option<Span>, offset: u32) -> bool {
    span.start < offset && close.map_or(offset <= span.end, |close| offset <= close.start)
}

fn in_options<'a>(
    block: Option<&'a Statement>,
    statement: &'a Statement,
    outer: Option<&'a Entry>,
    options: &'a Options,
    offset: u32,
) -> Place<'a> {
    for item in &options.items {
        let entry = match item {
            OptionItem::Comment(span) if span.start < offset && offset <= span.end => return Place::Outside,
            OptionItem::Entry(entry) => entry,
            _ => continue,
        };
        let Some(eq) = entry.eq.last() else { continue };
        match &entry.value {
            Some(Operand { kind: OperandKind::Options(map), span }) if inside(*span, map.close, offset) => {
                return in_options(block, statement, Some(entry), map, offset);
            }
            Some(value) if eq.end <= offset && offset <= value.span.end => {
                return Place::Value { block, statement, outer, entry };
            }
            // `key = ` with the cursor behind it.
            None if eq.end <= offset && offset <= eq.end + 1 => {
                return Place::Value { block, statement, outer, entry };
            }
            _ => {}
        }
    }
    Place::Key { statement, outer, options }
}

/// Calls `visit` for every token of the tree that can hold text: words, strings and params, keys of
/// options included. Heredocs are shell's business.
pub(super) fn texts<'a>(items: &'a [Item], visit: &mut dyn FnMut(&'a Operand)) {
    for statement in items.iter().filter_map(as_statement) {
        for operand in &statement.operands {
            texts_of(operand, visit);
        }
        if let Some(body) = &statement.body {
            texts(&body.items, visit);
        }
    }
}

/// The same for one operand. The language nests two deep at most, so this recursion is shallow.
pub(super) fn texts_of<'a>(operand: &'a Operand, visit: &mut dyn FnMut(&'a Operand)) {
    match &operand.kind {
        OperandKind::Word | OperandKind::String | OperandKind::Param => visit(operand),
        OperandKind::List(list) => list.items.iter().for_each(|item| texts_of(item, visit)),
        OperandKind::Options(options) => {
            for entry in options.entries() {
                texts_of(&entry.key, visit);
                entry.value.iter().for_each(|value| texts_of(value, visit));
            }
        }
        _ => {}
    }
}

/// The innermost text token that the offset touches.
pub(super) fn token_at(ast: &Ast, offset: u32) -> Option<&Operand> {
    let mut found = None;
    texts(&ast.items, &mut |operand| {
        if operand.span.touches(offset)
            && found.is_none_or(|other: &Operand| other.span.start < operand.span.start)
        {
            found = Some(operand);
        }
    });
    found
}
