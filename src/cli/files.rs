//! The project's folder on the real disk.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::check::{FileEntry, FileError, FileKind, Files};

/// Serves the files below one folder and nothing else, whatever symbolic links say.
#[derive(Debug, Clone)]
pub struct DiskFiles {
    /// Absolute, without symbolic links.
    root: PathBuf,
}

impl DiskFiles {
    /// Opens the project's folder; it must exist.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        Ok(Self { root: root.canonicalize()? })
    }

    /// The folder, absolute and without symbolic links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The real place of a project path, if it is inside the folder.
    pub fn place(&self, path: &str) -> Result<PathBuf, FileError> {
        let place = self.root.join(path).canonicalize().map_err(|error| from_io(&error))?;
        if place.starts_with(&self.root) { Ok(place) } else { Err(FileError::Outside) }
    }
}

fn from_io(error: &std::io::Error) -> FileError {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => FileError::NotFound,
        ErrorKind::PermissionDenied => FileError::Unreadable("permission denied".into()),
        ErrorKind::IsADirectory => FileError::Unreadable("it is a folder".into()),
        _ => FileError::Unreadable(error.to_string()),
    }
}

fn kind_of(metadata: &fs::Metadata) -> FileKind {
    use std::os::unix::fs::PermissionsExt;
    if metadata.is_dir() {
        FileKind::Folder
    } else if metadata.is_file() {
        FileKind::File { size: metadata.len(), executable: metadata.permissions().mode() & 0o100 != 0 }
    } else {
        FileKind::Other
    }
}

impl Files for DiskFiles {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FileError> {
        let place = self.place(path)?;
        // A pipe would block, a device never end: only plain files are opened.
        let metadata = fs::metadata(&place).map_err(|error| from_io(&error))?;
        if metadata.is_dir() {
            return Err(FileError::Unreadable("it is a folder".into()));
        }
        if !metadata.is_file() {
            return Err(FileError::Unreadable("it is no plain file".into()));
        }
        if metadata.len() > limit {
            return Err(FileError::TooLarge);
        }
        let file = fs::File::open(&place).map_err(|error| from_io(&error))?;
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| from_io(&error))?;
        if bytes.len() as u64 > limit { Err(FileError::TooLarge) } else { Ok(bytes) }
    }

    fn kind(&self, path: &str) -> Result<FileKind, FileError> {
        let place = self.place(path)?;
        fs::metadata(place).map(|metadata| kind_of(&metadata)).map_err(|error| from_io(&error))
    }

    fn list(&self, path: &str) -> Result<Vec<FileEntry>, FileError> {
        let place = self.place(path)?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(place).map_err(|error| from_io(&error))? {
            let entry = entry.map_err(|error| from_io(&error))?;
            let name = entry.file_name().into_string().map_err(|name| {
                FileError::Unreadable(format!("the name `{}` in it is not UTF-8", name.to_string_lossy()))
            })?;
            let metadata = entry.metadata().map_err(|error| from_io(&error))?;
            let kind = if metadata.is_symlink() {
                let target = fs::read_link(entry.path()).map_err(|error| from_io(&error))?;
                FileKind::Symlink { target: target.to_string_lossy().into_owned() }
            } else {
                kind_of(&metadata)
            };
            entries.push(FileEntry { name, kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_folder_is_served() {
        let outside = tempfile::tempdir().unwrap();
        let inside = outside.path().join("project");
        fs::create_dir(&inside).unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        fs::write(inside.join("file"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
        std::os::unix::fs::symlink("file", inside.join("fine")).unwrap();
        std::os::unix::fs::symlink("..", inside.join("up")).unwrap();
        let files = DiskFiles::open(&inside).unwrap();
        assert_eq!(files.read("fine", 10), Ok(b"x".to_vec()));
        for path in ["link", "up/secret", "up", "../secret"] {
            assert_eq!(files.read(path, 10), Err(FileError::Outside), "{path}");
            assert_eq!(files.kind(path), Err(FileError::Outside), "{path}");
        }
        assert_eq!(files.read("file", 0), Err(FileError::TooLarge));
        assert_eq!(files.kind("no"), Err(FileError::NotFound));
        let link = files.list("").unwrap().into_iter().find(|entry| entry.name == "link").unwrap();
        assert_eq!(link.kind, FileKind::Symlink { target: "../secret".into() });
    }
}
