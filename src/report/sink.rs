//! The one way from imgfile to a terminal or a log. Text that comes from a guest or a project can give no orders
//! there: not to the terminal, not to the reader's eye (bidirectional controls), not to the CI system that reads
//! along (`::command::` and `##[command]` of GitHub Actions, `section_start:` of GitLab).
//!
//! The command line writes nothing beside it: `tests/library/architecture.rs`.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use crate::text::is_hidden;

/// A line is looked at in pieces of this many bytes.
const LONGEST: usize = 64 * 1024;

/// What a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Text for people; with the colours that imgfile itself uses, or without any.
    Text {
        /// Whether imgfile's own ANSI colours stay.
        colour: bool,
    },
    /// Text in which a line may be an order of ours to the CI system.
    Orders,
    /// JSON: what must not be shown is escaped, so that its meaning stays.
    Json,
}

/// Writes lines with nothing in them that would be obeyed. What has no newline yet waits for it, or for the drop.
#[derive(Debug)]
pub struct Sink<W: Write> {
    out: W,
    content: Content,
    /// Whether a CI system reads along.
    ci: bool,
    line: Vec<u8>,
    /// What is to be written now.
    ready: Vec<u8>,
    /// Whether nothing but blanks of the line has been written.
    at_start: bool,
}

impl<W: Write> Sink<W> {
    /// Writes to `out`. With `ci`, lines that a CI system would obey are made harmless.
    pub const fn new(out: W, content: Content, ci: bool) -> Self {
        Self { out, content, ci, line: Vec::new(), ready: Vec::new(), at_start: true }
    }

    /// Makes a piece of a line ready.
    fn put(&mut self, piece: &[u8]) {
        let text = String::from_utf8_lossy(piece);
        let shown = harmless(&text, self.content, self.ci, self.at_start);
        self.ready.extend_from_slice(shown.as_bytes());
        self.at_start = piece.last() == Some(&b'\n') || self.at_start && shown.trim().is_empty();
    }

    /// Makes the line that is kept ready, up to `end`.
    fn put_kept(&mut self, end: usize) {
        let rest = self.line.split_off(end);
        let piece = std::mem::replace(&mut self.line, rest);
        self.put(&piece);
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(newline) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = rest.split_at(newline + 1);
            if self.line.is_empty() {
                self.put(line);
            } else {
                self.line.extend_from_slice(line);
                self.put_kept(self.line.len());
            }
            rest = after;
        }
        self.line.extend_from_slice(rest);
        while self.line.len() > LONGEST {
            // Not within a character, and not within what begins an order.
            let cut = self.line[..LONGEST].iter().rposition(|&byte| byte.is_ascii() && byte != b'#');
            self.put_kept(cut.map_or(LONGEST, |at| at + 1));
        }
        // All at once: a flood is not written line by line.
        let ready = std::mem::take(&mut self.ready);
        self.out.write_all(&ready)?;
        self.ready = ready;
        self.ready.clear();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Drop for Sink<W> {
    fn drop(&mut self) {
        self.put_kept(self.line.len());
        // A reader that went away has seen enough.
        let _ = self.out.write_all(&self.ready);
        let _ = self.out.flush();
    }
}

/// A piece of a line as it may be written.
fn harmless(text: &str, content: Content, ci: bool, at_start: bool) -> Cow<'_, str> {
    let text = visible(text, content);
    if content == Content::Json {
        // Two `#` in a row are always within a string.
        return if text.contains("##") { text.replace("##", "#\\u0023").into() } else { text };
    }
    if !ci {
        return text;
    }
    let mut text = text;
    for (order, shown) in [
        ("##[", "# #["),
        ("##vso[", "# #vso["),
        ("section_start:", "section_start :"),
        ("section_end:", "section_end :"),
    ] {
        if text.contains(order) {
            text = text.replace(order, shown).into();
        }
    }
    if content != Content::Orders && at_start && text.trim_start().starts_with("::") {
        text = text.replacen("::", ": :", 1).into();
    }
    text
}

/// Text without hidden characters, but for our own colours.
fn visible(text: &str, content: Content) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t')) {
        return Cow::Borrowed(text);
    }
    let text = match text.strip_suffix("\r\n") {
        Some(line) => Cow::Owned(format!("{line}\n")),
        None => Cow::Borrowed(text),
    };
    if !text.chars().any(is_hidden) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if !is_hidden(c) {
            out.push(c);
        } else if let (Content::Text { colour: true }, Some(length)) = (content, colour(rest)) {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        } else if content == Content::Json {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push('\u{FFFD}');
        }
        rest = after;
    }
    out.into()
}

/// Length of a sequence at the beginning of a text that sets a colour or weight which we use.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find('m').filter(|end| *end <= 8)?;
    let known = |parameter: &str| {
        matches!(parameter, "0" | "1" | "2" | "22" | "39")
            || matches!(parameter.as_bytes(), [b'3' | b'9', b'0'..=b'7'])
    };
    parameters[..end].split(';').all(known).then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(content: Content, ci: bool, pieces: &[&str]) -> String {
        let mut out = Vec::new();
        let mut sink = Sink::new(&mut out, content, ci);
        for piece in pieces {
            sink.write_all(piece.as_bytes()).unwrap();
        }
        drop(sink);
        String::from_utf8(out).unwrap()
    }

    const PLAIN: Content = Content::Text { colour: false };
    const COLOUR: Content = Content::Text { colour: true };

    #[test]
    fn a_terminal_is_given_no_orders() {
        let text = "a\u{1b}[2Jb\u{1b}]0;title\u{7}\u{9b}1m\u{202e}cod\u{2066}\u{200b}\tx\r\n";
        let shown = "a\u{FFFD}[2Jb\u{FFFD}]0;title\u{FFFD}\u{FFFD}1m\u{FFFD}cod\u{FFFD}\u{FFFD}\tx\n";
        assert_eq!(through(PLAIN, false, &[text]), shown);
        assert_eq!(through(COLOUR, false, &[text]), shown);
        let ours = "\u{1b}[1;31merror\u{1b}[0m: \u{1b}[8mhidden\u{1b}[5m\n";
        assert_eq!(
            through(COLOUR, false, &[ours]),
            "\u{1b}[1;31merror\u{1b}[0m: \u{FFFD}[8mhidden\u{FFFD}[5m\n"
        );
        assert!(!through(PLAIN, false, &[ours]).contains('\u{1b}'));
    }

    #[test]
    fn a_ci_system_is_given_no_orders() {
        let text = "  ::stop-commands::t\nstd::string\n##[add-mask]x ###[y] ##vso[z]\nsection_start:1:x\n\u{feff}::a\n";
        let shown = "  : :stop-commands::t\nstd::string\n# #[add-mask]x ## #[y] # #vso[z]\nsection_start :1:x\n\u{FFFD}::a\n";
        assert_eq!(through(PLAIN, true, &[text]), shown);
        assert_eq!(through(PLAIN, false, &[text]), text.replace('\u{feff}', "\u{FFFD}"));
        let order = "::error title=E0101::text ##[x]\n";
        assert_eq!(through(Content::Orders, true, &[order]), "::error title=E0101::text # #[x]\n");
        let blanks = " ".repeat(2 * LONGEST);
        assert!(through(PLAIN, true, &[&blanks, "::x\n"]).ends_with(" : :x\n"));
    }

    #[test]
    fn json_means_what_it_meant() {
        let value = serde_json::json!({ "a": "##[x]\u{202e}\u{85}\u{E0041}::", "b##": ["###"] });
        for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            let shown = through(Content::Json, true, &[&text]);
            assert!(!shown.contains("##[") && !shown.contains(is_hidden), "{shown}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }

    proptest! {
        /// Whatever comes, in whatever pieces, nothing is obeyed.
        #[test]
        fn nothing_passes(pieces in proptest::collection::vec("(::|##\\[|#|\\[|:| |\n|\r|\u{1b}\\[2K|\u{1b}\\[31m|\u{202e}|x){0,6}", 0..8)) {
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            for content in [PLAIN, COLOUR] {
                let shown = through(content, true, &pieces);
                for line in shown.split(['\n', '\r']) {
                    prop_assert!(!line.contains("##["), "{shown:?}");
                    prop_assert!(!line.trim_start().starts_with("::"), "{shown:?}");
                }
                let coloured = shown.replace("\u{1b}[31m", "");
                prop_assert!(!coloured.contains(is_hidden), "{shown:?}");
                let escapes = shown.contains('\u{1b}');
                prop_assert!(content == COLOUR || !escapes);
            }
        }
    }
}
