//! Source files, spans, the line index, nearest-name suggestions, content digests.

mod digest;
mod line_index;
mod source;
mod span;
mod suggest;

pub use digest::{Digest, NotADigest};
pub use line_index::{LineCol, LineIndex};
pub use source::{Source, Sources};
pub use span::{SourceId, Span, Spanned};
pub use suggest::nearest;
