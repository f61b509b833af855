//! The texts that the client has open, kept in step with its edits.

use std::collections::BTreeMap;

use gen_lsp_types::TextDocumentContentChangeEvent as Change;

use super::position::{Encoding, Lines};

/// One open text.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub version: i32,
    pub text: String,
}

/// Open texts by URI, as the client writes it.
#[derive(Debug, Default)]
pub(super) struct Documents {
    open: BTreeMap<String, Document>,
}

impl Documents {
    pub fn open(&mut self, uri: String, version: i32, text: String) {
        self.open.insert(uri, Document { version, text });
    }

    pub fn close(&mut self, uri: &str) {
        self.open.remove(uri);
    }

    pub fn get(&self, uri: &str) -> Option<&Document> {
        self.open.get(uri)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Document)> {
        self.open.iter().map(|(uri, document)| (uri.as_str(), document))
    }

    /// Applies changes in their order; says whether the document is open.
    pub fn change(&mut self, uri: &str, version: i32, changes: &[Change], encoding: Encoding) -> bool {
        let Some(document) = self.open.get_mut(uri) else { return false };
        document.version = version;
        for change in changes {
            apply(&mut document.text, change, encoding);
        }
        true
    }
}

/// Applies one change. A range that runs backwards is taken the other way round.
fn apply(text: &mut String, change: &Change, encoding: Encoding) {
    match change {
        Change::TextDocumentContentChangeWholeDocument(whole) => text.clone_from(&whole.text),
        Change::TextDocumentContentChangePartial(part) => {
            let lines = Lines::new(text, encoding);
            let (a, b) = (lines.offset(part.range.start), lines.offset(part.range.end));
            text.replace_range(a.min(b)..a.max(b), &part.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use gen_lsp_types::{Position, Range};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn partial(start: (u32, u32), end: (u32, u32), text: &str) -> Change {
        serde_json::from_value(json!({
            "range": {
                "start": { "line": start.0, "character": start.1 },
                "end": { "line": end.0, "character": end.1 },
            },
            "text": text,
        }))
        .unwrap()
    }

    fn changed(text: &str, changes: &[Change]) -> String {
        let mut documents = Documents::default();
        documents.open("a".into(), 1, text.into());
        assert!(documents.change("a", 2, changes, Encoding::Utf16));
        documents.get("a").unwrap().text.clone()
    }

    #[test]
    fn changes_in_order() {
        assert_eq!(
            changed("a😀b\nc", &[partial((0, 3), (0, 4), "x"), partial((1, 0), (1, 1), "")]),
            "a😀x\n"
        );
        assert_eq!(changed("ab", &[partial((0, 2), (0, 1), "x")]), "ax", "backwards");
        assert_eq!(changed("ab", &[partial((5, 5), (7, 0), "x")]), "abx", "behind the end");
        let whole: Change = serde_json::from_value(json!({ "text": "new" })).unwrap();
        assert_eq!(changed("ab", &[whole, partial((0, 0), (0, 1), "N")]), "New");
        assert!(!Documents::default().change("a", 1, &[], Encoding::Utf8), "not open");
    }

    /// The way a client sees its own edits: as a replacement between two characters.
    #[derive(Debug, Clone)]
    struct Edit {
        from: usize,
        to: usize,
        text: String,
    }

    fn edits() -> impl Strategy<Value = Vec<Edit>> {
        let one = (0usize..200, 0usize..200, "[ab\u{e9}\u{1F600}\n]{0,6}").prop_map(|(a, b, text)| Edit {
            from: a.min(b),
            to: a.max(b),
            text,
        });
        proptest::collection::vec(one, 0..12)
    }

    proptest! {
        #[test]
        fn both_sides_hold_the_same_text(start in "[ab\u{e9}\u{1F600}\n]{0,60}", edits in edits(), utf8: bool) {
            let encoding = if utf8 { Encoding::Utf8 } else { Encoding::Utf16 };
            let units = |c: char| if utf8 { c.len_utf8() } else { c.len_utf16() };
            let mut client: Vec<char> = start.chars().collect();
            let mut documents = Documents::default();
            documents.open("a".into(), 0, start);
            for (edit, version) in edits.iter().zip(1..) {
                let (from, to) = (edit.from.min(client.len()), edit.to.min(client.len()));
                let position = |at: usize| {
                    let before = &client[..at];
                    let line = before.iter().filter(|c| **c == '\n').count();
                    let column = before.iter().rev().take_while(|c| **c != '\n').map(|c| units(*c)).sum::<usize>();
                    Position { line: u32::try_from(line).unwrap(), character: u32::try_from(column).unwrap() }
                };
                let range = Range { start: position(from), end: position(to) };
                let change = partial(
                    (range.start.line, range.start.character),
                    (range.end.line, range.end.character),
                    &edit.text,
                );
                documents.change("a", version, &[change], encoding);
                client.splice(from..to, edit.text.chars());
            }
            prop_assert_eq!(&documents.get("a").unwrap().text, &client.into_iter().collect::<String>());
        }

        #[test]
        fn any_range_is_taken(text in "\\PC{0,20}", range: (u32, u32, u32, u32), new in "\\PC{0,5}") {
            changed(&text, &[partial((range.0, range.1), (range.2, range.3), &new)]);
        }
    }
}
