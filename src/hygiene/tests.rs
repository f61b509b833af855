//! Every rule has a disk that breaks it, and one that does not: a system as a build leaves it, with one thing changed.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::{
    CleanupPreset, DiskLayout, FileContent, MountPoint, SystemTree, TreeNode, Volume, VolumeContent,
};

const NOW: i64 = 1_760_000_000;
const ROOT: &str = "0a1b2c3d-0000-4000-8000-0123456789ab";

/// A system and its disk, in memory.
#[derive(Clone)]
struct Disk {
    files: BTreeMap<String, (TreeNode, Vec<u8>)>,
    layout: DiskLayout,
    whole: bool,
}

fn volume(name: &str, content: VolumeContent, uuid: &str) -> Volume {
    Volume {
        name: name.into(),
        start: 1 << 20,
        size: 1 << 30,
        content,
        uuid: Some(uuid.into()),
        label: None,
        partuuid: None,
        partlabel: None,
    }
}

fn mount(volume: &str, target: &str, fs_type: &str) -> MountPoint {
    let (volume, target, fs_type) = (volume.into(), target.into(), fs_type.into());
    MountPoint { volume, target, fs_type, size: 4 << 30, free: 3 << 30 }
}

impl Disk {
    /// As a build of a Debian server leaves it.
    fn clean() -> Self {
        let fs = |fs_type: &str| VolumeContent::Fs(fs_type.into());
        let layout = DiskLayout {
            size: 4 << 30,
            boot_code: true,
            volumes: vec![volume("vda1", fs("ext4"), ROOT), volume("vda15", fs("vfat"), "ABCD-1234")],
            mounts: vec![mount("vda1", "/", "ext4"), mount("vda15", "/boot/efi", "vfat")],
        };
        let disk = Self { files: BTreeMap::new(), layout, whole: true };
        disk.file("/etc/machine-id", "")
            .link("/var/lib/dbus/machine-id", "/etc/machine-id")
            .file("/etc/ssh/ssh_config", "Host *\n")
            .file("/etc/fstab", &format!("# comment\nUUID={ROOT} / ext4 rw 0 1\nUUID=ABCD-1234 /boot/efi vfat rw 0 1\n"))
            .file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndebian:x:1000:1000::/home/debian:/bin/bash\n")
            .file("/etc/shadow", "root:!*:20000::::::\ndebian:!:20000::::::\n")
            .link("/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")
            .file("/etc/systemd/network/80-dhcp.network", "[Match]\nName=en* eth*\n")
            .file("/etc/ssl/private/package.key", "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n")
            .file("/var/lib/dpkg/info/package.list", "/.\n/etc\n/etc/ssl/private/package.key\n")
            .file("/boot/grub/grub.cfg", &format!(
                "menuentry 'Debian' {{\n\tlinux\t/boot/vmlinuz-6.12.5 root=UUID={ROOT} ro console=tty0 console=ttyS0,115200\n}}\n"
            ))
            .file("/boot/vmlinuz-6.12.5", "kernel")
            .file("/boot/efi/EFI/BOOT/BOOTX64.EFI", "MZ")
            .bytes("/boot/initrd.img-6.12.5", initramfs(&["ahci", "nvme", "virtio_scsi", "xen-blkfront", "hv_storvsc"]))
            .file("/usr/lib/modules/6.12.5/modules.dep", "kernel/drivers/ata/ahci.ko.xz: kernel/drivers/ata/libata.ko.xz\nkernel/nvme.ko.xz:\nkernel/virtio_scsi.ko.xz:\nkernel/xen-blkfront.ko.xz:\nkernel/hv_storvsc.ko.xz:\nkernel/virtio_blk.ko.xz:\n")
            .file("/usr/lib/modules/6.12.5/modules.builtin", "kernel/drivers/block/virtio_blk.ko\n")
            .link("/lib", "usr/lib")
            .file("/usr/bin/growpart", "#!/bin/sh\n")
            .file("/usr/bin/cloud-init", "#!/usr/bin/python3\n")
    }

    fn file(self, path: &str, content: &str) -> Self {
        self.bytes(path, content.as_bytes().to_vec())
    }

    fn bytes(mut self, path: &str, content: Vec<u8>) -> Self {
        let node = TreeNode { mtime: NOW - 1000, ..TreeNode::file(content.len() as u64) };
        self.files.insert(path.to_owned(), (node, content));
        self
    }

    fn link(mut self, path: &str, target: &str) -> Self {
        self.files.insert(path.to_owned(), (TreeNode::link(target), Vec::new()));
        self
    }

    fn folder(mut self, path: &str, mode: u32) -> Self {
        let node = TreeNode { mode: 0o040_000 | mode, ..TreeNode::folder() };
        self.files.insert(path.to_owned(), (node, Vec::new()));
        self
    }

    fn with_mode(mut self, path: &str, mode: u32) -> Self {
        self.files.get_mut(path).unwrap().0.mode = 0o100_000 | mode;
        self
    }

    fn without(mut self, path: &str) -> Self {
        self.files.remove(path).unwrap();
        self
    }

    /// Appends to a file.
    fn line(mut self, path: &str, line: &str) -> Self {
        let (node, content) = self.files.get_mut(path).unwrap();
        content.extend(format!("{line}\n").into_bytes());
        node.size = content.len() as u64;
        self
    }

    fn replaced(self, path: &str, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.files[path].1.clone()).unwrap();
        assert!(text.contains(from), "{path} has no {from}");
        self.file(path, &text.replace(from, to))
    }

    /// Looks at it as an executor does: what rules want is read until they want nothing more.
    fn findings(&self) -> Vec<Finding> {
        let nodes = self.files.iter().map(|(path, (node, _))| (path.clone().into_bytes(), node.clone()));
        let tree = SystemTree::of_paths(nodes);
        let tree = SystemTree::new(tree.nodes().to_vec(), self.whole).unwrap();
        let mut contents = Contents::default();
        for round in 0.. {
            let system = System { tree: &tree, layout: &self.layout, contents: &contents, now: NOW };
            let wanted = wanted(&system);
            if wanted.is_empty() {
                break;
            }
            assert!(round < 5, "rules want more and more");
            for Wanted { path, limit } in wanted {
                let read = tree.resolve(&path).and_then(|number| {
                    let (node, content) = self.files.get(&String::from_utf8(tree.path(number)).unwrap())?;
                    (node.kind() == crate::model::FileKind::File && content.len() as u64 <= limit)
                        .then(|| content.clone())
                });
                contents.insert(path, read.map_or(FileContent::Absent, FileContent::Whole));
            }
        }
        look(&System { tree: &tree, layout: &self.layout, contents: &contents, now: NOW })
    }

    fn broken(&self) -> BTreeSet<String> {
        self.findings().into_iter().map(|finding| finding.rule).collect()
    }
}

/// An archive of modules, as an initramfs is one.
fn initramfs(modules: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    let names = modules.iter().map(|name| format!("usr/lib/modules/6.12.5/kernel/{name}.ko.xz"));
    for name in names.chain(["TRAILER!!!".to_owned()]) {
        out.extend(format!("070701{:0>88}{:08x}{:08}{name}\0", "", name.len() + 1, 0).into_bytes());
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

/// A disk for each rule that breaks it alone.
fn dirty() -> Vec<(&'static str, Disk)> {
    let clean = Disk::clean;
    let layout = |change: fn(&mut DiskLayout)| {
        let mut disk = clean();
        change(&mut disk.layout);
        disk
    };
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n-----END OPENSSH PRIVATE KEY-----\n";
    vec![
        ("H0001", clean().file("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")),
        ("H0002", clean().file("/var/lib/dbus/machine-id", "0123456789abcdef0123456789abcdef\n")),
        ("H0003", clean().file("/etc/ssh/ssh_host_ed25519_key", key)),
        ("H0003", clean().file("/etc/dropbear/dropbear_rsa_host_key", "binary")),
        ("H0004", clean().file("/var/lib/systemd/random-seed", "seed")),
        ("H0005", clean().file("/var/lib/dhcp/dhclient.eth0.leases", "lease {}\n")),
        ("H0005", clean().file("/var/lib/dhcpcd/duid", "00:01\n")),
        ("H0006", clean().file("/etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.2004-10.example:01\n")),
        ("H0006", clean().file("/etc/nvme/hostid", "0a1b\n")),
        ("H0007", clean().file("/etc/example/tls.key", key)),
        ("H0008", clean().line("/etc/shadow", "guest::20000::::::")),
        ("H0008", clean().line("/etc/passwd", "guest::1001:1001::/home/guest:/bin/sh")),
        ("H0009", clean().replaced("/etc/shadow", "root:!*:", "root:$y$j9T$salt$hash:")),
        ("H0010", clean().replaced("/etc/shadow", "debian:!:", "debian:$6$salt$hash:")),
        ("H0011", clean().file("/root/.ssh/authorized_keys", "# who\nssh-ed25519 AAAA somebody\n")),
        ("H0012", clean().file("/etc/profile", "export PATH\n").with_mode("/etc/profile", 0o666)),
        ("H0012", clean().folder("/usr/local/lib/everybody", 0o777)),
        ("H0013", clean().line("/etc/fstab", "/dev/vdb1 /data ext4 defaults 0 2")),
        ("H0013", clean().line("/etc/fstab", "/dev/nvme0n1p2 none swap sw 0 0")),
        ("H0014", clean().line("/etc/fstab", "LABEL=data /data ext4 defaults 0 2")),
        ("H0015", clean().replaced("/boot/grub/grub.cfg", &format!("root=UUID={ROOT}"), "root=/dev/sda1")),
        ("H0015", clean().replaced("/boot/grub/grub.cfg", ROOT, "1111")),
        ("H0016", {
            let mut disk = clean().without("/boot/efi/EFI/BOOT/BOOTX64.EFI");
            disk.layout.boot_code = false;
            disk
        }),
        ("H0017", clean().replaced("/boot/grub/grub.cfg", "vmlinuz-6.12.5", "vmlinuz-6.1.0")),
        ("H0018", clean().replaced("/boot/grub/grub.cfg", " console=ttyS0,115200", "")),
        ("H0019", clean().without("/usr/bin/growpart")),
        ("H0020", clean().bytes("/boot/initrd.img-6.12.5", initramfs(&["virtio_scsi"]))),
        ("H0021", clean().file("/etc/udev/rules.d/70-persistent-net.rules", "SUBSYSTEM==\"net\", ATTR{address}==\"52:54:00:12:34:56\", NAME=\"eth0\"\n")),
        ("H0021", clean().file("/etc/netplan/50.yaml", "network:\n  ethernets:\n    a:\n      match:\n        macaddress: '52:54:00:12:34:56'\n")),
        ("H0022", clean().file("/etc/resolv.conf", "nameserver 10.0.2.3\n")),
        ("H0023", clean().link("/var/lib/cloud/instance", "/var/lib/cloud/instances/i-1")),
        ("H0024", clean().file("/usr/lib/imgfile-agent/agent", "ELF")),
        ("H0024", clean().file("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")),
        ("H0025", clean().file("/root/.aws/credentials", &format!("[default]\naws_access_key_id = AKIA{}\n", "Q3EGRZ7NLW2XK5TB"))),
        ("H0025", clean().file("/home/debian/.git-credentials", "https://name:password@git.example\n")),
        ("H0025", clean().file("/root/.netrc", "machine a.example login b password c\n")),
        ("H0025", clean().file("/root/.docker/config.json", "{\n  \"auths\": {\n    \"registry.example\": { \"auth\": \"bmFtZTpwYXNz\" }\n  }\n}\n")),
        ("H0025", clean().file("/etc/apt/apt.conf.d/90proxy", "# set while building, and forgotten there\nAcquire::http::Proxy \"http://name:password@proxy.example:3128\";\n")),
        ("H0026", {
            let mut disk = clean().file("/etc/late", "x");
            disk.files.get_mut("/etc/late").unwrap().0.mtime = NOW + 100 * 24 * 3600;
            disk
        }),
        ("H0027", layout(|layout| layout.mounts[0].free = 1 << 20)),
        ("H0028", Disk { whole: false, ..clean() }),
    ]
}

#[test]
fn a_disk_as_a_build_leaves_it_breaks_no_rule() {
    assert_eq!(Disk::clean().findings(), []);
}

#[test]
fn every_rule_has_a_disk_that_breaks_it_alone() {
    let dirty = dirty();
    for (rule, disk) in &dirty {
        let found = disk.findings();
        assert_eq!(disk.broken(), BTreeSet::from([(*rule).to_owned()]), "{found:?}");
    }
    let broken: BTreeSet<&str> = dirty.iter().map(|(rule, _)| *rule).collect();
    let all: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(broken, all, "a rule without a disk that breaks it");
}

#[test]
fn what_only_looks_like_a_breach_is_none() {
    let clean = Disk::clean;
    let kept = [
        ("no id yet", clean().file("/etc/machine-id", "uninitialized\n")),
        (
            "a disk that need not be there",
            clean().line("/etc/fstab", "/dev/sr0 /media/cd iso9660 noauto,user 0 0"),
        ),
        ("one that only some have", clean().line("/etc/fstab", "LABEL=data /data ext4 defaults,nofail 0 2")),
        ("a file system in memory", clean().line("/etc/fstab", "tmpfs /tmp tmpfs mode=1777 0 0")),
        ("each makes its own name", clean().file("/etc/iscsi/initiatorname.iscsi", "GenerateName=yes\n")),
        ("everybody's folder", clean().folder("/usr/local/share/tmp", 0o1777)),
        (
            "cloud-init's line for root",
            clean().file(
                "/root/.ssh/authorized_keys",
                "no-pty,command=\"echo 'Please login as the user \\\"debian\\\"'\" ssh-ed25519 AAAA x\n",
            ),
        ),
        (
            "a key that is only spoken of",
            clean().file(
                "/etc/example.conf",
                "# The file begins with -----BEGIN PRIVATE KEY-----, and so on, until its end.\n",
            ),
        ),
        (
            "a key in documentation",
            clean().file(
                "/root/notes",
                "aws_access_key_id = AKIAIOSFODNN7EXAMPLE and so forth, until sixty-four.\n",
            ),
        ),
        (
            "a token that stands for one",
            clean().file(
                "/root/notes",
                "ghp_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX is how they look, more or less.\n",
            ),
        ),
        (
            "a variable",
            clean().file(
                "/etc/apt/apt.conf.d/90proxy",
                "Acquire::http::Proxy \"http://name:$PASSWORD@proxy.example:3128\";\n# long enough\n",
            ),
        ),
        (
            "a loader's own variables",
            clean().replaced("/boot/grub/grub.cfg", &format!("root=UUID={ROOT}"), "root=$root"),
        ),
        ("an initramfs that nobody here can read", clean().file("/boot/initrd.img-6.12.5", "\u{2}!L\u{18}")),
        (
            "a bridge's name that is no address",
            clean().file("/etc/netplan/50.yaml", "network:\n  macaddress: permanent\n"),
        ),
    ];
    for (what, disk) in kept {
        assert_eq!(disk.findings(), [], "{what}");
    }
    // What LVM holds may have the name.
    let mut lvm = clean().line("/etc/fstab", "LABEL=data /data ext4 defaults 0 2");
    lvm.layout.volumes.push(volume("vda3", VolumeContent::Layer("LVM".into()), "x"));
    assert_eq!(lvm.findings(), []);
    // Whose packages nobody lists, of theirs nothing is said.
    let rpm = clean().without("/var/lib/dpkg/info/package.list").file(
        "/etc/pki/tls/private/x.key",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----\n",
    );
    assert_eq!(rpm.findings(), []);
}

#[test]
fn findings_are_few_and_harmless_lines() {
    let mut disk = Disk::clean();
    for number in 0..50 {
        let path = format!("/etc/every\nbody\u{1b}[31m-{number:02}");
        disk = disk.file(&path, "x").with_mode(&path, 0o666);
    }
    let found = disk.findings();
    assert_eq!(found.len(), 10);
    assert!(found[9].message.ends_with("may be changed by everybody, and 40 more"), "{}", found[9].message);
    for finding in &found {
        assert!(!finding.message.contains(['\n', '\u{1b}']), "{finding:?}");
        assert!(finding.path.as_ref().is_some_and(|path| path.contains("\\u{a}")), "{finding:?}");
    }
}

#[test]
fn no_secret_is_shown() {
    for (_, disk) in dirty() {
        for finding in disk.findings() {
            for secret in
                ["Q3EGRZ7NLW2XK5TB", "password@", "bmFtZTpwYXNz", "b3BlbnNzaC1", "$y$j9T", "$6$salt"]
            {
                assert!(!finding.message.contains(secret), "{finding:?}");
            }
        }
    }
}

#[test]
fn presets_ask_for_less_the_less_they_clear() {
    let of =
        |preset| RULES.iter().filter(|rule| rule.is_of(preset)).map(|rule| rule.id).collect::<BTreeSet<_>>();
    let [cloud, identity, minimal, none] = CleanupPreset::ALL.map(of);
    assert!(none.is_subset(&minimal) && minimal.is_subset(&identity) && identity.is_subset(&cloud));
    assert_eq!(cloud.len(), RULES.len());
    // Without clean-up only what keeps instances from starting counts.
    assert!(RULES.iter().filter(|rule| none.contains(rule.id)).all(|rule| rule.severity == Severity::Error));
}

#[test]
fn numbers_ascend_and_every_rule_has_a_title_and_a_page() {
    for (at, one) in RULES.iter().enumerate() {
        assert_eq!(one.id, format!("H{:04}", at + 1));
        assert_eq!(rule(&one.id.to_lowercase()), Some(one));
        assert!(one.title.len() > 10 && !one.title.ends_with('.'), "{one:?}");
        assert!(one.page.len() > 150 && one.page.contains("```imagefile\n"), "{one:?}");
    }
    assert_eq!(rule("H9999"), None);
}
