//! A file or folder of the project, as a list of entries with digests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::Digest;

/// What a copy brings, or a script is given: enough to tell whether it changed, and to pack it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tree {
    /// Project-relative path of the file or folder.
    pub path: String,
    /// Sorted by path; a single file is one entry with an empty path.
    pub entries: Vec<TreeEntry>,
}

/// One file, folder or link of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TreeEntry {
    /// Relative to the tree's path, `/` between parts.
    pub path: String,
    /// What it is and what is in it.
    #[serde(flatten)]
    pub kind: EntryKind,
}

/// What an entry of a tree is, without time and owner: these are no part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EntryKind {
    /// Its contents are entries of their own.
    Folder,
    /// A plain file.
    File {
        /// Of its content.
        sha256: Digest,
        /// In bytes.
        size: u64,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link, kept as one.
    Symlink {
        /// As the link has it, relative or absolute; it need not exist.
        target: String,
    },
}

impl Tree {
    /// One digest for path, kind, content, executability and link targets of every entry.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // A `Vec` of plain data always serialises; were it not to, an empty text would only merge keys
        // of trees that cannot exist.
        Digest::of(serde_json::to_vec(&self.entries).unwrap_or_default())
    }

    /// Project-relative path of an entry.
    #[must_use]
    pub fn source_path(&self, entry: &TreeEntry) -> String {
        match (self.path.trim_end_matches('/'), entry.path.as_str()) {
            (root, "") => root.to_owned(),
            ("", path) => path.to_owned(),
            (root, path) => format!("{root}/{path}"),
        }
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| match entry.kind {
                EntryKind::File { size, .. } => size,
                EntryKind::Folder | EntryKind::Symlink { .. } => 0,
            })
            .sum()
    }
}
