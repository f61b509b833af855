//! The owned tree of one ImageFile: every token's place, nothing of its meaning.
//!
//! The tree holds spans only; texts are looked up in the source. It keeps comments, so that `fmt`
//! can print the file back.

use crate::text::{SourceId, Span};

/// One parsed file. Parsing never fails: what cannot be understood is in the tree as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ast {
    /// The text that all spans are in.
    pub source: SourceId,
    /// A byte-order mark at the very start.
    pub bom: Option<Span>,
    /// In the order written, comments included.
    pub items: Vec<Item>,
}

/// What stands on a line of its own, or behind a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// `KEYWORD operand…`, and its block if it has one.
    Statement(Statement),
    /// `# …` to the end of the line, without the newline.
    Comment(Span),
    /// `//` or `/* */`.
    SlashComment(Span),
    /// A line that does not start with a word.
    Bad(Statement),
    /// A `}` that closes nothing.
    StrayClose(Span),
}

impl Item {
    /// All of it; for a statement that opens a block up to the closing brace.
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
    /// What stands behind the keyword, mistakes included, in the order written.
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

/// `{ statements }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// From the `{` to the `}`; without a `}` to the last thing in it.
    pub span: Span,
    /// Where the `{` stands.
    pub open: Open,
    /// Further `{` directly behind the first.
    pub extra_open: Vec<Span>,
    /// In the order written, comments included.
    pub items: Vec<Item>,
    /// The `}`; `None` if it is missing.
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

/// One thing behind a keyword, or in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// All of it, quotes and brackets included.
    pub span: Span,
    /// What it looks like; what it means depends on the place.
    pub kind: OperandKind,
}

/// What an operand looks like.
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
    /// `=`, where no pair is.
    Eq,
    /// `,`, in a list or where none belongs.
    Comma,
    /// Characters that no token starts with.
    Junk,
    /// `//` or `/* */`.
    SlashComment,
    /// Only inside lists.
    Comment,
    /// `[a, b]`
    List(List),
    /// `{ key = value }`
    Options(Options),
    /// `<<TAG`
    Heredoc(Box<Heredoc>),
}

/// `[ … ]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Elements, commas and comments in order.
    pub items: Vec<Operand>,
    /// The `]`; `None` if it is missing.
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
    /// In the order written, commas and comments included.
    pub items: Vec<OptionItem>,
    /// The `}`; `None` if it is missing.
    pub close: Option<Span>,
}

impl Options {
    /// The pairs alone, in the order written.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.items.iter().filter_map(|item| match item {
            OptionItem::Entry(entry) => Some(entry),
            _ => None,
        })
    }
}

/// What stands in the braces of options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionItem {
    /// `key = value`
    Entry(Entry),
    /// `,` between two pairs.
    Comma(Span),
    /// `# …` to the end of the line.
    Comment(Span),
    /// Something that is no pair.
    Stray(Span),
}

impl OptionItem {
    /// All of it; for a pair from its key to its value.
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
    /// From the key to the last token of the pair.
    pub span: Span,
    /// What stands before the `=`: a word, or by mistake a string.
    pub key: Operand,
    /// One `=`, or none, or too many.
    pub eq: Vec<Span>,
    /// `None` if nothing follows on the line.
    pub value: Option<Operand>,
}

/// `<<TAG … TAG`; what follows the marker on its line are further operands of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// `<<-TAG`
    pub marker: Span,
    /// `TAG` behind the marker, without quotes and flavour.
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
