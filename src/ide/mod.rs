//! Editor features on plain types: no protocol, no files, no clock. `lsp` alone knows the protocol
//! and the disk.
//!
//! Everything starts from an [`Analysis`], which is what `check` and the resolver found in one
//! project at one moment. It is made anew for each change: that takes milliseconds, and there is no
//! state between two of them that could be stale. Only the catalogue is kept ([`FrontCache`]).

mod analysis;
mod completion;
mod definition;
mod edits;
mod hints;
mod hover;
mod links;
pub mod lsp;
mod names;
mod outline;
mod proposal;
mod tokens;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

pub use crate::front::FrontCache;
pub use crate::syntax::keywords::OutlineKind;
pub use analysis::{Analysis, analyse, analyse_catalog};
pub use completion::complete;
pub use definition::{Target, definition};
pub use edits::line_edits;
pub use hints::{Hint, hints};
pub use hover::{Hover, hover};
pub use links::{Link, LinkTarget, links};
pub use names::{RenameError, Symbol, references, rename, symbol_at};
pub use outline::{Fold, FoldKind, Outline, folds, outline};
pub use proposal::{Completion, CompletionKind};
pub use tokens::{Token, TokenKind, tokens};
