//! Texts as words of a shell.

/// `text` as one word of a POSIX shell.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        for (text, shell) in [("a-b.c", "a-b.c"), ("", "''"), ("it's", r"'it'\''s'"), ("$x y", "'$x y'")] {
            assert_eq!(quoted(text), shell);
        }
    }
}
