//! A project in memory for the tests of the front end.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod boots;
pub mod built;
pub mod disks;
pub mod generated;
pub mod golden;
pub mod ground;
pub mod markdown;
pub mod needed;
pub mod openstack;
pub mod planned;
pub mod project;
pub mod s3;
pub mod server;
pub mod signer;
pub mod store;
pub mod terminal;
pub mod tool;
pub mod virsh;

use std::cell::RefCell;
use std::path::Path;

use imgfile::check::{FileEntry, FileError, FileKind, Files, MemoryFiles};
use imgfile::driver::DriverEntry;
use imgfile::front::{FrontCache, Project, compile_with};
use imgfile::text::Sources;

/// The files of `tests/ui/files`, beside an ImageFile of the test's own. `unreadable.sh` cannot be
/// read and `outside.sh` leads out of the project.
pub struct Fixture(MemoryFiles);

impl Fixture {
    pub fn new(image_file: impl Into<Vec<u8>>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui/files");
        Self(add(MemoryFiles::new().with("ImageFile", image_file), &root, ""))
    }

    /// Adds a file.
    #[must_use]
    pub fn with(self, path: &str, text: &str) -> Self {
        Self(self.0.with(path, text))
    }
}

fn add(mut files: MemoryFiles, folder: &Path, prefix: &str) -> MemoryFiles {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        files = if entry.file_type().unwrap().is_dir() {
            add(files, &entry.path(), &format!("{name}/"))
        } else {
            files.with(name, std::fs::read(entry.path()).unwrap())
        };
    }
    files
}

impl Files for Fixture {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FileError> {
        match path {
            "unreadable.sh" => Err(FileError::Unreadable("permission denied".into())),
            "outside.sh" => Err(FileError::Outside),
            _ => self.0.read(path, limit),
        }
    }

    fn kind(&self, path: &str) -> Result<FileKind, FileError> {
        match path {
            "unreadable.sh" => Ok(FileKind::File { size: 1, executable: true }),
            "outside.sh" => Err(FileError::Outside),
            _ => self.0.kind(path),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<FileEntry>, FileError> {
        self.0.list(path)
    }
}

thread_local! {
    /// The built-in catalogue, read once for all cases of a test.
    static SHELF: RefCell<Option<FrontCache>> = const { RefCell::new(None) };
}

/// Compiles an ImageFile beside the fixture's files, as `imgfile check` does.
pub fn checked(image_file: impl Into<Vec<u8>>, set: &[(String, String)]) -> (Project, Sources) {
    compiled(&Fixture::new(image_file), set)
}

/// Compiles a project.
pub fn compiled(files: &dyn Files, set: &[(String, String)]) -> (Project, Sources) {
    // What is kept is the built-in catalogue alone.
    let own = files.kind("catalog").is_ok();
    let mut fresh = None;
    let mut project = SHELF.with_borrow_mut(|shelf| {
        let shelf = if own { &mut fresh } else { shelf };
        compile_with("ImageFile", files, set, shelf)
    });
    project.hold_to(DriverEntry::usual().capabilities);
    if !project.spec.catalogs.is_empty() {
        SHELF.set(None);
    }
    let sources = project.sources.clone();
    (project, sources)
}
