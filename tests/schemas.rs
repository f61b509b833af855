//! The schemas in `schemas/` are those of the types that are written.
//!
//! `IMGFILE_BLESS=1 cargo test --test schemas` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

use std::{fs, path::Path};

use schemars::{JsonSchema, schema_for};

fn fresh<T: JsonSchema>(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let schema = serde_json::to_string_pretty(&schema_for!(T)).unwrap() + "\n";
    if std::env::var_os("IMGFILE_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, schema).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == schema, "{name} is stale; `IMGFILE_BLESS=1 cargo test --test schemas` writes it anew");
}

#[test]
fn events() {
    fresh::<imgfile::exec::Event>("event.schema.json");
}

#[test]
fn builds() {
    fresh::<Vec<imgfile::store::records::BuildSummary>>("builds.schema.json");
    fresh::<imgfile::store::records::BuildRecord>("build.schema.json");
}

#[test]
fn images() {
    fresh::<Vec<imgfile::cli::images::Listed>>("images.schema.json");
}

#[test]
fn outdated() {
    fresh::<Vec<imgfile::cli::outdated::Outdated>>("outdated.schema.json");
}

#[test]
fn layers() {
    fresh::<Vec<imgfile::cli::cache::Listed>>("layers.schema.json");
}

#[test]
fn diagnostics() {
    fresh::<imgfile::report::Report>("diagnostics.schema.json");
}
