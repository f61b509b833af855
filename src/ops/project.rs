//! From a path to a checked project.

use std::path::{Path, PathBuf};

use super::error::{Class, Error};
use crate::check::{Checked, Settings, check};
use crate::diagnostic::Diagnostic;
use crate::lock::Lock;
use crate::store::ProjectFolder;
use crate::text::Sources;

/// A project whose ImageFile was read and checked.
#[derive(Debug)]
pub struct Project {
    /// Serves the project's folder, the one that holds the ImageFile.
    pub files: ProjectFolder,
    /// The ImageFile's path as the user would write it.
    pub path: PathBuf,
    /// Every file looked at; names are as the user would write them.
    pub sources: Sources,
    /// What it means, and what is wrong with it.
    pub checked: Checked,
}

impl Project {
    /// The ImageFile's name in its folder.
    #[must_use]
    pub fn name(&self) -> String {
        // One that is not UTF-8 was not opened.
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Project {
    /// The lock beside the ImageFile, if there is one.
    pub fn lock(&mut self) -> Result<Option<Lock>, Vec<Diagnostic>> {
        let before = self.sources.count();
        let lock = Lock::beside(&self.name(), &self.files, &mut self.sources);
        let folder = self.path.parent().unwrap_or(Path::new(""));
        if !folder.as_os_str().is_empty() {
            self.sources.prefix_names(&folder.to_string_lossy(), before);
        }
        lock
    }
}

/// Why there is no project at a path.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder has none.
    #[error("there is no ImageFile in `{0}`; `imgfile init` writes a first one")]
    NoImageFile(PathBuf),
    /// The folder has several files that may be meant.
    #[error("there are several ImageFiles in `{0}`; name one of them")]
    Several(PathBuf),
    /// Nothing is at the path.
    #[error("`{0}` does not exist")]
    NotFound(PathBuf),
    /// The name of the ImageFile is not UTF-8, so that no message or lock can name it.
    #[error("`{0}` has a name that is not UTF-8")]
    Name(PathBuf),
    /// A file of the project cannot be written with its corrections in it.
    #[error("`{path}` cannot be written: {why}")]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// What is in the way.
        why: String,
    },
    /// A file of the project cannot be read.
    #[error("`{path}` cannot be read: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system answers.
        error: std::io::Error,
    },
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::message(Class::Files, error.to_string())
    }
}

/// The ImageFile that `path` means: itself if it is a file, else the one in the folder.
pub fn find(path: &Path) -> Result<PathBuf, OpenError> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => OpenError::NotFound(path.to_owned()),
        _ => OpenError::Io { path: path.to_owned(), error },
    })?;
    if !metadata.is_dir() {
        return Ok(path.to_owned());
    }
    let file = if path == Path::new(".") { PathBuf::from("ImageFile") } else { path.join("ImageFile") };
    if file.is_file() {
        return Ok(file);
    }
    // A folder may hold a single `NAME.imagefile` instead.
    let mut named: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(|error| OpenError::Io { path: path.to_owned(), error })?
        .filter_map(Result::ok)
        .map(|entry| if path == Path::new(".") { PathBuf::from(entry.file_name()) } else { entry.path() })
        .filter(|file| file.extension().is_some_and(|extension| extension == "imagefile") && file.is_file())
        .collect();
    match named.pop() {
        Some(file) if named.is_empty() => Ok(file),
        Some(_) => Err(OpenError::Several(path.to_owned())),
        None => Err(OpenError::NoImageFile(path.to_owned())),
    }
}

/// Whether the working folder has no project, and nobody named another.
#[must_use]
pub fn is_nowhere(path: &Path) -> bool {
    path == Path::new(".") && matches!(find(path), Err(OpenError::NoImageFile(_)))
}

/// The folder of the ImageFile `file` as written, the door to it, and the file's name in it.
pub fn around(file: &Path) -> Result<(&Path, ProjectFolder, &str), OpenError> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let files =
        ProjectFolder::open(folder).map_err(|error| OpenError::Io { path: folder.to_owned(), error })?;
    let name =
        file.file_name().and_then(|name| name.to_str()).ok_or_else(|| OpenError::Name(file.to_owned()))?;
    Ok((folder, files, name))
}

/// Reads and checks the ImageFile `file`.
pub fn open(file: &Path, set: &Settings) -> Result<Project, OpenError> {
    let (folder, files, name) = around(file)?;
    let mut sources = Sources::default();
    let checked = check(name, &mut sources, &files, set);
    if !folder.as_os_str().is_empty() {
        sources.prefix_names(&folder.to_string_lossy(), 0);
    }
    Ok(Project { files, path: file.to_owned(), sources, checked })
}
