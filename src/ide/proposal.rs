//! What an editor proposes to write.

use crate::text::Span;

/// What a proposal is, for the icon beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompletionKind {
    /// A keyword that begins a statement, such as `copy`.
    Statement,
    /// An application of the catalogue, such as `nginx`.
    App,
    /// A base of the catalogue, such as `debian-13`.
    Base,
    /// A version or a requirement, such as `^1.26`.
    Version,
    /// The key of an option, such as `port`, or of a catalogue file.
    Option,
    /// A word that a statement or an option takes, such as `true`.
    Value,
    /// A `param` that a text can use.
    Param,
    /// A `profile` that an image can use.
    Profile,
    /// A name that the project chose, such as that of an image, an account or a secret.
    Name,
    /// A file of the project.
    File,
    /// A folder of the project; its label ends in `/`.
    Folder,
}

/// One proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What a list of proposals shows.
    pub label: String,
    /// What it is.
    pub kind: CompletionKind,
    /// What `insert` replaces: the token at the cursor, or nothing.
    pub replace: Span,
    /// The text that is written, with quotes where it needs them.
    pub insert: String,
    /// One line beside the label.
    pub detail: String,
    /// Longer text in Markdown; may be empty.
    pub documentation: String,
}
