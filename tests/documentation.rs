//! What the documentation shows is what happens: every ImageFile in it is checked, locked and planned, events and
//! settings and catalogue files are taken as shown.
//!
//! A block that cannot be run says why in a comment above it, `<!-- not run: REASON -->`; all of these are in
//! `documentation.expected`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

mod built;
mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use built::Project;
use common::golden::assert_golden;
use common::markdown::{Block, Note, blocks};

/// The languages of blocks, and what is done with each.
const KINDS: &[(&str, &str)] = &[
    ("imagefile", "checked and planned"),
    ("console", "typed"),
    ("yaml", "a catalogue file is checked; of a CI job the commands are typed"),
    ("json", "held against the schema of events"),
    ("toml", "taken as settings"),
    ("lua", "run by Neovim in tests/editors.rs"),
    ("sh", "run by no test"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn of_kind(kind: &str) -> Vec<Block> {
    let all = blocks().into_iter().filter(|block| block.kind == kind);
    let run: Vec<_> = all.filter(|block| !matches!(block.note, Some(Note::NotRun(_)))).collect();
    assert!(!run.is_empty(), "there is no block of {kind}");
    run
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn every_block_is_run_or_says_why_not() {
    let mut list = String::new();
    let all = blocks();
    for block in &all {
        let known = KINDS.iter().any(|(kind, _)| *kind == block.kind);
        assert!(known, "{}: a block of `{}`, of which no test knows what to do", block.place(), block.kind);
        if let Some(Note::NotRun(reason)) = &block.note {
            writeln!(list, "{}, {}, {}: {reason}", block.page, block.heading, block.kind).unwrap();
        } else {
            assert!(block.kind != "sh", "{}: a `sh` block is not typed; `console` is", block.place());
        }
    }
    let commands = all.iter().filter(|block| block.kind == "console").count();
    assert!(all.len() >= 20 && commands >= 6, "only {} blocks were found, {commands} of commands", all.len());
    assert_golden([(PathBuf::from("documentation.expected"), list)]);
}

#[test]
fn every_image_file_compiles_without_a_warning_and_can_be_planned() {
    for block in of_kind("imagefile") {
        let project = Project::new(&block.body);
        beside(&project);
        if block.body.contains("exported.qcow2") {
            let qemu_img = Command::new("qemu-img")
                .args(["convert", "-O", "qcow2"])
                .args([built::disk(), project.path("exported.qcow2")])
                .status();
            assert!(qemu_img.unwrap().success());
        }
        for command in ["check", "plan"] {
            let output = project.imgfile(&[command]);
            let shown = text(&output);
            let fine = output.status.success() && !shown.contains("warning");
            assert!(fine, "{}: imgfile {command}\n{shown}", block.place());
        }
    }
}

/// What README.md puts beside its first ImageFile.
fn beside(project: &Project) {
    fs::create_dir(project.path("site")).unwrap();
    fs::write(project.path("site/index.html"), "hello\n").unwrap();
}

#[test]
fn json_is_as_the_schema_says() {
    let schema = fs::read_to_string(root().join("schemas/event.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for block in of_kind("json") {
        for line in block.body.lines() {
            let event = serde_json::from_str(line).unwrap();
            assert!(schema.is_valid(&event), "{}: {line}", block.place());
        }
    }
}

#[test]
fn settings_are_taken_as_shown() {
    for block in of_kind("toml") {
        let project = Project::new("");
        let config = project.path("home/.config/imgfile");
        fs::create_dir_all(&config).unwrap();
        fs::write(config.join("config.toml"), &block.body).unwrap();
        let mut doctor = project.command(&["doctor", "--format", "json"]);
        for variable in ["IMGFILE_ACCEL", "IMGFILE_STORE", "IMGFILE_MIRROR", "XDG_CONFIG_HOME"] {
            doctor.env_remove(variable);
        }
        let output = doctor.env("HOME", project.path("home")).output().unwrap();
        let report: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        let from_file = report["settings"].as_array().unwrap().iter().filter(|setting| {
            setting["origin"].as_str().is_some_and(|origin| origin.ends_with("config.toml"))
        });
        // A table is no setting; a mistake in one is an error that leaves no report.
        let settings = block.body.lines().take_while(|line| !line.starts_with('['));
        assert_eq!(from_file.count(), settings.count(), "{}\n{report:#}", block.place());
    }
}

#[test]
fn catalogue_files_are_taken_as_shown() {
    for block in of_kind("yaml").iter().filter(|block| block.body.starts_with("schema:")) {
        let name = block.body.lines().find_map(|line| line.strip_prefix("name: ")).unwrap();
        let project = Project::new(&format!("image \"try\" {{\n  os linux debian 13\n  app {name}\n}}\n"));
        let folder = block.body.split('/').nth(1).unwrap().to_owned() + "s";
        fs::create_dir_all(project.path("catalog").join(&folder)).unwrap();
        fs::write(project.path("catalog").join(folder).join(format!("{name}.yaml")), &block.body).unwrap();
        let output = project.imgfile(&["check"]);
        let shown = text(&output);
        assert!(output.status.success() && !shown.contains("warning"), "{}\n{shown}", block.place());
    }
}
