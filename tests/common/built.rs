//! A project that is really built: the store it shares with the other tests, and the program itself.

use std::{
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::{Path, PathBuf},
    process::{Command, Output},
};

pub use super::store::store;

/// The disk of a base that a build has made in the shared store.
pub fn disk() -> PathBuf {
    filled();
    let bases = std::fs::read_dir(store().join("bases")).unwrap().flatten();
    let mut disks = bases.map(|base| base.path().join("disk.qcow2")).filter(|disk| disk.is_file());
    disks.next().expect("a build leaves a base in the store")
}

/// Builds a small image, if nothing was built in the shared store yet.
fn filled() {
    let bases = std::fs::read_dir(store().join("bases")).into_iter().flatten().flatten();
    let has_base = bases.map(|base| base.path().join("disk.qcow2")).any(|disk| disk.is_file());
    // Whoever only wanted a machine has a kernel and no base.
    if !store().join("kernels/pinned").exists() || !has_base {
        Project::new("image \"first\" {\n  os linux debian 13\n}\n").build(&["--no-test"]);
    }
}

/// A store of the caller's own: what was downloaded and made for the shared one is there (as links), but no
/// layer and no record. What `gc` and `prune` do to it does not concern other tests.
pub fn own_store(at: &Path) -> PathBuf {
    filled();
    std::fs::create_dir(at).unwrap();
    std::fs::copy(store().join("CACHEDIR.TAG"), at.join("CACHEDIR.TAG")).unwrap();
    for shared in ["bases", "blobs", "indexes", "kernels", "facts"] {
        link(&store().join(shared), &at.join(shared));
    }
    at.to_owned()
}

/// Makes links to all files of a folder but those that another test is making or removing just then.
fn link(from: &Path, to: &Path) {
    use std::io::ErrorKind::NotFound;
    let entries = match std::fs::read_dir(from) {
        Err(error) if error.kind() == NotFound => return,
        entries => entries.unwrap(),
    };
    // As a store wants its folders, whatever the umask.
    std::fs::DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in
        entries.map(Result::unwrap).filter(|entry| !entry.file_name().as_bytes().starts_with(b".new-"))
    {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            link(&from, &to);
            continue;
        }
        match std::fs::hard_link(&from, &to) {
            Err(error) if error.kind() == NotFound => {}
            linked => linked.unwrap(),
        }
    }
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
            .env("IMGFILE_ACCEL", "tcg")
            // Two tests share two processors, and emulated ones wait for one another in circles.
            .env("IMGFILE_CPUS", "1");
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
