//! What the compiler says, as golden files: `tests/ui/NAME.imagefile` (or `NAME.lock`, read as a lock) and
//! the expected rendering beside it; `NAME.yaml`, `NAME-2.yaml`… are the project's catalogue. `UPDATE=1 cargo test --test ui` writes them anew; read the difference before you
//! commit it. A first line `# --set NAME=VALUE` passes a setting.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use imgfile::diagnostic::Diagnostic;
use imgfile::front::Project;
use imgfile::lock::Lock;
use imgfile::report;
use imgfile::text::{SourceId, Sources};

fn cases() -> Vec<PathBuf> {
    files("imagefile")
}

fn files(wanted: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == wanted))
        .collect();
    cases.sort();
    cases
}

fn settings(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let first = text.lines().next().unwrap_or_default();
    first
        .strip_prefix("# --set ")
        .and_then(|set| set.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect()
}

/// A case, compiled with the catalogue files `NAME.yaml`, `NAME-2.yaml`… beside it.
fn compiled(case: &Path) -> (Project, Sources) {
    let text = fs::read(case).unwrap();
    let set = settings(&text);
    compiled_as(case, text, &set)
}

fn compiled_as(case: &Path, text: impl Into<Vec<u8>>, set: &[(String, String)]) -> (Project, Sources) {
    let mut files = common::Fixture::new(text);
    let name = case.file_stem().unwrap().to_str().unwrap();
    let names = std::iter::once(name.to_owned()).chain((2..).map(|nth| format!("{name}-{nth}")));
    for (nth, name) in names.enumerate() {
        let Ok(text) = fs::read_to_string(case.with_file_name(format!("{name}.yaml"))) else { break };
        files = files.with(&format!("catalog/apps/own-{}.yaml", nth + 1), &text);
    }
    common::compiled(&files, set)
}

/// The ImageFile among the sources.
fn entry(project: &Project) -> Option<SourceId> {
    project.units.first().map(|unit| unit.source)
}

/// What is wrong with a lock, and its text.
fn locked(case: &Path) -> (Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    let source = sources.add("ImageFile.lock", fs::read_to_string(case).unwrap());
    (Lock::read(source, &sources).err().unwrap_or_default(), sources)
}

#[test]
fn every_rendering_is_as_expected() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    let of_files = cases().into_iter().map(|case| {
        let (project, sources) = compiled(&case);
        (case, project.diagnostics, sources)
    });
    let of_locks = files("lock").into_iter().map(|case| {
        let (found, sources) = locked(&case);
        (case, found, sources)
    });
    for (case, found, sources) in of_files.chain(of_locks) {
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

#[test]
fn every_code_of_the_language_has_a_case() {
    // Told by later stages: a project file that cannot be packed, the search's budget, the archive's indexes,
    // the comparison of two locks, `build` itself. Codes from E0450 on are
    // of the network and the host: `tests/failures.rs` and `tests/bad_input.rs` have them.
    const LATER: [&str; 5] = ["E0290", "E0310", "E0313", "E0341", "E0402"];
    let mut shown = BTreeSet::new();
    for case in cases() {
        shown.extend(compiled(&case).0.diagnostics.iter().map(|one| one.code.as_str()));
    }
    for case in files("lock") {
        shown.extend(locked(&case).0.iter().map(|one| one.code.as_str()));
    }
    let of_texts = |code: &str| code < "E0450" || code.starts_with('W');
    let missing: Vec<&str> = imgfile::diagnostic::codes_with_titles()
        .map(|(code, _)| code.as_str())
        .filter(|code| of_texts(code) && !LATER.contains(code) && !shown.contains(code))
        .collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
}

#[test]
fn ten_independent_defects_are_ten_findings() {
    let text =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui/ten-defects.imagefile")).unwrap();
    assert_eq!(common::checked(text, &[]).0.diagnostics.len(), 10);
}

#[test]
fn ten_defects_of_every_stage_are_found_in_one_run() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui/ten-defects-of-every-stage.imagefile");
    let codes: Vec<_> = compiled(&case).0.diagnostics.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes.len(), 10, "{codes:?}");
    let stages: BTreeSet<&str> = codes.iter().map(|code| &code[..3]).collect();
    assert_eq!(stages, BTreeSet::from(["E01", "E02", "E03"]));
}

#[test]
fn safe_fixes_leave_nothing_that_is_safe_to_fix() {
    for case in cases() {
        let text = fs::read(&case).unwrap();
        let set = settings(&text);
        let (mut checked, mut sources) = compiled_as(&case, text, &set);
        for _ in 0..8 {
            let entry = entry(&checked);
            let changed =
                report::fixed(&checked.diagnostics, &sources).into_iter().find(|(id, _)| Some(*id) == entry);
            let Some((_, text)) = changed else { break };
            (checked, sources) = compiled_as(&case, text, &set);
        }
        let left = checked.diagnostics.iter().filter(|one| {
            let entry = entry(&checked);
            one.fixes.iter().any(|fix| {
                fix.applicability == imgfile::diagnostic::Applicability::Safe
                    && fix.edits.iter().all(|edit| Some(edit.span.source) == entry)
            })
        });
        assert_eq!(left.count(), 0, "{}", case.display());
    }
}
