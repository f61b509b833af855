//! What the compiler says, as golden files: `tests/ui/NAME.imagefile` and the expected rendering
//! beside it. `UPDATE=1 cargo test --test ui` writes them anew; read the difference before you
//! commit it. A first line `# --set NAME=VALUE` passes a setting.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use imgfile::report;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "imagefile"))
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

#[test]
fn every_rendering_is_as_expected() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let text = fs::read(&case).unwrap();
        let (checked, sources) = common::checked(text.clone(), &settings(&text));
        let shown = report::human(&checked.diagnostics, &sources, false);
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
    let mut shown = BTreeSet::new();
    for case in cases() {
        let text = fs::read(&case).unwrap();
        shown.extend(
            common::checked(text.clone(), &settings(&text)).0.diagnostics.iter().map(|one| one.code.as_str()),
        );
    }
    // Codes from 90 on in each range are reported by later stages.
    let of_check = |code: &str| code[3..].parse::<u32>().is_ok_and(|number| number < 90);
    let missing: Vec<&str> = imgfile::diagnostic::codes_with_titles()
        .map(|(code, _)| code.as_str())
        .filter(|code| {
            ["E01", "E02", "W01", "W02"].iter().any(|range| code.starts_with(range))
                && of_check(code)
                && !shown.contains(code)
        })
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
fn safe_fixes_leave_nothing_that_is_safe_to_fix() {
    for case in cases() {
        let text = fs::read(&case).unwrap();
        let set = settings(&text);
        let (mut checked, mut sources) = common::checked(text, &set);
        for _ in 0..8 {
            let entry = sources.iter().next().map(|(id, _)| id);
            let changed =
                report::fixed(&checked.diagnostics, &sources).into_iter().find(|(id, _)| Some(*id) == entry);
            let Some((_, text)) = changed else { break };
            (checked, sources) = common::checked(text, &set);
        }
        let left = checked.diagnostics.iter().filter(|one| {
            let entry = sources.iter().next().map(|(id, _)| id);
            one.fixes.iter().any(|fix| {
                fix.applicability == imgfile::diagnostic::Applicability::Safe
                    && fix.edits.iter().all(|edit| Some(edit.span.source) == entry)
            })
        });
        assert_eq!(left.count(), 0, "{}", case.display());
    }
}
