//! What decides whether instances of a disk come up, and as whom: kernel, boot loader, units, identity, network. A disk on
//! which these are as on one that passed every test need not pass those of other firmwares and of instances again.
//!
//! Files count by what is known of them from outside, their time included: two that differ in nothing of it and yet in
//! their content were made so on purpose.

use super::BuildError;
use crate::{
    model::{FileKind, SystemTree, TreeNode},
    plan::ImagePlan,
    store::Store,
    text::Digest,
};

/// Changes with the meaning of the fact, with [`PARTS`], and with what the tests look at.
const KIND: &str = "boots-v1";

/// Files, and folders with all that is in them.
const PARTS: &[&str] = &[
    "/boot",
    "/efi",
    "/etc/NetworkManager",
    "/etc/cloud",
    "/etc/crypttab",
    "/etc/default",
    "/etc/dracut.conf.d",
    "/etc/fstab",
    "/etc/group",
    "/etc/hostname",
    "/etc/init.d",
    "/etc/initramfs-tools",
    "/etc/inittab",
    "/etc/machine-id",
    "/etc/modprobe.d",
    "/etc/modules",
    "/etc/modules-load.d",
    "/etc/netplan",
    "/etc/network",
    "/etc/passwd",
    "/etc/runlevels",
    "/etc/ssh",
    "/etc/sysconfig",
    "/etc/systemd",
    "/etc/sysusers.d",
    "/etc/tmpfiles.d",
    "/etc/udev",
    "/lib/modules",
    "/lib/systemd",
    "/lib/udev",
    "/sbin/init",
    "/usr/lib/modprobe.d",
    "/usr/lib/modules",
    "/usr/lib/modules-load.d",
    "/usr/lib/systemd",
    "/usr/lib/sysusers.d",
    "/usr/lib/tmpfiles.d",
    "/usr/lib/udev",
    "/usr/sbin/sshd",
    "/var/lib/cloud",
    "/var/lib/dbus",
];

/// The digest of all of it.
pub(super) fn digest(tree: &SystemTree) -> Digest {
    let mut said = Vec::new();
    for part in PARTS {
        // `/lib` may be another name of `/usr/lib`; what has two names counts twice.
        let mut left: Vec<u32> = tree.resolve(part).into_iter().collect();
        while let Some(number) = left.pop() {
            let Some(node) = tree.node(number) else { continue };
            said.extend(tree.path(number));
            say(&mut said, node);
            left.extend(tree.entries(number).map(|(entry, _)| entry));
        }
    }
    Digest::of(said)
}

fn say(said: &mut Vec<u8>, node: &TreeNode) {
    said.push(0);
    said.extend([node.mode, node.uid, node.gid].into_iter().flat_map(u32::to_le_bytes));
    // Folders change their times with anything in them, and clean-up empties files each time.
    if node.kind() == FileKind::File && node.size > 0 {
        said.extend(node.size.to_le_bytes());
        said.extend(node.mtime.to_le_bytes());
    }
    said.extend(&*node.target);
    said.push(0);
}

fn key(image: &ImagePlan, parts: Digest) -> Digest {
    // Plain data with text keys: its serialisation has no failing case.
    let json = serde_json::to_vec(&(parts, &image.base.firmware, image.machine.memory_mib, image.network));
    Digest::of(json.unwrap_or_default())
}

/// Whether a disk with these parts passed every test.
pub(super) fn passed(store: &Store, image: &ImagePlan, parts: Digest) -> bool {
    store.facts().get(KIND, &key(image, parts)).unwrap_or(false)
}

/// Remembers that one did.
pub(super) fn remember(store: &Store, image: &ImagePlan, parts: Digest) -> Result<(), BuildError> {
    Ok(store.facts().put(KIND, &key(image, parts), &true)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        driver::{ExecEnd, fake::FakeDriver},
        exec::{
            Tests,
            chain::tests::{Ends, World},
            simulation::image,
            test_boots::CLONE_TEST,
        },
    };

    fn tree(files: &[(&str, TreeNode)]) -> SystemTree {
        SystemTree::of_paths(files.iter().map(|(path, node)| (path.as_bytes().to_vec(), node.clone())))
    }

    fn at(mtime: i64, size: u64) -> TreeNode {
        TreeNode { mtime, ..TreeNode::file(size) }
    }

    fn system() -> Vec<(&'static str, TreeNode)> {
        vec![
            ("/boot/vmlinuz-6.12", at(10, 100)),
            ("/etc/machine-id", at(20, 0)),
            ("/etc/systemd/system/web.service", at(30, 50)),
            ("/lib", TreeNode::link("usr/lib")),
            ("/usr/lib/systemd/system/ssh.service", at(40, 60)),
            ("/srv/page", at(50, 70)),
        ]
    }

    #[test]
    fn what_changes_how_a_disk_comes_up_changes_the_digest() {
        let before = digest(&tree(&system()));
        for (path, node) in [
            ("/boot/vmlinuz-6.12", at(11, 100)),
            ("/boot/vmlinuz-6.13", at(10, 100)),
            ("/etc/machine-id", at(20, 33)),
            ("/etc/systemd/system/web.service", TreeNode { mode: 0o100_755, ..at(30, 50) }),
            ("/etc/systemd/system/multi-user.target.wants/web.service", TreeNode::link("../web.service")),
            ("/lib/systemd/system/ssh.service", at(41, 60)),
        ] {
            let mut changed = system();
            // A path of `/lib` is one of `/usr/lib`.
            let path = if path.starts_with("/lib/") { &format!("/usr{path}") } else { path };
            changed.push((path, node));
            assert_ne!(digest(&tree(&changed)), before, "{path}");
        }
    }

    #[test]
    fn what_does_not_leaves_it() {
        let before = digest(&tree(&system()));
        for (path, node) in [
            ("/srv/page", at(51, 71)),
            ("/srv/other", at(1, 1)),
            // Emptied once more.
            ("/etc/machine-id", at(21, 0)),
            ("/boot", TreeNode { mtime: 99, size: 4096, ..TreeNode::folder() }),
        ] {
            let mut changed = system();
            changed.push((path, node));
            assert_eq!(digest(&tree(&changed)), before, "{path}");
        }
    }

    #[test]
    fn all_tests_run_again_only_where_what_instances_boot_has_changed() {
        let world = World::new();
        // Whether two instances were compared, on a disk with this kernel, and how that ended.
        let build = |variant, kernel: &str, said: &str| {
            let driver = FakeDriver::new().file("/boot/vmlinuz", kernel).command(
                "host-name",
                said,
                &[ExecEnd::Code(0)],
            );
            let ends = Arc::<Ends>::default();
            let built = world.try_build(&driver, &ends, &[&image("tried", "ooo", variant)], Tests::Changed);
            (ends.done(CLONE_TEST), built.is_ok())
        };
        assert_eq!(build(0, "one", "failed web.service\nend\n"), (false, false));
        assert_eq!(build(0, "one", "end\n"), (true, true), "what failed is no reason to leave it out");
        assert_eq!(build(0, "one", "end\n"), (false, true), "nothing is to be done");
        assert_eq!(build(1, "one", "end\n"), (false, true), "another script");
        assert_eq!(build(2, "another", "end\n"), (true, true));
        assert_eq!(build(3, "one", "end\n"), (false, true), "the first again");
    }
}
