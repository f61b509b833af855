//! All that is on the file systems of a system, without what is in its files: [`SystemTree`].
//!
//! Paths are bytes, as the system has them. They are a stranger's: links are followed within the tree alone, and
//! whoever shows a path takes control characters out of it.

use std::collections::BTreeMap;
use std::ops::Range;

use thiserror::Error;

/// How much of a system is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeLimits {
    /// Most files, folders and links.
    pub nodes: u64,
    /// Most bytes of what is told of them: names, targets, attributes, numbers.
    pub bytes: u64,
}

impl Default for TreeLimits {
    /// A desktop system has some 500 000 files; a million take 200 MiB of memory.
    fn default() -> Self {
        Self { nodes: 1_500_000, bytes: 256 << 20 }
    }
}

/// What a file of a system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a pipe or a socket.
    Other,
}

impl FileKind {
    /// The kind that `st_mode` tells (inode(7)).
    #[must_use]
    pub const fn of_mode(mode: u32) -> Self {
        match mode & 0o170_000 {
            0o100_000 => Self::File,
            0o040_000 => Self::Directory,
            0o120_000 => Self::Symlink,
            _ => Self::Other,
        }
    }
}

/// A file, folder, link or device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeNode {
    /// The folder it is in, by its number in the tree; the root is in itself.
    pub parent: u32,
    /// Its name in that folder; empty for the root.
    pub name: Box<[u8]>,
    /// Kind and permissions, as `st_mode` has them.
    pub mode: u32,
    /// Who owns it.
    pub uid: u32,
    /// Which group owns it.
    pub gid: u32,
    /// Bytes of its content; of a link, of its target.
    pub size: u64,
    /// Bytes that it takes on the disk: a file with holes takes fewer.
    pub used: u64,
    /// When its content changed last, in seconds since 1970.
    pub mtime: i64,
    /// How many names the file has.
    pub links: u64,
    /// The file system it is on, a number that means nothing else.
    pub device: u64,
    /// Two names with one `device` and `inode` are one file.
    pub inode: u64,
    /// Where a symbolic link points to; empty for all else.
    pub target: Box<[u8]>,
    /// Extended attributes with their values, such as `security.capability`.
    pub attributes: Vec<(Box<[u8]>, Box<[u8]>)>,
}

impl TreeNode {
    /// A folder of root's that everybody may look into, for [`SystemTree::of_paths`].
    #[must_use]
    pub fn folder() -> Self {
        Self::with_mode(0o040_755)
    }

    /// A file of root's that everybody may read, for [`SystemTree::of_paths`].
    #[must_use]
    pub fn file(size: u64) -> Self {
        Self { size, used: size, ..Self::with_mode(0o100_644) }
    }

    /// A symbolic link of root's, for [`SystemTree::of_paths`].
    #[must_use]
    pub fn link(target: impl AsRef<[u8]>) -> Self {
        Self { target: target.as_ref().into(), ..Self::with_mode(0o120_777) }
    }

    fn with_mode(mode: u32) -> Self {
        Self {
            parent: 0,
            name: [].into(),
            mode,
            uid: 0,
            gid: 0,
            size: 0,
            used: 0,
            mtime: 0,
            links: 1,
            device: 0,
            inode: 0,
            target: [].into(),
            attributes: Vec::new(),
        }
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> FileKind {
        FileKind::of_mode(self.mode)
    }

    /// Permissions with set-user-id, set-group-id and sticky bits.
    #[must_use]
    pub const fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// The value of an extended attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&[u8]> {
        self.attributes.iter().find(|(own, _)| **own == *name.as_bytes()).map(|(_, value)| &**value)
    }
}

/// What came of reading a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// All that is in it.
    Whole(Vec<u8>),
    /// It is not there.
    Absent,
    /// It is a folder, a device, a pipe or a socket.
    NotAFile,
    /// It is longer than was allowed: so many bytes.
    TooLong(u64),
    /// Its file system does not give it; why, in the guest's words.
    Unreadable(String),
}

impl FileContent {
    /// What is in it, if that could be had.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// Nodes that are no tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a tree of files that is none")]
pub struct MalformedTree;

/// All files of a system, folder by folder: those nearest to the root first, within a folder by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemTree {
    nodes: Vec<TreeNode>,
    /// Of each node, where its entries are among the nodes.
    entries: Vec<Range<u32>>,
    whole: bool,
}

impl SystemTree {
    /// A tree of nodes in its order; without `whole` there is more than these. Nothing is believed of them: parents come
    /// before their entries and are folders, names are single ones and ascend within a folder.
    pub fn new(nodes: Vec<TreeNode>, whole: bool) -> Result<Self, MalformedTree> {
        let root = nodes.first().ok_or(MalformedTree)?;
        let count = u32::try_from(nodes.len()).map_err(|_| MalformedTree)?;
        if root.parent != 0 || !root.name.is_empty() || root.kind() != FileKind::Directory {
            return Err(MalformedTree);
        }
        let mut entries = vec![0..0; nodes.len()];
        for (node, number) in nodes.iter().zip(0..count).skip(1) {
            let before = &nodes[number as usize - 1];
            let parent = nodes.get(node.parent as usize).filter(|_| node.parent < number);
            let is_name = !node.name.is_empty()
                && !matches!(&*node.name, b"." | b"..")
                && !node.name.iter().any(|byte| matches!(byte, b'/' | 0));
            let in_order = number == 1
                || node.parent > before.parent
                || (node.parent == before.parent && node.name > before.name);
            if !is_name || !in_order || parent.is_none_or(|parent| parent.kind() != FileKind::Directory) {
                return Err(MalformedTree);
            }
            let own: &mut Range<u32> = &mut entries[node.parent as usize];
            *own = if own.start == own.end { number..number + 1 } else { own.start..number + 1 };
        }
        Ok(Self { nodes, entries, whole })
    }

    /// A tree of files by their absolute paths; a folder that none of them names is root's, and everybody may look into it.
    /// A path that is given twice is what it was last.
    #[must_use]
    pub fn of_paths(files: impl IntoIterator<Item = (Vec<u8>, TreeNode)>) -> Self {
        // By depth, then folder by folder: the order of a tree.
        let mut sorted: BTreeMap<(usize, Vec<Vec<u8>>), TreeNode> = BTreeMap::new();
        sorted.insert((0, Vec::new()), TreeNode::folder());
        for (path, node) in files {
            let names: Vec<Vec<u8>> =
                parts(&path).filter(|name| *name != b"..").map(<[u8]>::to_vec).collect();
            for depth in 0..names.len() {
                let folder = names[..depth].to_vec();
                let there = sorted.entry((depth, folder)).or_insert_with(TreeNode::folder);
                if there.kind() != FileKind::Directory {
                    *there = TreeNode::folder();
                }
            }
            sorted.insert((names.len(), names), node);
        }
        let mut numbers: BTreeMap<Vec<Vec<u8>>, u32> = BTreeMap::new();
        let (mut nodes, mut entries): (Vec<TreeNode>, Vec<Range<u32>>) = (Vec::new(), Vec::new());
        for ((_, names), mut node) in sorted {
            let number = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
            if let Some((name, folder)) = names.split_last() {
                node.parent = numbers.get(folder).copied().unwrap_or(0);
                node.name = name.clone().into();
                let own = &mut entries[node.parent as usize];
                *own = if own.start == own.end { number..number + 1 } else { own.start..number + 1 };
            }
            numbers.insert(names, number);
            nodes.push(node);
            entries.push(0..0);
        }
        Self { nodes, entries, whole: true }
    }

    /// Whether these are all: false if there are more than was allowed, or a folder could not be read.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// All nodes in order, the root first; a node's number is its place here.
    #[must_use]
    pub fn nodes(&self) -> &[TreeNode] {
        &self.nodes
    }

    /// The node of this number.
    #[must_use]
    pub fn node(&self, number: u32) -> Option<&TreeNode> {
        self.nodes.get(number as usize)
    }

    /// Every node with its number.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &TreeNode)> {
        (0..).zip(&self.nodes)
    }

    /// What is in a folder, with numbers.
    pub fn entries(&self, folder: u32) -> impl Iterator<Item = (u32, &TreeNode)> {
        let range = self.entries.get(folder as usize).cloned().unwrap_or_default();
        range.filter_map(|number| Some((number, self.node(number)?)))
    }

    /// The path of a node: absolute, `/` for the root.
    #[must_use]
    pub fn path(&self, number: u32) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = number;
        // A parent's number is smaller than its entry's, so this ends.
        while let Some(node) = self.node(at).filter(|_| at != 0) {
            names.push(&node.name);
            at = node.parent;
        }
        if names.is_empty() {
            return b"/".to_vec();
        }
        names.iter().rev().flat_map(|name| std::iter::once(&b'/').chain(name.iter())).copied().collect()
    }

    /// The entry of a folder by its name.
    #[must_use]
    pub fn entry(&self, folder: u32, name: &[u8]) -> Option<u32> {
        let range = self.entries.get(folder as usize)?;
        let among = self.nodes.get(range.start as usize..range.end as usize)?;
        let at = among.binary_search_by(|node| (*node.name).cmp(name)).ok()?;
        Some(range.start + u32::try_from(at).ok()?)
    }

    /// The node at a path, no link followed.
    #[must_use]
    pub fn find(&self, path: impl AsRef<[u8]>) -> Option<u32> {
        parts(path.as_ref()).try_fold(0, |folder, name| self.entry(folder, name))
    }

    /// The node that a path leads to, links followed within the tree, as the system itself would: `..` of the root is
    /// the root. Nothing where a link leads nowhere, or in circles.
    #[must_use]
    pub fn resolve(&self, path: impl AsRef<[u8]>) -> Option<u32> {
        // Linux gives up after so many, too (path_resolution(7)).
        let mut follows_left = 40;
        let mut rest: Vec<&[u8]> = parts(path.as_ref()).collect();
        rest.reverse();
        let mut at = 0;
        while let Some(name) = rest.pop() {
            if name == b".." {
                at = self.node(at)?.parent;
                continue;
            }
            let next = self.entry(at, name)?;
            let node = self.node(next)?;
            if node.kind() != FileKind::Symlink {
                at = next;
                continue;
            }
            follows_left -= 1;
            if follows_left == 0 {
                return None;
            }
            if node.target.starts_with(b"/") {
                at = 0;
            }
            let target: Vec<&[u8]> = parts(&node.target).collect();
            rest.extend(target.into_iter().rev());
        }
        Some(at)
    }
}

/// The names of a path, without those that mean nothing.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(parent: u32, name: &str, mode: u32, target: &str) -> TreeNode {
        let target = target.as_bytes().into();
        TreeNode { parent, name: name.as_bytes().into(), target, ..TreeNode::with_mode(mode) }
    }

    const FOLDER: u32 = 0o040_755;
    const FILE: u32 = 0o100_644;
    const LINK: u32 = 0o120_777;

    fn tree() -> SystemTree {
        let nodes = vec![
            node(0, "", FOLDER, ""),
            node(0, "bin", LINK, "usr/bin"),
            node(0, "etc", FOLDER, ""),
            node(0, "usr", FOLDER, ""),
            node(2, "circle", LINK, "circle"),
            node(2, "os-release", LINK, "../../../usr/lib/os-release"),
            node(3, "bin", FOLDER, ""),
            node(3, "lib", FOLDER, ""),
            node(6, "sh", FILE, ""),
            node(7, "os-release", FILE, ""),
        ];
        SystemTree::new(nodes, true).unwrap()
    }

    #[test]
    fn paths_lead_to_nodes_and_back() {
        let tree = tree();
        for (number, _) in tree.numbered() {
            assert_eq!(tree.find(tree.path(number)), Some(number));
        }
        assert_eq!(tree.find("/bin/sh"), None);
        assert_eq!(tree.find("/usr/./bin//sh"), Some(8));
        let names: Vec<_> = tree.entries(2).map(|(_, node)| node.name.to_vec()).collect();
        assert_eq!(names, [b"circle".to_vec(), b"os-release".to_vec()]);
    }

    #[test]
    fn links_are_followed_within_the_tree_alone() {
        let tree = tree();
        assert_eq!(tree.resolve("/bin/sh"), tree.find("/usr/bin/sh"));
        assert_eq!(tree.resolve("/etc/os-release"), tree.find("/usr/lib/os-release"));
        assert_eq!(tree.resolve("/../../.."), Some(0));
        assert_eq!(tree.resolve("/etc/circle"), None);
        assert_eq!(tree.resolve("/etc/nothing"), None);
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let of = |nodes: Vec<TreeNode>| SystemTree::new(nodes, true).map(|tree| tree.nodes().len());
        let root = || node(0, "", FOLDER, "");
        assert_eq!(of(vec![]), Err(MalformedTree));
        assert_eq!(of(vec![root(), node(0, "a", FILE, "")]), Ok(2));
        for name in ["", ".", "..", "a/b", "a\0"] {
            assert_eq!(of(vec![root(), node(0, name, FILE, "")]), Err(MalformedTree), "{name:?}");
        }
        // In itself, in one that is to come, in a file, out of order, twice.
        assert_eq!(of(vec![root(), node(1, "a", FOLDER, "")]), Err(MalformedTree));
        assert_eq!(of(vec![root(), node(2, "a", FOLDER, ""), node(0, "b", FOLDER, "")]), Err(MalformedTree));
        assert_eq!(of(vec![root(), node(0, "a", FILE, ""), node(1, "b", FILE, "")]), Err(MalformedTree));
        assert_eq!(of(vec![root(), node(0, "b", FILE, ""), node(0, "a", FILE, "")]), Err(MalformedTree));
        assert_eq!(of(vec![root(), node(0, "a", FILE, ""), node(0, "a", FILE, "")]), Err(MalformedTree));
    }

    #[test]
    fn a_tree_of_paths_is_one_that_is_believed() {
        let path = |path: &str| path.as_bytes().to_vec();
        let tree = SystemTree::of_paths([
            (path("/usr/lib/os-release"), TreeNode::file(7)),
            (path("/b"), TreeNode::file(0)),
            (path("/etc"), TreeNode { mode: 0o040_700, ..TreeNode::folder() }),
            (path("/etc/os-release"), TreeNode::link("../usr/lib/os-release")),
            (path("/a"), TreeNode::file(0)),
            (path("/a/b"), TreeNode::file(0)),
        ]);
        assert_eq!(SystemTree::new(tree.nodes().to_vec(), true), Ok(tree.clone()));
        let paths: Vec<String> =
            (0..).map_while(|number| tree.node(number).map(|_| tree.path(number))).map(shown).collect();
        let all =
            ["/", "/a", "/b", "/etc", "/usr", "/a/b", "/etc/os-release", "/usr/lib", "/usr/lib/os-release"];
        assert_eq!(paths, all);
        assert_eq!(tree.resolve("/etc/os-release"), tree.find("/usr/lib/os-release"));
        assert_eq!(tree.node(3).unwrap().permissions(), 0o700);
    }

    fn shown(path: Vec<u8>) -> String {
        String::from_utf8(path).unwrap()
    }

    proptest! {
        /// Whatever is taken for a tree can be walked: every path is found again, every link ends.
        #[test]
        fn any_nodes_are_a_tree_that_can_be_walked_or_none(
            nodes in proptest::collection::vec((0u32..6, "[ab./]{0,2}", 0u8..3, "[ab./]{0,6}"), 0..12)
        ) {
            let mut nodes: Vec<TreeNode> = nodes
                .iter()
                .map(|(parent, name, kind, target)| {
                    node(*parent, name, [FOLDER, FILE, LINK][usize::from(*kind)], target)
                })
                .collect();
            nodes.sort_by(|a, b| (a.parent, &a.name).cmp(&(b.parent, &b.name)));
            nodes.insert(0, node(0, "", FOLDER, ""));
            if let Ok(tree) = SystemTree::new(nodes, true) {
                for (number, _) in tree.numbered() {
                    prop_assert_eq!(tree.find(tree.path(number)), Some(number));
                    let _ = tree.resolve(tree.path(number));
                }
                let entries: usize = tree.numbered().map(|(number, _)| tree.entries(number).count()).sum();
                prop_assert_eq!(entries + 1, tree.nodes().len());
            }
        }
    }
}
