//! The owned tree of one ImageFile: every token's place, nothing of its meaning.
//!
//! The tree holds spans only; texts are looked up in the source. It keeps comments, so that `fmt`
//! can print the file back.

use crate::text::{SourceId, Span};

/// One parsed file. Parsing never fails: what cannot be understood is in the tree as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ast {
    pub source: SourceId,
    /// A byte-order mark at the very start.
    pub bom: Option<Span>,
    pub items: Vec<Item>,
}

/// What stands on a line of its own, or behind a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Statement(Statement),
    Comment(Span),
    /// `//` or `/* */`.
    SlashComment(Span),
    /// A line that does not start with a word.
    Bad(Statement),
    /// A `}` that closes nothing.
    StrayClose(Span),
}

impl Item {
    #[must_use]
    pub const fn span(&self) -> Span {
        match self {
            Self::Statement(statement) | Self::Bad(statement) => statement.span,
            Self::Comment(span) | Self::SlashComment(span) | Self::StrayClose(span) => *span,
        }
    }
}

/// `KEYWORD operand… { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// From the keyword to the last token, a heredoc's end or the closing brace included.
    pub span: Span,
    /// Empty, at the start of the span, for [`Item::Bad`].
    pub keyword: Span,
    pub operands: Vec<Operand>,
    /// The statements in braces, of `image` and `profile`.
    pub body: Option<Body>,
}

impl Statement {
    /// The heredoc among the operands; there is at most one.
    #[must_use]
    pub fn heredoc(&self) -> Option<&Heredoc> {
        self.operands.iter().find_map(|operand| match &operand.kind {
            OperandKind::Heredoc(heredoc) => Some(&**heredoc),
            _ => None,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub span: Span,
    pub open: Open,
    /// Further `{` directly behind the first.
    pub extra_open: Vec<Span>,
    pub items: Vec<Item>,
    pub close: Option<Span>,
}

/// Where a body's `{` stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Where it belongs.
    Here(Span),
    /// On a later line than its statement.
    Late(Span),
    /// Nowhere, but the lines below are indented.
    Lost,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    pub span: Span,
    pub kind: OperandKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperandKind {
    /// Name, number, size, version, … : what it must be depends on the place.
    Word,
    /// In double quotes, the closing one perhaps missing.
    String,
    /// In single quotes, which the language does not have.
    Single,
    /// `${name}`, the `}` perhaps missing.
    Param,
    Eq,
    Comma,
    /// Characters that no token starts with.
    Junk,
    SlashComment,
    /// Only inside lists.
    Comment,
    List(List),
    Options(Options),
    Heredoc(Box<Heredoc>),
}

/// `[ … ]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Elements, commas and comments in order.
    pub items: Vec<Operand>,
    pub close: Option<Span>,
}

impl List {
    /// The elements without commas and comments.
    pub fn elements(&self) -> impl Iterator<Item = &Operand> {
        self.items.iter().filter(|item| !matches!(item.kind, OperandKind::Comma | OperandKind::Comment))
    }
}

/// `{ key = value … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The `{` is missing; the operand's span starts at the first key.
    pub lost_open: bool,
    /// Further `{` directly behind the first.
    pub extra_open: Vec<Span>,
    pub items: Vec<OptionItem>,
    pub close: Option<Span>,
}

impl Options {
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.items.iter().filter_map(|item| match item {
            OptionItem::Entry(entry) => Some(entry),
            _ => None,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionItem {
    Entry(Entry),
    Comma(Span),
    Comment(Span),
    /// Something that is no pair.
    Stray(Span),
}

impl OptionItem {
    #[must_use]
    pub const fn span(&self) -> Span {
        match self {
            Self::Entry(entry) => entry.span,
            Self::Comma(span) | Self::Comment(span) | Self::Stray(span) => *span,
        }
    }
}

/// `key = value`, of which all but the key may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub span: Span,
    pub key: Operand,
    /// One `=`, or none, or too many.
    pub eq: Vec<Span>,
    pub value: Option<Operand>,
}

/// `<<TAG … TAG`; what follows the marker on its line are further operands of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// `<<-TAG`
    pub marker: Span,
    pub tag: Span,
    /// `-`, or the mistaken `~`.
    pub flavour: Option<char>,
    /// Whether the tag is in quotes, which is a mistake.
    pub quoted: bool,
    /// A comment at the end of the marker's line.
    pub comment: Option<Span>,
    /// Whole lines, from behind the marker's line to the start of the terminator's.
    pub body: Span,
    /// The terminator's line without its newline.
    pub end: Option<Span>,
}
