//! The one way from the pure front end to the project's files.

use crate::text::Digest;

/// The project as `check` sees it. Paths are relative to the ImageFile's folder, `/` between parts, without
/// `.` parts, and with `..` at their start alone; `""` is the folder itself.
///
/// An implementation never reads outside the project, also not through a symbolic link, and answers
/// [`FileError::Outside`] instead. The project is that folder, unless one above it says to be its root.
pub trait Files {
    /// The bytes of a file (symbolic links that stay inside are followed), at most `limit` of them:
    /// a larger file is [`FileError::TooLarge`].
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FileError>;

    /// The digest and size of a file, which may be larger than memory.
    fn digest(&self, path: &str, limit: u64) -> Result<(Digest, u64), FileError> {
        self.read(path, limit).map(|bytes| (Digest::of(&bytes), bytes.len() as u64))
    }

    /// What is at `path` (symbolic links that stay inside are followed).
    fn kind(&self, path: &str) -> Result<FileKind, FileError>;

    /// The entries of a folder, sorted by name; links are listed as links.
    fn list(&self, path: &str) -> Result<Vec<FileEntry>, FileError>;
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// The last part of its path, such as `ImageFile`.
    pub name: String,
    /// What it is; a link is not followed.
    pub kind: FileKind,
}

/// What a path of the project leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// A plain file.
    File {
        /// In bytes.
        size: u64,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A folder, whatever it holds.
    Folder,
    /// Only from [`Files::list`].
    Symlink {
        /// As the link has it, relative or absolute; it need not exist.
        target: String,
    },
    /// A device, socket or pipe.
    Other,
}

/// Why a file of the project cannot be read; `Display` words it to follow the file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// Nothing has that path.
    NotFound,
    /// It, or a link on the way, leaves the project's folder.
    Outside,
    /// It has more bytes than the reader takes.
    TooLarge,
    /// A name that is not UTF-8, a folder where a file was meant, or the system's own words.
    Unreadable(String),
}

impl std::fmt::Display for FileError {
    /// The reason, behind the name of the file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotFound => "it is not there",
            Self::Outside => "it leads out of the project",
            Self::TooLarge => "it is too large",
            Self::Unreadable(why) => why,
        })
    }
}

/// Files held in memory, for tests and for embedding: path to bytes. Folders are implied.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    files: std::collections::BTreeMap<String, Vec<u8>>,
}

impl MemoryFiles {
    /// A project without any file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    #[must_use]
    pub fn with(mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), bytes.into());
        self
    }

    fn prefix(path: &str) -> String {
        if path.is_empty() { String::new() } else { format!("{path}/") }
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FileError> {
        match self.files.get(path) {
            None if is_above(path) => Err(FileError::Outside),
            Some(bytes) if bytes.len() as u64 > limit => Err(FileError::TooLarge),
            Some(bytes) => Ok(bytes.clone()),
            None => match self.kind(path)? {
                FileKind::Folder => Err(FileError::Unreadable("it is a folder".into())),
                _ => Err(FileError::NotFound),
            },
        }
    }

    fn kind(&self, path: &str) -> Result<FileKind, FileError> {
        if let Some(bytes) = self.files.get(path) {
            return Ok(FileKind::File { size: bytes.len() as u64, executable: bytes.starts_with(b"#!") });
        }
        if is_above(path) {
            return Err(FileError::Outside);
        }
        let prefix = Self::prefix(path);
        if path.is_empty() || self.files.keys().any(|name| name.starts_with(&prefix)) {
            return Ok(FileKind::Folder);
        }
        Err(FileError::NotFound)
    }

    fn list(&self, path: &str) -> Result<Vec<FileEntry>, FileError> {
        let prefix = Self::prefix(path);
        let mut entries: Vec<FileEntry> = Vec::new();
        for (name, bytes) in self.files.iter().filter(|(name, _)| name.starts_with(&prefix)) {
            let rest = &name[prefix.len()..];
            let entry = match rest.split_once('/') {
                Some((folder, _)) => FileEntry { name: folder.into(), kind: FileKind::Folder },
                None => FileEntry {
                    name: rest.into(),
                    kind: FileKind::File { size: bytes.len() as u64, executable: bytes.starts_with(b"#!") },
                },
            };
            if entries.iter().all(|known| known.name != entry.name) {
                entries.push(entry);
            }
        }
        if entries.is_empty() && !path.is_empty() {
            return Err(FileError::NotFound);
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

fn is_above(path: &str) -> bool {
    path.split('/').next() == Some("..")
}
