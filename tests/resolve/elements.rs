//! The graph of a real project: diskimage-builder's elements, converted into a catalogue and resolved with
//! the same result as that project's own resolver.
//!
//! The elements come from the Python package index, by pip.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgfile::catalog::{Catalog, Layer};
use imgfile::check::{MemoryFiles, check};
use imgfile::resolve::{Preferences, resolve_project};
use imgfile::text::Sources;
use serde::Deserialize;

const VERSION: &str = "3.43.0";

#[derive(Deserialize)]
struct Theirs {
    elements: BTreeMap<String, Element>,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Element {
    depends: Vec<String>,
    provides: Vec<String>,
}

/// What their resolver says to a request: the elements of the image, or the name of its error.
#[derive(Deserialize)]
struct Answer {
    request: Vec<String>,
    elements: Option<BTreeSet<String>>,
    error: Option<String>,
}

/// A Python that has the package; or why there is none.
fn python() -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("elements-{VERSION}"));
    let python = home.join("bin/python");
    let there = |python: &Path| {
        let tried = Command::new(python).args(["-c", "import diskimage_builder"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    if there(&python) {
        return Ok(python);
    }
    let run = |program: &Path, args: &[&str]| match Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("{}: {error}", program.display())),
    };
    run(Path::new("python3"), &["-m", "venv", home.to_str().unwrap()])?;
    run(&python, &["-m", "pip", "install", "--quiet", &format!("diskimage-builder=={VERSION}")])?;
    Ok(python)
}

fn ask(python: &Path, args: &[&str]) -> Theirs {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/resolve/elements.py");
    let output = Command::new(python).arg(script).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An element is an application; what it provides nobody else may provide, and an element that has the
/// provided name itself counts as one that provides it.
fn catalogue(elements: &BTreeMap<String, Element>) -> (Catalog, Vec<String>) {
    let provided: BTreeSet<&String> = elements.values().flat_map(|element| &element.provides).collect();
    let mut sources = Sources::default();
    sources.add("ImageFile", "");
    let mut files = vec![sources.add(
        "base.yaml",
        "schema: imgfile/base/v1\nname: any\nversion: \"1\"\nsummary: s\nos: debian 13\narch: x86_64\n\
         firmware: [bios]\nvirtual_size: 4GiB\nuser: u\nsource: { file: disk }\n",
    )];
    for (name, element) in elements {
        let list = |names: &[String]| names.join(", ");
        let own = Some(name).filter(|name| provided.contains(name));
        let claims: Vec<String> =
            element.provides.iter().chain(own).map(|name| format!("provides/{name}")).collect();
        let mut text =
            format!("schema: imgfile/app/v1\nname: {name}\nsummary: s\nversions: [{{version: 1}}]\n");
        writeln!(text, "requires: [{}]", list(&element.depends)).unwrap();
        writeln!(text, "provides: [{}]", list(&element.provides)).unwrap();
        writeln!(text, "claims: [{}]", claims.join(", ")).unwrap();
        files.push(sources.add(format!("{name}.yaml"), text));
    }
    let (catalog, mistakes) = Catalog::load(&[Layer { name: "elements".to_owned(), files }], &sources);
    (catalog, mistakes.into_iter().map(|mistake| format!("{} {}", mistake.code, mistake.message)).collect())
}

/// The applications of an image that asks for these, or the codes of what is wrong.
fn ours(catalog: &Catalog, request: &[String]) -> Result<BTreeSet<String>, BTreeSet<&'static str>> {
    let mut text = String::from("image \"x\" {\n  os linux debian 13\n");
    for name in request {
        writeln!(text, "  app {name}").unwrap();
    }
    text.push_str("}\n");
    let mut sources = Sources::default();
    let files = MemoryFiles::new().with("ImageFile", text);
    let checked = check("ImageFile", &mut sources, &files, &Vec::new());
    let resolved = resolve_project(&checked.spec, catalog, |_| Preferences::default(), |_| None);
    match resolved.images.into_values().next() {
        Some(resolution) => Ok(resolution.apps.into_iter().map(|app| app.name).collect()),
        None => Err(resolved.diagnostics.iter().map(|one| one.code.as_str()).collect()),
    }
}

#[test]
fn a_real_projects_graph_resolves_as_its_own_resolver_does() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => panic!("this test needs diskimage-builder from the Python package index: {why}"),
    };
    let theirs = ask(&python, &["2000", "1"]);
    assert!(theirs.elements.len() >= 128, "{} elements", theirs.elements.len());
    let (catalog, mistakes) = catalogue(&theirs.elements);
    // Theirs, and it is one: nobody can use that element.
    assert_eq!(mistakes, ["E0338 `deploy-kexec` requires `deploy`, which the catalogue does not hold"]);

    let provides = |name: &String, what: &str| theirs.elements[name].provides.iter().any(|one| one == what);
    let (mut same, mut clashes, mut completed) = (0, 0, Vec::new());
    for Answer { request, elements, error } in &theirs.answers {
        let ours = ours(&catalog, request);
        match (elements, error.as_deref(), ours) {
            (Some(elements), _, Ok(ours)) => {
                assert_eq!(*elements, ours, "{request:?}");
                same += 1;
            }
            (None, Some("AlreadyProvidedException"), ours) => {
                assert!(ours.is_err(), "{request:?}: two provide the same, and that was taken: {ours:?}");
                clashes += 1;
            }
            // Somebody must provide what is needed. They want it named; we choose where that is possible,
            // and they must then agree.
            (None, Some(_), Ok(mut ours)) => {
                if !ours.iter().any(|name| provides(name, "operating-system")) {
                    ours.insert("debian-minimal".to_owned());
                }
                completed.push(ours);
            }
            // Theirs ends at the first thing that is wrong: with something missing there may be a clash too.
            (None, Some("MissingElementException"), Err(codes)) => {
                let dangling = request.iter().any(|name| name == "deploy-kexec");
                assert!(dangling || codes.contains("E0312"), "{request:?}: {codes:?}");
            }
            (_, error, ours) => panic!("{request:?}: they say {elements:?} {error:?}, we say {ours:?}"),
        }
    }
    println!("{same} with the same result, {clashes} clashes, {} completed", completed.len());
    assert!(same > 200 && clashes > 200, "{same} {clashes}");

    let file = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&file, &completed).unwrap();
    for answer in ask(&python, &[file.path().to_str().unwrap()]).answers {
        let Answer { request, elements, error } = answer;
        let whole = elements.is_some_and(|elements| request.iter().all(|name| elements.contains(name)));
        assert!(whole, "{request:?} is no answer to them: {error:?}");
    }
}
