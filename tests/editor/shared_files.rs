//! Files that several ImageFiles of a folder or of a workspace share, in the language server.

use std::fs;

use serde_json::{Value, json};

use crate::client::{Client, project, uri};

const COMMON: &str = "param rel = \"1\"\nprofile hard {\n  env REL = \"${rel}\"\n}\n";

fn user(name: &str, include: &str) -> String {
    format!("include \"{include}\"\nimage \"{name}\" {{\n  os linux debian 13\n  use hard\n}}\n")
}

#[test]
fn texts_that_are_opened_at_once_each_get_their_diagnostics() {
    let folder = project(&[]);
    let text = |name: &str| format!("image \"{name}\" {{\n  os linux debian 13\n  appx\n}}\n");
    let paths: Vec<_> =
        ["ImageFile", "a.imagefile", "b.imagefile"].map(|name| folder.path().join(name)).into();
    for (path, name) in paths.iter().zip(["n0", "n1", "n2"]) {
        fs::write(path, text(name)).unwrap();
    }
    let mut client = Client::running(folder.path());
    // One write, so that the server finds all of them waiting.
    let open = |path, name| {
        json!({ "jsonrpc": "2.0", "method": "textDocument/didOpen", "params": { "textDocument":
            { "uri": uri(path), "languageId": "imagefile", "version": 1, "text": text(name) } } })
    };
    let bodies = paths.iter().zip(["n0", "n1", "n2"]).map(|(path, name)| open(path, name).to_string());
    let bytes: String = bodies.map(|body| format!("Content-Length: {}\r\n\r\n{body}", body.len())).collect();
    client.write(bytes.as_bytes());
    for path in &paths {
        assert_eq!(client.codes(path), ["E0118"], "{}", path.display());
    }
}

#[test]
fn a_change_on_the_disk_reaches_every_image_file_of_a_folder() {
    let folder = project(&[("common.imagefile", COMMON)]);
    let paths = ["a.imagefile", "b.imagefile"].map(|name| folder.path().join(name));
    let mut client = Client::running(folder.path());
    for (path, name) in paths.iter().zip(["a", "b"]) {
        client.open(path, &user(name, "common.imagefile"));
        assert_eq!(client.codes(path), [""; 0]);
    }
    let common = folder.path().join("common.imagefile");
    for (text, expected) in [(COMMON.replace("hard", "soft"), &["E0222"][..]), (COMMON.to_owned(), &[])] {
        fs::write(&common, text).unwrap();
        let change = json!({ "changes": [{ "uri": uri(&common), "type": 2 }] });
        client.notify("workspace/didChangeWatchedFiles", &change);
        for path in &paths {
            assert_eq!(client.codes(path), expected, "{}", path.display());
        }
    }
}

/// The URIs and first lines of a rename's edits.
fn edited(answer: &Value) -> Vec<(String, Vec<u64>)> {
    let changes = answer["changes"].as_object().unwrap_or_else(|| panic!("{answer}"));
    let lines = |edits: &Value| {
        let edits = edits.as_array().unwrap().iter();
        let mut lines: Vec<_> = edits.map(|edit| edit["range"]["start"]["line"].as_u64().unwrap()).collect();
        lines.sort_unstable();
        lines
    };
    let mut all: Vec<_> = changes.iter().map(|(uri, edits)| (uri.clone(), lines(edits))).collect();
    all.sort();
    all
}

#[test]
fn a_name_of_a_shared_file_is_renamed_in_every_file_that_includes_it() {
    let folder = project(&[
        (".imgfile.toml", "root = true\n"),
        ("common.imagefile", COMMON),
        ("a.imagefile", &user("a", "common.imagefile")),
        ("b.imagefile", &user("b", "common.imagefile")),
        ("c/ImageFile", &user("c", "../common.imagefile")),
        ("d/ImageFile", "image \"d\" {\n  os linux debian 13\n}\n"),
    ]);
    let at = |name: &str| folder.path().join(name);
    let expected: Vec<_> =
        [("a.imagefile", 3), ("b.imagefile", 3), ("c/ImageFile", 3), ("common.imagefile", 1)]
            .map(|(name, line)| (uri(&at(name)), vec![line]))
            .into();
    // From the file itself, and from each that uses it.
    for (opened, line, column) in [("common.imagefile", 1, 9), ("a.imagefile", 3, 7), ("c/ImageFile", 3, 7)] {
        let mut client = Client::running(folder.path());
        client.open(&at(opened), &fs::read_to_string(at(opened)).unwrap());
        let place = json!({
            "textDocument": { "uri": uri(&at(opened)) },
            "position": { "line": line, "character": column },
            "newName": "firm",
        });
        let answer = client.request("textDocument/rename", &place)["result"].clone();
        assert_eq!(edited(&answer), expected, "{opened}");
        let found = client.request(
            "textDocument/references",
            &json!({
                "textDocument": { "uri": uri(&at(opened)) },
                "position": { "line": line, "character": column },
                "context": { "includeDeclaration": true },
            }),
        );
        assert_eq!(found["result"].as_array().unwrap().len(), 4, "{opened}: {found}");
    }
}

#[test]
fn an_unsaved_change_of_a_shared_file_reaches_those_below_it() {
    let folder = project(&[
        (".imgfile.toml", "root = true\n"),
        ("common.imagefile", COMMON),
        ("c/ImageFile", &user("c", "../common.imagefile")),
    ]);
    let (common, own) = (folder.path().join("common.imagefile"), folder.path().join("c/ImageFile"));
    let mut client = Client::running(folder.path());
    client.open(&own, &user("c", "../common.imagefile"));
    assert_eq!(client.codes(&own), [""; 0]);
    client.open(&common, COMMON);
    assert_eq!(client.codes(&common), [""; 0], "it belongs to the file that includes it");
    let place = client.at("textDocument/definition", &own, 3, 7);
    assert_eq!(place["uri"], uri(&common));
    client.change(&common, 2, &COMMON.replace("hard", "soft"));
    assert_eq!(client.codes(&own), ["E0222"]);
}

#[test]
fn a_catalogue_file_that_was_never_saved_is_one_already() {
    for folders in [&[][..], &["catalog"], &["catalog/apps"]] {
        let folder =
            project(&[("ImageFile", "catalog \"catalog/\"\nimage \"w\" {\n  os linux debian 13\n}\n")]);
        for one in folders {
            fs::create_dir_all(folder.path().join(one)).unwrap();
        }
        let path = folder.path().join("catalog/apps/shop.yaml");
        let mut client = Client::running(folder.path());
        client.open(&path, "schema: imgfile/app/v1\nname: shop\nsummary: s\nversions: []\n");
        assert_eq!(client.codes(&path), ["E0333"], "{folders:?}");
        let items = client.at("textDocument/completion", &path, 4, 0);
        assert!(items.to_string().contains("\"packages\""), "{folders:?}: {items}");
    }
}
