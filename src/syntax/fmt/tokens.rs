//! What a file says, without its layout.

use crate::syntax::ast::{Ast, Item, Operand, OperandKind, OptionItem};
use crate::text::Span;

/// What a file says, without its layout: to compare before and after.
pub(super) fn tokens(ast: &Ast, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    item_tokens(&ast.items, text, &mut out);
    out
}

fn item_tokens(items: &[Item], text: &str, out: &mut Vec<String>) {
    let slice = |span: Span| text[span.start as usize..span.end as usize].trim_end().to_owned();
    for item in items {
        match item {
            Item::Comment(span) | Item::SlashComment(span) | Item::StrayClose(span) => out.push(slice(*span)),
            Item::Statement(statement) | Item::Bad(statement) => {
                out.push(slice(statement.keyword));
                for operand in &statement.operands {
                    operand_tokens(operand, text, out);
                }
                if let Some(body) = &statement.body {
                    out.push("{".to_owned());
                    item_tokens(&body.items, text, out);
                    out.push("}".to_owned());
                }
            }
        }
    }
}

fn operand_tokens(operand: &Operand, text: &str, out: &mut Vec<String>) {
    let slice =
        |span: Span| text[span.start as usize..span.end as usize].trim_end().trim_matches('"').to_owned();
    match &operand.kind {
        OperandKind::List(list) => {
            out.push("[".to_owned());
            for item in list.items.iter().filter(|item| item.kind != OperandKind::Comma) {
                operand_tokens(item, text, out);
            }
            out.push("]".to_owned());
        }
        OperandKind::Options(options) => {
            out.push("{".to_owned());
            for item in &options.items {
                match item {
                    OptionItem::Comma(_) => {}
                    OptionItem::Comment(span) | OptionItem::Stray(span) => out.push(slice(*span)),
                    OptionItem::Entry(entry) => {
                        out.push(slice(entry.key.span));
                        out.extend(entry.eq.iter().map(|span| slice(*span)));
                        if let Some(value) = &entry.value {
                            operand_tokens(value, text, out);
                        }
                    }
                }
            }
            out.push("}".to_owned());
        }
        OperandKind::Heredoc(heredoc) => {
            out.push(slice(heredoc.marker));
            out.extend(heredoc.comment.map(slice));
            let body = &text[heredoc.body.start as usize..heredoc.body.end as usize];
            let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
            let strip = match heredoc.flavour {
                Some(_) => body.lines().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0),
                None => 0,
            };
            out.extend(body.lines().map(|line| line[strip.min(indent(line))..].to_owned()));
        }
        _ => out.push(slice(operand.span)),
    }
}
