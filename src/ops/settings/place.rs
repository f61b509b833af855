//! Places in a configuration file.

use crate::text::{SourceId, Span};

/// A range that the parser of TOML found, in bytes.
pub(super) fn span(source: SourceId, range: std::ops::Range<usize>) -> Span {
    let at = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
    Span::new(source, at(range.start), at(range.end))
}
