//! What the resolver and the catalogue say, as golden files: `tests/resolution/NAME.case` holds a project,
//! each file below a line `=== PATH`, and `NAME.expected` the rendering. `UPDATE=1 cargo test --test
//! resolution` writes them anew; read the difference before you commit it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it stands")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use imgfile::catalog::load_project;
use imgfile::check::{MemoryFiles, check};
use imgfile::diagnostic::Diagnostic;
use imgfile::exec::base::listed;
use imgfile::report;
use imgfile::resolve::{Preferences, resolve_project};
use imgfile::text::Sources;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/resolution");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "case")).collect();
    cases.sort();
    cases
}

fn project(text: &str) -> MemoryFiles {
    let mut files = MemoryFiles::new();
    for part in text.split("=== ").skip(1) {
        let (path, content) = part.split_once('\n').unwrap();
        files = files.with(path.trim(), content);
    }
    files
}

/// Everything that is wrong with a project before anything is fetched or built, `build` in mind.
fn found(files: &MemoryFiles) -> (Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    let checked = check("ImageFile", &mut sources, files, &Vec::new());
    let mut found = checked.diagnostics;
    let (catalog, mistakes) = load_project(&checked.spec.catalogs, &mut sources, files);
    found.extend(mistakes);
    let resolved = resolve_project(&checked.spec, &catalog, |_| Preferences::default(), |_| None);
    found.extend(resolved.diagnostics);
    for image in &checked.spec.images {
        let resolution = resolved.images.get(&image.name.value);
        found.extend(resolution.and_then(|resolution| listed::unproven(image, resolution)));
    }
    (found, sources)
}

#[test]
fn every_rendering_is_as_expected() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let (found, sources) = found(&project(&fs::read_to_string(&case).unwrap()));
        let shown = report::human(&found, &sources, false);
        let expected = case.with_extension("expected");
        if update {
            fs::write(&expected, &shown).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("── {}\n{shown}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

/// A case is about the code it is named after, and says nothing else.
#[test]
fn every_code_of_the_resolution_has_a_case() {
    let mut shown = BTreeSet::new();
    for case in cases() {
        let name = case.file_stem().unwrap().to_str().unwrap();
        let (found, _) = found(&project(&fs::read_to_string(&case).unwrap()));
        let codes: BTreeSet<&str> = found.iter().map(|one| one.code.as_str()).collect();
        assert!(codes.contains(&name[..5]), "{name} shows {codes:?}");
        shown.extend(codes);
    }
    // The budget is tested with the solver, files that are no text with the loader, packages' versions with
    // an archive (`tests/repositories.rs`).
    let elsewhere = ["E0313", "E0329", "E0341"];
    let missing: Vec<&str> = imgfile::diagnostic::codes_with_titles()
        .map(|(code, _)| code.as_str())
        .filter(|code| code.starts_with("E03") && !elsewhere.contains(code) && !shown.contains(code))
        .collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
}
