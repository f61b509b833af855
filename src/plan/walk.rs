//! Project files and folders into [`Tree`]s, `.imagefileignore` honoured.

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::{EntryKind, Tree, TreeEntry};
use crate::{
    check::{FileEntry, FileError, FileKind, Files},
    diagnostic::{Diagnostic, codes},
    model::{STORE_TAG, STORE_TAG_TEXT},
    text::Span,
};

/// Patterns of files that no copy takes along, in gitignore's notation, at the project's root.
const IGNORE_FILE: &str = ".imagefileignore";
/// More than any list of patterns a person writes.
const IGNORE_LIMIT: u64 = 1 << 20;
/// A single project file that goes into an image, at most: whoever checks a project waits for its digest.
const FILE_LIMIT: u64 = 64 << 30;

/// Why a tree could not be taken in: the path at fault and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkError {
    /// Relative to the project's folder, `/` between parts.
    pub path: String,
    /// What is wrong with it.
    pub error: FileError,
}

impl WalkError {
    /// As a person sees it; `asked` is the statement that brings the file in.
    #[must_use]
    pub fn diagnostic(&self, asked: Span) -> Diagnostic {
        let problem = match &self.error {
            FileError::NotFound => "it is not there",
            FileError::Outside => "it is, or leads, outside the project's folder",
            FileError::TooLarge => "it is larger than 4 GiB",
            FileError::Unreadable(reason) => reason,
        };
        Diagnostic::new(codes::PROJECT_FILE, format!("`{}` cannot be copied: {problem}", self.path))
            .label(asked, "brought in here")
            .help("repair or rename it, or leave it out with a line in `.imagefileignore`")
    }
}

/// Reads trees of one project.
pub struct Walker<'a> {
    files: &'a dyn Files,
    ignore: Gitignore,
}

impl std::fmt::Debug for Walker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walker").finish_non_exhaustive()
    }
}

impl<'a> Walker<'a> {
    /// Reads the project's `.imagefileignore`; a line that is no pattern is no pattern.
    pub fn new(files: &'a dyn Files) -> Self {
        let text = files.read(IGNORE_FILE, IGNORE_LIMIT).unwrap_or_default();
        let mut builder = GitignoreBuilder::new("");
        // Windows line ends and a byte-order mark are no part of a pattern.
        for line in String::from_utf8_lossy(&text).trim_start_matches('\u{FEFF}').lines() {
            let _ = builder.add_line(None, line);
        }
        Self { files, ignore: builder.build().unwrap_or_else(|_| Gitignore::empty()) }
    }

    /// The file at `path`, or everything in the folder there, sorted.
    pub fn tree(&self, path: &str) -> Result<Tree, WalkError> {
        let path = path.trim_end_matches('/');
        let mut entries = Vec::new();
        match Self::at(path, self.files.kind(path))? {
            FileKind::Folder => {
                entries.push(TreeEntry { path: String::new(), kind: EntryKind::Folder });
                self.folder(path, "", &mut entries)?;
            }
            kind => entries.extend(self.entry(path, "", kind)?),
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Tree { path: path.to_owned(), entries })
    }

    /// Goes through what [`Self::tree`] would read, by name alone, as long as there are entries `left`.
    pub fn names(&self, path: &str, left: &mut usize) -> Result<(), WalkError> {
        let path = path.trim_end_matches('/');
        if Self::at(path, self.files.kind(path))? != FileKind::Folder {
            return Ok(());
        }
        let mut open = vec![String::new()];
        while let Some(below) = open.pop() {
            let folder = join(path, &below);
            let children = Self::at(&folder, self.files.list(&folder))?;
            if self.is_store(&folder, &children) {
                continue;
            }
            let beside_image_file = children.iter().any(|child| is_image_file(&child.name));
            for child in children {
                let inner = join(&below, &child.name);
                let is_folder = child.kind == FileKind::Folder;
                if is_never_copied(&child.name, is_folder && beside_image_file) {
                    continue;
                }
                if self.ignore.matched(join(path, &inner), is_folder).is_ignore() {
                    continue;
                }
                if *left == 0 {
                    return Ok(());
                }
                *left -= 1;
                match child.kind {
                    FileKind::Folder => open.push(inner),
                    FileKind::Other => return Err(Self::no_file(join(path, &inner))),
                    FileKind::File { .. } | FileKind::Symlink { .. } => {}
                }
            }
        }
        Ok(())
    }

    fn no_file(path: String) -> WalkError {
        WalkError { path, error: FileError::Unreadable("it is a device, socket or pipe".into()) }
    }

    /// Whether a folder is a store of imgfile, such as one that a CI system keeps in the checkout: each build changes it.
    fn is_store(&self, folder: &str, children: &[FileEntry]) -> bool {
        children.iter().any(|child| child.name == STORE_TAG)
            && self
                .files
                .read(&join(folder, STORE_TAG), IGNORE_LIMIT)
                .is_ok_and(|tag| tag == STORE_TAG_TEXT.as_bytes())
    }

    /// Adds what is in a folder; answers whether it is one to take along.
    fn folder(&self, root: &str, below: &str, entries: &mut Vec<TreeEntry>) -> Result<bool, WalkError> {
        let folder = join(root, below);
        let children = Self::at(&folder, self.files.list(&folder))?;
        if self.is_store(&folder, &children) {
            return Ok(false);
        }
        let beside_image_file = children.iter().any(|child| is_image_file(&child.name));
        for child in children {
            let inner = join(below, &child.name);
            let is_folder = child.kind == FileKind::Folder;
            if is_never_copied(&child.name, is_folder && beside_image_file) {
                continue;
            }
            if self.ignore.matched(join(root, &inner), is_folder).is_ignore() {
                continue;
            }
            if is_folder {
                let before = entries.len();
                entries.push(TreeEntry { path: inner.clone(), kind: EntryKind::Folder });
                if !self.folder(root, &inner, entries)? {
                    entries.truncate(before);
                }
            } else {
                entries.extend(self.entry(&join(root, &inner), &inner, child.kind)?);
            }
        }
        Ok(true)
    }

    fn entry(&self, path: &str, inner: &str, kind: FileKind) -> Result<Option<TreeEntry>, WalkError> {
        let kind = match kind {
            FileKind::File { executable, .. } => {
                let (sha256, size) = Self::at(path, self.files.digest(path, FILE_LIMIT))?;
                EntryKind::File { sha256, size, executable }
            }
            FileKind::Symlink { target } => EntryKind::Symlink { target },
            FileKind::Folder => EntryKind::Folder,
            FileKind::Other => return Err(Self::no_file(path.to_owned())),
        };
        Ok(Some(TreeEntry { path: inner.to_owned(), kind }))
    }

    fn at<T>(path: &str, result: Result<T, FileError>) -> Result<T, WalkError> {
        result.map_err(|error| WalkError { path: path.to_owned(), error })
    }
}

fn is_image_file(name: &str) -> bool {
    let extension = std::path::Path::new(name).extension();
    name == "ImageFile" || extension.is_some_and(|extension| extension == "imagefile")
}

/// What a build writes, and what version control keeps for itself: a copy of either would be another one
/// after each build or commit.
fn is_never_copied(name: &str, folder_beside_image_file: bool) -> bool {
    matches!(name, ".git" | ".hg" | ".svn" | ".jj" | ".bzr")
        || name.strip_suffix(".lock").is_some_and(is_image_file)
        || folder_beside_image_file && name == "out"
}

fn join(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::MemoryFiles;

    #[test]
    fn a_list_of_patterns_may_come_from_windows() {
        let files = MemoryFiles::new()
            .with("site/a.html", "a")
            .with("site/a.tmp", "x")
            .with("site/b.bak", "x")
            .with(".imagefileignore", "\u{FEFF}*.tmp\r\n*.bak\r\n");
        let tree = Walker::new(&files).tree("site").unwrap();
        let paths: Vec<&str> = tree.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["", "a.html"]);
    }

    #[test]
    fn a_folder_is_its_contents_without_what_is_ignored() {
        let files = MemoryFiles::new()
            .with("site/index.html", "hi")
            .with("site/img/a.png", "png")
            .with("site/notes.tmp", "x")
            .with(".imagefileignore", "*.tmp\n");
        let tree = Walker::new(&files).tree("site/").unwrap();
        let paths: Vec<&str> = tree.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["", "img", "img/a.png", "index.html"]);
        assert_eq!(tree.source_path(&tree.entries[2]), "site/img/a.png");
        assert_eq!(tree.size(), 5);
    }

    #[test]
    fn a_store_that_lies_in_the_project_is_no_part_of_a_tree() {
        let files = MemoryFiles::new()
            .with("ImageFile", "")
            .with(".store/CACHEDIR.TAG", STORE_TAG_TEXT)
            .with(".store/secret.key", "x")
            .with("target/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n")
            .with("target/site.css", "");
        let walker = Walker::new(&files);
        let tree = walker.tree("").unwrap();
        let paths: Vec<&str> = tree.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["", "ImageFile", "target", "target/CACHEDIR.TAG", "target/site.css"]);
        let mut left = 100;
        walker.names("", &mut left).unwrap();
        assert_eq!(left, 100 - 5, "and its folder was counted");
    }

    #[test]
    fn what_a_build_writes_and_version_control_keeps_is_no_part_of_a_tree() {
        let files = MemoryFiles::new()
            .with("ImageFile", "")
            .with("ImageFile.lock", "version: 1")
            .with("web.imagefile.lock", "version: 1")
            .with("Cargo.lock", "its own")
            .with("main.py", "print()")
            .with("out/web.qcow2", "QFI")
            .with(".git/HEAD", "ref")
            .with("vendor/.git", "gitdir: ../.git/modules/vendor")
            .with("site/out/index.html", "exported by another tool");
        let tree = Walker::new(&files).tree("").unwrap();
        let paths: Vec<&str> = tree
            .entries
            .iter()
            .filter(|entry| entry.kind != EntryKind::Folder)
            .map(|entry| entry.path.as_str())
            .collect();
        assert_eq!(paths, ["Cargo.lock", "ImageFile", "main.py", "site/out/index.html"]);
        let named = Walker::new(&files).tree("out/").unwrap();
        assert_eq!(named.entries.len(), 2, "what is copied by its own name is");
    }

    #[test]
    fn a_change_of_content_or_mode_changes_the_digest() {
        let digest =
            |text: &str| Walker::new(&MemoryFiles::new().with("f", text)).tree("f").unwrap().digest();
        assert_eq!(digest("a"), digest("a"));
        assert_ne!(digest("a"), digest("b"));
    }
}
