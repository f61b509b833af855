//! A project that is really built: the store it shares with the other tests, and the program itself.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on
#![allow(dead_code)] // not every test needs all of it

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Shared by all tests with real machines, as on a user's machine; later runs find it again.
/// `IMGFILE_TEST_STORE` names another.
pub fn store() -> PathBuf {
    std::env::var_os("IMGFILE_TEST_STORE")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("store"), PathBuf::from)
}

pub fn sha256(bytes: &[u8]) -> String {
    imgfile::text::Digest::of(bytes).to_string()
}

/// A folder with an ImageFile.
pub struct Project {
    folder: tempfile::TempDir,
    pub store: PathBuf,
}

impl Project {
    pub fn new(image_file: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::write(folder.path().join("ImageFile"), image_file).unwrap();
        Self { folder, store: store() }
    }

    pub fn path(&self, inner: &str) -> PathBuf {
        self.folder.path().join(inner)
    }

    /// The program with these arguments, in the project's folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgfile"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("IMGFILE_STORE", &self.store)
            .env("IMGFILE_ACCEL", "tcg");
        command
    }

    pub fn imgfile(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Builds, which must succeed; returns the log.
    pub fn build(&self, args: &[&str]) -> String {
        let output = self.imgfile(&[&["build", "--progress", "plain"], args].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        text
    }
}
