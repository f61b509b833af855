//! The examples of `imgfile explain` say the truth.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

mod common;

use imgfile::catalog::load_project;
use imgfile::check::{MemoryFiles, Spec};
use imgfile::diagnostic::{Diagnostic, codes_with_titles, page};
use imgfile::exec::base::listed;
use imgfile::resolve::{Preferences, resolve_project};
use imgfile::text::Sources;

/// The code blocks of a page that are labelled `imagefile`, with the rest of their label.
fn examples(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(label)) => open = Some((label.to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found.into_iter().filter(|(label, _)| label.starts_with("imagefile")).collect()
}

/// What is wrong by the built-in catalogue, `build` in mind.
fn resolved(spec: &Spec, sources: &mut Sources) -> Vec<Diagnostic> {
    let (catalog, _) = load_project(&[], sources, &MemoryFiles::new());
    let resolved = resolve_project(spec, &catalog, |_| Preferences::default(), |_| None);
    let unproven = spec
        .images
        .iter()
        .filter_map(|image| listed::unproven(image, resolved.images.get(&image.name.value)?));
    let mut found: Vec<Diagnostic> = unproven.collect();
    found.extend(resolved.diagnostics);
    found
}

#[test]
fn wrong_examples_show_their_code_and_right_ones_are_sound() {
    let mut lies = Vec::new();
    for (code, _) in codes_with_titles() {
        let (_, _, text) = page(code.as_str()).unwrap();
        let of_language = ["E01", "E02", "W02"].iter().any(|range| code.as_str().starts_with(range));
        for (label, example) in examples(text) {
            let (mut checked, mut sources) = common::checked(example.clone(), &[]);
            let of_resolution = code.as_str().starts_with("E03");
            if of_resolution {
                checked.diagnostics.extend(resolved(&checked.spec, &mut sources));
            }
            let of_language = of_language || of_resolution;
            let shown = imgfile::report::human(&checked.diagnostics, &sources, false);
            let lie = if label.contains("fails") {
                of_language && (checked.diagnostics.len() != 1 || checked.diagnostics[0].code != code)
            } else {
                checked.has_errors() || of_language && !checked.diagnostics.is_empty()
            };
            if lie {
                lies.push(format!("── {code} ({label})\n{example}{shown}"));
            }
        }
    }
    assert!(lies.is_empty(), "{}", lies.join("\n"));
}

#[test]
fn every_page_says_something() {
    for (code, title) in codes_with_titles() {
        let (_, _, text) = page(code.as_str()).unwrap();
        assert!(text.len() > 40, "the page of {code} ({title}) is too short to help");
    }
}
