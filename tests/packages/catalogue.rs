//! The built-in applications, each really installed and checked by its own `verify` in a booted
//! artifact.
//!
//! In all of them no file may be left that differs from one build to the next: it would be a secret or a name that all
//! instances of an image share.
//!
//! A few that get along share an image; where one of them fails, each is tried in an image of its own.
//! A sample runs with the other tests. `make catalog-test` runs all of them and writes
//! `docs/catalogue-tests.md`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use imgfile::{
    catalog::{Catalog, builtin},
    check::{MemoryFiles, check},
    lock::Lock,
    resolve::{Preferences, Resolution, resolve_project},
    text::{Requirement, Sources},
};

use crate::common::generated;

/// Systems that a base of the built-in catalogue is made with.
const SYSTEMS: [&str; 2] = ["debian 13", "debian 12"];
/// Most applications of one image: what fails is found again faster with few.
const MOST: usize = 5;
/// What the other tests run.
const SAMPLE: [&str; 3] = ["nginx", "fail2ban", "system"];

/// One version of an application on one system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    system: &'static str,
    app: String,
    version: String,
}

/// Whether an image is built twice, and what was generated in it compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    Twice,
}

/// How a case ended.
#[derive(Debug, Clone)]
struct Row {
    case: Case,
    /// Of the package that carries the application's version.
    package: String,
    /// Milliseconds of its `verify`.
    verify_ms: u64,
    /// Milliseconds of the whole image, and how many applications were in it.
    image_ms: u64,
    together: usize,
    failure: Option<String>,
}

static CATALOGUE: LazyLock<Catalog> = LazyLock::new(|| {
    let mut sources = Sources::default();
    let layer = builtin(&mut sources);
    let (catalog, mistakes) = Catalog::load(&[layer], &sources);
    assert_eq!(mistakes, []);
    catalog
});

/// Every version of every application on every system that it says it runs on.
fn cases(wanted: impl Fn(&str) -> bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for system in SYSTEMS {
        let (distro, number) = system.split_once(' ').unwrap();
        for app in CATALOGUE.apps().filter(|app| wanted(&app.name.value)) {
            let runs = app.versions.iter().filter(|version| {
                version.os.is_empty()
                    || version
                        .os
                        .iter()
                        .any(|os| os.distro == distro && os.requirement.matches(&number.parse().unwrap()))
            });
            cases.extend(runs.map(|version| Case {
                system,
                app: app.name.value.clone(),
                version: version.version.value.to_string(),
            }));
        }
    }
    cases
}

fn image_file(cases: &[Case]) -> String {
    let mut text =
        format!("image \"catalogue\" {{\n  os linux {}\n  machine {{ memory = 3GiB }}\n", cases[0].system);
    for case in cases {
        let _ = writeln!(text, "  app {} ={}", case.app, case.version);
    }
    text + generated::LISTING + "}\n"
}

/// What an image with these applications resolves to, if they get along.
fn resolution(cases: &[Case]) -> Option<Resolution> {
    let mut sources = Sources::default();
    let files = MemoryFiles::new().with("ImageFile", image_file(cases));
    let checked = check("ImageFile", &mut sources, &files, &Vec::new());
    assert_eq!(checked.diagnostics, [], "{}", image_file(cases));
    let resolved = resolve_project(&checked.spec, &CATALOGUE, |_| Preferences::default(), |_| None);
    resolved.images.into_values().next()
}

/// Few images for all cases, each of applications that get along and of which none comes in by another
/// in a version that is a case of its own.
fn groups(cases: Vec<Case>) -> Vec<Vec<Case>> {
    let mut groups: Vec<Vec<Case>> = Vec::new();
    for case in cases {
        let place = groups.iter().position(|group| {
            group.len() < MOST
                && group[0].system == case.system
                && group.iter().all(|other| other.app != case.app)
                && resolution(&[group.as_slice(), std::slice::from_ref(&case)].concat()).is_some()
        });
        match place {
            Some(place) => groups[place].push(case),
            None => groups.push(vec![case]),
        }
    }
    groups
}

/// The program, run by itself or under the command in `CATALOG_TEST_UNDER`, such as `nice`.
fn imgfile() -> Command {
    let program = env!("CARGO_BIN_EXE_imgfile");
    let Ok(under) = std::env::var("CATALOG_TEST_UNDER") else { return Command::new(program) };
    let mut words = under.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).arg(program);
    command
}

/// Builds one image; a row for each of its applications.
fn build(cases: &[Case], times: Times) -> Vec<Row> {
    let resolution = resolution(cases).expect("what is grouped gets along");
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = tempfile::tempdir_in(scratch).unwrap();
    std::fs::write(folder.path().join("ImageFile"), image_file(cases)).unwrap();
    let run = |more: &[&str]| {
        let output = imgfile()
            .args(["build", "--progress", "json"])
            .args(more)
            .current_dir(folder.path())
            .env("IMGFILE_STORE", scratch.join("store"))
            .env("IMGFILE_ACCEL", std::env::var("IMGFILE_ACCEL").unwrap_or_else(|_| "tcg".into()))
            .output()
            .unwrap();
        let events: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (output, events)
    };
    let (output, events) = run(&[]);
    let of =
        |kind: &str| events.iter().filter(move |event| event["event"] == kind).cloned().collect::<Vec<_>>();
    let elapsed = |step: &str| {
        let steps = of("step-finished");
        let step = steps.iter().find(|event| event["step"] == step && event["outcome"] == "done")?;
        step["elapsed_ms"].as_u64()
    };
    let image_ms = of("finished").first().and_then(|event| event["elapsed_ms"].as_u64()).unwrap_or_default();
    let failure = (!output.status.success()).then(|| {
        let said = of("finished").first().map(|event| event["message"].to_string()).unwrap_or_default();
        format!("{said} {}", String::from_utf8_lossy(&output.stderr))
    });
    let failure = failure.or_else(|| {
        let listed = |events: &[serde_json::Value]| {
            let said = events.iter().filter(|event| event["event"] == "output");
            generated::listed(&said.filter_map(|event| event["text"].as_str()).collect::<String>())
        };
        let again = (times == Times::Twice).then(|| listed(&run(&["--no-cache"]).1))?;
        let differing = generated::differing(&listed(&events), &again);
        (!differing.is_empty()).then(|| format!("generated while building: {}", differing.join(" ")))
    });
    let packages = packages(&folder.path().join("ImageFile.lock"));
    cases
        .iter()
        .map(|case| {
            let app = resolution.apps.iter().find(|app| app.name == case.app).unwrap();
            let carrier = app.version_of.as_ref().or(app.packages.first().map(|package| &package.name));
            let package = carrier.map(|name| match packages.get(name) {
                Some(version) => format!("{name} {version}"),
                None => format!("{name} (of the base)"),
            });
            Row {
                case: case.clone(),
                package: package.unwrap_or_default(),
                verify_ms: elapsed(&format!("test verify {}", case.app)).unwrap_or_default(),
                image_ms,
                together: cases.len(),
                failure: failure.clone(),
            }
        })
        .collect()
}

fn packages(lock: &Path) -> BTreeMap<String, String> {
    let Ok(text) = std::fs::read_to_string(lock) else { return BTreeMap::new() };
    let mut sources = Sources::default();
    let id = sources.add("ImageFile.lock", text);
    let lock = Lock::read(id, &sources).unwrap();
    let all = lock.images.into_values().flat_map(|image| image.packages.to_vec());
    all.map(|package| (package.name, package.version.to_string())).collect()
}

/// Builds all, those of a failed image once more by themselves.
fn run(cases: Vec<Case>, times: Times) -> Vec<Row> {
    let mut rows = Vec::new();
    for group in groups(cases) {
        let built = build(&group, times);
        let again = built[0].failure.is_some() && group.len() > 1;
        let built = if again {
            group.iter().flat_map(|case| build(std::slice::from_ref(case), times)).collect()
        } else {
            built
        };
        for row in &built {
            let end = row.failure.as_deref().unwrap_or("verified");
            println!("{} {} on {}: {end}", row.case.app, row.case.version, row.case.system);
        }
        rows.extend(built);
    }
    rows.sort_by(|a, b| {
        (&a.case.app, a.case.system, &a.case.version).cmp(&(&b.case.app, b.case.system, &b.case.version))
    });
    rows
}

fn failures(rows: &[Row]) -> Vec<&Case> {
    rows.iter().filter(|row| row.failure.is_some()).map(|row| &row.case).collect()
}

/// A date, as the calendar of UTC has it.
fn today() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A row of the table.
fn line(row: &Row) -> String {
    let seconds = |ms: u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
    let result = if row.failure.is_some() { "**failed**" } else { "verified" };
    format!(
        "{} {} | {} for {} | {result} |",
        place(&row.case, &row.package),
        seconds(row.verify_ms),
        seconds(row.image_ms),
        row.together
    )
}

/// What a row begins with.
fn place(case: &Case, package: &str) -> String {
    format!("| {} | {} | {} | {package} |", case.app, case.version, case.system)
}

/// What the table says of a run in words.
fn summary(lines: &[String]) -> String {
    let failed = lines.iter().filter(|line| line.ends_with("**failed** |")).count();
    format!("Last run: {}, {} cases, {failed} failed.", today(), lines.len())
}

fn table(rows: &[Row]) -> String {
    let images: u64 = rows.iter().map(|row| row.image_ms / row.together as u64).sum();
    let lines: Vec<String> = rows.iter().map(line).collect();
    format!(
        "# The built-in applications, tried\n\n\
         Written by `make catalog-test`: each version of each application, installed on the base of its system\n\
         and checked by its own `verify` as root in the booted artifact. Applications that get along share an\n\
         image ({MOST} at most). All of it took {} s of building on the machine of the last run, without\n\
         hardware virtualisation.\n\n\
         {}\n\n\
         | application | version | system | package | verify | image | result |\n\
         |---|---|---|---|---:|---:|---|\n\
         {}\n",
        images / 1000,
        summary(&lines),
        lines.join("\n"),
    )
}

/// A table in which what was tried again has its new rows.
fn tried_again(table: &str, rows: &[Row]) -> String {
    let same = |line: &str, row: &Row| {
        let place = place(&row.case, "");
        line.starts_with(place.trim_end_matches(" |"))
    };
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    for text in &mut lines {
        if let Some(row) = rows.iter().find(|row| same(text, row)) {
            *text = line(row);
        }
    }
    let of_cases: Vec<String> =
        lines.iter().filter(|line| line.starts_with("| ") && line.contains(" | debian ")).cloned().collect();
    if let Some(said) = lines.iter_mut().find(|line| line.starts_with("Last run: ")) {
        *said = summary(&of_cases);
    }
    lines.join("\n") + "\n"
}

#[test]
fn what_is_tried_again_has_its_new_row_and_the_others_theirs() {
    let row = |app: &str, failure: Option<&str>| Row {
        case: Case { system: SYSTEMS[0], app: app.to_owned(), version: "1".to_owned() },
        package: format!("{app} 1-1"),
        verify_ms: 1234,
        image_ms: 60_000,
        together: 2,
        failure: failure.map(str::to_owned),
    };
    let first = table(&[row("one", None), row("two", Some("no")), row("twofold", None)]);
    assert!(first.contains("3 cases, 1 failed."), "{first}");
    let again = tried_again(&first, &[row("two", None)]);
    assert!(again.contains("3 cases, 0 failed."), "{again}");
    assert_eq!(again, table(&[row("one", None), row("two", None), row("twofold", None)]));
}

/// For `make test-long`: minutes each (.config/nextest.toml).
mod long {
    use super::*;

    #[test]
    fn a_sample_of_the_catalogue_is_built_and_verified() {
        let sample =
            cases(|name| SAMPLE.contains(&name)).into_iter().filter(|case| case.system == SYSTEMS[0]);
        let rows = run(sample.collect(), Times::Once);
        assert_eq!(rows.len(), SAMPLE.len());
        assert!(failures(&rows).is_empty(), "{rows:#?}");
    }
}

/// All of it takes a quarter of an hour and more. With names in `CATALOG_TEST_APPS` only those are
/// tried, and have new rows in the table.
#[test]
#[ignore = "builds every application of the catalogue: `make catalog-test`"]
fn every_application_is_built_and_verified() {
    let only: Option<Vec<String>> = std::env::var("CATALOG_TEST_APPS")
        .ok()
        .map(|names| names.split_whitespace().map(str::to_owned).collect());
    let rows =
        run(cases(|name| only.as_ref().is_none_or(|only| only.iter().any(|one| one == name))), Times::Twice);
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/catalogue-tests.md");
    let text = match only {
        None => table(&rows),
        Some(_) => tried_again(&std::fs::read_to_string(&path).unwrap(), &rows),
    };
    std::fs::write(path, text).unwrap();
    assert!(failures(&rows).is_empty(), "{:#?}", failures(&rows));
}

/// No machine: that the cases are all there, and what is grouped is not more than asked for.
#[test]
fn every_version_on_every_system_is_a_case_of_one_image() {
    let cases = cases(|_| true);
    assert!(cases.len() >= 50, "{}", cases.len());
    let groups = groups(cases.clone());
    let mut grouped: Vec<Case> = groups.iter().flatten().cloned().collect();
    let mut all = cases;
    all.sort();
    grouped.sort();
    assert_eq!(all, grouped);
    for group in &groups {
        let resolution = resolution(group).unwrap();
        for case in group {
            let app = resolution.apps.iter().find(|app| app.name == case.app).unwrap();
            let exactly: Requirement = format!("={}", case.version).parse().unwrap();
            assert!(exactly.matches(&app.version), "{case:?} is {}", app.version);
        }
    }
}
