//! What a word of a script is, by its letters and by where it stands.

/// Where a word stands, which decides what may be part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct WordPosition {
    /// `name=(…)` and `name[…]=` are assignments here.
    pub assignment: bool,
    /// The pattern behind `==` in `[[ ]]`, where extended globs are always on.
    pub pattern: bool,
    /// The expression behind `=~` in `[[ ]]`.
    pub regex: bool,
}

/// Characters that end a word.
pub(super) const fn is_break(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')')
}

/// A variable's name.
pub(super) fn is_name(text: &[u8]) -> bool {
    text.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// `name=`, `name+=` or `name[…]=`.
pub(super) fn is_assignment(text: &[u8]) -> bool {
    let Some(left) = text.strip_suffix(b"=") else { return false };
    let left = left.strip_suffix(b"+").unwrap_or(left);
    match left.iter().position(|byte| *byte == b'[') {
        Some(at) => left.ends_with(b"]") && is_name(&left[..at]),
        None => is_name(left),
    }
}
