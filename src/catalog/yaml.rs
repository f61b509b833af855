//! YAML as a tree with spans, and nothing that a catalogue has no use for.
//!
//! Scalars stay text: that a value must be a version, a size or a yes is decided by the key it
//! stands under, as in an ImageFile, so `version: 1.10` is not the number 1.1. Anchors, aliases,
//! tags, directives and further documents are refused, and depth and size are bounded.

use serde_saphyr::granit_parser::{self, ErrorKind, Event, Parser, ScalarStyle};

use super::node::{Key, Kind, Lines, MAX_DEPTH, Node, Scalar, literal_starts};
use super::plain_yaml;
use crate::diagnostic::{Diagnostic, codes};
use crate::text::{SourceId, Sources, Span};

/// Largest catalogue file, in bytes.
pub(super) const MAX_FILE: usize = 1024 * 1024;
/// Reads the one document of a file.
pub(super) fn parse(source: SourceId, sources: &Sources) -> Result<Node<'_>, Diagnostic> {
    let text = sources.get(source).text.as_str();
    let whole = Span::new(source, 0, 0);
    if text.len() > MAX_FILE {
        return Err(Diagnostic::new(
            codes::CATALOG_LIMIT,
            format!("a catalogue file has at most {MAX_FILE} bytes, this one has {}", text.len()),
        )
        .label(whole, "this file"));
    }
    match plain_yaml::parse(source, text) {
        Some(node) => Ok(node),
        None => parse_any(source, text),
    }
}

/// Reads whatever YAML there is.
pub(super) fn parse_any(source: SourceId, text: &str) -> Result<Node<'_>, Diagnostic> {
    let options = granit_parser::options! {
        disallow_directives: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    Reader { source, text, open: Vec::new(), root: None }
        .read(Parser::new_from_str_with_options(text, options))
}

/// A list or mapping whose end has not been seen yet.
enum Open<'a> {
    List(Span, Vec<Node<'a>>),
    Map(Span, Vec<(Key<'a>, Node<'a>)>, Option<Key<'a>>),
}

struct Reader<'a> {
    source: SourceId,
    text: &'a str,
    open: Vec<Open<'a>>,
    root: Option<Node<'a>>,
}

impl<'a> Reader<'a> {
    fn read(mut self, parser: Parser<'a, granit_parser::StrInput<'a>>) -> Result<Node<'a>, Diagnostic> {
        for event in parser {
            let (event, span) = event.map_err(|error| self.scan_error(&error))?;
            let span = self.span(span.start.byte_offset(), span.end.byte_offset());
            self.take(event, span)?;
        }
        Ok(self.root.unwrap_or(Node { span: Span::new(self.source, 0, 0), kind: Kind::Nothing }))
    }

    fn take(&mut self, event: Event<'a>, span: Span) -> Result<(), Diagnostic> {
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(_, anchor, tag)
            | Event::MappingStart(_, anchor, tag) => (*anchor, tag.is_some()),
            Event::Alias(_) => (1, false),
            _ => (0, false),
        };
        if anchor != 0 || tag {
            let what = if tag { "tags" } else { "anchors and aliases" };
            return Err(Diagnostic::new(
                codes::CATALOG_LIMIT,
                format!("{what} have no use in catalogue files"),
            )
            .label(span, "not allowed here")
            .help("write the value out"));
        }
        match event {
            Event::Scalar(text, style, ..) => {
                let nothing = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                let kind = if nothing {
                    Kind::Nothing
                } else {
                    let lines = self.lines(&text, style, span);
                    Kind::Scalar(Scalar { text, lines })
                };
                self.put(Node { span, kind })
            }
            Event::SequenceStart(..) => self.push(Open::List(span, Vec::new())),
            Event::MappingStart(..) => self.push(Open::Map(span, Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(start, items)) => {
                    let span = self.trimmed(start, span);
                    self.put(Node { span, kind: Kind::List(items) })
                }
                Some(Open::Map(start, entries, _)) => {
                    let span = self.trimmed(start, span);
                    self.put(Node { span, kind: Kind::Map(entries) })
                }
                None => Ok(()),
            },
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(Diagnostic::new(codes::CATALOG_YAML, "a catalogue file holds one document")
                    .label(span, "a second one starts here"))
            }
            _ => Ok(()),
        }
    }

    fn push(&mut self, open: Open<'a>) -> Result<(), Diagnostic> {
        if self.open.len() >= MAX_DEPTH {
            let (Open::List(span, _) | Open::Map(span, ..)) = open;
            return Err(Diagnostic::new(codes::CATALOG_LIMIT, "nested too deep for a catalogue file")
                .label(span, format!("level {}", MAX_DEPTH + 1)));
        }
        self.open.push(open);
        Ok(())
    }

    fn put(&mut self, node: Node<'a>) -> Result<(), Diagnostic> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, key)) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => match node.kind {
                    Kind::Scalar(scalar) => *key = Some(Key { text: scalar.text, span: node.span }),
                    kind => {
                        return Err(Diagnostic::new(
                            codes::CATALOG_YAML,
                            format!("a key is a word, this is {}", kind.words()),
                        )
                        .label(node.span, "expected a word"));
                    }
                },
            },
        }
        Ok(())
    }

    /// From the start of one to the end of the other, without the blanks at the end.
    fn trimmed(&self, start: Span, end: Span) -> Span {
        let text = self.text.get(start.start as usize..end.end as usize).unwrap_or("");
        let length = u32::try_from(text.trim_end().len()).unwrap_or(0);
        Span::new(self.source, start.start, start.start + length)
    }

    fn span(&self, start: Option<usize>, end: Option<usize>) -> Span {
        let offset = |at: Option<usize>| u32::try_from(at.unwrap_or(0).min(self.text.len())).unwrap_or(0);
        Span::new(self.source, offset(start), offset(end).max(offset(start)))
    }

    fn scan_error(&self, error: &granit_parser::ScanError) -> Diagnostic {
        let at = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        let length = self.text[at..].chars().next().map_or(0, |c| if c == '\n' { 0 } else { c.len_utf8() });
        let span = self.span(Some(at), Some(at + length));
        if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
            return Diagnostic::new(codes::CATALOG_LIMIT, "nested too deep for a catalogue file")
                .label(span, "too deep here");
        }
        Diagnostic::new(codes::CATALOG_YAML, "this is not YAML").label(span, error.info())
    }

    fn lines(&self, text: &str, style: ScalarStyle, span: Span) -> Lines {
        let written = &self.text[span.start as usize..span.end as usize];
        match style {
            ScalarStyle::Literal => Lines::At(literal_starts(self.text, text, span)),
            ScalarStyle::Folded => Lines::Changed,
            _ if written == text => Lines::From(span.start),
            // In quotes, or folded text that starts with a letter of two bytes.
            _ if written.len() == text.len() + 2
                && written.get(1..).is_some_and(|rest| rest.starts_with(text)) =>
            {
                Lines::From(span.start + 1)
            }
            _ => Lines::Changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, parse};
    use crate::text::{SourceId, Sources, Span};

    fn sources(text: &str) -> (SourceId, Sources) {
        let mut sources = Sources::default();
        (sources.add("apps/x.yaml", text), sources)
    }

    #[test]
    fn every_value_knows_its_place_and_stays_text() {
        let text = "version: 1.10\nquoted: \"a b\"\nlist: [no, 2]\nscript: |\n  one\n  two\nempty:\nblock:\n  - x: y\n";
        let (id, sources) = sources(text);
        let Kind::Map(entries) = parse(id, &sources).unwrap().kind else { panic!("a mapping") };
        let slices: Vec<_> =
            entries.iter().map(|(key, node)| (&*key.text, sources.slice(node.span))).collect();
        assert_eq!(
            slices,
            [
                ("version", "1.10"),
                ("quoted", "\"a b\""),
                ("list", "[no, 2]"),
                ("script", "one\n  two\n"),
                ("empty", ""),
                ("block", "- x: y"),
            ]
        );
        let starts = |index: usize| match &entries[index].1.kind {
            Kind::Scalar(scalar) => scalar.lines.clone().into_starts(),
            other => panic!("{other:?}"),
        };
        let source = entries[0].1.span.source;
        assert_eq!(sources.slice(Span::new(source, starts(1)[0], starts(1)[0] + 3)), "a b");
        assert_eq!(sources.slice(Span::new(source, starts(3)[1], starts(3)[1] + 3)), "two");
        assert!(matches!(entries[4].1.kind, Kind::Nothing));
    }

    #[test]
    fn folded_text_may_start_with_any_letter() {
        let (id, sources) = sources("summary: é\n  x\n");
        let Kind::Map(entries) = parse(id, &sources).unwrap().kind else { panic!("a mapping") };
        let Kind::Scalar(scalar) = &entries[0].1.kind else { panic!("a text") };
        assert_eq!((&*scalar.text, &scalar.lines), ("é x", &super::Lines::Changed));
    }

    #[test]
    fn what_has_no_use_is_refused() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let block = (0..10_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>();
        let table = [
            ("a: &x 1\nb: *x\n", "E0337"),
            ("a: *x\n", "E0330"),
            ("a: !!str 1\n", "E0337"),
            ("%YAML 1.2\n---\na: 1\n", "E0330"),
            ("a: 1\n---\nb: 2\n", "E0330"),
            ("a: [1, 2\n", "E0330"),
            ("? [a]\n: b\n", "E0330"),
            (&deep, "E0337"),
            (&block[..500_000], "E0337"),
            (&"x".repeat(2 << 20), "E0337"),
        ];
        for (text, code) in table {
            let (id, sources) = sources(text);
            let error = parse(id, &sources).unwrap_err();
            assert_eq!(error.code.as_str(), code, "{text:.40} {error:?}");
        }
    }
}
