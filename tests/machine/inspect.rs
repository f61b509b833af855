//! `imgfile inspect` on disks of all kinds, and the gate that holds a build's disk to the same rules.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::common::built::{Project, sha256};
use crate::common::disks::{self, MIB, ext4, partition, place, system, write_at};

const DEBIAN: &str = "ID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian of a test\"\n";
/// `e_machine` of the ELF header.
const X86_64: u16 = 62;

/// A folder for disks, and the program that looks into them.
fn here() -> Project {
    Project::new("image \"none\" {\n  os linux debian 13\n}\n")
}

fn inspect(project: &Project, args: &[&str]) -> Output {
    project.imgfile(&[&["inspect"], args].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A disk that is looked into as JSON; it has to stay as it is.
fn looked_into(project: &Project, disk: &Path, args: &[&str], status: i32) -> Value {
    let before = sha256(&fs::read(disk).unwrap());
    let output = inspect(project, &[&[disk.to_str().unwrap(), "--format", "json"], args].concat());
    assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
    assert_eq!(sha256(&fs::read(disk).unwrap()), before, "{} was written to", disk.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rules(found: &Value) -> BTreeSet<&str> {
    found["findings"].as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap()).collect()
}

/// Writes a file below a folder, with the folders above it.
fn lay(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// What nobody wants in an image, all at once.
fn dirt(root: &Path) {
    let key =
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAxrBFGjcEJ5Pq9z0x\n-----END PRIVATE KEY-----\n";
    for (path, content) in [
        ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        ("var/lib/dbus/machine-id", "0123456789abcdef0123456789abcdef\n"),
        ("etc/ssh/ssh_host_ed25519_key", key),
        ("var/lib/systemd/random-seed", "seed"),
        ("var/lib/dhcp/dhclient.leases", "lease {}\n"),
        ("etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.2004-10.example:01\n"),
        ("etc/example/tls.key", key),
        (
            "etc/shadow",
            "root:$y$j9T$salt$hash:20000::::::\nguest::20000::::::\nadmin:$6$salt$hash:20000::::::\n",
        ),
        ("root/.ssh/authorized_keys", "ssh-ed25519 AAAA somebody\n"),
        (
            "etc/fstab",
            "/dev/vdb1 /data ext4 defaults 0 2\nUUID=0a1b2c3d-0000-4000-8000-0123456789ab /srv ext4 defaults 0 2\n",
        ),
        ("boot/grub/grub.cfg", "menuentry x {\n  linux /boot/vmlinuz-6.1.0 root=/dev/sda1 ro quiet\n}\n"),
        ("boot/vmlinuz-6.12.5", "kernel"),
        (
            "etc/udev/rules.d/70-persistent-net.rules",
            "SUBSYSTEM==\"net\", ATTR{address}==\"52:54:00:12:34:56\", NAME=\"eth0\"\n",
        ),
        ("etc/resolv.conf", "nameserver 10.0.2.3\n"),
        ("var/lib/cloud/instance", "i-1"),
        ("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n"),
        ("root/.netrc", "machine a.example login b password c\n"),
        ("etc/evil\u{1b}[2J\nname", "x"),
    ] {
        lay(root, path, content);
    }
    fs::set_permissions(root.join("etc/evil\u{1b}[2J\nname"), fs::Permissions::from_mode(0o666)).unwrap();
    let late = std::time::SystemTime::now() + std::time::Duration::from_hours(24 * 400);
    fs::File::options().write(true).open(root.join("etc/fstab")).unwrap().set_modified(late).unwrap();
}

#[test]
fn a_dirty_disk_breaks_the_rules_and_a_clean_one_does_not() {
    let project = here();
    let folder = project.path("system");
    system(&folder, DEBIAN, X86_64);
    let (file_system, disk) = (project.path("fs"), project.path("dirty.raw"));
    dirt(&folder);
    disks::full_ext4(&file_system, 64, &folder);
    disks::empty(&disk, 80);
    partition(&disk, "label: gpt\nstart=1MiB, size=64MiB\n");
    place(&file_system, &disk, 1);

    let found = looked_into(&project, &disk, &[], 1);
    // Of an initramfs there is none, nor does this user read a file system that cannot be read.
    let expected: BTreeSet<&str> = [
        "H0001", "H0002", "H0003", "H0004", "H0005", "H0006", "H0007", "H0008", "H0009", "H0010", "H0011",
        "H0012", "H0013", "H0014", "H0015", "H0016", "H0017", "H0018", "H0019", "H0021", "H0022", "H0023",
        "H0024", "H0025", "H0026", "H0027",
    ]
    .into();
    assert_eq!(rules(&found), expected, "{found:#}");
    assert_eq!(found["system"]["title"], "Debian of a test");
    assert_eq!(found["system"]["mounts"][0]["fs_type"], "ext4");
    assert_eq!(found["folders"][0]["path"], "/");
    // With less asked, less is found; what keeps instances from starting always is.
    let least = looked_into(&project, &disk, &["--preset", "none"], 1);
    assert_eq!(rules(&least), BTreeSet::from(["H0013", "H0014", "H0015", "H0016", "H0017", "H0024"]));

    let human = inspect(&project, &[disk.to_str().unwrap()]);
    let shown = text(&human.stdout);
    assert!(shown.contains("error[H0001]: /etc/machine-id holds a machine id"), "{shown}");
    assert!(shown.contains("/etc/evil\\u{1b}[2J\\u{a}name may be changed by everybody"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    let sarif = inspect(&project, &[disk.to_str().unwrap(), "--format", "sarif"]);
    let log: Value = serde_json::from_slice(&sarif.stdout).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), found["findings"].as_array().unwrap().len());
    assert_eq!(results[0]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "/etc/machine-id");

    // The same disk as it should be, in another format: nothing of all that is found any more.
    let clean = project.path("clean-system");
    system(&clean, DEBIAN, X86_64);
    for (path, content) in [
        ("etc/machine-id", ""),
        ("etc/shadow", "root:!*:20000::::::\n"),
        ("etc/fstab", "LABEL=data /data ext4 nofail 0 2\n"),
        ("usr/bin/growpart", "#!/bin/sh\n"),
        ("usr/bin/cloud-init", "#!/bin/sh\n"),
    ] {
        lay(&clean, path, content);
    }
    symlink("../run/systemd/resolve/stub-resolv.conf", clean.join("etc/resolv.conf")).unwrap();
    let (raw, vmdk) = (project.path("clean.raw"), project.path("clean.vmdk"));
    ext4(&raw, 64, &clean);
    let converted =
        disks::tool("qemu-img").args(["convert", "-f", "raw", "-O", "vmdk"]).args([&raw, &vmdk]).status();
    assert!(converted.unwrap().success());
    let found = looked_into(&project, &vmdk, &[], 0);
    assert_eq!(found["findings"], Value::Array(Vec::new()));
    assert_eq!((found["format"].as_str(), found["system"]["os"].as_str()), (Some("vmdk"), Some("debian")));
}

/// Refused with the reason, and with the status of a user's file.
fn refused(project: &Project, disk: &Path, reason: &str) {
    let output = inspect(project, &[disk.to_str().unwrap()]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(reason), "{reason}: {said}");
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
}

#[test]
fn disks_that_cannot_be_looked_into_say_why() {
    let project = here();
    let folder = project.path("system");
    system(&folder, DEBIAN, X86_64);
    let (good, empty) = (project.path("good"), project.path("empty"));
    fs::create_dir(&empty).unwrap();
    ext4(&good, 16, &folder);

    let no_linux = project.path("no-linux.raw");
    ext4(&no_linux, 16, &empty);
    refused(&project, &no_linux, "the disk has no Linux system on an ext4, xfs or btrfs partition");

    let layered = project.path("layered.raw");
    disks::empty(&layered, 40);
    partition(&layered, "label: gpt\nstart=1MiB, size=16MiB\nstart=20MiB, size=16MiB\n");
    write_at(&layered, MIB + 512, &disks::lvm_label());
    refused(&project, &layered, "the disk's system is on LVM (vda1)");
    write_at(&layered, MIB, &disks::luks_header());
    refused(&project, &layered, "the disk's system is on LUKS (vda1)");

    let damaged = project.path("damaged.raw");
    fs::copy(&good, &damaged).unwrap();
    // What its superblock says is sound, and the table of groups behind it is not.
    write_at(&damaged, 2048, &[0xa5; 4096]);
    refused(&project, &damaged, "cannot be mounted");

    let none = project.path("text.raw");
    fs::write(&none, "no disk at all\n").unwrap();
    refused(&project, &none, "has no Linux system");
    let absent = inspect(&project, &["absent.qcow2"]);
    assert!(text(&absent.stderr).contains("there is no image and no disk file `absent.qcow2`"));

    // Of two systems the first is looked at, and the other named.
    let other = project.path("other-system");
    system(&other, "ID=alpine\nVERSION_ID=3.22\nPRETTY_NAME=\"Alpine of a test\"\n", X86_64);
    let alpine = project.path("alpine");
    ext4(&alpine, 16, &other);
    let two = project.path("two.raw");
    disks::empty(&two, 40);
    partition(&two, "label: gpt\nstart=1MiB, size=16MiB\nstart=20MiB, size=16MiB\n");
    place(&good, &two, 1);
    place(&alpine, &two, 20);
    let found = looked_into(&project, &two, &["--preset", "none"], 0);
    assert_eq!(found["system"]["os"], "debian");
    let others = serde_json::json!([{ "volume": "vda2", "title": "Alpine of a test" }]);
    assert_eq!(found["others"], others);
    let found = looked_into(&project, &two, &["--preset", "none", "--root", "vda2", "--packages"], 0);
    assert_eq!(
        (found["system"]["os"].as_str(), found["system"]["mounts"][0]["volume"].as_str()),
        (Some("alpine"), Some("vda2"))
    );
}

#[test]
fn a_build_makes_no_image_of_a_disk_that_breaks_a_rule_unless_that_is_allowed() {
    let image = |cleanup: &str| {
        format!(
            "image \"gate\" {{\n  os linux debian 13\n  copy <<-TEXT to \"/etc/fstab\"\n    LABEL=nowhere /data ext4 defaults 0 2\n  \
             TEXT\n  copy \"notes\" to \"/etc/notes\" {{ mode = 0666 }}\n{cleanup}}}\n"
        )
    };
    let mut project = Project::new(&image(""));
    project.store = crate::common::built::own_store(&project.path("store"));
    fs::write(project.path("notes"), "everybody's\n").unwrap();
    let refused = project.imgfile(&["build", "--no-test", "--progress", "plain"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    // At the statements that brought the files.
    let errors = said.find("error[E0620]").map_or("", |start| &said[start..]);
    let errors = errors.split_once("build ").map_or(errors, |(errors, _)| errors);
    snapbox::assert_data_eq!(errors, snapbox::file!["gate.expected"].raw());
    assert!(!project.path("out").exists());

    // One of the two is not enough; nothing is built again, nor looked at.
    fs::write(project.path("ImageFile"), image("  cleanup cloud { allow = [\"H0012\"] }\n")).unwrap();
    let again = project.imgfile(&["build", "--no-test", "--progress", "plain"]);
    let said = text(&again.stderr);
    assert!(said.contains("H0014") && !said.contains("H0012:"), "{said}");
    assert!(!said.contains("start the machine") && !said.contains("inspect the disk"), "{said}");

    fs::write(project.path("ImageFile"), image("  cleanup cloud { allow = [\"H0012\", \"H0014\"] }\n"))
        .unwrap();
    let log = project.build(&["--no-test"]);
    assert!(!log.contains("inspect the disk") && !log.contains("warning[H"), "{log}");
    let found = looked_into(&project, &project.path("out/gate.qcow2"), &[], 1);
    assert_eq!(rules(&found), BTreeSet::from(["H0012", "H0014"]));
    assert!(found["system"]["package_count"].as_u64().unwrap() > 100, "{found}");
    assert_eq!(found["system"]["user"], "debian");
}

/// Judged by tools that know nothing of imgfile. They start a machine of their own, which takes minutes here.
mod long {
    use super::*;
    use crate::common::disks::tool;
    use std::process::Stdio;

    /// What is between two marks, each time.
    fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
        text.split(open).skip(1).filter_map(|rest| rest.split(close).next()).collect()
    }

    #[test]
    fn libguestfs_sees_the_same_system() {
        let project = Project::new("image \"judged\" {\n  os linux debian 13\n  packages [\"htop\"]\n}\n");
        project.build(&["--no-test"]);
        let disk = project.path("out/judged.qcow2");
        let found = looked_into(&project, &disk, &["--packages"], 0);
        let output = tool("virt-inspector")
            .arg("-a")
            .arg(&disk)
            .env("LIBGUESTFS_BACKEND", "direct")
            .stdout(Stdio::piped())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "virt-inspector is installed (libguestfs-tools), and may read /boot/vmlinuz-*"
        );
        let judged = text(&output.stdout);
        assert_eq!(between(&judged, "<distro>", "</distro>"), ["debian"]);
        assert_eq!(between(&judged, "<major_version>", "</major_version>"), ["13"]);
        assert_eq!(between(&judged, "<arch>", "</arch>")[0], "x86_64");
        let applications = between(&judged, "<application>", "</application>");
        let theirs: BTreeSet<String> = applications
            .iter()
            .map(|one| {
                let field =
                    |name: &str| between(one, &format!("<{name}>"), &format!("</{name}>")).first().copied();
                let epoch = field("epoch").map(|epoch| format!("{epoch}:")).unwrap_or_default();
                let release = field("release").map(|release| format!("-{release}")).unwrap_or_default();
                format!("{} {epoch}{}{release}", field("name").unwrap(), field("version").unwrap())
            })
            .collect();
        let ours: BTreeSet<String> = found["system"]["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["version"].as_str().unwrap()))
            .collect();
        assert_eq!(ours, theirs);
        let mounted = between(&judged, "<mountpoint dev=", "</mountpoint>");
        let theirs: BTreeSet<&str> = mounted.iter().filter_map(|one| one.split('>').nth(1)).collect();
        let ours: BTreeSet<&str> = found["system"]["mounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["target"].as_str().unwrap())
            .collect();
        assert_eq!(ours, theirs);
    }
}
