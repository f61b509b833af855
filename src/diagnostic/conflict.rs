//! What is said of conflicts that a merge left in a text.

use super::{Diagnostic, codes};
use crate::text::{SourceId, Span, conflicts};

/// One message for each conflict, with its three places.
#[must_use]
pub fn merge_conflicts(source: SourceId, text: &str) -> Vec<Diagnostic> {
    let place = |range: std::ops::Range<usize>| {
        let offset = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Span::new(source, offset(range.start), offset(range.end))
    };
    let message = |conflict: crate::text::Conflict| {
        Diagnostic::new(codes::MERGE_CONFLICT, "this merge conflict is not resolved")
            .label(place(conflict.start), "one side starts here")
            .label(place(conflict.middle), "the other side")
            .label(place(conflict.end), "ends here")
            .help("keep what is right of both sides, and remove the three marker lines")
    };
    conflicts(text).into_iter().map(message).collect()
}
