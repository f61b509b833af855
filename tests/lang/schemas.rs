//! The schemas in `schemas/` are those of the types that are read and written, and what is written fits
//! them.
//!
//! `IMGFILE_BLESS=1 cargo test --test lang schemas::` writes them anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use imgfile::cli::schema::{SCHEMAS, text};
use imgfile::model::Firmware;
use imgfile::report;
use serde_json::Value;

use crate::common;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

#[test]
fn every_schema_is_fresh() {
    let mut expected = BTreeSet::new();
    for (name, _, make) in SCHEMAS {
        let path = folder().join(format!("{name}.schema.json"));
        let schema = text(&make());
        if std::env::var_os("IMGFILE_BLESS").is_some() {
            fs::write(&path, &schema).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == schema,
            "{name} is stale; `IMGFILE_BLESS=1 cargo test --test lang schemas::` writes it"
        );
        expected.insert(path);
    }
    let there: BTreeSet<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(there, expected, "no other file lies there");
}

/// What a document has against a schema, in words.
fn complaints(schema: &Value, document: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn schema(name: &str) -> Value {
    let (_, _, make) = SCHEMAS.iter().find(|(known, ..)| *known == name).unwrap();
    serde_json::to_value(make()).unwrap()
}

#[test]
fn built_in_catalogue_files_fit_their_schema_and_slips_do_not() {
    let builtin = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/builtin");
    for (sub, name) in [("apps", "app"), ("bases", "base")] {
        let schema = schema(name);
        for entry in fs::read_dir(builtin.join(sub)).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let mut document: Value = serde_yaml::from_str(&text).unwrap();
            assert_eq!(complaints(&schema, &document), [] as [String; 0], "{}", path.display());
            document["confilcts"] = Value::Null;
            assert_ne!(complaints(&schema, &document).len(), 0);
        }
    }
}

/// Findings of every kind: the golden cases together.
fn every_finding() -> Vec<(Vec<imgfile::diagnostic::Diagnostic>, imgfile::text::Sources)> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut found = Vec::new();
    for entry in fs::read_dir(cases).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "imagefile") {
            let (project, sources) = common::checked(fs::read(&path).unwrap(), &[]);
            found.push((project.diagnostics, sources));
        }
    }
    assert!(found.len() > 60);
    found
}

#[test]
fn findings_fit_their_schema() {
    let found = every_finding();
    let text = report::json(found.iter().map(|(found, sources)| (found.as_slice(), sources)));
    let document = serde_json::from_str(&text).unwrap();
    assert_eq!(complaints(&schema("diagnostics"), &document), [] as [String; 0]);
}

/// The schema that the standard's committee publishes, as the package `serde-sarif` carries it; `build.rs`
/// took it from there.
const PUBLISHED_SARIF: &str = include_str!(concat!(env!("OUT_DIR"), "/sarif.schema.json"));

#[test]
fn sarif_fits_the_published_schema() {
    let schema = serde_json::from_str(PUBLISHED_SARIF).expect("the package has its schema");
    let schema: &Value = &schema;
    assert!(schema["$id"].as_str().or(schema["id"].as_str()).is_some_and(|id| id.contains("sarif")));
    let found = every_finding();
    let text = report::sarif(found.iter().map(|(found, sources)| (found.as_slice(), sources)));
    let mut document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(complaints(schema, &document), [] as [String; 0]);
    // The schema does look: a column is a number from 1 on.
    let column = "/runs/0/results/0/locations/0/physicalLocation/region/startColumn";
    *document.pointer_mut(column).unwrap() = 0.into();
    assert_eq!(complaints(schema, &document).len(), 1);
}

#[test]
fn a_plan_fits_its_schema() {
    use imgfile::check::MemoryFiles;
    use imgfile::front::{Pins, compile};
    use imgfile::packages::Solution;
    use imgfile::plan::{BasePlan, BaseSource, PLAN_FORMAT, Plan};
    use imgfile::text::Digest;

    let files = MemoryFiles::new().with("site/index.html", "hello").with(
        "ImageFile",
        "image \"web\" {\n  os linux debian 13\n  base file \"golden.qcow2\"\n  account ada { sudo = true }\n  \
         copy \"site/\" to \"/srv\"\n  script <<-SH\n    #!/bin/sh -e\n    true\n  SH\n  reboot\n  \
         service ssh enabled\n  kernel_args [\"quiet\"]\n  output raw\n}\n",
    );
    let project = compile("ImageFile", &files, &[]);
    assert_eq!(project.diagnostics, []);
    let base = BasePlan {
        name: "golden.qcow2".to_owned(),
        source: BaseSource::File { path: "golden.qcow2".to_owned(), sha256: Digest::of("its bytes") },
        virtual_size: 8 << 30,
        firmware: vec![Firmware::Uefi],
    };
    let packages = Solution::default();
    let pins = Pins {
        base: &base,
        packages: &packages,
        packages_grow: 0,
        base_grown: 0,
        marks: "",
        agent_version: "1",
    };
    let plan = Plan { format: PLAN_FORMAT, images: vec![project.plan("web", &files, pins).unwrap()] };
    let document = serde_json::from_str(&report::plan_json(&plan)).unwrap();
    assert_eq!(complaints(&schema("plan"), &document), [] as [String; 0]);
}
