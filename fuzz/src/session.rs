//! A session of the language server: what an editor shows after any changes is what it would show
//! had it been given the text as it is now.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::client::{Client, URI};

thread_local! {
    /// One session for all inputs; each begins with a text of its own.
    static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
}

/// The input is a text and, after zero bytes, changes of it: each two times two bytes that say from
/// where to where, and what to put there.
pub fn lsp(data: &[u8]) {
    if data.len() <= 4 << 10 {
        CLIENT.with_borrow_mut(|client| edit(client.get_or_insert_with(Client::open), data));
    }
}

fn edit(client: &mut Client, data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0);
    let mut text = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    client.change(None, &text);
    for (nth, part) in parts.take(12).enumerate() {
        let Some((head, new)) = part.split_first_chunk::<4>() else { continue };
        let new = String::from_utf8_lossy(new);
        let boundary = |low: u8, high: u8| {
            let boundaries = text.chars().count() + 1;
            let nth = (usize::from(low) | usize::from(high) << 8) % boundaries;
            text.char_indices().map(|(at, _)| at).nth(nth).unwrap_or(text.len())
        };
        let (a, b) = (boundary(head[0], head[1]), boundary(head[2], head[3]));
        let (from, to) = (a.min(b), a.max(b));
        // Between `\r` and `\n` there is no place that an editor could name.
        if [from, to].iter().any(|at| text[..*at].ends_with('\r') && text[*at..].starts_with('\n')) {
            continue;
        }
        let range = json!({ "start": position(&text, from), "end": position(&text, to) });
        client.change(Some(range), &new);
        text.replace_range(from..to, &new);
        if nth % 2 == 0 {
            ask(client, &text, from);
        }
    }
    let changed = client.diagnostics();
    ask(client, &text, text.len() / 2);
    client.change(None, &text);
    assert_eq!(changed, client.diagnostics(), "after changes:\n{text}");
}

/// Lines end with `\n`, `\r\n` or `\r`; columns count UTF-16.
fn position(text: &str, at: usize) -> Value {
    let before = &text[..at];
    let mut line = 0;
    let mut start = 0;
    for (index, byte) in before.bytes().enumerate() {
        let ends = byte == b'\n' || byte == b'\r' && text.as_bytes().get(index + 1) != Some(&b'\n');
        if ends {
            line += 1;
            start = index + 1;
        }
    }
    json!({ "line": line, "character": before[start..].encode_utf16().count() })
}

/// Every feature has an answer everywhere.
fn ask(client: &mut Client, text: &str, at: usize) {
    let document = json!({ "uri": URI });
    let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let here = json!({ "textDocument": document, "position": position(text, at) });
    for method in ["completion", "hover", "definition", "prepareRename"] {
        client.request(&format!("textDocument/{method}"), here.clone());
    }
    let mut references = here.clone();
    references["context"] = json!({ "includeDeclaration": true });
    client.request("textDocument/references", references);
    let mut rename = here.clone();
    rename["newName"] = json!("other");
    client.request("textDocument/rename", rename);
    for method in ["documentSymbol", "foldingRange", "semanticTokens/full"] {
        client.request(&format!("textDocument/{method}"), json!({ "textDocument": document }));
    }
    let options = json!({ "tabSize": 2, "insertSpaces": true });
    client.request("textDocument/formatting", json!({ "textDocument": document, "options": options }));
    let range = json!({ "start": { "line": 0, "character": 0 }, "end": position(text, text.len()) });
    let context = json!({ "diagnostics": [] });
    client.request(
        "textDocument/codeAction",
        json!({ "textDocument": document, "range": range, "context": context }),
    );
}
