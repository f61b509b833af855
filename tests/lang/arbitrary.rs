//! Input of any kind: no panic, no endless work, and a formatter that settles.

use std::fmt::Write as _;

use imgfile::report;
use imgfile::syntax::{format, parse};
use imgfile::text::SourceId;
use proptest::prelude::*;

use crate::common;

fn formatted(text: &str) -> String {
    format(&parse(SourceId(0), text), text)
}

/// Everything the front end does with a file.
fn everything(text: &str) {
    let (checked, sources) = common::checked(text, &[]);
    let shown = report::human(&checked.diagnostics, &sources, true);
    assert_eq!(shown.is_empty(), checked.diagnostics.is_empty());
    for write in [report::json as fn(_) -> String, report::sarif] {
        let text = write(
            std::iter::once((checked.diagnostics.as_slice(), &sources)).collect::<Vec<_>>().into_iter(),
        );
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }
    let _ = report::fixed(&checked.diagnostics, &sources);
    for label in checked.diagnostics.iter().flat_map(|found| &found.labels) {
        // Slicing panics if a span is not on character boundaries.
        let _ = sources.slice(label.span);
    }
    let once = formatted(text);
    assert_eq!(formatted(&once), once, "formatting again changes it:\n{text}");
}

/// Pieces of the language, put together at random.
fn soup() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "image",
        "profile",
        "param",
        "os linux debian 13",
        "app",
        "nginx",
        "\"",
        "\"x\"",
        "{",
        "}",
        "[",
        "]",
        "=",
        ",",
        "\n",
        "\n  ",
        " ",
        "#",
        "# note",
        "//",
        "<<",
        "<<-SH",
        "<<EOF",
        "SH",
        "EOF",
        "\nSH\n",
        "#!/bin/bash",
        "${x}",
        "$",
        "{",
        "script",
        "copy",
        "to",
        "test",
        "'a'",
        "\\",
        "\r\n",
        "\t",
        "8GiB",
        "^1.2",
        ">=1,<2",
        "é",
        "\u{FEFF}",
        "use",
        "include \"sub/part.imagefile\"",
        "x = 1",
        "/*",
        "*/",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(400), ..ProptestConfig::default() })]

    #[test]
    fn pieces_of_the_language(text in soup()) {
        everything(&text);
    }

    #[test]
    fn any_text(text in any::<String>()) {
        everything(&text);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        common::checked(bytes, &[]);
    }
}

/// Four kilobytes of `piece`, and what follows it.
fn repeated(piece: &str, tail: &str) -> String {
    piece.repeat(4_000 / piece.len()) + tail
}

#[test]
fn hard_inputs_end() {
    let inputs: Vec<String> = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "=",
        ",",
        "<<A\n",
        "<<-A ",
        "<<",
        "${",
        "/*",
        "/*\n",
        "//",
        "#",
        "\n",
        "\r",
        "\\",
        " ",
        "\t",
        "a{",
        "{a=",
        "{a={",
        "[\n",
        "{\n",
        "image \"a\" {\n",
        "profile a {",
        "image\n ",
        "a <<A\nb <<A\n",
        "script <<A\n<<A\nA\n",
        "a = [\"",
        "app x {\n y = [\n",
        "!=",
        "$$",
        "\u{FEFF}",
        "é",
        "os linux debian 13\n",
        "app a { b = 1 }\n",
        "}\n}",
        "test \"a\" <<A { b = {",
        "\nimage ",
    ]
    .into_iter()
    .flat_map(|piece| [repeated(piece, ""), format!("image \"a\" {{\n  {}", repeated(piece, "\n}\n"))])
    .collect();
    for input in &inputs {
        let head: String = input.chars().take(40).collect();
        println!("{head:?}");
        everything(input);
    }
}

#[test]
fn absurd_inputs_end() {
    let long =
        format!("image \"a\" {{\n  os linux debian 13\n  description \"{}\"\n}}\n", "x".repeat(10_000_000));
    assert_eq!(common::checked(long, &[]).0.diagnostics, []);
    assert!(common::checked("{".repeat(1_000_000), &[]).0.has_errors());
    assert!(common::checked("[".repeat(100_000), &[]).0.has_errors());
    // Each of them is a mistake, and is compared with the first.
    for line in ["param a = \"1\"\n", "include \"none\"\n", "image \"a\" {\n"] {
        let shown = common::checked(line.repeat(10_000), &[]).0.diagnostics.len();
        assert_eq!(shown, 1_000, "{line}");
    }
}

#[test]
fn many_lines_are_checked() {
    let mut text = String::from("image \"a\" {\n  os linux debian 13\n");
    for i in 0..3_000 {
        let _ =
            writeln!(text, "  env V{i} = \"value {i}\"\n  packages [\"p{i}\", \"q{i}\"]\n  label l{i} = x");
    }
    text.push_str("}\n");
    let (checked, _) = common::checked(text, &[]);
    assert_eq!(checked.diagnostics, []);
    assert_eq!(checked.spec.images[0].packages.len(), 6_000);
}
