//! What is laid out, and how; and what stays as it is.

use super::*;
use crate::text::SourceId;

fn formatted(text: &str) -> String {
    format(&parse(SourceId(0), text), text)
}

/// Formats, compares, and formats again.
#[track_caller]
fn case(before: &str, after: &str) {
    let once = formatted(before);
    assert_eq!(once, after);
    assert_eq!(formatted(&once), after, "formatting again changes it");
}

/// The same for statements of an image.
#[track_caller]
fn inside(before: &str, after: &str) {
    let indented: String = after
        .lines()
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") })
        .collect();
    case(&format!("image \"a\" {{\n{before}\n}}\n"), &format!("image \"a\" {{\n{indented}}}\n"));
}

#[test]
fn layout() {
    case("image   \"a\"{\nos   linux debian 13 }\n", "image \"a\" {\n  os linux debian 13\n}\n");
    case("param x=1\nenv A=\"b\"", "param x = 1\nenv A = \"b\"\n");
    case(
        "\n\n# top\n\n\n\nimage \"a\" {\n\n  reboot\n\n\n  reboot\n\n}\n\n",
        "# top\n\nimage \"a\" {\n  reboot\n\n  reboot\n}\n",
    );
    inside(
        "app nginx >=1.2, <1.5{port=80 workers=auto}",
        "app nginx >=1.2, <1.5 { port = 80, workers = auto }\n",
    );
    inside(
        "app \"nginx\" {\n port=80, workers=auto # both\n\n # next\n a = [1,\n2]\n}\n",
        "app nginx {\n  port    = 80\n  workers = auto  # both\n\n  # next\n  a = [\n    1,\n    2,\n  ]\n}\n",
    );
    inside(
        "packages [\n\"a\", # one\n# two\n\"b\"]{}",
        "packages [\n  \"a\",  # one\n  # two\n  \"b\",\n] {}\n",
    );
    inside("packages [ \"a\" ,\"b\", ]  # why", "packages [\"a\", \"b\"]  # why\n");
    inside("script provision.sh", "script \"provision.sh\"\n");
}

#[test]
fn heredocs_move_with_their_statement() {
    case(
        "image \"a\" {\nscript <<-SH {name=\"x\"}  # why\n        #!/bin/sh\n          indented\n\n      SH\n}\n",
        "image \"a\" {\n  script <<-SH { name = \"x\" }  # why\n    #!/bin/sh\n      indented\n\n  SH\n}\n",
    );
    case("copy <<EOF to \"/x\"\n  as it is\n   EOF\n", "copy <<EOF to \"/x\"\n  as it is\nEOF\n");
}

#[test]
fn a_string_touches_nothing() {
    let table = [
        ("include\"a.imagefile\"\n", "include \"a.imagefile\"\n"),
        ("app\"nginx\"\n", "app nginx\n"),
        // Two words that touch are a mistake, and stay one.
        ("include use\"a\"\n", "include use\"a\"\n"),
        ("include use${a}\n", "include use${a}\n"),
        ("env A = x\"y\"\n", "env A = x\"y\"\n"),
        ("description=\"a\"\n", "description=\"a\"\n"),
    ];
    for (written, expected) in table {
        assert_eq!(formatted(written), expected);
        assert_eq!(formatted(expected), expected);
    }
}

#[test]
fn a_file_has_one_kind_of_line_end() {
    let unix = "image \"a\" {\n  script <<-SH\n    #!/bin/sh -e\n    true\n  SH\n}\n";
    let windows = unix.replace('\n', "\r\n");
    case(&windows.replace("  ", "    "), &windows);
    case(&windows, &windows);
    case(&windows.replacen("\r\n", "\n", 1), unix);
    case(&unix.replacen('\n', "\r\r\n", 1), unix);
}

#[test]
fn broken_regions_stay_untouched() {
    case(
        "image \"a\" {\n    packages   [\"a\" \"b\"]\n  os   linux\n}\n",
        "image \"a\" {\n    packages   [\"a\" \"b\"]\n  os linux\n}\n",
    );
    case("image \"a\" {\n  os    linux\n", "image \"a\" {\n  os    linux\n");
    case("image \"a\" {\n  app   x { port   80 }\n}\n", "image \"a\" {\n  app   x { port   80 }\n}\n");
}

#[test]
fn a_byte_order_mark_stays_and_indents_nothing() {
    case("\u{FEFF}\n  [SH", "\u{FEFF}  [SH\n");
    case("\u{FEFF}# note\n\n\nparam  x=1", "\u{FEFF}# note\n\nparam x = 1\n");
}
