//! What takes the room of a disk, folder by folder, as `du` counts.

use std::collections::HashSet;

use super::FolderSize;
use crate::model::{FileKind, SystemTree};

/// So many folders are told of, and none deeper than this.
const MOST: usize = 20;
const DEPTH: u32 = 2;
/// A folder that takes less than one part of so many of the whole says nothing.
const PART: u64 = 100;

/// Of each node by its number, the bytes that it and all below it take on the disk.
pub(in crate::ops) fn used_below(tree: &SystemTree) -> Vec<u64> {
    let mut used: Vec<u64> = tree.nodes().iter().map(|node| node.used).collect();
    let mut seen = HashSet::new();
    for (number, node) in tree.numbered() {
        let number = number as usize;
        // A file with several names takes its room once.
        if node.kind() == FileKind::File && node.links > 1 && !seen.insert((node.device, node.inode)) {
            used[number] = 0;
        }
    }
    // Entries come behind their folder.
    for (number, node) in tree.nodes().iter().enumerate().skip(1).rev() {
        used[node.parent as usize] += used[number];
    }
    used
}

/// The folders that take the most room, the largest first, each with all that is below it.
pub(super) fn largest(tree: &SystemTree) -> Vec<FolderSize> {
    let used = used_below(tree);
    let mut depth: Vec<u32> = vec![0; used.len()];
    for (number, node) in tree.nodes().iter().enumerate().skip(1) {
        depth[number] = depth[node.parent as usize] + 1;
    }
    let whole = used.first().copied().unwrap_or(0);
    let mut folders: Vec<(u64, u32)> = tree
        .numbered()
        .filter(|(_, node)| node.kind() == FileKind::Directory)
        .map(|(number, _)| (used[number as usize], number))
        .filter(|&(used, number)| depth[number as usize] <= DEPTH && used > 0 && used >= whole / PART)
        .collect();
    folders.sort_by_key(|&(used, number)| (std::cmp::Reverse(used), number));
    folders.truncate(MOST);
    let shown = |(used, number)| {
        let path = String::from_utf8_lossy(&tree.path(number)).into_owned();
        FolderSize { path: super::harmless(&path), used }
    };
    folders.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TreeNode;

    #[test]
    fn folders_are_as_large_as_all_below_them_and_a_file_counts_once() {
        let file =
            |used: u64, inode: u64, links: u64| TreeNode { used, links, inode, ..TreeNode::file(used) };
        let tree = SystemTree::of_paths(
            [
                ("/usr/lib/a/deep/library", file(1000, 1, 1)),
                ("/usr/bin/one", file(300, 2, 2)),
                ("/usr/bin/other", file(300, 2, 2)),
                ("/etc/little", file(5, 3, 1)),
            ]
            .map(|(path, node)| (path.as_bytes().to_vec(), node)),
        );
        let folders = largest(&tree);
        let told: Vec<(&str, u64)> = folders.iter().map(|one| (one.path.as_str(), one.used)).collect();
        assert_eq!(told, [("/", 1305), ("/usr", 1300), ("/usr/lib", 1000), ("/usr/bin", 300)]);
    }
}
