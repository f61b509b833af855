//! Texts of the user in messages.

/// The user's text as it may stand in a message: one line, not too long.
pub(super) fn short(text: &str) -> String {
    const LIMIT: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    let cut = line.chars().count() > LIMIT || line.len() < text.trim_end().len();
    let mut shown: String =
        line.chars().take(LIMIT).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    if cut {
        shown.push('…');
    }
    shown
}
