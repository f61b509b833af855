//! The language server as an editor meets it.

use std::path::Path;
use std::{fs, str};

use serde_json::{Value, json};

use crate::client::{Client, GOOD, codes, project, uri};

#[test]
fn a_session_from_beginning_to_end() {
    let folder = project(&[]);
    let path = folder.path().join("ImageFile");
    let mut client = Client::running(folder.path());
    client.open(&path, &GOOD.replace("debian 13", "debian 99"));
    assert_eq!(client.codes(&path).len(), 1);
    client.change(&path, 2, GOOD);
    let fixed = client.diagnostics(&path);
    assert_eq!((codes(&fixed), &fixed["version"]), (vec![], &json!(2)));
    client.notify("textDocument/didClose", &json!({ "textDocument": { "uri": uri(&path) } }));
    assert_eq!(client.codes(&path), [""; 0], "what was shown is taken back");
    assert_eq!(client.end().code(), Some(0));
}

#[test]
fn the_latest_text_wins() {
    let folder = project(&[]);
    let path = folder.path().join("ImageFile");
    let mut client = Client::running(folder.path());
    client.open(&path, GOOD);
    for version in 2..=200 {
        let text = if version == 200 { GOOD.to_owned() } else { GOOD.replace("app", "ap") };
        client.change(&path, version, &text);
    }
    let mut last = client.diagnostics(&path);
    while last["version"] != 200 {
        assert!(last["version"].as_i64() < Some(200));
        last = client.diagnostics(&path);
    }
    assert_eq!(codes(&last), [""; 0]);
    assert!(client.end().success());
}

#[test]
fn positions_in_both_encodings() {
    let folder = project(&[]);
    let path = folder.path().join("ImageFile");
    let text = "# ü\nimage \"w😀\" {\n  os linux debian 13\n  description \"😀 ${nope}\"\n}\n";
    let offers = json!({ "general": { "positionEncodings": ["utf-8", "utf-16"] } });
    for (capabilities, chosen, start) in [(json!({}), "utf-16", 18), (offers, "utf-8", 20)] {
        let (mut client, result) = Client::running_with(folder.path(), &capabilities);
        assert_eq!(result["capabilities"]["positionEncoding"], chosen);
        client.open(&path, text);
        let published = client.diagnostics(&path);
        let found = published["diagnostics"].as_array().unwrap();
        let found = found.iter().find(|one| one["range"]["start"]["line"] == 3).unwrap();
        assert_eq!(found["range"]["start"]["character"], start, "{chosen}");
        // An edit behind wide characters, in the client's units.
        let place = json!({ "line": 3, "character": start });
        let end = json!({ "line": 3, "character": start + 7 });
        client.notify(
            "textDocument/didChange",
            &json!({
                "textDocument": { "uri": uri(&path), "version": 2 },
                "contentChanges": [{ "range": { "start": place, "end": end }, "text": "" }],
            }),
        );
        let published = client.diagnostics(&path);
        let mut lines =
            published["diagnostics"].as_array().unwrap().iter().map(|one| &one["range"]["start"]["line"]);
        assert!(lines.all(|line| *line != 3), "what is left is about the names: {published}");
        assert!(client.end().success());
    }
}

#[test]
fn what_an_editor_asks_for() {
    let text = "param release = \"1\"\nimage \"web\" {\n  os linux debian 13\n  app nginx { port = 80 }\n  env R = ${release}\n  min_storage 8gib\n}\n";
    let folder = project(&[("ImageFile", text)]);
    let path = folder.path().join("ImageFile");
    let mut client = Client::running(folder.path());
    client.open(&path, text);
    let published = client.diagnostics(&path);
    let document = json!({ "uri": uri(&path) });

    let hover = client.at("textDocument/hover", &path, 3, 7);
    assert!(hover["contents"]["value"].as_str().unwrap().starts_with("**nginx**"));
    let completion = client.at("textDocument/completion", &path, 3, 14);
    assert!(completion.as_array().unwrap().iter().any(|item| item["label"] == "workers"));
    let definition = client.at("textDocument/definition", &path, 4, 13);
    assert_eq!((&definition["uri"], &definition["range"]["start"]["line"]), (&document["uri"], &json!(0)));
    let params = json!({
        "textDocument": document,
        "position": { "line": 0, "character": 8 },
        "context": { "includeDeclaration": false },
    });
    assert_eq!(client.request("textDocument/references", &params)["result"].as_array().unwrap().len(), 1);
    let place = client.at("textDocument/prepareRename", &path, 4, 13);
    assert_eq!(place["placeholder"], "release");
    let params =
        json!({ "textDocument": document, "position": { "line": 4, "character": 13 }, "newName": "version" });
    let edit = client.request("textDocument/rename", &params)["result"].clone();
    assert_eq!(edit["changes"][uri(&path)].as_array().unwrap().len(), 2);
    let params =
        json!({ "textDocument": document, "position": { "line": 4, "character": 13 }, "newName": "a b" });
    assert_eq!(client.request("textDocument/rename", &params)["error"]["code"], -32803);

    let whole = json!({ "textDocument": document });
    let symbols = client.request("textDocument/documentSymbol", &whole)["result"].clone();
    assert_eq!(symbols[1]["name"], "web");
    let folds = client.request("textDocument/foldingRange", &whole)["result"].clone();
    assert_eq!((&folds[0]["startLine"], &folds[0]["endLine"]), (&json!(1), &json!(5)));
    let tokens = client.request("textDocument/semanticTokens/full", &whole)["result"].clone();
    assert_eq!(tokens["data"].as_array().unwrap().len() % 5, 0);
    assert_eq!(tokens["data"].as_array().unwrap()[..5], [json!(0), json!(0), json!(5), json!(0), json!(0)]);

    // The fix of the wrong size, offered where it stands, and it repairs the file.
    let range = published["diagnostics"][0]["range"].clone();
    let params = json!({ "textDocument": document, "range": range, "context": { "diagnostics": published["diagnostics"] } });
    let actions = client.request("textDocument/codeAction", &params)["result"].clone();
    let fix = actions.as_array().unwrap().iter().find(|action| action["kind"] == "quickfix").unwrap();
    assert_eq!(fix["diagnostics"][0]["code"], published["diagnostics"][0]["code"]);
    let edits = &fix["edit"]["changes"][uri(&path)];
    client.notify(
        "textDocument/didChange",
        &json!({
            "textDocument": { "uri": uri(&path), "version": 2 },
            "contentChanges": [{ "range": edits[0]["range"], "text": edits[0]["newText"] }],
        }),
    );
    assert_eq!(client.codes(&path), [""; 0]);

    client.change(&path, 3, &text.replace("  os linux", "os    linux").replace("8gib", "8GiB"));
    let params = json!({ "textDocument": document, "options": { "tabSize": 2, "insertSpaces": true } });
    let edits = client.request("textDocument/formatting", &params)["result"].clone();
    assert_eq!(edits.as_array().unwrap().len(), 1, "only the line that was out of shape: {edits}");
    assert_eq!(edits[0]["newText"], "  os linux debian 13\n");
    assert!(client.end().success());
}

/// The lock that `imgfile lock` would write for `text`, an ImageFile with one image, without any package.
fn locked(text: &str) -> String {
    use imgfile::lock::{FORMAT, Lock, LockedApp, LockedBase, LockedImage, LockedSource};
    let files = imgfile::check::MemoryFiles::new().with("ImageFile", text);
    let project = imgfile::front::compile("ImageFile", &files, &[]);
    let image = &project.spec.images[0];
    let resolution = &project.resolutions[&image.name.value];
    let imgfile::resolve::BaseOrigin::Catalog { definition, .. } = &resolution.base.origin else {
        panic!("a base of the catalogue")
    };
    let apps = resolution.own_apps().map(|app| {
        let (version, definition) = (app.version.to_string(), app.definition.to_string());
        let options = app.options.iter().map(|(name, value)| match value {
            imgfile::catalog::OptionValue::Integer(value) => {
                (name.clone(), imgfile::lock::OptionValue::Integer(*value))
            }
            other => (name.clone(), imgfile::lock::OptionValue::Text(other.to_string())),
        });
        (app.name.clone(), LockedApp { version, definition, options: options.collect() })
    });
    let entry = LockedImage {
        manager: imgfile::packages::Manager::default(),
        os: resolution.os.distro.clone(),
        os_version: resolution.os.version.to_string(),
        arch: resolution.arch,
        base: LockedBase {
            name: resolution.base.name.clone(),
            version: resolution.base.version.to_string(),
            source: LockedSource::Bootstrap { recipe: definition.to_string(), packages: [].into() },
        },
        apps: apps.collect(),
        inputs: std::collections::BTreeMap::new(),
        repositories: Vec::new(),
        requested: imgfile::plan::requested(image, resolution),
        upgrade: false,
        packages: [].into(),
        removed: Vec::new(),
        now_manual: Vec::new(),
        temporary: Vec::new(),
        artifact: None,
    };
    let images = std::collections::BTreeMap::from([(image.name.value.clone(), entry)]);
    Lock { version: FORMAT, images }.to_yaml()
}

#[test]
fn locked_versions_are_hinted_until_the_lock_is_stale() {
    let text = "# 😀\nimage \"web\" {\n  os linux debian\n  app nginx ^1\n}\n";
    let folder = project(&[("ImageFile", text), ("ImageFile.lock", &locked(text))]);
    let path = folder.path().join("ImageFile");
    let (mut client, result) = Client::running_with(folder.path(), &json!({}));
    assert_eq!(result["capabilities"]["inlayHintProvider"], true);
    client.open(&path, text);
    let whole = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 9, "character": 0 } });
    let ask = |client: &mut Client, range: &Value| {
        let params = json!({ "textDocument": { "uri": uri(&path) }, "range": range });
        let found = client.request("textDocument/inlayHint", &params)["result"].clone();
        let found = found.as_array().unwrap().iter().map(|hint| {
            let at = &hint["position"];
            format!("{}:{} {}", at["line"], at["character"], hint["label"].as_str().unwrap())
        });
        found.collect::<Vec<_>>()
    };
    assert_eq!(ask(&mut client, &whole), ["2:17 locked 13, debian-13 2", "3:14 locked 1.26"]);
    let last = json!({ "start": { "line": 3, "character": 0 }, "end": { "line": 4, "character": 0 } });
    assert_eq!(ask(&mut client, &last), ["3:14 locked 1.26"], "of the range alone");
    client.change(&path, 2, &text.replace("nginx ^1", "nginx { port = 81 }"));
    assert_eq!(ask(&mut client, &whole), [""; 0], "the lock is stale");
    client.change(&path, 3, text);
    fs::remove_file(folder.path().join("ImageFile.lock")).unwrap();
    client.notify("workspace/didChangeWatchedFiles", &json!({ "changes": [] }));
    assert_eq!(ask(&mut client, &whole), [""; 0], "there is no lock any more");
    assert!(client.end().success());
}

#[test]
fn links_lead_to_files_of_the_project_and_to_urls() {
    let text = "image \"web\" {\n  os linux debian 13\n  script \"run.sh\"\n  copy \"../outside\" to \"/x\"\n  copy \"link\" to \"/y\"\n  copy \"gone\" to \"/z\"\n  archive \"https://a.example/deb\"\n}\n";
    let folder = project(&[("p/ImageFile", text), ("p/run.sh", "#!/bin/sh -e\n"), ("outside", "x")]);
    let root = folder.path().join("p");
    std::os::unix::fs::symlink("../outside", root.join("link")).unwrap();
    let path = root.join("ImageFile");
    let mut client = Client::running(&root);
    client.open(&path, text);
    let whole = json!({ "textDocument": { "uri": uri(&path) } });
    let found = client.request("textDocument/documentLink", &whole)["result"].clone();
    let targets: Vec<_> = found.as_array().unwrap().iter().map(|link| &link["target"]).collect();
    assert_eq!(targets, [&json!(uri(&root.join("run.sh"))), &json!("https://a.example/deb")]);
    let place = json!({ "start": { "line": 2, "character": 10 }, "end": { "line": 2, "character": 16 } });
    assert_eq!(found[0]["range"], place);
    assert!(client.end().success());
}

#[test]
fn symbols_of_every_image_file_in_the_folder() {
    let folder = project(&[
        ("ImageFile", "param release = \"1\"\nimage \"web\" {\n  os linux debian 13\n}\n"),
        ("db/ImageFile", "image \"database\" {\n}\nnonsense {\n"),
        ("lib/common.imagefile", "profile hardened {\n}\n"),
        ("ignored/ImageFile", "image \"ignored\" {\n}\n"),
        (".hidden/ImageFile", "image \"hidden\" {\n}\n"),
        (".gitignore", "ignored/\n"),
        ("notes.txt", "image \"notes\" {\n}\n"),
    ]);
    let elsewhere = project(&[("ImageFile", "image \"elsewhere\" {\n}\n")]);
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("link")).unwrap();
    let (mut client, result) = Client::running_with(folder.path(), &json!({}));
    assert_eq!(result["capabilities"]["workspaceSymbolProvider"], true);
    let ask = |client: &mut Client, query: &str| {
        let found = client.request("workspace/symbol", &json!({ "query": query }))["result"].clone();
        let found = found.as_array().unwrap().iter().map(|symbol| {
            let file = symbol["location"]["uri"].as_str().unwrap().to_owned();
            let file = file.replace(&uri(&folder.path().canonicalize().unwrap()), "");
            let line = &symbol["location"]["range"]["start"]["line"];
            format!("{}:{line} {}", file.trim_start_matches('/'), symbol["name"].as_str().unwrap())
        });
        found.collect::<Vec<_>>()
    };
    let all = [
        "ImageFile:0 release",
        "ImageFile:1 web",
        "db/ImageFile:0 database",
        "lib/common.imagefile:0 hardened",
    ];
    assert_eq!(ask(&mut client, ""), all, "nothing is open");
    assert_eq!(ask(&mut client, "DTB"), ["db/ImageFile:0 database"]);
    // An open text counts as it stands in the editor.
    let path = folder.path().join("db/ImageFile");
    client.open(&path, "\nimage \"db\" {\n}\n");
    assert_eq!(ask(&mut client, "db"), ["db/ImageFile:1 db"]);
    let lone = elsewhere.path().join("ImageFile");
    client.open(&lone, "image \"elsewhere\" {\n}\n");
    assert_eq!(ask(&mut client, "elsewhere").len(), 1, "open, though outside of the folder");
    assert!(client.end().success());
}

#[test]
fn lenses_are_for_clients_that_have_the_commands() {
    let main = "include \"more.imagefile\"\nimage \"web\" {\n  os linux debian 13\n}\n";
    let more = "image \"db\" {\n  os linux debian 13\n}\n";
    let folder = project(&[("ImageFile", main), ("more.imagefile", more)]);
    let path = folder.path().join("ImageFile");
    let (client, result) = Client::running_with(folder.path(), &json!({}));
    assert_eq!(result["capabilities"].get("codeLensProvider"), None);
    assert!(client.end().success());

    let options = json!({ "commands": ["imagefile.build", "imagefile.check", "other"] });
    let (mut client, result) = Client::start().initialized_with(folder.path(), &json!({}), &options);
    assert!(result["capabilities"]["codeLensProvider"].is_object());
    client.open(&path, main);
    let included = folder.path().join("more.imagefile");
    client.open(&included, more);
    for (of, line, image) in [(&path, 1, "web"), (&included, 0, "db")] {
        let params = json!({ "textDocument": { "uri": uri(of) } });
        let lenses = client.request("textDocument/codeLens", &params)["result"].clone();
        let commands: Vec<_> = lenses.as_array().unwrap().iter().map(|lens| &lens["command"]).collect();
        assert_eq!(
            commands,
            [
                &json!({ "title": "check", "command": "imagefile.check", "arguments": [uri(&path)] }),
                &json!({ "title": "build", "command": "imagefile.build", "arguments": [uri(&path), image] }),
            ],
            "not `plan`, which the client does not have"
        );
        assert_eq!(lenses[0]["range"]["start"]["line"], line);
    }
    assert!(client.end().success());
}

#[test]
fn catalogue_files_are_completed() {
    let app = "schema: imgfile/app/v1\nname: shop\nsummary: s\nversions: [{version: 1}]\nrequires: [ng]\noptions:\n  port:\n    type: \n";
    let folder = project(&[("ImageFile", GOOD), ("catalog/apps/shop.yaml", app)]);
    let path = folder.path().join("catalog/apps/shop.yaml");
    let mut client = Client::running(folder.path());
    client.open(&path, app);
    let labels = |found: &Value| -> Vec<String> {
        let items = found.as_array().unwrap().iter();
        items.map(|item| item["label"].as_str().unwrap().to_owned()).collect()
    };
    let found = client.at("textDocument/completion", &path, 4, 13);
    let nginx = found.as_array().unwrap().iter().find(|item| item["label"] == "nginx").unwrap();
    let place = json!({ "start": { "line": 4, "character": 11 }, "end": { "line": 4, "character": 13 } });
    assert_eq!(nginx["textEdit"], json!({ "range": place, "newText": "nginx" }));
    assert!(labels(&client.at("textDocument/completion", &path, 7, 10)).contains(&"port".to_owned()));
    // While it is no YAML at all.
    client.change(&path, 2, &format!("{app}   summ\n"));
    assert_eq!(labels(&client.at("textDocument/completion", &path, 0, 8)), ["imgfile/app/v1"]);
    assert!(client.end().success());
}

#[test]
fn built_in_definitions_can_be_seen_and_are_written_for_that_only() {
    let text = "image \"web\" {\n  os linux debian 13\n  base debian-13\n  app nginx { port = 80 }\n}\n";
    let folder = project(&[("ImageFile", text)]);
    let path = folder.path().join("ImageFile");
    let cache = folder.path().join("cache");
    let mut client = Client::start_with_cache(&cache).initialized(folder.path(), &json!({})).0;
    client.open(&path, text);
    assert_eq!(client.codes(&path), [""; 0]);
    assert!(!cache.exists(), "nobody has asked yet");

    for (line, character, file, name) in [
        (3, 8, "apps/nginx.yaml", "nginx"),
        (3, 15, "apps/nginx.yaml", "port"),
        (2, 9, "bases/debian-13.yaml", "debian-13"),
    ] {
        let place = client.at("textDocument/definition", &path, line, character);
        let shown = Path::new(place["uri"].as_str().unwrap().strip_prefix("file://").unwrap());
        assert!(shown.starts_with(&cache) && shown.ends_with(file), "{place}");
        let written = fs::read_to_string(shown).unwrap();
        let range = &place["range"];
        let line = written.lines().nth(range["start"]["line"].as_u64().unwrap().try_into().unwrap()).unwrap();
        let column = |end: &str| usize::try_from(range[end]["character"].as_u64().unwrap()).unwrap();
        assert_eq!(&line[column("start")..column("end")], name);

        // Seen, it is a catalogue file like others.
        client.open(shown, &written);
        assert_eq!(client.codes(shown), [""; 0]);
    }
    assert!(client.end().success());
}

#[test]
fn included_files_belong_to_the_project_that_includes_them() {
    let main = "include \"lib/common.imagefile\"\nimage \"web\" {\n  os linux debian 13\n  use hardened\n}\n";
    let common = "profile hardened {\n  app nginx { prt = 80 }\n}\n";
    let folder = project(&[("ImageFile", main), ("lib/common.imagefile", common)]);
    let (entry, included) = (folder.path().join("ImageFile"), folder.path().join("lib/common.imagefile"));
    let mut client = Client::running(folder.path());
    client.open(&included, common);
    let found = client.codes(&included);
    assert_eq!(found.len(), 1, "the unknown option, and not an unused profile or a missing image: {found:?}");
    client.change(&included, 2, &common.replace("prt", "port"));
    assert_eq!(client.codes(&included), [""; 0]);
    // The profile goes away in the unsaved text: the ImageFile, not open, is wrong now.
    client.change(&included, 3, "profile other {\n}\n");
    assert_eq!(client.codes(&entry).len(), 1);
    let definition = {
        client.change(&included, 4, common);
        client.open(&entry, main);
        client.at("textDocument/definition", &entry, 3, 8)
    };
    assert_eq!(definition["uri"], uri(&included));
    assert!(client.end().success());
}

#[test]
fn catalogue_files_are_checked_too() {
    let app = "schema: imgfile/app/v1\nname: shop\nsummary: s\nversions: [{version: 1}]\n";
    let folder = project(&[
        ("ImageFile", "image \"web\" {\n  os linux debian 13\n  app shop\n}\n"),
        ("catalog/apps/shop.yaml", app),
        ("alone/apps/other.yaml", app),
    ]);
    let mut client = Client::running(folder.path());
    let path = folder.path().join("catalog/apps/shop.yaml");
    client.open(&path, &app.replace("summary: s\n", "sumary: s\n"));
    assert!(!client.codes(&path).is_empty());
    client.change(&path, 2, app);
    assert_eq!(client.codes(&path), [""; 0]);
    client.change(&path, 3, &app.replace("shop", "other"));
    assert_eq!(
        client.codes(&folder.path().join("ImageFile")).len(),
        1,
        "the app is gone, says the ImageFile"
    );
    let alone = folder.path().join("alone/apps/other.yaml");
    client.open(&alone, &app.replace("version: 1", "version: x"));
    assert_eq!(client.codes(&alone).len(), 1, "a catalogue without an ImageFile");
    assert!(client.end().success());
}

#[test]
fn nothing_outside_of_the_project_is_read() {
    let folder = project(&[("outside/secret.imagefile", "nonsense here\n"), ("project/x", "")]);
    let root = folder.path().join("project");
    std::os::unix::fs::symlink("../outside/secret.imagefile", root.join("link.imagefile")).unwrap();
    let path = root.join("ImageFile");
    let mut client = Client::running(&root);
    client
        .open(&path, &format!("include \"link.imagefile\"\ninclude \"../outside/secret.imagefile\"\n{GOOD}"));
    let published = client.diagnostics(&path);
    assert!(published["diagnostics"].as_array().unwrap().len() >= 2);
    assert!(!published.to_string().contains("nonsense"), "{published}");
    let completion = {
        client.change(&path, 2, "include \"../\"\n");
        client.at("textDocument/completion", &path, 0, 12)
    };
    assert_eq!(completion, json!([]));
    assert!(client.end().success());
}

#[test]
fn texts_that_are_in_no_folder() {
    let folder = project(&[]);
    let mut client = Client::running(folder.path());
    let unsaved = json!({ "uri": "untitled:Untitled-1", "languageId": "imagefile", "version": 1, "text": GOOD.replace("app", "ap") });
    client.notify("textDocument/didOpen", &json!({ "textDocument": unsaved }));
    let published = client.read().unwrap();
    assert_eq!(published["params"]["uri"], "untitled:Untitled-1");
    assert_eq!(codes(&published["params"]).len(), 1);
    let gone = Path::new("/no/such/folder/ImageFile");
    client.open(gone, GOOD);
    assert_eq!(client.codes(gone), [""; 0]);
    assert!(client.end().success());
}

#[test]
fn nonsense_is_answered_and_survived() {
    let mut client = Client::start();
    let early = client.request("textDocument/hover", &json!({}));
    assert_eq!(early["error"]["code"], -32002, "before initialize");
    client.notify("textDocument/didOpen", &json!({}));
    client.write(b"hello\r\n\r\n");
    assert_eq!(client.answer(&Value::Null)["error"]["code"], -32700);
    client.write(b"Content-Length: 3\r\n\r\n{{{");
    assert_eq!(client.answer(&Value::Null)["error"]["code"], -32700);
    assert!(
        client
            .request("initialize", &json!({ "capabilities": 7, "workspaceFolders": "x" }))
            .get("result")
            .is_some()
    );
    assert_eq!(client.request("initialize", &json!({}))["error"]["code"], -32600, "twice");
    for (method, params, code) in [
        ("no/such", json!({}), -32601),
        ("textDocument/hover", json!([]), -32602),
        ("textDocument/hover", json!({ "textDocument": { "uri": 5 } }), -32602),
    ] {
        assert_eq!(client.request(method, &params)["error"]["code"], code, "{method} {params}");
    }
    for params in [json!({}), json!([1]), json!({ "textDocument": { "uri": "file:///x", "version": 1 } })] {
        for method in ["didOpen", "didChange", "didClose", "didSave"] {
            client.notify(&format!("textDocument/{method}"), &params);
        }
        client.notify("$/cancelRequest", &params);
    }
    client.change(Path::new("/never/opened"), 1, "x");
    let place = json!({ "textDocument": { "uri": "file:///never" }, "position": { "line": 4_000_000_000u32, "character": 0 } });
    assert_eq!(
        client.request("textDocument/hover", &place)["result"],
        Value::Null,
        "a text that is not open"
    );
    assert_eq!(client.request("shutdown", &Value::Null)["result"], Value::Null);
    assert_eq!(client.request("textDocument/hover", &place)["error"]["code"], -32600, "after shutdown");
    client.notify("exit", &Value::Null);
    assert!(client.child.wait().unwrap().success());
}

#[test]
fn a_client_that_dies_takes_the_server_with_it() {
    let mut client = Client::running(Path::new("/"));
    drop(client.input.take());
    assert_eq!(client.child.wait().unwrap().code(), Some(1));

    // Dead in the middle of a message, and not reading what it is sent.
    let mut client = Client::running(Path::new("/"));
    client.write(b"Content-Length: 1000\r\n\r\n{\"jsonrpc\"");
    drop(client.input.take());
    assert_eq!(client.child.wait().unwrap().code(), Some(1));

    let mut client = Client::running(Path::new("/"));
    client.notify("exit", &Value::Null);
    assert_eq!(client.child.wait().unwrap().code(), Some(1), "exit without shutdown");
}

#[test]
fn a_request_that_still_waits_can_be_cancelled() {
    let folder = project(&[]);
    let path = folder.path().join("ImageFile");
    let mut client = Client::running(folder.path());
    client.open(&path, GOOD);
    client.diagnostics(&path);
    let place = json!({ "textDocument": { "uri": uri(&path) }, "position": { "line": 0, "character": 0 } });
    let hover = json!({ "jsonrpc": "2.0", "id": 77, "method": "textDocument/hover", "params": place });
    let cancel = json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": 77 } });
    client.send(&hover);
    client.send(&cancel);
    // Answered or cancelled, as it happened to come: but answered once, and the session goes on.
    let answer = client.answer(&json!(77));
    assert!(answer.get("result").is_some() || answer["error"]["code"] == -32800, "{answer}");
    assert!(client.end().success());
}
