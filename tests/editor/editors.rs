//! What the editors' own files promise: the grammar and snippets of the extension, and the
//! configuration in docs/editors.md, run by a real Neovim.

mod grammar;

use std::fs;
use std::path::Path;
use std::process::Command;

use imgfile::check::MemoryFiles;
use imgfile::ide::analyse;
use imgfile::syntax::Keyword;
use imgfile::syntax::keywords::{STATEMENTS, StatementInfo};
use serde_json::Value;

use crate::common::needed;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap()
}

/// Every text under a `match` or `begin`.
fn patterns(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::String(text) if key == "match" || key == "begin" => out.push(text.clone()),
                    _ => patterns(member, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| patterns(item, out)),
        _ => {}
    }
}

#[test]
fn the_grammar_knows_every_statement_and_no_other() {
    let mut found = Vec::new();
    patterns(&json("editors/vscode/syntaxes/imagefile.tmLanguage.json"), &mut found);
    let mut words: Vec<&str> = found
        .iter()
        .filter_map(|pattern| pattern.strip_prefix("^\\s*(")?.split(')').next())
        .filter(|group| group.bytes().all(|byte| byte.is_ascii_lowercase() || b"_|".contains(&byte)))
        .flat_map(|group| group.split('|'))
        .collect();
    words.sort_unstable();
    words.dedup();
    let mut statements: Vec<&str> = Keyword::all().map(Keyword::as_str).collect();
    statements.sort_unstable();
    assert_eq!(words, statements);
}

/// Fuzzing is told every keyword and every option.
#[test]
fn the_words_of_fuzzing_are_those_of_the_language() {
    let dictionary = read("fuzz/imagefile.dict");
    let known: Vec<&str> =
        dictionary.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"')).collect();
    let options = || STATEMENTS.iter().flat_map(StatementInfo::options).map(|option| option.name);
    let missing: Vec<&str> =
        Keyword::all().map(Keyword::as_str).chain(options()).filter(|word| !known.contains(word)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The text that a snippet leaves behind when every default is taken.
fn expanded(body: &str) -> String {
    let mut out = String::new();
    let mut rest = body;
    // Defaults may hold further places; taking the innermost ones first needs no stack.
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(place) = rest.strip_prefix('{') {
            let number = place.find(|c: char| !c.is_ascii_digit()).unwrap();
            rest = &place[number..];
            if let Some(choices) = rest.strip_prefix('|') {
                out.push_str(choices.split([',', '|']).next().unwrap());
                rest = choices.split_once("|}").unwrap().1;
            } else if let Some(default) = rest.strip_prefix(':') {
                let end = closing(default);
                out.push_str(&expanded(&default[..end]).replace("\\}", "}"));
                rest = &default[end + 1..];
            } else {
                rest = rest.strip_prefix('}').unwrap();
            }
        } else {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        }
    }
    out + rest
}

/// Where the `}` of a place stands.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    let bytes = text.as_bytes();
    (0..bytes.len())
        .find(|&at| {
            match bytes[at] {
                b'{' if at > 0 && bytes[at - 1] == b'$' => depth += 1,
                b'}' if at > 0 && bytes[at - 1] == b'\\' => {}
                b'}' if depth == 0 => return true,
                b'}' => depth -= 1,
                _ => {}
            }
            false
        })
        .unwrap()
}

#[test]
fn snippets_are_right_as_they_come() {
    for (name, snippet) in json("editors/vscode/snippets/imagefile.json").as_object().unwrap() {
        let body: Vec<&str> =
            snippet["body"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let body = expanded(&body.join("\n"));
        let text = match name.as_str() {
            "image" => body,
            "profile" => format!("{body}\nimage \"a\" {{\n  os linux debian 13\n  use name\n}}\n"),
            "secret" => format!(
                "image \"a\" {{\n  os linux debian 13\n  {body}\n  script \"provision.sh\" {{ secrets = [token] }}\n}}\n"
            ),
            _ => format!("image \"a\" {{\n  os linux debian 13\n  {body}\n}}\n"),
        };
        let files = MemoryFiles::new()
            .with("provision.sh", "#!/bin/sh -e\n")
            .with("site/index.html", "")
            .with("ImageFile", text.clone());
        let found = analyse("ImageFile", &files, &mut None).diagnostics;
        let errors: Vec<_> = found.iter().filter(|one| one.is_error()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}\n{text}");
    }
}

#[test]
fn the_lockfile_names_no_registry() {
    assert!(!read("editors/vscode/package-lock.json").contains("\"resolved\""));
}

/// The code block of a language in a page.
fn block(page: &str, language: &str) -> String {
    let text = read(page);
    let start = text.find(&format!("```{language}\n")).unwrap();
    let body = &text[start..].split_once('\n').unwrap().1;
    body.split("```").next().unwrap().to_owned()
}

#[test]
fn neovim_shows_fixes_and_formats() {
    needed::program("nvim", "neovim");
    let folder = tempfile::tempdir().unwrap();
    let broken = "include \"common.imagefile\"\n\nimage \"web\" {\n  os linux debian 13\n      app    nginx {port = 80}\n  use hardened\n  min_storage 8gib\n}\n";
    fs::write(folder.path().join("common.imagefile"), "profile hardened {\n  cleanup cloud\n}\n").unwrap();
    fs::create_dir_all(folder.path().join("catalog/apps")).unwrap();
    let app = "schema: imgfile/app/v1\nname: shop\nsummary: s\nversions: [{version: 1}]\nrequires: [  ]\n";
    fs::write(folder.path().join("catalog/apps/shop.yaml"), app).unwrap();
    fs::write(folder.path().join("ImageFile"), broken).unwrap();
    // An error in the session would otherwise leave the editor waiting for input.
    let session = format!(
        "{}\nfunction session()\n  local ok, error = xpcall(function()\n{}\n  end, debug.traceback)\n  \
        if not ok then io.stderr:write(error) vim.cmd('cquit') end\nend\n",
        block("docs/editors.md", "lua"),
        read("tests/editor/neovim.lua")
    );
    fs::write(folder.path().join("init.lua"), session).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_imgfile")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let output = Command::new("nvim")
        .args(["--headless", "-n", "-i", "NONE", "-u", "init.lua"])
        .args(["-c", "lua session()"])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path())
        .env("XDG_STATE_HOME", folder.path())
        .env("XDG_CACHE_HOME", folder.path())
        .env("XDG_DATA_HOME", folder.path())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("7:15 E0"), "the wrong size, at its place: {said}");
    let saved = fs::read_to_string(folder.path().join("ImageFile")).unwrap();
    assert_eq!(
        saved,
        "include \"common.imagefile\"\n\nimage \"web\" {\n  os linux debian 13\n  app nginx { port = 80 }\n  use hardened\n  min_storage 8GiB\n}\n",
        "{said}"
    );
}
