//! The tree-sitter grammar against the project's own parser, and in a real Neovim.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgfile::check::MemoryFiles;
use imgfile::ide::analyse;
use imgfile::syntax::keywords::{Place, Role, STATEMENTS};
use imgfile::syntax::{self, Item, Operand, OperandKind, Statement};
use imgfile::text::{Sources, Span};
use tree_sitter::{Node, Parser, Query, Tree};

use super::{block, read};
use crate::common::needed;

fn parse(text: &[u8]) -> Tree {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_imagefile::LANGUAGE.into()).unwrap();
    parser.parse(text, None).unwrap()
}

fn files_below(folder: &str, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let walk = walkdir::WalkDir::new(&folder).sort_by_file_name().into_iter().map(|entry| entry.unwrap());
    let found: Vec<_> = walk
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| wanted(path))
        .collect();
    assert!(!found.is_empty(), "{}", folder.display());
    found
}

fn is_image_file(path: &Path) -> bool {
    path.ends_with("ImageFile") || path.extension().is_some_and(|extension| extension == "imagefile")
}

/// Every ImageFile of the project, broken ones and what fuzzing found included.
fn corpus() -> Vec<PathBuf> {
    let mut files = files_below("examples", is_image_file);
    files.extend(files_below("tests/ui", is_image_file));
    files.extend(files_below("fuzz/corpus/parse", |_| true));
    files.extend(files_below("fuzz/corpus/check", |_| true));
    files
}

/// What imgfile has against the shape of a text; nothing against its meaning.
fn syntax_errors(text: &str) -> Vec<String> {
    let files = MemoryFiles::new().with("ImageFile", text);
    let found = analyse("ImageFile", &files, &mut None).diagnostics;
    let codes = found.iter().map(|one| one.code.as_str().to_owned());
    // A file without an image, and a missing operand, are well-formed all the same.
    codes.filter(|code| code.starts_with("E01") && code != "E0117" && code != "E0120").collect()
}

fn first_error(node: Node<'_>) -> Option<Node<'_>> {
    if node.is_error() || node.is_missing() {
        return Some(node);
    }
    let mut cursor = node.walk();
    node.children(&mut cursor).filter(Node::has_error).find_map(first_error)
}

#[test]
fn what_is_well_formed_has_no_error_and_what_is_not_does_no_harm() {
    let (mut sound, mut broken) = (0, 0);
    for path in corpus() {
        let bytes = fs::read(&path).unwrap();
        let tree = parse(&bytes);
        let Ok(text) = str::from_utf8(&bytes) else { continue };
        if syntax_errors(text).is_empty() {
            let error = first_error(tree.root_node());
            assert!(error.is_none(), "{}: {:?}\n{text}", path.display(), error.map(|node| node.range()));
            sound += 1;
        } else {
            broken += 1;
        }
        // A text that is cut anywhere, as it is while it is written.
        for end in (0..bytes.len().min(2000)).step_by(7) {
            parse(&bytes[..end]);
        }
    }
    assert!(sound > 50 && broken > 20, "{sound} {broken}");
}

/// The kind of an operand, by the name that the grammar has for it.
const fn kind(operand: &Operand) -> &'static str {
    match operand.kind {
        OperandKind::Word => "word",
        OperandKind::String => "string",
        OperandKind::Param => "interpolation",
        OperandKind::Eq => "=",
        OperandKind::Comma => ",",
        OperandKind::List(_) => "list",
        OperandKind::Options(_) => "options",
        OperandKind::Heredoc(_) => "heredoc_start",
        OperandKind::Comment | OperandKind::SlashComment => "comment",
        OperandKind::Single | OperandKind::Junk => "junk",
    }
}

/// `START..END KEYWORD: KINDS`, with what each statement holds behind it.
fn ours(items: &[Item], text: &str, out: &mut Vec<String>) {
    let slice = |span: Span| &text[span.start as usize..span.end as usize];
    let statements = items.iter().filter_map(|item| match item {
        Item::Statement(statement) => Some(statement),
        _ => None,
    });
    let statements: Vec<&Statement> = statements.collect();
    for statement in statements {
        let operands: Vec<_> =
            statement.operands.iter().map(kind).filter(|kind| *kind != "comment").collect();
        let end = statement.span.start as usize + slice(statement.span).trim_end().len();
        let (start, keyword) = (statement.span.start, slice(statement.keyword));
        out.push(format!("{start}..{end} {keyword}: {}", operands.join(" ")));
        if let Some(body) = &statement.body {
            ours(&body.items, text, out);
        }
    }
}

fn theirs(node: Node<'_>, text: &str, out: &mut Vec<String>) {
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        if child.kind() == "statement" {
            let keyword = child.child_by_field_name("keyword").unwrap();
            let mut within = child.walk();
            let operands: Vec<_> = child
                .children(&mut within)
                .skip(1)
                .map(|operand| operand.kind())
                .filter(|kind| !["comment", "heredoc", "block"].contains(kind))
                .collect();
            let (start, end) = (child.start_byte(), child.end_byte());
            let end = start + text[start..end].trim_end().len();
            out.push(format!("{start}..{end} {}: {}", &text[keyword.byte_range()], operands.join(" ")));
            if let Some(body) = child.child_by_field_name("body") {
                theirs(body, text, out);
            }
        }
    }
}

#[test]
fn statements_are_of_the_kinds_and_at_the_places_that_imgfile_sees() {
    let mut statements = 0;
    for path in corpus() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if !syntax_errors(&text).is_empty() {
            continue;
        }
        let mut sources = Sources::default();
        let id = sources.add("ImageFile", text.clone());
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        ours(&syntax::parse(id, &text).items, &text, &mut expected);
        theirs(parse(text.as_bytes()).root_node(), &text, &mut found);
        assert_eq!(found, expected, "{}", path.display());
        statements += found.len();
    }
    assert!(statements > 300, "{statements}");
}

/// The texts of what a query captures, by the names of the captures.
fn captured(query: &str, text: &str) -> BTreeMap<String, Vec<String>> {
    use tree_sitter::StreamingIterator as _;
    let query = Query::new(&tree_sitter_imagefile::LANGUAGE.into(), query).unwrap();
    let tree = parse(text.as_bytes());
    let mut cursor = tree_sitter::QueryCursor::new();
    let mut matches = cursor.matches(&query, tree.root_node(), text.as_bytes());
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Some(one) = matches.next() {
        let language = query
            .property_settings(one.pattern_index)
            .iter()
            .find(|setting| &*setting.key == "injection.language")
            .and_then(|setting| setting.value.clone());
        for capture in one.captures() {
            let name = query.capture_names()[capture.index as usize];
            let name = language.as_ref().map_or_else(|| name.to_owned(), ToString::to_string);
            found.entry(name).or_default().push(text[capture.node.byte_range()].to_owned());
        }
    }
    found
}

const SAMPLE: &str = "param release = \"1\"\nimage \"web ${release}\" {\n  os linux debian 13\n  app nginx ^1.26 { port = 80 } # c\n  script <<-SH { offline = true }\n    #!/usr/bin/env python3\n  SH\n  test \"t\" <<SH\n#!/bin/bash -e\nSH\n  script <<SH\n#!/bin/sh\nSH\n  copy <<E to \"/x\"\nplain\nE\n}\n";

#[test]
fn queries_say_what_they_are_for() {
    for (path, query) in tree_sitter_imagefile::QUERIES {
        assert!(!captured(query, SAMPLE).is_empty(), "{path}");
    }
    let query = |path: &str| {
        let all = tree_sitter_imagefile::QUERIES;
        all.iter().find(|(other, _)| *other == path).map(|(_, query)| *query).unwrap()
    };
    for (path, property, number) in [
        ("queries/highlights.scm", "property", "number"),
        ("queries/helix/highlights.scm", "variable.other.member", "constant.numeric"),
    ] {
        let found = captured(query(path), SAMPLE);
        assert_eq!(found[property], ["port", "offline"]);
        assert_eq!(found[number], ["13", "^1.26", "80"]);
        assert_eq!(found["type"], ["linux", "debian", "nginx"]);
        assert_eq!(found["variable.parameter"], ["release", "release"]);
        assert_eq!(found["comment"], ["# c"]);
        assert!(
            found["keyword"].contains(&"script".to_owned()) && found["keyword"].contains(&"to".to_owned())
        );
    }
    let injected = captured(query("queries/injections.scm"), SAMPLE);
    assert_eq!(injected["python"], ["    #!/usr/bin/env python3\n"]);
    assert_eq!(injected["bash"], ["#!/bin/bash -e\n", "#!/bin/sh\n"]);
    assert!(!injected.values().flatten().any(|text| text == "plain\n"));
    assert_eq!(captured(query("queries/folds.scm"), SAMPLE)["fold"].len(), 7);
}

/// The lines of docs/editors.md that install the grammar, and then Neovim's own queries on it.
#[test]
fn neovim_takes_the_grammar_as_the_docs_install_it() {
    needed::program("nvim", "neovim");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let run = |program: &str, args: &[&str], within: &Path| {
        let output = Command::new(program)
            .args(args)
            .current_dir(within)
            .env("HOME", home)
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_CONFIG_HOME", home)
            .env("XDG_STATE_HOME", home)
            .env("XDG_CACHE_HOME", home)
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        text
    };
    // Nothing is written into the checkout: the compiler's output goes to the user's folder.
    run(
        "sh",
        &["-ec", &block("docs/editors.md", "sh\ncd editors/tree-sitter")],
        Path::new(env!("CARGO_MANIFEST_DIR")),
    );
    fs::write(home.join("ImageFile"), SAMPLE).unwrap();
    fs::write(home.join("session.lua"), read("tests/editor/editors/grammar.lua")).unwrap();
    let said = run(
        "nvim",
        &[
            "--headless",
            "-n",
            "-i",
            "NONE",
            "-u",
            "NONE",
            "-c",
            "edit ImageFile",
            "-c",
            "luafile session.lua",
        ],
        home,
    );
    for line in [
        "keyword image",
        "type nginx",
        "variable.parameter release",
        "property port",
        "number ^1.26",
        "fold block",
    ] {
        assert!(said.lines().any(|one| one.trim() == line), "{line}: {said}");
    }
}

/// The statements that a file of queries colours something of, by the name of the capture.
fn coloured(queries: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let rules = queries.split("((statement keyword: (keyword) @").skip(1);
    for rule in rules.filter(|rule| rule.contains("@_statement") || rule.contains("import")) {
        let (pattern, rest) = rule.split_once("(#").unwrap();
        let words = rest.split_once("))").unwrap().0.split('"').skip(1).step_by(2).map(str::to_owned);
        let capture =
            format!("@{pattern}").rsplit('@').next().unwrap().trim_end_matches([' ', ')', '\n']).to_owned();
        found.entry(capture).or_default().extend(words);
    }
    found
}

/// What a name is, by the name of the capture.
fn expected(imports: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for info in STATEMENTS {
        let Some(first) = info.operand(0, |_| None) else { continue };
        let capture = match first.role {
            Role::App | Role::Base | Role::OsType => "type",
            Role::Profile | Role::ProfileName => "function",
            Role::ParamName => "variable.parameter",
            Role::Name | Role::Account => "variable",
            Role::Path(_) if info.place == Place::Top => imports,
            _ => continue,
        };
        expected.entry(capture.to_owned()).or_default().insert(info.keyword.to_string());
    }
    expected
}

#[test]
fn names_are_coloured_by_what_the_table_says_that_they_are() {
    for (path, imports) in [
        ("editors/tree-sitter/queries/highlights.scm", "keyword.import"),
        ("editors/tree-sitter/queries/helix/highlights.scm", "keyword.control.import"),
    ] {
        assert_eq!(coloured(&read(path)), expected(imports), "{path}");
    }
}
