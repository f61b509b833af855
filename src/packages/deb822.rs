//! Paragraphs of `Field: value` lines (deb822(5)), as Debian has its archives, its package database and machine-readable
//! copyright files.

/// One paragraph, borrowed from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stanza<'a>(&'a str);

impl<'a> Stanza<'a> {
    /// Takes a text that holds one paragraph.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The paragraph as written.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.0
    }

    /// All fields in order; the value of a folded field holds its newlines, the rest is trimmed.
    pub fn fields(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            loop {
                if rest.is_empty() {
                    return None;
                }
                let end = field_end(rest);
                let field = &rest[..end];
                rest = &rest[end..];
                if field.starts_with('#') {
                    continue;
                }
                if let Some((name, value)) = field.split_once(':') {
                    return Some((name, value.trim()));
                }
            }
        })
    }

    /// The first field of that name; names do not mind case.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.fields().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether a yes/no field says yes.
    #[must_use]
    pub fn flag(self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }
}

/// Where the field that `text` starts with ends: after the last line that continues it.
fn field_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(newline) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        at += newline + 1;
        if !matches!(bytes.get(at), Some(b' ' | b'\t')) {
            return at;
        }
    }
    bytes.len()
}

/// The paragraphs of a text, which blank lines part.
pub fn stanzas(text: &str) -> impl Iterator<Item = Stanza<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(['\n', '\r']);
        if rest.trim().is_empty() {
            return None;
        }
        let end = rest.find("\n\n").map_or(rest.len(), |at| at + 1);
        let (stanza, after) = rest.split_at(end);
        rest = after;
        Some(Stanza(stanza))
    })
}

#[cfg(test)]
mod tests {
    use super::{Stanza, stanzas};

    #[test]
    fn fields_fold_and_comments_vanish() {
        let stanza = Stanza::new("Package: jq\n# no field\nTag: a,\n b,\n c\nEssential: yes\n");
        assert_eq!(stanza.get("package"), Some("jq"));
        assert_eq!(stanza.get("Tag"), Some("a,\n b,\n c"));
        assert!(stanza.flag("Essential"));
        assert_eq!(stanza.get("Version"), None);
    }

    #[test]
    fn blank_lines_part_stanzas() {
        let names: Vec<_> = stanzas("\nPackage: a\n\n\nPackage: b\nX: y").map(|s| s.get("Package")).collect();
        assert_eq!(names, [Some("a"), Some("b")]);
        assert_eq!(stanzas("\n \n").count(), 0);
    }
}
