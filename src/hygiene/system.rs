//! A system as rules see it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::{DiskLayout, FileContent, FileKind, SystemTree, TreeNode};

/// Most bytes of a file of text.
const TEXT: u64 = 1 << 20;

/// A file that a rule asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Absolute; links are followed inside the system.
    pub path: Vec<u8>,
    /// A longer file is not read, in bytes.
    pub limit: u64,
}

impl Wanted {
    /// A file of text, such as configuration.
    pub(super) fn text(path: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), limit: TEXT }
    }
}

/// What was read of a system, by path.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    files: BTreeMap<Vec<u8>, FileContent>,
}

impl Contents {
    /// Adds what came of reading a file.
    pub fn insert(&mut self, path: impl Into<Vec<u8>>, content: FileContent) {
        self.files.insert(path.into(), content);
    }

    /// Whether a file was read, or could not be.
    #[must_use]
    pub fn knows(&self, path: &[u8]) -> bool {
        self.files.contains_key(path)
    }

    /// What is in a file.
    #[must_use]
    pub fn bytes(&self, path: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.files.get(path.as_ref())?.bytes()
    }

    /// The same as text, whatever is none replaced.
    #[must_use]
    pub fn text(&self, path: impl AsRef<[u8]>) -> Option<Cow<'_, str>> {
        self.bytes(path).map(String::from_utf8_lossy)
    }
}

/// A system that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct System<'a> {
    /// All its files.
    pub tree: &'a SystemTree,
    /// Its disk.
    pub layout: &'a DiskLayout,
    /// What is in those of its files that were read.
    pub contents: &'a Contents,
    /// The time now, in seconds since 1970.
    pub now: i64,
}

impl<'a> System<'a> {
    /// A file, folder or link, links in its path followed.
    pub(super) fn node(&self, path: impl AsRef<[u8]>) -> Option<&'a TreeNode> {
        self.tree.node(self.tree.resolve(path)?)
    }

    pub(super) fn exists(&self, path: impl AsRef<[u8]>) -> bool {
        self.tree.resolve(path).is_some()
    }

    /// A regular file with something in it.
    pub(super) fn has_file(&self, path: impl AsRef<[u8]>) -> bool {
        self.node(path).is_some_and(|node| node.kind() == FileKind::File && node.size > 0)
    }

    pub(super) fn text(&self, path: impl AsRef<[u8]>) -> Option<Cow<'a, str>> {
        self.contents.text(path)
    }

    /// What is in a folder, links in its path followed: paths below the one that is given, with their nodes.
    pub(super) fn folder(&self, path: &str) -> Vec<(Vec<u8>, &'a TreeNode)> {
        let Some(folder) = self.tree.resolve(path) else { return Vec::new() };
        let below = |name: &[u8]| [path.trim_end_matches('/').as_bytes(), b"/", name].concat();
        self.tree.entries(folder).map(|(_, node)| (below(&node.name), node)).collect()
    }

    /// Files of a folder, or links to such, whose names end in one of these.
    pub(super) fn files(&self, folder: &str, ends: &[&str]) -> Vec<Vec<u8>> {
        self.folder(folder)
            .into_iter()
            .filter(|(_, node)| matches!(node.kind(), FileKind::File | FileKind::Symlink))
            .filter(|(_, node)| ends.iter().any(|end| node.name.ends_with(end.as_bytes())))
            .map(|(path, _)| path)
            .collect()
    }

    /// Paths of all regular files below a folder, links not followed, with their nodes, as `keep` wants them.
    pub(super) fn below(
        &self,
        folder: &str,
        keep: impl Fn(&TreeNode) -> bool,
    ) -> Vec<(Vec<u8>, &'a TreeNode)> {
        let mut folders: Vec<u32> = self.tree.find(folder).into_iter().collect();
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for (number, node) in self.tree.entries(folder) {
                match node.kind() {
                    FileKind::Directory => folders.push(number),
                    FileKind::File if keep(node) => found.push((self.tree.path(number), node)),
                    _ => {}
                }
            }
        }
        found
    }
}
