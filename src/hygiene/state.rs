//! The file systems as such.

use super::finding::Findings;
use super::rules::{FULL, FUTURE, NOT_WHOLE};
use super::system::System;
use super::texts::shown;

/// A clock may be wrong by a zone.
const DAY: i64 = 24 * 60 * 60;
/// Less is no room to start in: logs, a machine id, host keys.
const ROOM: u64 = 16 << 20;

pub(super) fn look(system: &System<'_>, findings: &mut Findings) {
    if !system.tree.is_whole() {
        findings
            .disk(NOT_WHOLE, "folders of the disk cannot be read, or there are too many files to look at");
    }
    for (number, node) in system.tree.numbered() {
        if node.mtime > system.now.saturating_add(DAY) {
            let message = format!("was changed in {} days from now", (node.mtime - system.now) / DAY);
            findings.file(FUTURE, system.tree.path(number), message);
        }
    }
    // Nothing is written to the others while a system starts.
    let written = |target: &str| matches!(target, "/" | "/var" | "/home" | "/tmp");
    for mount in system.layout.mounts.iter().filter(|mount| written(&mount.target)) {
        if mount.size > 0 && mount.free < ROOM.min(mount.size / 50) {
            let left = mount.free / 1024;
            findings.disk(
                FULL,
                format!("the file system at {} has {left} KiB left", shown(mount.target.as_bytes())),
            );
        }
    }
}
