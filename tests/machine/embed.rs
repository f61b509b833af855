//! `examples/embed/build_image.rs` does what it says.

use std::fs;
use std::path::Path;

use imgfile::ops::{
    Class, WorkspaceOptions,
    settings::{Flags, Key},
};
use imgfile::text::Digest;

use crate::common::store::store;

#[allow(dead_code, reason = "its `main` is for `cargo run`")]
#[path = "../../examples/embed/build_image.rs"]
mod example;

use example::{Log, build, told};

/// What the example opens: a folder, with the settings of the tests.
fn options(folder: &Path) -> WorkspaceOptions {
    let settings =
        [(Key::Store, store().display().to_string()), (Key::Accel, "tcg".into()), (Key::Cpus, "1".into())];
    let flags =
        settings.into_iter().fold(Flags::default(), |flags, (key, value)| flags.with(key, Some(value)));
    WorkspaceOptions { path: folder.to_owned(), flags, ..WorkspaceOptions::default() }
}

fn image(script: &str) -> String {
    format!(
        "image \"embedded\" {{\n  os linux debian 13\n\n  script <<-SH\n    #!/bin/sh -e\n    {script}\n  SH\n\n  \
         test \"it is there\" <<-SH\n    #!/bin/sh -e\n    test -e ~/made\n  SH\n}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_builds_an_image_without_the_command_line() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let write = |text: String| fs::write(folder.path().join("ImageFile"), text).unwrap();

    write(image("touch ~/made"));
    let log = Log::default();
    let artifacts =
        build(options(folder.path()), &log).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    let [artifact] = artifacts.as_slice() else { panic!("{artifacts:?}") };
    assert_eq!(artifact.path, folder.path().join("out/embedded.qcow2"));
    assert_eq!(Digest::of(fs::read(&artifact.path).unwrap()), artifact.sha256);
    assert!(folder.path().join("ImageFile.lock").is_file());
    // Steps may be reused, as the store is shared; what comes out is tested each time.
    let said = log.lines();
    assert!(said.iter().any(|line| line == "test it is there: Done"), "{said:?}");

    // A step that fails is at fault, not the host or a file; what it said is data.
    write(image("echo out of luck >&2; false"));
    let error = build(options(folder.path()), &Log::default()).await.unwrap_err();
    assert_eq!(error.class, Class::Failed, "{error}");
    assert!(error.build.is_some_and(|begun| begun.number.is_some()), "the build is recorded");
    assert!(told(&error).contains("out of luck"), "{}", told(&error));

    // Nothing begins with a file that is wrong.
    write("image \"embedded\" {\n".to_owned());
    let error = build(options(folder.path()), &Log::default()).await.unwrap_err();
    assert_eq!((error.class, error.build), (Class::Files, None), "{error}");
    assert!(!error.diagnostics().is_empty());
}
