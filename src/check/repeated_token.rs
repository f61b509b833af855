//! A word written twice, as hands do: `app app nginx`. Said once, and read as if it stood there once.

use super::Checker;
use super::params::is_type;
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::syntax::keywords::Form;
use crate::syntax::{Keyword, Operand, OperandKind, Statement};

impl Checker<'_> {
    /// The second of two equal words of a statement, the keyword among them, if what follows leaves no place
    /// for it. Names may repeat the word before them: `app app ^1`, `secret secret from env TOKEN`.
    pub(super) fn repeated_token<'s>(&mut self, statement: &'s Statement) -> Option<&'s Operand> {
        let mut before = statement.keyword;
        let twice = statement.operands.iter().enumerate().find_map(|(at, operand)| {
            let same = operand.kind == OperandKind::Word && self.slice(before) == self.slice(operand.span);
            before = operand.span;
            (same && self.has_no_place(statement, at)).then_some(operand)
        })?;
        let word = super::shown::short(self.slice(twice.span));
        self.report(
            Diagnostic::new(codes::UNEXPECTED, format!("`{word}` is written twice"))
                .label(twice.span, "once is enough")
                .help("remove one of them")
                .fix(Applicability::Maybe, "remove one of them", twice.span, ""),
        );
        Some(twice)
    }

    fn has_no_place(&self, statement: &Statement, at: usize) -> bool {
        let keyword = self.keyword_of(statement);
        let word = self.slice(statement.operands[at].span);
        let Some(next) = statement.operands.get(at + 1) else { return false };
        let following = self.slice(next.span);
        let is_name = next.kind == OperandKind::Word && following.starts_with(|c: char| c.is_alphabetic());
        match (keyword, at) {
            // A name of the user's own, and then `=`.
            (Some(pair), 0) if pair.info().form == Form::Pair => {
                is_name
                    && !is_type(following)
                    && statement.operands.get(at + 2).is_some_and(|operand| operand.kind == OperandKind::Eq)
            }
            (Some(pair), _) if pair.info().form == Form::Pair => false,
            (Some(Keyword::Secret), 0) => is_name && following != "from",
            (Some(Keyword::Secret), 1) if word == "from" => false,
            (Some(Keyword::Service), 0) => is_name && !matches!(following, "enabled" | "disabled" | "masked"),
            (Some(Keyword::Copy), 0 | 1) if word == "to" || following == "to" => false,
            // A version may stand in quotes, or come from a param.
            (Some(Keyword::App | Keyword::Os), _) => is_name,
            (Some(Keyword::Base), _) => {
                is_name || matches!(word, "file" | "url" | "image") && next.kind == OperandKind::String
            }
            _ => is_name || matches!(next.kind, OperandKind::String | OperandKind::Param),
        }
    }
}
