//! Diagnostics, shown.

use super::{console::drawable, screen};
use crate::{diagnostic::Diagnostic, report, text::Sources};

/// Shows diagnostics on stderr.
pub(super) fn show(diagnostics: &[Diagnostic], sources: &Sources) {
    let text = report::human(diagnostics, sources, screen::err_colour());
    screen::to_stderr(&drawable(text));
}
