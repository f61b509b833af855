//! A project with a store of its own, for real builds that are not to meet others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::ground::Ground;

/// A project of its own with a store of its own, in which the build kernel is there already.
pub struct Project {
    pub folder: TempDir,
    store: PathBuf,
}

impl Project {
    pub fn new(image_file: &str) -> Self {
        let ground = Ground::find();
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for part in ["kernels", "facts", "machines"] {
            copy_tree(&ground.store.join(part), &folder.path().join("store").join(part));
        }
        let store = folder.path().join("store");
        fs::write(store.join(imgfile::model::STORE_TAG), imgfile::model::STORE_TAG_TEXT).unwrap();
        Self::with(folder, store, image_file)
    }

    /// A project that uses what the tests' common store has, and leaves its layers there.
    pub fn on_ground(ground: &Ground, image_file: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self::with(folder, ground.store.clone(), image_file)
    }

    fn with(folder: TempDir, store: PathBuf, image_file: &str) -> Self {
        let project = Self { folder, store };
        fs::create_dir(project.path("")).unwrap();
        fs::write(project.path("ImageFile"), image_file).unwrap();
        project
    }

    /// A path of the project's folder.
    pub fn path(&self, inner: &str) -> PathBuf {
        self.folder.path().join("project").join(inner)
    }

    pub fn store(&self, inner: &str) -> PathBuf {
        self.store.join(inner)
    }

    /// Runs a command in the project's folder.
    pub fn imgfile(&self, args: &[&str], proxy: Option<&str>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgfile"));
        command.args(args).current_dir(self.path(""));
        command.env("IMGFILE_STORE", &self.store).env("NO_COLOR", "1");
        if let Some(proxy) = proxy {
            command.env("IMGFILE_PROXY", proxy);
        }
        command.output().unwrap()
    }
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let to = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
