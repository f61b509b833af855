//! Statements that can be printed anew, as nothing of them is missing.

use crate::syntax::ast::{Open, Operand, OperandKind, OptionItem, Statement};
use crate::text::Span;

/// Whether every token of the statement is complete, so that it can be printed anew.
pub(super) fn is_whole(statement: &Statement, text: &str) -> bool {
    let slice = |span: Span| &text[span.start as usize..span.end as usize];
    let body = statement.body.as_ref().is_none_or(|body| {
        matches!(body.open, Open::Here(_)) && body.close.is_some() && body.extra_open.is_empty()
    });
    let heredoc = statement.heredoc().is_none_or(|heredoc| {
        heredoc.end.is_some()
            && !heredoc.quoted
            && heredoc.flavour != Some('~')
            && !slice(heredoc.body).contains('\r')
    });
    let lone_heredoc = statement.heredoc().is_none() || statement.body.is_none();
    // Two words that touch, such as `x"y"`, are a mistake, and another one if something parts them.
    let is_word = |operand: &Operand| {
        matches!(
            operand.kind,
            OperandKind::Word | OperandKind::String | OperandKind::Single | OperandKind::Param
        )
    };
    let touch = statement
        .operands
        .windows(2)
        .any(|two| two[0].span.end == two[1].span.start && is_word(&two[0]) && is_word(&two[1]));
    body && heredoc
        && lone_heredoc
        && !touch
        && statement.operands.iter().all(|operand| is_whole_operand(operand, &slice))
}

fn is_whole_operand<'t>(operand: &Operand, slice: &impl Fn(Span) -> &'t str) -> bool {
    match &operand.kind {
        OperandKind::Word
        | OperandKind::Eq
        | OperandKind::Comma
        | OperandKind::Comment
        | OperandKind::Heredoc(_) => true,
        OperandKind::String => {
            let written = slice(operand.span);
            let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            inner.is_some_and(|inner| inner.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 0)
        }
        OperandKind::Param => slice(operand.span).ends_with('}'),
        OperandKind::Single | OperandKind::Junk | OperandKind::SlashComment => false,
        OperandKind::List(list) => {
            let mut separated = true;
            list.close.is_some()
                && list.items.iter().all(|item| match item.kind {
                    OperandKind::Comment => true,
                    OperandKind::Comma => !std::mem::replace(&mut separated, true),
                    OperandKind::Eq => false,
                    _ => std::mem::replace(&mut separated, false) && is_whole_operand(item, slice),
                })
        }
        OperandKind::Options(options) => {
            options.close.is_some()
                && !options.lost_open
                && options.extra_open.is_empty()
                && options.items.iter().all(|item| match item {
                    OptionItem::Entry(entry) => {
                        entry.eq.len() == 1
                            && is_whole_operand(&entry.key, slice)
                            && entry.value.as_ref().is_some_and(|value| is_whole_operand(value, slice))
                    }
                    OptionItem::Comma(_) | OptionItem::Comment(_) => true,
                    OptionItem::Stray(_) => false,
                })
        }
    }
}
