//! The features in files of the catalogue.

use super::*;

/// A project with an application of its own whose file is open at the cursor.
fn in_catalogue(path: &str, text: &str) -> Editor {
    let offset = text.find('‸').unwrap();
    let files = MemoryFiles::new()
        .with("ImageFile", "image \"web\" {\n  os linux debian 13\n}\n")
        .with(path, text.replacen('‸', "", 1));
    let analysis = analyse("ImageFile", &files, &mut None);
    let source = analysis.source(path).unwrap();
    Editor { files, analysis, source, offset: u32::try_from(offset).unwrap() }
}

#[test]
fn keys_and_values_of_catalogue_files() {
    let app = |text: &str| in_catalogue("catalog/apps/shop.yaml", text).labels();
    let all = "also_called claims conflicts files install name options packages provides repositories requires schema storage summary verify versions";
    assert_eq!(app("‸"), words(all));
    assert_eq!(
        app("schema: imgfile/app/v1\nna‸\nversions: []\n"),
        words(&all.replace(" schema", "").replace(" versions", ""))
    );
    let head = "schema: imgfile/app/v1\nname: shop\n";
    let table = [
        ("schema: ‸", "imgfile/app/v1"),
        ("options:\n  port:\n    ‸", "default max min required summary type values"),
        (
            "options:\n  port:\n    type: port\n    ‸\n    summary: x\n  other:\n    min: 1\n",
            "default max min required values",
        ),
        ("options:\n  port: { ‸ }", "default max min required summary type values"),
        ("options:\n  port: { type: port, ‸, summary: x }", "default max min required values"),
        ("options:\n  port:\n    type: ‸", "string word integer port boolean size duration enum list"),
        ("options:\n  port: { type: en‸ }", "string word integer port boolean size duration enum list"),
        ("options: {\n  port: {\n    type: port,\n    required: ‸", "true false"),
        ("options:\n  ‸", ""),
        ("versions:\n  - ‸", "arch firmware os packages requires version"),
        ("versions:\n- ‸", "arch firmware os packages requires version"),
        (
            "versions:\n  - version: 1\n    ‸\n  - version: 2\n    os: []\n",
            "arch firmware os packages requires",
        ),
        ("versions:\n  - { version: 1, firmware: [‸] }", "bios uefi"),
        ("versions:\n  - version: 1\n    arch:\n      - ‸", "x86_64 aarch64"),
        ("packages:\n  ‸", "apt remove version_of"),
        ("packages: { apt: [‸] }", ""),
        ("install: |\n  ‸", ""),
        ("install: |\n  if true; then\n    ‸\n", ""),
        ("# ‸", ""),
        ("summary: a # ‸", ""),
        ("summary: ‸", ""),
        ("conflicts:\n  - { app: a, ‸ }", "because"),
    ];
    let mut wrong = Vec::new();
    for (line, expected) in table {
        let text = if line.starts_with("schema") { line.to_owned() } else { format!("{head}{line}") };
        let found = app(&text);
        if found != words(expected) {
            wrong.push(format!("{line}\n{found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for line in [
        "requires: [‸]",
        "requires:\n  - ng‸",
        "requires:\n- \"ng‸\"",
        "conflicts: [{ app: ‸ }]",
        "conflicts:\n  - app: ‸",
        "versions:\n  - requires: [a, ‸]",
    ] {
        let found = app(&format!("{head}{line}"));
        assert!(
            found.contains(&"nginx".to_owned()) && found.contains(&"docker".to_owned()),
            "{line} {found:?}"
        );
    }
    let provided = app(&format!("{head}requires: [‸]"));
    assert!(provided.contains(&"web-server".to_owned()), "{provided:?}");
    assert!(app(&format!("{head}versions:\n  - os: [\"debian 1‸\"]")).contains(&"debian 13".to_owned()));

    let base = |text: &str| in_catalogue("catalog/bases/own.yaml", text).labels();
    assert!(base("‸").contains(&"virtual_size".to_owned()));
    assert_eq!(base("tier: ‸"), ["proven", "listed"]);
    assert_eq!(base("arch: ‸"), ["x86_64", "aarch64"]);
    assert_eq!(base("firmware: [‸]"), ["bios", "uefi"]);
    assert_eq!(base("source:\n  bootstrap:\n    ‸"), words("components files finish packages suite updates"));
}

#[test]
fn what_taking_a_proposal_writes_into_a_catalogue_file() {
    let head = "schema: imgfile/app/v1\n";
    let table = [
        ("sum‸", "summary", "summary: "),
        ("sum‸: x", "summary", "summary: x"),
        ("opt‸", "options", "options:"),
        ("requires: [ng‸]", "nginx", "requires: [nginx]"),
        (
            "versions: [{ version: 1, os: [\"deb‸\"] }]",
            "debian 13",
            "versions: [{ version: 1, os: [\"debian 13\"] }]",
        ),
        ("options: { a: { ty‸: port } }", "type", "options: { a: { type: port } }"),
        ("versions:\n  - vers‸", "version", "versions:\n  - version: "),
    ];
    for (line, label, expected) in table {
        let editor = in_catalogue("catalog/apps/shop.yaml", &format!("{head}{line}"));
        assert_eq!(editor.completed(label), format!("{head}{expected}"), "{line}");
    }
}

mod everywhere {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "include \"b\"\nparam a = \"${b}\"\nprofile p {\n  use p\n}\nimage \"w ${a}\" {\n  os linux debian 13\n  app nginx ^1 { port = ${a}, x = [1, { y = 2 }] }\n  base image \"w\"\n  script <<-SH { env = { A = \"${a}\" } } # c\n    echo ${a}\n  SH\n  copy [\"x\"] to \"/y\"\n}\n";

    thread_local! {
        static SHELF: std::cell::RefCell<Option<FrontCache>> = const { std::cell::RefCell::new(None) };
    }

    proptest! {
        /// At any place of any damaged text, every feature has an answer and none a panic.
        #[test]
        fn nothing_panics(cut in 0usize..TEXT.len(), len in 0usize..12, new in "[{}\\[\\]\"$<=a# \n\u{e9}-]{0,4}", at in 0usize..400) {
            let mut text = TEXT.to_owned();
            text.replace_range(cut..(cut + len).min(TEXT.len()), &new);
            let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap();
            text.insert(at, '‸');
            let editor = SHELF.with_borrow_mut(|shelf| editor_from(&text, MemoryFiles::new(), shelf));
            editor.completions();
            editor.hover();
            editor.definition();
            if let Some(symbol) = symbol_at(&editor.analysis, editor.source, editor.offset) {
                rename(&editor.analysis, &symbol.value, "new").ok();
            }
            let unit = editor.analysis.unit(editor.source).unwrap();
            let file = editor.analysis.sources.get(editor.source);
            let _ = (outline(unit, file), folds(unit, file), hints(&editor.analysis, editor.source));
            let _ = links(&editor.analysis, &editor.files, editor.source);
            let tokens = tokens(unit, file);
            prop_assert!(tokens.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start), "{:?}", tokens);
        }

        #[test]
        fn no_catalogue_file_panics(text in "([ ]{0,4}(- |[a-z]{1,8}:|\\{|\\[|\"|,|\\||#|é|\\]|\\}|-)?[ ]?\n?){0,12}", at in 0usize..80) {
            let mut text = format!("schema: imgfile/app/v1\noptions:\n{text}");
            let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap();
            text.insert(at, '‸');
            in_catalogue("catalog/apps/shop.yaml", &text).completions();
        }
    }
}
