//! What the compiler says, as golden files: `tests/ui/NAME.imagefile` (or `NAME.lock`, read as a lock) and
//! the expected rendering beside it; `NAME.yaml`, `NAME-2.yaml`… are the project's catalogue.
//! `SNAPSHOTS=overwrite cargo test --test lang ui::` writes them anew; read the difference before you
//! commit it. A first line `# --set NAME=VALUE` passes a setting.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use imgfile::diagnostic::Diagnostic;
use imgfile::front::Project;
use imgfile::lock::Lock;
use imgfile::report;
use imgfile::text::{SourceId, Sources};

use crate::common;

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
const ELSEWHERE: &[(&str, &str)] = &[
    ("E0290", "packages/preparation.expected"),
    ("E0310", "resolve/cases/E0310-base-unproven.expected"),
    ("E0313", "resolve/cases/E0313-given-up.expected"),
    ("E0341", "packages/preparation.expected"),
    ("E0402", "cli/commands.expected"),
    ("E0406", "packages/preparation.expected"),
    ("E0407", "packages/preparation.expected"),
    ("E0409", "packages/preparation.expected"),
    ("E0450", "packages/preparation.expected"),
    ("E0451", "packages/preparation.expected"),
    ("E0452", "packages/preparation.expected"),
    ("E0453", "packages/preparation.expected"),
    ("E0454", "packages/preparation.expected"),
    ("E0455", "packages/preparation.expected"),
    ("E0456", "packages/preparation.expected"),
    ("E0457", "packages/preparation.expected"),
    ("E0458", "packages/preparation.expected"),
    ("E0459", "packages/preparation.expected"),
    ("E0501", "cli/failures.expected"),
    ("E0502", "cli/failures.expected"),
    ("E0503", "cli/failures.expected"),
    ("E0504", "cli/failures.expected"),
    ("E0505", "cli/failures.expected"),
    ("E0506", "cli/failures.expected"),
    ("E0507", "cli/failures.expected"),
    ("E0508", "cli/failures.expected"),
    ("E0520", "cli/failures.expected"),
    ("E0521", "cli/commands.expected"),
    ("E0522", "machine/bases/no-disk.expected"),
    ("E0523", "machine/bases/wrong-sha256.expected"),
    ("E0530", "cli/failures.expected"),
    ("E0540", "cli/commands.expected"),
    ("E0541", "cli/commands.expected"),
    ("E0546", "cli/failures.expected"),
    ("E0547", "cli/commands.expected"),
    ("E0548", "cli/failures.expected"),
    ("E0549", "cli/failures.expected"),
    ("E0550", "cli/failures.expected"),
    ("E0551", "packages/preparation.expected"),
    ("E0601", "cli/failures.expected"),
    ("E0602", "cli/failures.expected"),
    ("E0603", "cli/failures.expected"),
    ("E0604", "packages/preparation.expected"),
    ("E0605", "cli/failures.expected"),
    ("E0606", "packages/preparation.expected"),
    ("E0607", "cli/failures.expected"),
    ("E0608", "cli/failures.expected"),
    ("E0609", "cli/failures.expected"),
    ("E0620", "machine/gate.expected"),
    ("E0630", "cli/failures.expected"),
    ("E0631", "cli/failures.expected"),
    ("E0632", "cli/failures.expected"),
    ("E0633", "cli/failures.expected"),
    ("E0634", "cli/failures.expected"),
    ("E0635", "cli/failures.expected"),
    ("E0636", "cli/failures.expected"),
    ("E0637", "cli/failures.expected"),
    ("E0651", "cli/failures.expected"),
    ("E0652", "cli/failures.expected"),
    ("E0653", "cli/failures.expected"),
    ("E0654", "cli/failures.expected"),
    ("E0655", "cli/failures.expected"),
    ("E0656", "cli/failures.expected"),
    ("E0657", "cli/failures.expected"),
    ("E0662", "cli/failures.expected"),
    ("E0658", "cli/failures.expected"),
    ("E0659", "cli/failures.expected"),
    ("E0660", "cli/failures.expected"),
    ("E0661", "cli/failures.expected"),
    ("W0651", "machine/capture.live.expected"),
    ("W0660", "machine/shared_cache.expected"),
    ("W0661", "machine/shared_cache.expected"),
    ("E0640", "cli/failures.expected"),
    ("E0641", "cli/commands.expected"),
    ("E0642", "cli/commands.expected"),
    ("E0650", "cli/failures.expected"),
    ("E0670", "cli/publish.expected"),
    ("E0671", "cli/publish.expected"),
    ("E0672", "cli/publish.expected"),
    ("E0673", "cli/publish.expected"),
    ("E0674", "cli/publish.expected"),
    ("E0675", "cli/publish.expected"),
    ("E0676", "cli/publish.expected"),
    ("E0677", "cli/publish.expected"),
    ("E0678", "cli/publish.expected"),
    ("E0679", "cli/publish.expected"),
    ("E0680", "cli/publish.expected"),
    ("E0681", "cli/publish.expected"),
    ("E0682", "cli/publish.expected"),
    ("E0683", "cli/publish.expected"),
    ("W0501", "cli/commands.expected"),
    ("W0601", "machine/artifacts.expected"),
    ("W0602", "machine/artifacts.expected"),
    ("W0603", "machine/artifacts.expected"),
    ("W0604", "machine/accounts.expected"),
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
