//! What the resolver and the catalogue say, as golden files: `tests/resolve/cases/NAME.case` holds a project,
//! each file below a line `=== PATH`, and `NAME.expected` the rendering.
//! `SNAPSHOTS=overwrite cargo test --test resolve resolution::` writes them anew; read the difference before you
//! commit it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use imgfile::catalog::load_project;
use imgfile::check::{MemoryFiles, check};
use imgfile::diagnostic::Diagnostic;
use imgfile::exec::base::listed;
use imgfile::report;
use imgfile::resolve::{Preferences, resolve_project};
use imgfile::text::Sources;

use crate::common::golden::assert_golden;

#[allow(dead_code, reason = "one of the families is needed")]
#[path = "../../benches/resolve/families.rs"]
mod families;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/resolve/cases");
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
    assert_golden(cases().into_iter().map(|case| {
        let (found, sources) = found(&project(&fs::read_to_string(&case).unwrap()));
        (case.with_extension("expected"), report::human(&found, &sources, false))
    }));
}

/// A case is about the code it is named after.
#[test]
fn every_case_shows_the_code_of_its_name() {
    for case in cases() {
        let name = case.file_stem().unwrap().to_str().unwrap();
        let (found, _) = found(&project(&fs::read_to_string(&case).unwrap()));
        let codes: BTreeSet<&str> = found.iter().map(|one| one.code.as_str()).collect();
        assert!(codes.contains(&name[..5]), "{name} shows {codes:?}");
    }
}

/// A project that is made to be hard, by rule: nobody would read it as a file.
#[test]
fn a_search_that_is_given_up_says_so() {
    let family = families::ladder(20);
    let mut text = "image \"web\" {\n  os linux debian 13\n".to_owned();
    for app in &family.wanted {
        writeln!(text, "  app {app}").unwrap();
    }
    let mut files = MemoryFiles::new().with("ImageFile", format!("{text}}}\n"));
    for (nth, app) in family.apps.iter().enumerate() {
        files = files.with(format!("catalog/apps/{nth}.yaml"), app.as_str());
    }
    let (found, sources) = found(&files);
    assert_golden([("resolve/cases/E0313-given-up.expected".into(), report::human(&found, &sources, false))]);
}
