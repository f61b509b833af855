//! A session of the language server: what an editor shows after any changes is what it would show
//! had it opened the text as it is now.

use serde_json::{Value, json};

use super::client::{Client, URI};

/// The input is a text and, after zero bytes, changes of it: each two times two bytes that say from
/// where to where, and what to put there.
pub fn lsp(data: &[u8]) {
    if data.len() > 4 << 10 {
        return;
    }
    let mut parts = data.split(|byte| *byte == 0);
    let mut text = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let mut client = Client::open(&text);
    let mut now = client.diagnostics(0);
    let mut version = 0;
    for part in parts.take(12) {
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
        version += 1;
        let range = json!({ "start": position(&text, from), "end": position(&text, to) });
        client.notify(
            "textDocument/didChange",
            json!({
                "textDocument": { "uri": URI, "version": version },
                "contentChanges": [{ "range": range, "text": new }],
            }),
        );
        text.replace_range(from..to, &new);
        if version % 2 == 1 {
            ask(&mut client, &text, from);
        }
    }
    if version > 0 {
        now = client.diagnostics(version);
    }
    ask(&mut client, &text, text.len() / 2);
    client.close();

    let mut fresh = Client::open(&text);
    assert_eq!(now, fresh.diagnostics(0), "after changes:\n{text}");
    fresh.close();
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
