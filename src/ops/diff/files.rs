//! Which files of two systems differ, and in what.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{FileKind, SystemTree, TreeNode};
use crate::text::{Digest, is_hidden};

/// What a file, folder or link is different in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// A file there, a link or folder here.
    Kind,
    /// What is in the file.
    Content,
    /// Where the link points to.
    Target,
    /// Permissions, with set-user-id, set-group-id and sticky bits.
    Mode,
    /// The numbers of its account or group.
    Owner,
    /// Extended attributes but capabilities.
    Attributes,
    /// What its program may do without being root's.
    Capabilities,
    /// Whether its content differs is not known: one of the two cannot be read.
    Unreadable,
}

/// A file that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FileChange {
    /// Path in the system; what is no text, and what a terminal would act on, is escaped.
    pub path: String,
    /// What differs; nothing for a file that only one of the two has.
    pub aspects: Vec<Aspect>,
    /// In the first disk.
    pub before: Option<FileState>,
    /// In the second.
    pub after: Option<FileState>,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FileState {
    /// `file`, `folder`, `link` or `other`.
    pub kind: &'static str,
    /// Permissions in octal, such as `0644`.
    pub mode: String,
    /// Number of its account.
    pub uid: u32,
    /// Number of its group.
    pub gid: u32,
    /// Bytes of a file's content.
    pub size: u64,
    /// Of its content, where it had to be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Where a link points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// A path of the trees, by its numbers in them.
pub(super) struct Pair {
    before: Option<u32>,
    after: Option<u32>,
}

/// Two trees, path by path.
pub(super) struct Trees<'a> {
    pub(super) before: &'a SystemTree,
    pub(super) after: &'a SystemTree,
}

impl Trees<'_> {
    /// Every path of either, in the order of their names, folder by folder.
    pub(super) fn pairs(&self) -> Vec<Pair> {
        let mut pairs = vec![Pair { before: Some(0), after: Some(0) }];
        let mut at = 0;
        while let Some(Pair { before, after }) = pairs.get(at) {
            let list = |tree: &SystemTree, folder: Option<u32>| -> Vec<u32> {
                folder
                    .map(|folder| tree.entries(folder).map(|(number, _)| number).collect())
                    .unwrap_or_default()
            };
            let (before, after) = (list(self.before, *before), list(self.after, *after));
            let name = |tree: &SystemTree, number: u32| tree.node(number).map(|node| node.name.clone());
            let (mut left, mut right) = (before.into_iter().peekable(), after.into_iter().peekable());
            loop {
                let order = match (left.peek(), right.peek()) {
                    (None, None) => break,
                    (Some(_), None) => std::cmp::Ordering::Less,
                    (None, Some(_)) => std::cmp::Ordering::Greater,
                    (Some(one), Some(other)) => name(self.before, *one).cmp(&name(self.after, *other)),
                };
                pairs.push(Pair {
                    before: if order.is_le() { left.next() } else { None },
                    after: if order.is_ge() { right.next() } else { None },
                });
            }
            at += 1;
        }
        pairs
    }

    fn nodes(&self, pair: &Pair) -> (Option<&TreeNode>, Option<&TreeNode>) {
        let node = |tree, number: Option<u32>| number.and_then(|number| SystemTree::node(tree, number));
        (node(self.before, pair.before), node(self.after, pair.after))
    }

    /// Whether only the content tells if the two are the same: files of one size. Times are no proof of it.
    fn is_open(&self, pair: &Pair) -> bool {
        match self.nodes(pair) {
            (Some(one), Some(other)) => {
                let file = |node: &TreeNode| node.kind() == FileKind::File && node.size > 0;
                file(one) && file(other) && one.size == other.size
            }
            _ => false,
        }
    }

    /// The files of each whose digests are needed, as numbers; one for all names of a file.
    pub(super) fn open(&self, pairs: &[Pair], quick: bool) -> [Vec<u32>; 2] {
        let open: Vec<&Pair> = pairs
            .iter()
            .filter(|pair| self.is_open(pair))
            .filter(|pair| match self.nodes(pair) {
                (Some(one), Some(other)) => !quick || one.mtime != other.mtime,
                _ => false,
            })
            .collect();
        let numbers = |tree: &SystemTree, number: fn(&Pair) -> Option<u32>| {
            let mut seen = std::collections::HashSet::new();
            let numbers = open.iter().filter_map(|pair| number(pair));
            numbers
                .filter(|&number| tree.node(number).is_some_and(|node| seen.insert(identity(node))))
                .collect()
        };
        [numbers(self.before, |pair| pair.before), numbers(self.after, |pair| pair.after)]
    }

    /// What differs, by the digests of [`open`](Self::open) files.
    pub(super) fn changes(
        &self,
        pairs: &[Pair],
        [before, after]: [&Digests; 2],
        quick: bool,
    ) -> Vec<FileChange> {
        let mut changes = Vec::new();
        for pair in pairs {
            let (one, other) = self.nodes(pair);
            let sums = [
                one.and_then(|node| before.get(&identity(node))),
                other.and_then(|node| after.get(&identity(node))),
            ];
            let aspects = match (one, other) {
                (Some(one), Some(other)) => {
                    let open = self.is_open(pair) && (!quick || one.mtime != other.mtime);
                    let aspects = aspects(one, other, open.then_some(sums));
                    if aspects.is_empty() {
                        continue;
                    }
                    aspects
                }
                _ => Vec::new(),
            };
            let path = match (pair.before, pair.after) {
                (Some(number), _) => self.before.path(number),
                (None, Some(number)) => self.after.path(number),
                (None, None) => continue,
            };
            changes.push(FileChange {
                path: shown(&path),
                aspects,
                before: one.map(|node| state(node, sums[0])),
                after: other.map(|node| state(node, sums[1])),
            });
        }
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        changes
    }
}

/// Digests by file; none of one that cannot be read.
pub(super) type Digests = HashMap<(u64, u64), Option<Digest>>;

/// What two names of one file have in common.
pub(super) const fn identity(node: &TreeNode) -> (u64, u64) {
    (node.device, node.inode)
}

const CAPABILITY: &[u8] = b"security.capability";

/// What differs; `sums` are there where digests had to be made.
fn aspects(one: &TreeNode, other: &TreeNode, sums: Option<[Option<&Option<Digest>>; 2]>) -> Vec<Aspect> {
    let kind = one.kind();
    if kind != other.kind() || (kind == FileKind::Other && one.mode & 0o170_000 != other.mode & 0o170_000) {
        return vec![Aspect::Kind];
    }
    let attributes = |node: &TreeNode, wanted: bool| {
        let mut own: Vec<_> =
            node.attributes.iter().filter(|(name, _)| (**name == *CAPABILITY) == wanted).cloned().collect();
        own.sort();
        own
    };
    let content = match sums {
        Some([Some(Some(one)), Some(Some(other))]) => (one != other).then_some(Aspect::Content),
        Some(_) => Some(Aspect::Unreadable),
        None => (kind == FileKind::File && one.size != other.size).then_some(Aspect::Content),
    };
    let found = [
        content,
        (one.target != other.target).then_some(Aspect::Target),
        // Links have no permissions of their own.
        (kind != FileKind::Symlink && one.permissions() != other.permissions()).then_some(Aspect::Mode),
        ((one.uid, one.gid) != (other.uid, other.gid)).then_some(Aspect::Owner),
        (attributes(one, false) != attributes(other, false)).then_some(Aspect::Attributes),
        (attributes(one, true) != attributes(other, true)).then_some(Aspect::Capabilities),
    ];
    found.into_iter().flatten().collect()
}

fn state(node: &TreeNode, sum: Option<&Option<Digest>>) -> FileState {
    let kind = node.kind();
    FileState {
        kind: match kind {
            FileKind::File => "file",
            FileKind::Directory => "folder",
            FileKind::Symlink => "link",
            FileKind::Other => "other",
        },
        mode: format!("{:04o}", node.permissions()),
        uid: node.uid,
        gid: node.gid,
        size: if kind == FileKind::File { node.size } else { 0 },
        sha256: sum.copied().flatten(),
        target: (kind == FileKind::Symlink).then(|| shown(&node.target)),
    }
}

/// A stranger's path as a text that no two paths share, and no terminal acts on.
pub(super) fn shown(path: &[u8]) -> String {
    let mut text = String::new();
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' || c.is_control() || is_hidden(c) {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inode: u64, size: u64) -> TreeNode {
        TreeNode { inode, ..TreeNode::file(size) }
    }

    fn tree(files: Vec<(&str, TreeNode)>) -> SystemTree {
        SystemTree::of_paths(files.into_iter().map(|(path, node)| (path.as_bytes().to_vec(), node)))
    }

    /// Paths and what differs, by digests that are the inode's number of the first tree, and of the second but that of
    /// `changed`.
    fn compared(
        before: &SystemTree,
        after: &SystemTree,
        changed: u64,
        quick: bool,
    ) -> Vec<(String, Vec<Aspect>)> {
        let trees = Trees { before, after };
        let pairs = trees.pairs();
        let [one, other] = trees.open(&pairs, quick);
        let digests = |tree: &SystemTree, numbers: Vec<u32>, changed: u64| -> Digests {
            let node = |number: u32| identity(tree.node(number).unwrap());
            let sum = |id: (u64, u64)| {
                Some(Digest::of(if id.1 == changed {
                    "changed".to_owned()
                } else {
                    format!("{}", id.1 % 100)
                }))
            };
            numbers.into_iter().map(|number| (node(number), sum(node(number)))).collect()
        };
        let (one, other) = (digests(before, one, 0), digests(after, other, changed));
        let changes = trees.changes(&pairs, [&one, &other], quick);
        changes.into_iter().map(|change| (change.path, change.aspects)).collect()
    }

    #[test]
    fn every_difference_is_told_and_nothing_else() {
        let capable = |inode| TreeNode {
            attributes: vec![(b"security.capability"[..].into(), b"net"[..].into())],
            ..file(inode, 9)
        };
        let labelled = TreeNode { attributes: vec![(b"user.a"[..].into(), b"1"[..].into())], ..file(8, 4) };
        let before = tree(vec![
            ("/etc/same", TreeNode { mtime: 1, ..file(1, 10) }),
            ("/etc/content", TreeNode { mtime: 5, ..file(2, 10) }),
            ("/etc/size", file(3, 10)),
            ("/etc/mode", file(4, 0)),
            ("/etc/owner", file(5, 0)),
            ("/etc/kind", file(6, 4)),
            ("/bin/ping", capable(7)),
            ("/etc/label", labelled),
            ("/etc/link", TreeNode::link("a")),
            ("/etc/removed", file(9, 1)),
            ("/old/x", file(10, 1)),
        ]);
        let after = tree(vec![
            ("/etc/same", TreeNode { mtime: 2, ..file(101, 10) }),
            ("/etc/content", TreeNode { mtime: 5, ..file(102, 10) }),
            ("/etc/size", file(103, 11)),
            ("/etc/mode", TreeNode { mode: 0o104_755, ..file(104, 0) }),
            ("/etc/owner", TreeNode { gid: 7, ..file(105, 0) }),
            ("/etc/kind", TreeNode::link("same")),
            ("/bin/ping", file(107, 9)),
            ("/etc/label", file(108, 4)),
            ("/etc/link", TreeNode::link("b")),
            ("/new", TreeNode::folder()),
        ]);
        let told = |quick| {
            let found = compared(&before, &after, 102, quick);
            found.into_iter().map(|(path, aspects)| format!("{path} {aspects:?}")).collect::<Vec<_>>()
        };
        let wanted = [
            "/bin/ping [Capabilities]",
            "/etc/content [Content]",
            "/etc/kind [Kind]",
            "/etc/label [Attributes]",
            "/etc/link [Target]",
            "/etc/mode [Mode]",
            "/etc/owner [Owner]",
            "/etc/removed []",
            "/etc/size [Content]",
            "/new []",
            "/old []",
            "/old/x []",
        ];
        assert_eq!(told(false), wanted);
        // Who only compares times does not see a file that was changed within the same second.
        let quick: Vec<&str> = wanted.into_iter().filter(|line| !line.contains("content [")).collect();
        assert_eq!(told(true), quick);
        assert!(compared(&before, &before, 0, false).is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_equal() {
        let one = tree(vec![("/a", file(1, 4))]);
        let trees = Trees { before: &one, after: &one };
        let pairs = trees.pairs();
        let (read, not) = (Digests::from([((0, 1), Some(Digest::of("a")))]), Digests::from([((0, 1), None)]));
        let changes = trees.changes(&pairs, [&read, &not], false);
        assert_eq!(changes[0].aspects, [Aspect::Unreadable]);
        assert!(trees.changes(&pairs, [&read, &read], false).is_empty());
    }

    #[test]
    fn no_two_paths_look_alike_and_none_acts_on_a_terminal() {
        assert_eq!(shown("/etc/ä b".as_bytes()), "/etc/ä b");
        assert_eq!(shown(b"/a\n\x1b[2J"), r"/a\n\u{1b}[2J");
        assert_eq!(shown(b"/a\\n"), r"/a\\n");
        assert_eq!(shown(b"/\xff"), r"/\xff");
    }
}
