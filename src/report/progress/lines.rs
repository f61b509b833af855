//! From pieces of a step's output, which may end anywhere, to whole lines fit for a terminal.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::{exec::Stream, text::is_hidden};

/// A line longer than this many bytes is broken, so that a flood without newlines cannot grow memory.
pub const LONGEST_LINE: usize = 16 * 1024;

/// Cuts the output of all running steps into lines.
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginnings of lines whose newline has not come yet; as many as steps run at once.
    partial: Vec<Partial>,
}

#[derive(Debug)]
struct Partial {
    image: Option<String>,
    step: String,
    stream: Stream,
    text: String,
}

impl Lines {
    /// Takes a piece and gives each line it completes, cleaned, to `sink`.
    pub fn push(
        &mut self,
        image: Option<&str>,
        step: &str,
        stream: Stream,
        piece: &str,
        mut sink: impl FnMut(&str),
    ) {
        let known = self.partial.iter().position(|partial| {
            partial.stream == stream && partial.step == step && partial.image.as_deref() == image
        });
        let (ended, rest) = match piece.rfind('\n') {
            Some(newline) => (&piece[..newline], &piece[newline + 1..]),
            None => ("", piece),
        };
        let mut lines = ended.split('\n');
        if ended.len() + rest.len() != piece.len() {
            let begun = known.map(|index| &mut self.partial[index].text);
            if let Some(text) = begun.filter(|text| !text.is_empty()) {
                text.push_str(lines.next().unwrap_or_default());
                broken(text, &mut sink);
                text.clear();
            }
            for line in lines {
                broken(line, &mut sink);
            }
        }
        if rest.is_empty() {
            return;
        }
        let index = known.unwrap_or_else(|| {
            let (image, step) = (image.map(str::to_owned), step.to_owned());
            self.partial.push(Partial { image, step, stream, text: String::new() });
            self.partial.len() - 1
        });
        let text = &mut self.partial[index].text;
        text.push_str(rest);
        while text.len() > LONGEST_LINE {
            let cut = text.floor_char_boundary(LONGEST_LINE);
            sink(&clean(&text[..cut]));
            text.drain(..cut);
        }
    }

    /// A step ended: what it printed last may lack its newline.
    pub fn end(&mut self, image: Option<&str>, step: &str, mut sink: impl FnMut(&str)) {
        self.partial.retain(|partial| {
            let its = partial.step == step && partial.image.as_deref() == image;
            if its && !partial.text.is_empty() {
                sink(&clean(&partial.text));
            }
            !its
        });
    }
}

/// Gives a line to `sink`, in pieces if it is too long.
fn broken(mut line: &str, sink: &mut impl FnMut(&str)) {
    while line.len() > LONGEST_LINE {
        let (head, rest) = line.split_at(line.floor_char_boundary(LONGEST_LINE));
        sink(&clean(head));
        line = rest;
    }
    sink(&clean(line));
}

/// A line as a terminal would show it, without what moves the cursor or changes colours: guest output is
/// hostile. Of a line written over with carriage returns the last state is left; tabs stay.
#[must_use]
pub fn clean(line: &str) -> Cow<'_, str> {
    let line = line.trim_end();
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) || byte == b'\t';
    if line.bytes().all(plain) || !line.chars().any(is_hidden) {
        return Cow::Borrowed(line);
    }
    let shown = line.rsplit('\r').next().unwrap_or_default();
    Cow::Owned(console::strip_ansi_codes(shown).chars().filter(|c| !is_hidden(*c)).collect())
}

/// The last lines of a step's output, in bounded memory.
#[derive(Debug, Default)]
pub struct Tail {
    lines: VecDeque<String>,
}

impl Tail {
    /// Lines kept.
    const LINES: usize = 40;
    /// Bytes kept of a line.
    const WIDTH: usize = 400;

    /// Adds a line without its newline; the oldest goes where there are more than are kept.
    pub fn push(&mut self, line: &str) {
        // The oldest line's memory becomes the newest's: a flood allocates nothing.
        let mut kept =
            if self.lines.len() == Self::LINES { self.lines.pop_front() } else { None }.unwrap_or_default();
        kept.clear();
        kept.push_str(&line[..line.floor_char_boundary(Self::WIDTH)]);
        self.lines.push_back(kept);
    }

    /// The kept lines, oldest first, joined by `
    /// `.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(pieces: &[&str]) -> Vec<String> {
        let (mut lines, mut cut) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(Some("web"), "s", Stream::Stdout, piece, |line| cut.push(line.to_owned()));
        }
        lines.end(Some("web"), "s", |line| cut.push(line.to_owned()));
        assert!(lines.partial.is_empty());
        cut
    }

    #[test]
    fn lines_are_whole_and_clean() {
        for (pieces, expected) in [
            (&["one\ntw", "o\n", "three"][..], &["one", "two", "three"][..]),
            (&["\n\na\n"], &["", "", "a"]),
            (&["a", "", "\n"], &["a"]),
            (&["\u{1b}[2K\u{1b}[31mred\u{1b}[0m\r\n"], &["red"]),
            (&["10%\r20%\r30%\n"], &["30%"]),
            (&["tab\there\u{7}\u{9b}2J \n"], &["tab\there"]),
            (&["\u{202e}txt.exe\u{2066}\u{200b}\n", "grün\n"], &["txt.exe", "grün"]),
        ] {
            assert_eq!(cut(pieces), expected, "{pieces:?}");
        }
    }

    #[test]
    fn streams_and_steps_do_not_mix() {
        let (mut lines, mut cut) = (Lines::default(), Vec::new());
        for (image, step, stream, text) in [
            (Some("a"), "s", Stream::Stdout, "out"),
            (Some("a"), "s", Stream::Stderr, "err\n"),
            (Some("b"), "s", Stream::Stdout, "other\n"),
            (None, "s", Stream::Stdout, "none\n"),
            (Some("a"), "s", Stream::Stdout, "put\n"),
        ] {
            lines.push(image, step, stream, text, |line| cut.push(line.to_owned()));
        }
        assert_eq!(cut, ["err", "other", "none", "output"]);
    }

    #[test]
    fn a_line_without_an_end_is_broken() {
        let long = "é".repeat(LONGEST_LINE);
        for pieces in [&[long.as_str()][..], &[&long, "\n"], &["x", &long, &long]] {
            let lines = cut(pieces);
            assert!(lines.iter().all(|line| line.len() <= LONGEST_LINE), "{pieces:?}");
            assert_eq!(lines.concat(), pieces.concat().trim_end());
        }
    }

    proptest! {
        #[test]
        fn where_pieces_end_does_not_matter(text in "[a-c\u{e9}\n]{0,60}", cuts in prop::collection::vec(0..60usize, 0..5)) {
            let mut pieces = vec![text.as_str()];
            for at in cuts {
                let last = pieces.pop().unwrap();
                let (head, rest) = last.split_at(last.floor_char_boundary(at));
                pieces.extend([head, rest]);
            }
            prop_assert_eq!(cut(&pieces), cut(&[&text]));
            prop_assert_eq!(cut(&pieces), text.lines().map(str::to_owned).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_tail_keeps_the_last_lines() {
        let mut tail = Tail::default();
        for number in 0..1000 {
            tail.push(&format!("line {number} {}", "x".repeat(1000)));
        }
        assert_eq!(tail.lines.len(), Tail::LINES);
        assert!(tail.text().starts_with("line 960 x") && tail.text().len() < 41 * Tail::WIDTH);
    }
}
