//! `IMGFILE_LOG`: what imgfile does, for whoever looks into it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A secret's value, which is nobody's to read.
const VALUE: &str = "v4lue-of-the-secret";

fn check(folder: &Path, log: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imgfile"));
    command.args(["check", "--color", "never"]).current_dir(folder).env("HOME", folder);
    command.env_remove("IMGFILE_LOG").env("TOKEN", VALUE);
    if let Some(log) = log {
        command.env("IMGFILE_LOG", log);
    }
    command.output().unwrap()
}

#[test]
fn what_is_traced_is_what_was_asked_for_and_goes_to_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let image = "image \"web\" {\n  os linux debian 13\n  app nginx\n  secret token from env TOKEN\n}\n";
    fs::write(folder.path().join("ImageFile"), image).unwrap();
    let [plain, debug, none] =
        [None, Some("imgfile=debug"), Some("warn")].map(|log| check(folder.path(), log));
    let errors = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!([&debug.stdout, &none.stdout], [&plain.stdout, &plain.stdout]);
    assert_eq!(errors(&none), errors(&plain));
    let traced = errors(&debug);
    let line = traced.lines().find(|line| line.contains("resolved")).unwrap_or_else(|| panic!("{traced}"));
    for part in ["DEBUG", "imgfile::resolve", "image=\"web\"", "nginx"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!traced.contains(VALUE) && !traced.contains('\u{1b}'), "{traced}");
}

#[test]
fn what_cannot_be_traced_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = check(folder.path(), Some("imgfile=loud=er"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("error: `IMGFILE_LOG` says nothing that can be traced: "), "{said}");
    assert!(said.trim_end().ends_with("try `IMGFILE_LOG=imgfile=debug`"), "{said}");
}
