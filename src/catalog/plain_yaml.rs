//! The YAML that catalogue files are written in, read in one pass.
//!
//! A general parser has to be ready for everything that YAML can be, and takes most of the time that loading
//! a large catalogue takes. This one reads block and flow collections, scalars on one line and literal
//! blocks, in plain ASCII; at anything else it gives up, and the general one reads the file, which also finds
//! the words for every mistake. Where it does not give up, it finds the very tree with the very places: the
//! tests hold the two against each other.

use std::borrow::Cow;

use super::node::{Key, Kind, Lines, MAX_DEPTH, Node, Scalar, literal_starts};
use crate::text::{SourceId, Span};

/// Reads a file; `None` if that takes the general parser.
pub(super) fn parse(source: SourceId, text: &str) -> Option<Node<'_>> {
    if !text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)) {
        return None;
    }
    let mut reader = Reader { source, text, at: 0, line: 0, depth: 0 };
    reader.next_token()?;
    // A catalogue file is a mapping.
    let node = if reader.key_end().is_some() { reader.mapping()? } else { return None };
    (reader.at == text.len()).then_some(node)
}

struct Reader<'a> {
    source: SourceId,
    text: &'a str,
    /// Where reading is, in bytes.
    at: usize,
    /// Where its line starts.
    line: usize,
    /// Lists and mappings that are open.
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// How far the reading is from its line's start.
    const fn column(&self) -> usize {
        self.at - self.line
    }

    fn spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Goes behind the end of the line, where nothing but a comment may be left.
    fn end_of_line(&mut self) -> Option<()> {
        let before = self.at;
        self.spaces();
        match self.peek() {
            None => return Some(()),
            Some(b'#') if self.at > before || self.column() == 0 => {
                let rest = &self.text.as_bytes()[self.at..];
                self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            }
            Some(b'\n') => {}
            Some(_) => return None,
        }
        if self.peek().is_some() {
            self.at += 1;
        }
        self.line = self.at;
        Some(())
    }

    /// From the start of a line to the first word on it or on a later one, or to the end.
    fn next_token(&mut self) -> Option<()> {
        loop {
            self.spaces();
            match self.peek() {
                Some(b'\n' | b'#') => {
                    self.at = self.line;
                    self.end_of_line()?;
                }
                // Documents and directives.
                Some(b'-' | b'.' | b'%') if self.column() == 0 && !self.at_item() => return None,
                _ => return Some(()),
            }
        }
    }

    /// Whether an item of a block list starts here.
    fn at_item(&self) -> bool {
        matches!(self.text.as_bytes()[self.at..], [b'-', b' ' | b'\n', ..] | [b'-'])
    }

    /// Whether a key starts here; where it ends.
    fn key_end(&self) -> Option<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
        let key = length > 0 && rest[0].is_ascii_alphanumeric();
        let colon = matches!(rest[length..], [b':', b' ' | b'\n', ..] | [b':']);
        (key && colon && rest[..length] != *b"null").then_some(self.at + length)
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span::new(self.source, offset(start), offset(end))
    }

    /// From `start` to here, without the blanks at the end.
    fn until_here(&self, start: usize) -> Span {
        let text = &self.text[start..self.at];
        self.span(start, start + text.trim_end().len())
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth == MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    /// A block mapping whose first key starts here.
    fn mapping(&mut self) -> Option<Node<'a>> {
        self.deeper(|reader| {
            let (start, column) = (reader.at, reader.column());
            let mut entries = Vec::new();
            loop {
                let end = reader.key_end()?;
                let key = Key {
                    text: Cow::Borrowed(&reader.text[reader.at..end]),
                    span: reader.span(reader.at, end),
                };
                reader.at = end + 1;
                let value = reader.value(column, true)?;
                entries.push((key, value));
                if !reader.goes_on(column)? {
                    break;
                }
            }
            Some(Node { span: reader.until_here(start), kind: Kind::Map(entries) })
        })
    }

    /// A block list whose first dash is here; `beside` its key, it starts with its first item.
    fn items(&mut self, beside: bool) -> Option<Node<'a>> {
        self.deeper(|reader| {
            let (mut start, column) = (reader.at, reader.column());
            if beside {
                let rest = &reader.text[start + 1..];
                start = reader.text.len() - rest.trim_start_matches(' ').len();
                if matches!(reader.text.as_bytes().get(start), None | Some(b'\n' | b'#')) {
                    return None;
                }
            }
            let mut items = Vec::new();
            loop {
                reader.at += 1;
                items.push(reader.value(column, false)?);
                if !(reader.goes_on(column)? && reader.at_item()) {
                    break;
                }
            }
            Some(Node { span: reader.until_here(start), kind: Kind::List(items) })
        })
    }

    /// Whether a collection at `column` has more entries; the reading is at the next word of the file.
    fn goes_on(&self, column: usize) -> Option<bool> {
        match self.peek() {
            None => Some(false),
            Some(_) if self.column() > column => None,
            Some(_) => Some(self.column() == column),
        }
    }

    /// What stands behind a colon or a dash of a collection at `column`; goes to the next word behind it.
    fn value(&mut self, column: usize, of_mapping: bool) -> Option<Node<'a>> {
        let behind = self.at;
        self.spaces();
        let node = match self.peek() {
            None | Some(b'\n' | b'#') => return self.value_below(column, of_mapping, behind),
            Some(b'|') => return self.literal(column),
            Some(b'[' | b'{') => self.flow()?,
            Some(b'"' | b'\'') => self.quoted()?,
            Some(_) if !of_mapping && self.key_end().is_some() => return self.mapping(),
            Some(first) if starts_plain(first) => self.plain(false)?,
            Some(_) => return None,
        };
        self.end_of_line()?;
        self.next_token()?;
        // Deeper down, a scalar would go on, and nothing else may stand.
        (self.peek().is_none() || self.column() <= column).then_some(node)
    }

    fn value_below(&mut self, column: usize, of_mapping: bool, behind: usize) -> Option<Node<'a>> {
        if self.peek() == Some(b'#') {
            self.at = behind;
        }
        self.end_of_line()?;
        self.next_token()?;
        let below = self.peek().is_some() && self.column() > column;
        let beside = self.peek().is_some() && self.column() == column && self.at_item();
        if (below || (beside && of_mapping)) && self.at_item() {
            self.items(beside)
        } else if below && self.key_end().is_some() {
            self.mapping()
        } else {
            // Nothing, or a scalar on a line of its own.
            None
        }
    }

    /// `|`: the lines below as they are, without their indentation.
    fn literal(&mut self, column: usize) -> Option<Node<'a>> {
        self.at += 1;
        let strip = self.peek() == Some(b'-');
        self.at += usize::from(strip);
        // No more indicators, and no comment.
        if self.peek() != Some(b'\n') {
            return None;
        }
        self.at += 1;
        let indent = self.text[self.at..].bytes().take_while(|byte| *byte == b' ').count();
        let start = self.at + indent;
        if indent <= column || matches!(self.text.as_bytes().get(start), None | Some(b'\n')) {
            return None;
        }
        let mut text = String::new();
        let mut blank = 0;
        while let Some(rest) = self.text.get(self.at..).filter(|rest| !rest.is_empty()) {
            let line = rest.split('\n').next().unwrap_or("");
            let (before, content) = line.split_at_checked(indent).unwrap_or((line, ""));
            if !before.bytes().all(|byte| byte == b' ') {
                break;
            }
            if content.is_empty() {
                // Belongs to the text if more of it follows.
                blank += 1;
            } else {
                text.extend(std::iter::repeat_n('\n', blank));
                blank = 0;
                text.push_str(content);
                text.push('\n');
            }
            self.at += (line.len() + 1).min(rest.len());
        }
        if strip {
            text.pop();
        }
        // Up to the first word behind it or the comment, as the general parser has it.
        self.line = self.at;
        self.spaces();
        let span = self.span(start, self.at);
        self.at = self.line;
        self.next_token()?;
        let lines = Lines::At(literal_starts(self.text, &text, span));
        let kind = Kind::Scalar(Scalar { text: Cow::Owned(text), lines });
        (self.peek().is_none() || self.column() <= column).then_some(Node { span, kind })
    }

    /// A list or mapping in brackets, on one line.
    fn flow(&mut self) -> Option<Node<'a>> {
        self.deeper(|reader| {
            let start = reader.at;
            let list = reader.peek() == Some(b'[');
            let close = if list { b']' } else { b'}' };
            reader.at += 1;
            let (mut items, mut entries) = (Vec::new(), Vec::new());
            loop {
                reader.spaces();
                if reader.peek() == Some(close) {
                    break;
                }
                if list {
                    items.push(reader.flow_value()?);
                } else {
                    let end = reader.key_end()?;
                    let key = Key {
                        text: Cow::Borrowed(&reader.text[reader.at..end]),
                        span: reader.span(reader.at, end),
                    };
                    reader.at = end + 1;
                    reader.spaces();
                    entries.push((key, reader.flow_value()?));
                }
                reader.spaces();
                match reader.peek()? {
                    b',' => reader.at += 1,
                    other if other == close => break,
                    _ => return None,
                }
            }
            reader.at += 1;
            let kind = if list { Kind::List(items) } else { Kind::Map(entries) };
            Some(Node { span: reader.span(start, reader.at), kind })
        })
    }

    fn flow_value(&mut self) -> Option<Node<'a>> {
        match self.peek()? {
            b'[' | b'{' => self.flow(),
            b'"' | b'\'' => self.quoted(),
            first if starts_plain(first) => self.plain(true),
            _ => None,
        }
    }

    /// A quoted text on one line in which nothing is escaped.
    fn quoted(&mut self) -> Option<Node<'a>> {
        let start = self.at;
        let quote = self.peek()?;
        let inner = &self.text[start + 1..];
        let end = inner.bytes().position(|byte| byte == quote || byte == b'\\' || byte == b'\n')?;
        let behind = inner.as_bytes().get(end + 1).copied();
        if inner.as_bytes()[end] != quote || behind == Some(b'\'') {
            return None;
        }
        self.at = start + end + 2;
        // Behind what a colon would make a key, or a comma a list, only the caller knows what may stand.
        Some(self.scalar(start + 1, start + 1 + end, start, self.at))
    }

    /// A text without quotes, on one line.
    fn plain(&mut self, flow: bool) -> Option<Node<'a>> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'\n' => break,
                b'#' if bytes[self.at - 1] == b' ' => break,
                b':' if matches!(bytes.get(self.at + 1), None | Some(b' ' | b'\n')) => return None,
                b':' if flow && matches!(bytes.get(self.at + 1), Some(b',' | b'[' | b']' | b'{' | b'}')) => {
                    return None;
                }
                b',' | b'[' | b']' | b'{' | b'}' if flow => break,
                b' ' => {}
                _ => end = self.at + 1,
            }
            self.at += 1;
        }
        if flow && matches!(bytes.get(self.at), None | Some(b'\n' | b'#')) {
            return None;
        }
        self.at = end;
        let text = &self.text[start..end];
        if matches!(text, "~" | "null") {
            return Some(Node { span: self.span(start, end), kind: Kind::Nothing });
        }
        Some(self.scalar(start, end, start, end))
    }

    fn scalar(&self, start: usize, end: usize, from: usize, to: usize) -> Node<'a> {
        let lines = Lines::From(self.span(start, start).start);
        let text = Cow::Borrowed(&self.text[start..end]);
        Node { span: self.span(from, to), kind: Kind::Scalar(Scalar { text, lines }) }
    }
}

/// What keys are made of.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-' | b'/')
}

/// What a text without quotes may start with; YAML knows more.
const fn starts_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'/' | b'.' | b'_' | b'^' | b'~' | b'=' | b'<' | b'$' | b'(' | b'+')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse;
    use crate::catalog::builtin;
    use crate::catalog::yaml::parse_any;
    use crate::text::{SourceId, Sources};

    const ID: SourceId = SourceId(0);

    /// What files are made of, and what is likely to be taken for something else.
    const PIECES: [&str; 56] = [
        "a: ",
        "b:\n",
        "  ",
        "- ",
        "x",
        "\n",
        "\n",
        "\n",
        "# c\n",
        " # c",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "'q'",
        "\"d\"",
        "k: v",
        "|\n",
        "|-\n",
        ":",
        " ",
        ">=1",
        "~",
        "null",
        "  - ",
        "- - ",
        "a:\n",
        "  b: 1\n",
        "    x\n",
        "  y\n",
        "---\n",
        "? ",
        "%",
        "''",
        ", ",
        ".",
        "\n  ",
        "\n    ",
        "u://h",
        "a#b",
        "!t ",
        "&a ",
        "*a",
        "-",
        ">\n",
        "a.b/c: 1\n",
        "'a': 1\n",
        "\\",
        "...",
        "z: |\n  ",
        "z: [",
        "z: {a: ",
        "z:\n- ",
        "\t",
        "ä",
    ];

    fn soup() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(&PIECES[..]), 1..10).prop_map(|pieces| pieces.concat())
    }

    /// The general parser finds the same, or the same text was not read here.
    fn agrees(text: &str) {
        if let Some(node) = parse(ID, text) {
            assert_eq!(parse_any(ID, text), Ok(node), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_is_read_is_what_the_general_parser_reads(text in soup()) {
            agrees(&text);
            agrees(&format!("k: v\n{text}"));
            agrees(&format!("k:\n  - {text}"));
        }
    }

    #[test]
    fn nearly_all_of_the_built_in_catalogue_is_read() {
        let mut sources = Sources::default();
        builtin(&mut sources);
        let read = sources.iter().filter(|(_, file)| {
            agrees(&file.text);
            parse(ID, &file.text).is_some()
        });
        assert!(read.count() * 10 > sources.iter().count() * 9);
    }

    #[test]
    fn each_form_in_use_is_read() {
        for text in [
            "a: 1\nb: \"x, y\" # c\n",
            "a: [b, 'c d', {e: 1, f: [g]}]\n",
            "a:\n  - b\n  - {c: d}\n# c\n\n  - e: 1\n    f: |\n      g\n\n       h\n",
            "a:\n- b\n- c\nd:\n  e:\n    f: g h\n",
            "a: |-\n  #!/bin/sh\n  true\n\n# c\nb: |\n  last",
        ] {
            assert!(parse(ID, text).is_some(), "{text}");
            agrees(text);
        }
    }
}
