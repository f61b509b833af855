//! What is in an artifact, and what is not: seen by programs that know nothing of this one. Few builds, each looked at
//! from many sides.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::process::Command;

use snapbox::{assert_data_eq, file};

use crate::common::boots::{Controller, Firmware, boot_as};
use crate::common::built::Project;

/// Packages that make keys and names for themselves, and a provisioner that leaves what it can: a line for each thing
/// that virt-sysprep clears by default.
const DIRTY: &str = r#"image "dirty" {
  os linux debian 13
  kernel_args ["transparent_hugepage=never"]
  packages ["bind9", "nvme-cli", "open-iscsi", "ssl-cert"]
  cleanup cloud { remove = [crontabs, "/srv/*.bak"], keep = ["/var/log/kept/*"] }
  copy "overlay/" to "/"
  copy "keys/" to "/etc/ssl/private" { group = ssl-cert, mode = 0640 }
  script <<-SH { name = "dirt", user = root }
    #!/bin/bash -e
    test "$(cat /proc/self/oom_score_adj)" = 0
    mkdir -p /var/crash /var/spool/abrt /root/.ssh /var/lib/NetworkManager /etc/NetworkManager/system-connections
    mkdir -p /etc/udev/rules.d /etc/blkid /var/account /var/lib/sss/db /var/lib/samba/private /etc/puppet/ssl /var/lib/dhcp
    mkdir -p /var/log/kept; echo x >/var/log/kept/app.log
    echo x | tee /var/crash/x /var/spool/abrt/x /var/mail/root /root/.bash_history /root/.sqlite_history /root/.viminfo \
      /root/.ssh/known_hosts /var/lib/NetworkManager/secret_key /var/lib/NetworkManager/timestamps \
      /var/lib/dhcp/dhclient.eth0.leases /etc/udev/rules.d/70-persistent-net.rules /etc/blkid/blkid.tab \
      /var/account/pacct /var/lib/sss/db/cache.ldb /var/lib/samba/private/secrets.tdb /etc/puppet/ssl/k.pem \
      /etc/krb5.keytab /var/log/app.log /var/log/app-20261101 /var/log/app.log.2.bz2 /var/lib/systemd/credential.secret \
      /tmp/left /var/tmp/left
    printf '[connection]\nid=Wired\n[ethernet]\nmac-address=52:54:00:12:34:56\n' \
      > /etc/NetworkManager/system-connections/Wired.nmconnection
    cp /etc/passwd /etc/passwd-
    ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
    cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
    openssl genpkey -algorithm ed25519 -out /etc/own-service.key
    mkdir -p /var/spool/cron/atjobs /var/spool/cron/crontabs /var/lib/dhcpcd /etc/multipath /etc/netplan /var/spool/postfix/hold
    echo x | tee /var/spool/cron/atjobs/a00001019c4f00 /var/spool/cron/crontabs/debian /var/lib/dhcpcd/duid \
      /etc/multipath/wwids /etc/netplan/50-cloud-init.yaml /var/spool/postfix/hold/A1 /etc/kept.bak /srv/scratch.bak
    dd if=/dev/zero of=/swap.img bs=64k count=16
    chmod 0600 /swap.img
    mkswap -U 6d1a4c2e-0b1f-4a53-9d6e-3f0c5b7a8e21 /swap.img
    printf '%s' 'a page of ' 'the build' | dd of=/swap.img bs=1 seek=40960 conv=notrunc
    echo '/swap.img none swap sw 0 0' >>/etc/fstab
    # What lies on the disk below the file systems that a boot mounts.
    mkdir /root/bare; mount --bind / /root/bare; echo x > /root/bare/tmp/below; mkdir /root/bare/tmp/.X11-unix
    umount /root/bare; rmdir /root/bare
  SH
  test "nothing is left" <<-SH { offline = true, user = root }
    #!/bin/bash
    bad=0
    for file in /etc/nvme/hostid /etc/nvme/hostnqn /etc/ssl/private/ssl-cert-snakeoil.key \
        /etc/ssl/certs/ssl-cert-snakeoil.pem /etc/bind/rndc.key /etc/ssh/ssh_host_*_key /var/crash/x /var/spool/abrt/x \
        /var/mail/root /root/.bash_history /root/.sqlite_history /root/.viminfo /root/.ssh/known_hosts \
        /root/.ssh/id_ed25519 /etc/passwd- /var/lib/NetworkManager/secret_key /var/lib/NetworkManager/timestamps \
        /var/lib/dhcp/dhclient.eth0.leases /etc/udev/rules.d/70-persistent-net.rules /etc/blkid/blkid.tab \
        /var/account/pacct /var/lib/sss/db/cache.ldb /var/lib/samba/private/secrets.tdb /etc/puppet/ssl \
        /etc/krb5.keytab /var/log/app-20261101 /var/log/app.log.2.bz2 /var/lib/systemd/credential.secret \
        /var/lib/systemd/random-seed /etc/NetworkManager/system-connections/Wired.nmconnection \
        /var/spool/cron/atjobs/a00001019c4f00 /var/spool/cron/crontabs/debian /var/lib/dhcpcd/duid /etc/multipath/wwids \
        /etc/netplan/50-cloud-init.yaml /var/spool/postfix/hold/A1 /srv/scratch.bak; do
      if [ -e "$file" ]; then echo "left: $file"; bad=1; fi
    done
    if [ -s /etc/machine-id ] || [ -s /var/log/app.log ]; then echo "left: content"; bad=1; fi
    if grep -q '^InitiatorName=' /etc/iscsi/initiatorname.iscsi; then echo "left: InitiatorName"; bad=1; fi
    if grep -q 'a page of the build' /swap.img; then echo "left: swap"; bad=1; fi
    if [ "$(blkid -p -s UUID -o value /swap.img)" != 6d1a4c2e-0b1f-4a53-9d6e-3f0c5b7a8e21 ]; then echo "gone: swap"; bad=1; fi
    if ! [ -s /etc/kept.bak ] || ! [ -s /var/log/kept/app.log ]; then echo "gone: what is kept"; bad=1; fi
    if ! [ -s /root/.ssh/authorized_keys ]; then echo "gone: authorized_keys"; bad=1; fi
    mkdir /run/bare; mount --bind / /run/bare
    find /run/bare/{tmp,run,var/tmp} -mindepth 1 | grep . && bad=1
    umount /run/bare
    grep -q "root=UUID=" /boot/grub/grub.cfg && ! grep -q 'root=/dev/' /boot/grub/grub.cfg || { echo "root by device"; bad=1; }
    exit $bad
  SH
  test "an overlay lies over the image" <<-SH { offline = true, user = root }
    #!/bin/bash -e
    test "$(cat /etc/app.conf)" = a
    test "$(/usr/local/bin/tool)" = t
    test "$(stat -c %a /tmp)" = 1777
    test "$(stat -c %a:%G /etc/ssl/private)" = 710:ssl-cert
    test "$(stat -c %a /root)" = 700
    # The key that a copy brought stays; its name is that of a generated one.
    grep -q brought /etc/ssl/private/brought.key
    test "$(stat -c %h /opt/one)" = 2
    test "$(stat -c %Y /etc/app.conf)" = 1600000000
    test "$(stat -c %Y /opt/one)" = 1500000000
    test "$(stat -c %b /opt/sparse)" -lt 100
    test "$(stat -c %s /opt/sparse)" = 10000000
  SH
  output qcow2
  output vdi
}
"#;

/// A package with a key of its own, which each instance makes anew, and an output of each kind.
const SMALL: &str = r#"image "small" {
  os linux debian 13
  packages ["ssl-cert"]
  test "each instance makes its own" <<-SH { user = root }
    #!/bin/bash -e
    openssl pkey -in /etc/ssl/private/ssl-cert-snakeoil.key -noout
    openssl x509 -in /etc/ssl/certs/ssl-cert-snakeoil.pem -noout
    test -z "$(systemctl --failed --no-legend)"
  SH
  test "as the default user" <<-SH
    #!/bin/bash -e
    test "$(id -un)" = debian
  SH
  output qcow2
  output vhd { name = "fixed" }
  output vhd { name = "growing", subformat = dynamic }
  output qcow2 { name = "quick", compression = fast }
  output vdi
  output vmdk
  output vhdx
  output qcow2 { name = "older", compression = zlib }
  output qcow2 { name = "plain", compression = none }
  output raw
  output ova
  output gce
}
"#;

fn tool(program: &str, args: &[&str], project: &Project) -> String {
    let output = Command::new(program)
        .args(args)
        .current_dir(project.path(""))
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The project of [`DIRTY`] with its files.
fn dirty() -> Project {
    let project = Project::new(DIRTY);
    // No repository, and in none: its files are as old as they say.
    fs::create_dir(project.path(".git")).unwrap();
    for (path, content) in [
        ("overlay/etc/app.conf", "a\n"),
        ("overlay/etc/ssl/private/.keep", ""),
        ("overlay/usr/local/bin/tool", "#!/bin/sh\necho t\n"),
        ("overlay/root/.keep", ""),
        ("overlay/tmp/.keep", ""),
        ("overlay/opt/one", "1\n"),
        ("keys/brought.key", "-----BEGIN PRIVATE KEY-----\nbrought\n-----END PRIVATE KEY-----\n"),
    ] {
        let path = project.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    fs::hard_link(project.path("overlay/opt/one"), project.path("overlay/opt/two")).unwrap();
    fs::File::create(project.path("overlay/opt/sparse")).unwrap().set_len(10_000_000).unwrap();
    let executable = |path: &str, mode| {
        fs::set_permissions(project.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    executable("overlay/usr/local/bin/tool", 0o4755);
    let dated = |path: &str, seconds: u64| {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        fs::File::options().write(true).open(project.path(path)).unwrap().set_modified(time).unwrap();
    };
    dated("overlay/etc/app.conf", 1_600_000_000);
    dated("overlay/opt/one", 1_500_000_000);
    project
}

#[test]
fn an_artifact_has_nothing_of_its_making() {
    let project = dirty();
    let log = project.build(&["--no-cache"]);
    // The copy that loses a bit, the one key that was made and is neither removed nor brought, and the network card of
    // VirtualBox, which Debian's cloud kernel does not know; Hyper-V's it does.
    let warnings: String = log
        .lines()
        .filter_map(|line| line.split_once("note: warning["))
        .map(|(_, rest)| format!("warning[{rest}\n"))
        .collect();
    assert_data_eq!(warnings, file!["artifacts.expected"]);
    file_systems(&project);
}

#[test]
fn outputs_are_what_their_readers_want_and_instances_make_their_own_keys() {
    let project = Project::new(SMALL);
    project.build(&[]);
    formats(&project);
    appliance(&project);
    archive_for_compute_engine(&project);
    // What others than QEMU's usual format hold starts as well. No driver of the program takes them, so QEMU does.
    for (file, format, controller) in [
        ("small-disk1.vmdk", "vmdk", Controller::VirtioScsi),
        ("out/fixed.vhd", "vpc", Controller::VirtioBlk),
        ("out/small.vhdx", "vhdx", Controller::Nvme),
    ] {
        let console = boot_as(&project.path(file), format, controller, Firmware::Bios, "login:");
        assert!(console.is_ok(), "{file}: {}", console.unwrap_err());
    }
}

/// An OVA in the eyes of tar, of a parser of XML, and of those who check its digests and its disk.
fn appliance(project: &Project) {
    assert_eq!(tool("tar", &["-tf", "out/small.ova"], project), "small.ovf\nsmall-disk1.vmdk\nsmall.mf\n");
    tool("tar", &["-xf", "out/small.ova"], project);
    // The manifest in the words of coreutils.
    let manifest = fs::read_to_string(project.path("small.mf")).unwrap();
    fs::write(project.path("sums"), manifest.replace("SHA256(", "SHA256 (").replace(")=", ") =")).unwrap();
    assert_eq!(tool("sha256sum", &["--check", "sums"], project).matches(": OK").count(), 2);
    let info: serde_json::Value = serde_json::from_str(&tool(
        "qemu-img",
        &["info", "-f", "vmdk", "--output", "json", "small-disk1.vmdk"],
        project,
    ))
    .unwrap();
    assert_eq!(info["format-specific"]["data"]["create-type"], "streamOptimized");
    tool("qemu-img", &["check", "-q", "-f", "vmdk", "small-disk1.vmdk"], project);
    tool("qemu-img", &["compare", "-q", "-f", "vmdk", "small-disk1.vmdk", "out/small.qcow2"], project);
    // What the descriptor says, as Python's parser finds it by the standard's names.
    let script = r#"
import xml.etree.ElementTree as tree
ovf = "{http://schemas.dmtf.org/ovf/envelope/1}"
rasd = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
root = tree.parse("small.ovf").getroot()
file = root.find(f"{ovf}References/{ovf}File")
disk = root.find(f"{ovf}DiskSection/{ovf}Disk")
assert disk.get(ovf + "fileRef") == file.get(ovf + "id")
system = root.find(f"{ovf}VirtualSystem")
print(root.tag == ovf + "Envelope", file.get(ovf + "href"), file.get(ovf + "size"), disk.get(ovf + "capacity"))
print(system.get(ovf + "id"), system.find(f"{ovf}OperatingSystemSection").get(ovf + "id"))
items = system.findall(f"{ovf}VirtualHardwareSection/{ovf}Item")
for item in items:
    value = lambda name: getattr(item.find(rasd + name), "text", "-")
    print(value("ResourceType"), value("ResourceSubType"), value("VirtualQuantity"), value("HostResource"), value("Parent"))
    # Elements come in the order of the schema, which is that of their names.
    names = [part.tag for part in item]
    assert names == sorted(names), names
"#;
    let size = fs::metadata(project.path("small-disk1.vmdk")).unwrap().len();
    let expected = format!(
        "True small-disk1.vmdk {size} {}\nsmall 96\n3 - 2 - -\n4 - 2048 - -\n6 lsilogic - - -\n17 - - ovf:/disk/vmdisk1 3\n\
         10 E1000 - - -\n",
        4_u64 << 30
    );
    assert_eq!(tool("python3", &["-c", script], project), expected);
}

/// What Compute Engine wants of an archive, in the eyes of GNU tar.
fn archive_for_compute_engine(project: &Project) {
    let listed = tool("tar", &["-tvzf", "out/small.tar.gz"], project);
    assert!(listed.ends_with(" disk.raw\n") && listed.lines().count() == 1, "{listed}");
    tool("tar", &["-xzf", "out/small.tar.gz"], project);
    let disk = fs::metadata(project.path("disk.raw")).unwrap();
    assert_eq!(disk.len() % (1 << 30), 0);
    assert!(disk.blocks() * 512 < disk.len() / 2, "its holes are holes");
    tool("qemu-img", &["compare", "-q", "-f", "raw", "-F", "qcow2", "disk.raw", "out/small.qcow2"], project);
    fs::remove_file(project.path("disk.raw")).unwrap();
}

/// Containers as their readers want them.
fn formats(project: &Project) {
    const SIZE: u64 = 4 << 30;
    let info = |file: &str, format: &str| -> serde_json::Value {
        serde_json::from_str(&tool("qemu-img", &["info", "-f", format, "--output", "json", file], project))
            .unwrap()
    };
    for (file, format) in [
        ("out/small.qcow2", "qcow2"),
        ("out/quick.qcow2", "qcow2"),
        ("out/fixed.vhd", "vpc"),
        ("out/growing.vhd", "vpc"),
        ("out/small.vdi", "vdi"),
        ("out/small.vmdk", "vmdk"),
        ("out/small.vhdx", "vhdx"),
        ("out/older.qcow2", "qcow2"),
        ("out/plain.qcow2", "qcow2"),
        ("out/small.raw", "raw"),
    ] {
        assert_eq!(info(file, format)["virtual-size"], SIZE, "{file}");
        tool("qemu-img", &["compare", "-q", "-f", format, "-F", "qcow2", file, "out/small.qcow2"], project);
    }
    for file in
        ["small.qcow2", "quick.qcow2", "older.qcow2", "plain.qcow2", "small.vdi", "small.vmdk", "small.vhdx"]
    {
        tool("qemu-img", &["check", "-q", &format!("out/{file}")], project);
    }
    let compression = |file| info(file, "qcow2")["format-specific"]["data"]["compression-type"].clone();
    assert_eq!([compression("out/small.qcow2"), compression("out/older.qcow2")], ["zstd", "zlib"]);
    // A fixed VHD is the disk and a footer of 512 bytes, whose current size is at 48 and type (2) at 60.
    let footer = |file: &str| {
        let bytes = fs::read(project.path(file)).unwrap();
        bytes[bytes.len() - 512..].to_vec()
    };
    assert_eq!(fs::metadata(project.path("out/fixed.vhd")).unwrap().len(), SIZE + 512);
    let exported = ["exported.vhd", "exported-growing.vhd"];
    for (file, more) in exported.iter().zip([&[][..], &["--subformat", "dynamic"]]) {
        let output = project.imgfile(&[&["image", "export", "out/small.qcow2", file][..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(info(file, "vpc")["virtual-size"], SIZE, "{file}");
    }
    assert_eq!(fs::metadata(project.path(exported[0])).unwrap().len(), SIZE + 512);
    for (file, kind) in [("out/growing.vhd", 3), (exported[1], 3)] {
        let footer = footer(file);
        assert_eq!(footer[..8], *b"conectix");
        assert_eq!((footer[48..56].to_vec(), footer[63]), (SIZE.to_be_bytes().to_vec(), kind), "{file}");
    }
}

/// Tables and file systems as their own checkers want them.
fn file_systems(project: &Project) {
    let disk = raw(project, "out/dirty.qcow2");
    // Not on the disk either, where the swap file had it.
    let found = Command::new("grep")
        .args(["-aqF", "a page of the build"])
        .arg(project.path("disk.raw"))
        .status()
        .unwrap();
    assert_eq!(found.code(), Some(1));
    let said = tool("sgdisk", &["-v", "disk.raw"], project);
    assert!(said.contains("No problems found"), "{said}");
    tool("e2fsck", &["-fn", &disk], project);
    // The partition of the firmware, for a checker that knows no offsets.
    let mut efi = vec![0; 98 << 20];
    fs::File::open(project.path("disk.raw")).unwrap().read_exact_at(&mut efi, 2 << 20).unwrap();
    fs::write(project.path("efi.raw"), efi).unwrap();
    tool("fsck.fat", &["-n", "efi.raw"], project);
    fs::remove_file(project.path("disk.raw")).unwrap();
}

/// Writes an artifact as `disk.raw`; answers its root file system in the words of e2fsprogs.
fn raw(project: &Project, artifact: &str) -> String {
    tool("qemu-img", &["convert", "-O", "raw", artifact, "disk.raw"], project);
    let table: serde_json::Value =
        serde_json::from_str(&tool("sfdisk", &["--json", "disk.raw"], project)).unwrap();
    let root = table["partitiontable"]["partitions"].as_array().unwrap().last().unwrap().clone();
    format!("disk.raw?offset={}", root["start"].as_u64().unwrap() * 512)
}

const STEPS: &str = r#"image "steps" {
  os linux debian 13
  packages ["ssl-cert"]
  copy <<TEXT to "/opt/first"
one
TEXT
  script <<-SH { name = "second", offline = true, user = root }
    #!/bin/sh -e
    rm -f /etc/resolv.conf
    echo two > /opt/second
  SH
  # Without `user` an offline script is root's.
  script <<-SH { name = "third", offline = true }
    #!/bin/sh -e
    test "$(id -un)" = root
    echo three > /opt/third
  SH
  test "tree" <<-SH { offline = true, user = root }
    #!/bin/bash -e
    mkdir /run/bare; mount --bind / /run/bare
    cd /run/bare
    find . -xdev \( -type f -printf 'file %p %m %u %g %s\n' \) -o -printf '%y %p %m %u %g %l\n' | sed 's/^/tree: /' | sort
    umount -l /run/bare
  SH
}
"#;

/// The tree that a build's test printed.
fn tree(log: &str) -> BTreeMap<String, String> {
    log.lines()
        .filter_map(|line| line.split_once("tree: "))
        .filter_map(|(_, entry)| {
            let (kind, rest) = entry.split_once(' ')?;
            let (path, about) = rest.split_once(' ')?;
            Some((path.to_owned(), format!("{kind} {about}")))
        })
        .collect()
}

#[test]
fn a_build_that_goes_on_from_any_layer_ends_in_the_tree_of_one_in_one_go() {
    let project = Project::new(STEPS);
    let whole = tree(&project.build(&["--no-cache"]));
    assert!(whole.len() > 5000, "{}", whole.len());
    assert!(whole.contains_key("./opt/third"));
    // Each step is once the first that runs, on the layer of the one before.
    for (before, after) in [("\none\n", "\nonx\n"), ("echo two", "echo twx"), ("echo three", "echo threx")] {
        assert!(STEPS.contains(before));
        fs::write(project.path("ImageFile"), STEPS.replace(before, after)).unwrap();
        let resumed = tree(&project.build(&[]));
        let differ: Vec<_> = whole
            .keys()
            .chain(resumed.keys())
            .filter(|path| whole.get(*path) != resumed.get(*path))
            .map(|path| (path, whole.get(path), resumed.get(path)))
            .collect();
        assert!(differ.is_empty(), "{after}: {differ:?}");
        // The test itself is shown files where the disk has none; this sees the disk alone.
        let root = raw(&project, "out/steps.qcow2");
        for path in ["/usr/sbin/policy-rc.d", "/etc/resolv.conf"] {
            let stat = tool("debugfs", &["-R", &format!("stat {path}"), &root], &project);
            assert!(!stat.contains("Inode:"), "{after}: {path} is in the image: {stat}");
        }
        fs::remove_file(project.path("disk.raw")).unwrap();
    }
    let root = raw(&project, "out/steps.qcow2");
    differs_as_it_was_changed(&project, &root);
}

/// What `imgfile diff` says of the artifact and of a copy that e2fsprogs changed, a thing of each kind.
fn differs_as_it_was_changed(project: &Project, root: &str) {
    let debugfs = |request: &str| tool("debugfs", &["-w", "-R", request, root], project);
    let dump = |path: &str| {
        debugfs(&format!("dump {path} dumped"));
        fs::read_to_string(project.path("dumped")).unwrap()
    };
    let time = debugfs("stat /opt/second");
    let time = time.lines().find_map(|line| line.trim().strip_prefix("mtime: ")).unwrap();
    let time = time.split(':').next().unwrap().to_owned();
    let (second, status) = (dump("/opt/second"), dump("/var/lib/dpkg/status"));
    // As long as it was.
    fs::write(project.path("second"), second.replace("tw", "no")).unwrap();
    // One package is newer, another was never there.
    let mut packages: Vec<String> = status.split_inclusive("\n\n").map(str::to_owned).collect();
    let of =
        |name: &str| packages.iter().position(|one| one.starts_with(&format!("Package: {name}\n"))).unwrap();
    let (newer, removed) = (of("ssl-cert"), of("tar"));
    let version =
        |stanza: &str| stanza.lines().find_map(|line| line.strip_prefix("Version: ")).unwrap().to_owned();
    let (old, of_removed) = (version(&packages[newer]), version(&packages[removed]));
    packages[newer] = packages[newer].replace(&format!("Version: {old}"), "Version: 99");
    packages.remove(removed);
    fs::write(project.path("status"), packages.concat()).unwrap();
    for request in [
        "rm /opt/first",
        "rm /opt/second",
        "write second /opt/second",
        &format!("set_inode_field /opt/second mtime {time}"),
        "write second /opt/added",
        "ea_set /opt/third user.colour blue",
        "set_inode_field /etc/issue mode 0100600",
        "set_inode_field /etc/issue.net uid 7",
        "symlink /etc/systemd/system/apt-daily.timer /dev/null",
        "rm /var/lib/dpkg/status",
        "write status /var/lib/dpkg/status",
    ] {
        debugfs(request);
    }
    let diff = |args: &[&str]| {
        let output =
            project.imgfile(&[&["diff", "out/steps.qcow2", "disk.raw", "--exit-code"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let found: serde_json::Value = serde_json::from_str(&diff(&["--format", "json"])).unwrap();
    let schema =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/diff.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    assert!(schema.is_valid(&found), "{found:#}");
    let list = |part: &str, line: fn(&serde_json::Value) -> String| -> Vec<String> {
        found[part].as_array().unwrap().iter().map(line).collect()
    };
    let side = |one: &serde_json::Value| {
        format!("{} {} -> {}", one["name"].as_str().unwrap(), one["before"], one["after"])
    };
    let files = list("files", |one| {
        let side = |side: &str| if one[side].is_null() { "" } else { side };
        format!("{} {}{} {}", one["path"].as_str().unwrap(), side("before"), side("after"), one["aspects"])
    });
    assert_eq!(
        files,
        [
            r#"/etc/issue beforeafter ["mode"]"#,
            r#"/etc/issue.net beforeafter ["owner"]"#,
            "/etc/systemd/system/apt-daily.timer after []",
            "/opt/added after []",
            "/opt/first before []",
            r#"/opt/second beforeafter ["content"]"#,
            r#"/opt/third beforeafter ["attributes"]"#,
            r#"/var/lib/dpkg/status beforeafter ["content"]"#,
        ]
    );
    let packages = list("packages", side);
    assert_eq!(packages, [format!("ssl-cert \"{old}\" -> \"99\""), format!("tar \"{of_removed}\" -> null")]);
    assert_eq!(list("units", side), [r#"apt-daily.timer "enabled in timers.target" -> "masked""#]);
    // Times tell nothing of a file that got its time back.
    let quick = diff(&["--quick"]);
    assert!(quick.contains("~ /etc/issue: mode 0644 → 0600") && !quick.contains("/opt/second"), "{quick}");
    fs::remove_file(project.path("disk.raw")).unwrap();
}

/// A script that ends the machine or its agent, the code that says so, and what helps.
#[test]
fn a_script_that_ends_its_machine_is_named_at_once() {
    for (end, code, words) in [
        ("systemctl reboot", "E0608", "write the statement `reboot` after the script"),
        ("systemctl poweroff", "E0608", "the machine was powered off while `script end` ran"),
        (
            "systemctl kill --kill-whom=main --signal=KILL imgfile-agent.service",
            "E0609",
            "the build's agent in the machine was stopped",
        ),
    ] {
        let project = Project::new(&format!(
            "image \"ends\" {{\n  os linux debian 13\n  script <<-SH {{ name = \"end\", user = root }}\n    #!/bin/bash -e\n    {end}\n    sleep 1000\n  SH\n}}\n"
        ));
        let output = project.imgfile(&["build", "--progress", "plain", "--no-test"]);
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{log}");
        assert!(log.contains(&format!("error[{code}]")) && log.contains(words), "{end}: {log}");
        assert!(log.contains("ImageFile:3:3"), "{log}");
    }
}
