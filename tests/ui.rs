//! What the compiler says, as golden files: `tests/ui/NAME.imagefile` (or `NAME.lock`, read as a lock) and
//! the expected rendering beside it; `NAME.yaml`, `NAME-2.yaml`… are the project's catalogue. `SNAPSHOTS=overwrite cargo test --test ui` writes them anew; read the difference before you
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
    let of_files = cases().into_iter().map(|case| {
        let (project, sources) = compiled(&case);
        (case, project.diagnostics, sources)
    });
    let of_locks = files("lock").into_iter().map(|case| {
        let (found, sources) = locked(&case);
        (case, found, sources)
    });
    let shown = of_files.chain(of_locks).map(|(case, found, sources)| {
        (case.with_extension("expected"), report::human(&found, &sources, false))
    });
    common::golden::assert_golden(shown);
}

/// Codes that no text of a project alone can bring about, and the golden file that shows each.
const ELSEWHERE: [(&str, &str); 52] = [
    ("E0290", "preparation.expected"),
    ("E0310", "resolution/E0310-base-unproven.expected"),
    ("E0313", "resolution/E0313-given-up.expected"),
    ("E0341", "preparation.expected"),
    ("E0402", "commands.expected"),
    ("E0406", "preparation.expected"),
    ("E0407", "preparation.expected"),
    ("E0409", "preparation.expected"),
    ("E0450", "preparation.expected"),
    ("E0451", "preparation.expected"),
    ("E0452", "preparation.expected"),
    ("E0453", "preparation.expected"),
    ("E0454", "preparation.expected"),
    ("E0455", "preparation.expected"),
    ("E0456", "preparation.expected"),
    ("E0457", "preparation.expected"),
    ("E0458", "preparation.expected"),
    ("E0459", "preparation.expected"),
    ("E0501", "failures.expected"),
    ("E0502", "failures.expected"),
    ("E0503", "failures.expected"),
    ("E0504", "failures.expected"),
    ("E0505", "failures.expected"),
    ("E0506", "failures.expected"),
    ("E0507", "failures.expected"),
    ("E0508", "failures.expected"),
    ("E0520", "failures.expected"),
    ("E0521", "commands.expected"),
    ("E0522", "bases/no-disk.expected"),
    ("E0523", "bases/wrong-sha256.expected"),
    ("E0530", "failures.expected"),
    ("E0540", "commands.expected"),
    ("E0541", "commands.expected"),
    ("E0546", "failures.expected"),
    ("E0547", "commands.expected"),
    ("E0548", "failures.expected"),
    ("E0549", "failures.expected"),
    ("E0550", "failures.expected"),
    ("E0551", "preparation.expected"),
    ("E0601", "failures.expected"),
    ("E0602", "failures.expected"),
    ("E0603", "failures.expected"),
    ("E0604", "preparation.expected"),
    ("E0605", "failures.expected"),
    ("E0606", "preparation.expected"),
    ("E0607", "failures.expected"),
    ("E0608", "failures.expected"),
    ("E0609", "failures.expected"),
    ("W0501", "commands.expected"),
    ("W0601", "artifacts.expected"),
    ("W0602", "artifacts.expected"),
    ("W0603", "artifacts.expected"),
];

#[test]
fn every_code_has_a_golden_file() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let texts: Vec<String> =
        files("expected").iter().map(|golden| fs::read_to_string(golden).unwrap()).collect();
    let mut wrong = Vec::new();
    for (code, title) in imgfile::diagnostic::codes_with_titles() {
        let head = |text: &String| {
            text.contains(&format!("error[{code}]: ")) || text.contains(&format!("warning[{code}]: "))
        };
        let elsewhere = ELSEWHERE.iter().find(|(known, _)| *known == code.as_str());
        match (texts.iter().any(head), elsewhere) {
            (true, None) => {}
            (true, Some(_)) => wrong.push(format!("{code} has a case in tests/ui: take it out of the table")),
            (false, None) => wrong.push(format!("{code} ({title}) has no case in tests/ui")),
            (false, Some((_, golden))) => {
                if !fs::read_to_string(tests.join(golden)).is_ok_and(|text| head(&text)) {
                    wrong.push(format!("tests/{golden} does not show {code}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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
