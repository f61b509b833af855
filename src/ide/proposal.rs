//! What an editor proposes to write.

use crate::text::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompletionKind {
    Statement,
    App,
    Base,
    Version,
    Option,
    Value,
    Param,
    Profile,
    Name,
    File,
    Folder,
}

/// One proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    pub label: String,
    pub kind: CompletionKind,
    /// What `insert` replaces: the token at the cursor, or nothing.
    pub replace: Span,
    pub insert: String,
    /// One line beside the label.
    pub detail: String,
    /// Longer text in Markdown; may be empty.
    pub documentation: String,
}
