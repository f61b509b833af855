//! Projects of a size that nobody writes: what they cost is bounded by their size, and what is said of them
//! by what somebody can read. Nothing here measures time; what once grew with the square of the size, or with
//! a power of two, would not come to an end.

use std::fmt::Write as _;

use imgfile::diagnostic::Diagnostic;
use imgfile::front::Project;
use imgfile::text::nearest;

use crate::common;

fn compiled(text: &str) -> Project {
    common::checked(text, &[]).0
}

/// Everything that is said, in bytes.
fn said(found: &[Diagnostic]) -> usize {
    let words = |one: &Diagnostic| {
        let labels = one.labels.iter().map(|label| label.text.len());
        let edits = one.fixes.iter().flat_map(|fix| &fix.edits).map(|edit| edit.text.len());
        let lines = one.notes.iter().chain(&one.helps).map(String::len);
        one.message.len() + labels.chain(edits).chain(lines).sum::<usize>()
    };
    found.iter().map(words).sum()
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, nth| {
        writeln!(text, "{}", line(nth)).unwrap();
        text
    })
}

const IMAGE: &str = "image \"web\" {\n  os linux debian 13\n";

#[test]
fn params_that_double_are_told_once() {
    let params = lines(64, |nth| format!("param p{} = \"${{p{nth}}}${{p{nth}}}\"", nth + 1));
    let project = compiled(&format!("param p0 = \"0123456789\"\n{params}{IMAGE}  label a = ${{p64}}\n}}\n"));
    let codes: Vec<_> = project.diagnostics.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, ["E0234"]);
}

#[test]
fn a_param_that_is_used_often_is_told_once() {
    let param = format!("param text = \"{}\"\n", "x".repeat(100_000));
    let uses = "${text}".repeat(1_000);
    let project = compiled(&format!("{param}{IMAGE}  description \"{uses}\"\n  label a = \"{uses}\"\n}}\n"));
    let codes: Vec<_> = project.diagnostics.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, ["E0234"]);
    // What is silent in one place must be told in another, or a build would go on without it.
    let silent =
        format!("{param}profile p {{\n  label a = \"{uses}\n}}\n{IMAGE}  label b = \"{uses}\"\n}}\n");
    assert!(compiled(&silent).has_errors());
    let fine = format!("{param}{IMAGE}  description \"{}\"\n}}\n", "${text}".repeat(100));
    let fine = compiled(&fine);
    assert!(!fine.has_errors(), "{:?}", fine.diagnostics);
    assert_eq!(fine.spec.images[0].description.as_ref().unwrap().value.len(), 10_000_000);
}

/// Where names are listed to choose from, or compared with one that is wrong, there may be thousands.
#[test]
fn what_is_said_of_many_wrong_names_grows_with_their_number_only() {
    let images = |count| lines(count, |nth| format!("image \"i{nth}\" {{\n  base image \"other {nth}\"\n}}"));
    let profiles = |count| {
        let declared = lines(count, |nth| format!("profile declared{nth} {{\n}}"));
        format!("{declared}{IMAGE}{}}}\n", lines(count, |nth| format!("  use {nth}-something-else")))
    };
    let secrets = |count| {
        let declared = lines(count, |nth| format!("  secret s{nth} from env X{nth}"));
        let wanted: Vec<String> = (0..count).map(|nth| format!("{nth}-something-else")).collect();
        format!(
            "{IMAGE}{declared}  script <<A {{ secrets = [{}] }}\n#!/bin/sh -e\ntrue\nA\n}}\n",
            wanted.join(", ")
        )
    };
    let projects: [&dyn Fn(usize) -> String; 3] = [&images, &profiles, &secrets];
    for project in projects {
        let [some, more] = [150, 450].map(|count| said(&compiled(&project(count)).diagnostics));
        assert!(some > 0 && more < 4 * some, "{some} bytes are said, and of three times as many {more}");
    }
}

#[test]
fn a_long_chain_of_images_is_resolved_from_the_lowest_up() {
    let count = 3_000;
    // The lowest is written last.
    let chain = lines(count, |nth| format!("image \"i{nth}\" {{\n  base image \"i{}\"\n}}", nth + 1));
    let text = format!("{chain}image \"i{count}\" {{\n  os linux debian 13\n}}\n");
    let project = compiled(&text);
    assert!(!project.has_errors(), "{:?}", project.diagnostics.first());
    assert_eq!(project.resolutions.len(), count + 1);
    assert!(project.resolutions.values().all(|resolution| resolution.os.distro == "debian"));

    let circle =
        text.replace("image \"i3000\" {\n  os linux debian 13", "image \"i3000\" {\n  base image \"i0\"");
    let project = compiled(&circle);
    let codes: Vec<_> = project.diagnostics.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, ["E0226"]);
    assert!(project.resolutions.is_empty());
}

#[test]
fn profiles_may_use_one_another_as_deep_as_a_file_is_long() {
    let count = 20_000;
    let chain = lines(count, |nth| format!("profile p{nth} {{\n  use p{}\n}}", nth + 1));
    let last = format!("profile p{count} {{\n  label deep = yes\n}}\n");
    let project = compiled(&format!("{chain}{last}{IMAGE}  use p0\n}}\n"));
    assert!(!project.has_errors(), "{:?}", project.diagnostics.first());
    assert_eq!(project.spec.images[0].labels.len(), 1);

    let last = format!("profile p{count} {{\n{}}}\n", "  use p0\n".repeat(1_000));
    let found = compiled(&format!("{chain}{last}{IMAGE}  use p0\n}}\n")).diagnostics;
    assert!(found.iter().all(|one| one.code.as_str() == "E0224"), "{:?}", found.first());
    assert!(found.iter().map(|one| one.labels.len()).sum::<usize>() < 100 * found.len());
}

#[test]
fn profiles_that_nobody_uses_are_read_in_a_bounded_way_too() {
    let count = 5_000;
    let chain =
        lines(count, |nth| format!("profile p{nth} {{\n  label l{nth} = yes\n  use p{}\n}}", nth + 1));
    let last = format!("profile p{count} {{\n  label deep = yes\n}}\n");
    let found = compiled(&format!("{chain}{last}{IMAGE}}}\n")).diagnostics;
    assert!(found.iter().all(|one| one.code.as_str() == "W0202"), "{:?}", found.first());
}

#[test]
fn many_statements_for_many_images_are_told_once() {
    let profile = format!("profile p {{\n{}}}\n", lines(2_000, |nth| format!("  label l{nth} = yes")));
    let images =
        |count| lines(count, |nth| format!("image \"i{nth}\" {{\n  os linux debian 13\n  use p\n}}"));
    assert!(!compiled(&format!("{profile}{}", images(100))).has_errors());
    let project = compiled(&format!("{profile}{}", images(2_000)));
    let codes: Vec<_> = project.diagnostics.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, ["E0234"]);
    assert!(project.spec.images.iter().map(|image| image.labels.len()).sum::<usize>() <= 200_000);
}

#[test]
fn more_images_than_anybody_has_are_not_read() {
    for line in ["image \"a\" {", "image \"a\" {}", "image a", "imag \"a\" {"] {
        let project = compiled(&format!("{line}\n").repeat(20_000));
        assert!(project.has_errors() && project.spec.images.len() <= 10_000, "{line}");
    }
    let images = |count| lines(count, |nth| format!("image \"i{nth}\" {{\n  os linux debian 13\n}}"));
    let found = compiled(&images(10_001)).diagnostics;
    let codes: Vec<_> = found.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, ["E0234"]);
}

/// One line may have thousands of warnings, and a comment that is about some of them.
#[test]
fn a_long_line_is_looked_at_once_for_the_warnings_that_it_silences() {
    let line: String = (0..10_000).map(|nth| format!("echo $V{nth}; ")).collect();
    let script = |comment: &str| format!("{IMAGE}  script <<A\n#!/bin/sh -e\n{line}{comment}\nA\n}}\n");
    assert_eq!(compiled(&script("")).diagnostics.len(), 1_000);
    assert_eq!(compiled(&script("# W0207 is about the outside")).diagnostics.len(), 0);
}

/// Findings are made where the mistakes are, thousands of them in one line.
#[test]
fn mistakes_beyond_number_are_kept_up_to_a_bound() {
    let escapes = format!("{IMAGE}  description \"{}\"\n}}\n", "\\q".repeat(200_000));
    let opened = format!("{IMAGE}  description \"{}\"\n}}\n", "${\\u{".repeat(100_000));
    let heredoc = format!(
        "param x = \"a\"\n{IMAGE}  script <<A\n#!/bin/sh -e\nx=1\n{}A\n}}\n",
        "echo ${x}\n".repeat(100_000)
    );
    for text in [escapes, opened, heredoc, format!("{IMAGE}  {}\n}}\n", "x".repeat(1_000_000))] {
        let found = compiled(&text).diagnostics;
        assert!(found.len() <= 1_000 && said(&found) < 1_000_000, "{} findings", found.len());
    }
    assert_eq!(nearest(&"x".repeat(1_000_000), ["x"]), None);
}
