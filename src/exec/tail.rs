//! The last lines of a step's output, kept for its failure message.

/// Keeps the end of a stream of text in bounded memory.
#[derive(Debug, Default)]
pub(super) struct Tail {
    text: String,
}

/// Shown at most.
const LINES: usize = 20;
/// Kept at most, in bytes: twenty long lines.
const BYTES: usize = 8 * 1024;

impl Tail {
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        if self.text.len() > 2 * BYTES {
            let cut = self.text.floor_char_boundary(self.text.len() - BYTES);
            self.text.drain(..cut);
        }
    }

    /// The last lines, without what would disturb a terminal.
    pub(super) fn lines(&self) -> String {
        let clean: String =
            console::strip_ansi_codes(&self.text).chars().filter(|c| !crate::text::is_hidden(*c)).collect();
        let lines: Vec<&str> = clean.trim_end().lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_its_last_twenty_lines() {
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.push(&format!("line {number}\r\n"));
        }
        let lines = tail.lines();
        assert_eq!(lines.lines().count(), 20);
        assert!(lines.starts_with("line 99980\n") && lines.ends_with("line 99999"), "{lines}");
        assert!(tail.text.len() <= 2 * BYTES);
    }
}
