//! Who may change the system.

use super::finding::Findings;
use super::rules::WORLD_WRITABLE;
use super::system::System;
use crate::model::{FileKind, TreeNode};

/// The system itself: what root runs, or is told by.
const SYSTEM: [&str; 8] = ["/bin", "/boot", "/etc", "/lib", "/lib64", "/root", "/sbin", "/usr"];
const WRITABLE: u32 = 0o002;
const STICKY: u32 = 0o1000;

pub(super) fn look(system: &System<'_>, findings: &mut Findings) {
    let tree = system.tree;
    let mut numbers: Vec<u32> = SYSTEM.iter().filter_map(|path| tree.find(path)).collect();
    if tree.node(0).is_some_and(is_open) {
        findings.file(WORLD_WRITABLE, "/", "may be changed by everybody");
    }
    while let Some(number) = numbers.pop() {
        let Some(node) = tree.node(number) else { continue };
        if is_open(node) {
            findings.file(WORLD_WRITABLE, tree.path(number), "may be changed by everybody");
        }
        if node.kind() == FileKind::Directory {
            numbers.extend(tree.entries(number).map(|(number, _)| number));
        }
    }
}

/// In a folder with the sticky bit everybody has files of his own. vfat knows no permissions: those it shows were chosen
/// when it was mounted.
fn is_open(node: &TreeNode) -> bool {
    let mode = node.permissions();
    match node.kind() {
        FileKind::File => mode & WRITABLE != 0,
        FileKind::Directory => mode & WRITABLE != 0 && mode & STICKY == 0,
        FileKind::Symlink | FileKind::Other => false,
    }
}
