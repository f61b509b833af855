//! Byte offsets to the positions of editors and back.
//!
//! Positions count lines, ended by `\n`, `\r\n` or `\r`, and in a line the units of the encoding
//! that client and server agreed on: UTF-16 unless the client offers UTF-8.

use gen_lsp_types::{Position, PositionEncodingKind, Range};

use crate::text::Span;

/// What a position counts within its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16,
}

impl Encoding {
    /// The best of what a client offers; without an offer the protocol's default.
    pub fn negotiate(offered: Option<&[PositionEncodingKind]>) -> Self {
        let utf8 = offered.is_some_and(|kinds| kinds.contains(&PositionEncodingKind::UTF8));
        if utf8 { Self::Utf8 } else { Self::Utf16 }
    }

    pub const fn kind(self) -> PositionEncodingKind {
        match self {
            Self::Utf8 => PositionEncodingKind::UTF8,
            Self::Utf16 => PositionEncodingKind::UTF16,
        }
    }

    const fn units(self, c: char) -> usize {
        match self {
            Self::Utf8 => c.len_utf8(),
            Self::Utf16 => c.len_utf16(),
        }
    }
}

/// The lines of one text, for one encoding.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    /// Byte offset at which each line starts.
    starts: Vec<usize>,
    encoding: Encoding,
}

impl<'t> Lines<'t> {
    pub fn new(text: &'t str, encoding: Encoding) -> Self {
        let bytes = text.as_bytes();
        let ends = bytes
            .iter()
            .enumerate()
            .filter(|&(at, byte)| *byte == b'\n' || *byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { text, starts, encoding }
    }

    /// The text of a line without its end.
    fn line(&self, line: usize) -> &'t str {
        let start = self.starts[line];
        let end = self.starts.get(line + 1).copied().unwrap_or(self.text.len());
        self.text[start..end].trim_end_matches(['\r', '\n'])
    }

    /// The byte offset of a position. One behind the end of a line means that end, one behind the
    /// last line the end of the text, and one inside a character its start.
    pub fn offset(&self, position: Position) -> usize {
        let line = position.line as usize;
        if line >= self.starts.len() {
            return self.text.len();
        }
        let mut units = position.character as usize;
        let content = self.line(line);
        for (at, c) in content.char_indices() {
            let wide = self.encoding.units(c);
            if units < wide {
                return self.starts[line] + at;
            }
            units -= wide;
        }
        self.starts[line] + content.len()
    }

    /// The position of a byte offset; one inside a character counts as its start.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|&start| start <= offset) - 1;
        let start = self.starts[line];
        let within = self.line(line).char_indices().take_while(|(at, c)| start + at + c.len_utf8() <= offset);
        let units: usize = within.map(|(_, c)| self.encoding.units(c)).sum();
        Position { line: small(line), character: small(units) }
    }

    pub fn range(&self, span: Span) -> Range {
        Range { start: self.position(span.start as usize), end: self.position(span.end as usize) }
    }
}

pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn units_of_each_encoding() {
        let text = "a😀ü\r\nb\rc";
        let utf16 = Lines::new(text, Encoding::Utf16);
        let utf8 = Lines::new(text, Encoding::Utf8);
        let table = [
            (0, at(0, 0), at(0, 0)),
            (1, at(0, 1), at(0, 1)),
            (5, at(0, 3), at(0, 5)),
            (7, at(0, 4), at(0, 7)),
        ];
        for (offset, in16, in8) in table {
            assert_eq!((utf16.position(offset), utf8.position(offset)), (in16, in8));
            assert_eq!((utf16.offset(in16), utf8.offset(in8)), (offset, offset));
        }
        assert_eq!((utf16.position(9), utf16.position(11)), (at(1, 0), at(2, 0)), "all three line ends");
    }

    #[test]
    fn positions_that_do_not_exist() {
        let lines = Lines::new("a😀\nb", Encoding::Utf16);
        assert_eq!(lines.offset(at(0, 2)), 1, "the middle of a character");
        assert_eq!(lines.offset(at(0, 99)), 5, "behind the line");
        assert_eq!(lines.offset(at(9, 9)), 7, "behind the text");
        assert_eq!(lines.position(3), at(0, 1));
        assert_eq!(lines.position(99), at(1, 1));
    }

    proptest! {
        #[test]
        fn there_and_back(text in "[a-c\u{e9}\u{1F600}\r\n]{0,40}", utf8: bool) {
            let lines = Lines::new(&text, if utf8 { Encoding::Utf8 } else { Encoding::Utf16 });
            for (offset, _) in text.char_indices().chain([(text.len(), ' ')]) {
                // Between the two characters of a line end there is no position.
                if !(text[..offset].ends_with('\r') && text[offset..].starts_with('\n')) {
                    prop_assert_eq!(lines.offset(lines.position(offset)), offset);
                }
            }
        }
    }
}
