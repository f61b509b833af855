//! One diagnostic or event, many renderers.

pub mod progress;

use crate::diagnostic::Diagnostic;
use crate::text::Sources;

/// Diagnostics for people: code frames with the offending text underlined, across files.
#[must_use]
pub fn human(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let _ = (sources, colour);
    diagnostics.iter().map(|d| format!("{}: {}\n", d.code, d.message)).collect()
}
