//! A project in memory for the tests of the front end.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod planned;
pub mod server;
pub mod signer;

use std::path::Path;

use imgfile::check::{Checked, FileEntry, FileError, FileKind, Files, MemoryFiles, check};
use imgfile::text::Sources;

/// The files of `tests/ui/files`, beside an ImageFile of the test's own. `unreadable.sh` cannot be
/// read and `outside.sh` leads out of the project.
pub struct Fixture(MemoryFiles);

impl Fixture {
    pub fn new(image_file: impl Into<Vec<u8>>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui/files");
        Self(add(MemoryFiles::new().with("ImageFile", image_file), &root, ""))
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

/// Checks an ImageFile beside the fixture's files.
pub fn checked(image_file: impl Into<Vec<u8>>, set: &[(String, String)]) -> (Checked, Sources) {
    let mut sources = Sources::default();
    let checked = check("ImageFile", &mut sources, &Fixture::new(image_file), set);
    (checked, sources)
}
