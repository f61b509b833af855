//! What each token means, for colouring beyond what a grammar of regular expressions can know.

use super::analysis::as_statement;
use super::names::params_in;
use crate::syntax::keywords::{Role, StatementInfo};
use crate::syntax::{Ast, Item, Keyword, Operand, OperandKind, OptionItem, Options, Statement};
use crate::text::{Source, Span};

/// What a token means; `ide::lsp` has a colour group of the protocol for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// The keyword of a statement, such as `script`.
    Keyword,
    /// A word that belongs to the statement, such as `to` or `from`.
    Modifier,
    /// The name of an app, base or system.
    Class,
    /// The name of a profile.
    Profile,
    /// A param: declared, or used in a text.
    Param,
    /// The key of an option.
    Property,
    /// A name the user chose: env, label, account, secret.
    Variable,
    /// A text in quotes, without the params in it.
    String,
    /// A number, such as `8080`.
    Number,
    /// Any other word.
    Word,
    /// `=`, or the marker of a heredoc.
    Operator,
    /// A comment, with what begins it.
    Comment,
}

/// A piece of a file that means one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Never longer than a line.
    pub span: Span,
    /// What it means.
    pub kind: TokenKind,
}

/// The tokens of a file in order, without overlaps. Heredoc bodies have none: they are shell.
#[must_use]
pub fn tokens(ast: &Ast, source: &Source) -> Vec<Token> {
    let mut walk = Walk { text: &source.text, out: Vec::new() };
    walk.items(&ast.items);
    walk.out.sort_by_key(|token| token.span.start);
    walk.out
}

struct Walk<'a> {
    text: &'a str,
    out: Vec<Token>,
}

impl Walk<'_> {
    fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn push(&mut self, span: Span, kind: TokenKind) {
        if !span.is_empty() && !self.slice(span).contains('\n') {
            self.out.push(Token { span, kind });
        }
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Comment(span) | Item::SlashComment(span) => self.push(*span, TokenKind::Comment),
                _ => {}
            }
            if let Some(statement) = as_statement(item) {
                self.statement(statement);
            }
        }
    }

    fn statement(&mut self, statement: &Statement) {
        let info = Keyword::of(self.slice(statement.keyword)).map(Keyword::info);
        if info.is_some() {
            self.push(statement.keyword, TokenKind::Keyword);
        }
        for (index, operand) in statement.operands.iter().enumerate() {
            let kind = info.and_then(|info| self.kind_of_operand(info, statement, index));
            self.operand(operand, kind.unwrap_or(TokenKind::Word));
        }
        if let Some(body) = &statement.body {
            self.items(&body.items);
        }
    }

    fn kind_of_operand(
        &self,
        info: &StatementInfo,
        statement: &Statement,
        index: usize,
    ) -> Option<TokenKind> {
        let nth = |at: usize| Some(self.slice(statement.operands.get(at)?.span));
        Some(kind_of(info.operand(index, nth)?.role))
    }

    fn operand(&mut self, operand: &Operand, kind: TokenKind) {
        match &operand.kind {
            OperandKind::Word => {
                let word = self.slice(operand.span);
                let kind = match word {
                    "to" | "from" | "sha256" | "sha512" if kind == TokenKind::Word => TokenKind::Modifier,
                    _ if kind == TokenKind::Word && is_number(word) => TokenKind::Number,
                    _ => kind,
                };
                self.push(operand.span, kind);
            }
            OperandKind::String | OperandKind::Param => self.string(operand),
            OperandKind::Single => self.push(operand.span, TokenKind::String),
            OperandKind::Eq => self.push(operand.span, TokenKind::Operator),
            OperandKind::Comment | OperandKind::SlashComment => self.push(operand.span, TokenKind::Comment),
            OperandKind::List(list) => list.items.iter().for_each(|item| self.operand(item, TokenKind::Word)),
            OperandKind::Options(options) => self.options(options),
            OperandKind::Heredoc(heredoc) => {
                self.push(heredoc.marker, TokenKind::Operator);
                if let Some(comment) = heredoc.comment {
                    self.push(comment, TokenKind::Comment);
                }
                if let Some(end) = heredoc.end {
                    self.push(end, TokenKind::Operator);
                }
            }
            OperandKind::Comma | OperandKind::Junk => {}
        }
    }

    fn options(&mut self, options: &Options) {
        for item in &options.items {
            match item {
                OptionItem::Entry(entry) => {
                    self.push(entry.key.span, TokenKind::Property);
                    entry.eq.iter().for_each(|eq| self.push(*eq, TokenKind::Operator));
                    entry.value.iter().for_each(|value| self.operand(value, TokenKind::Word));
                }
                OptionItem::Comment(span) => self.push(*span, TokenKind::Comment),
                OptionItem::Comma(_) | OptionItem::Stray(_) => {}
            }
        }
    }

    /// A string with the names of its params apart.
    fn string(&mut self, operand: &Operand) {
        let mut at = operand.span.start;
        for (name, _) in params_in(self.slice(operand.span).to_owned().as_str(), operand) {
            self.push(Span { start: at, end: name.start, ..operand.span }, TokenKind::String);
            self.push(name, TokenKind::Param);
            at = name.end;
        }
        self.push(Span { start: at, ..operand.span }, TokenKind::String);
    }
}

/// The colour of a word by what it names.
const fn kind_of(role: Role) -> TokenKind {
    match role {
        Role::App | Role::Base | Role::OsType | Role::Distribution => TokenKind::Class,
        Role::Profile | Role::ProfileName => TokenKind::Profile,
        Role::ParamName => TokenKind::Param,
        Role::Name | Role::Account => TokenKind::Variable,
        Role::Value
        | Role::Size
        | Role::OsVersion
        | Role::AppVersion
        | Role::BaseVersion
        | Role::Image
        | Role::Path(_)
        | Role::Url => TokenKind::Word,
    }
}

/// Versions, sizes, durations, modes: what starts with a digit, after an operator perhaps.
fn is_number(word: &str) -> bool {
    word.trim_start_matches(['^', '~', '=', '!', '<', '>', '-']).starts_with(|c: char| c.is_ascii_digit())
}
