//! Bases that are made here: what runs where while they are made, and what independent eyes see on their disks
//! and on the artifacts that stand on them. Run as an ordinary user and as root.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use imgfile::driver::{
    Disk, DiskAccess, DiskFormat, Driver, Exec, Limits, MachineSpec, MountOptions, Network, Start,
};

use crate::common::built::Project;
use crate::common::disks::{self, tool};
use crate::common::ground::Ground;

const DEBIAN_13: &str = include_str!("../../src/catalog/builtin/bases/debian-13.yaml");

/// Where partitions of a disk made here are, in MiB.
const ESP: (u64, u64) = (2, 98);
const ROOT_START: u64 = 100;

/// What a judge printed, if it found something.
fn judged(command: &mut Command, judge: &str) -> Option<String> {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let text = format!("{judge}: {}", String::from_utf8_lossy(&output.stdout));
    let silent = output.status.success() && !text.contains("Problem") && !text.contains("Expected a valid");
    (!silent || text.contains("not properly unmounted")).then_some(text)
}

/// Everything that tools of others find wrong with a qcow2 disk made here.
fn faults(disk: &Path) -> Vec<String> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (raw, esp) = (folder.path().join("raw"), folder.path().join("esp"));
    let converted = tool("qemu-img").args(["convert", "-O", "raw"]).args([disk, &raw]).status().unwrap();
    assert!(converted.success());
    let cut = tool("dd")
        .args([format!("if={}", raw.display()), format!("of={}", esp.display()), "bs=1M".to_owned()])
        .args([format!("skip={}", ESP.0), format!("count={}", ESP.1)])
        .status();
    assert!(cut.unwrap().success());
    let root = format!("{}?offset={}", raw.display(), ROOT_START * disks::MIB);
    [
        judged(tool("qemu-img").args(["check", "-f", "qcow2"]).arg(disk), "qemu-img check"),
        judged(tool("sgdisk").arg("-v").arg(&raw), "sgdisk -v").filter(|text| !text.contains("No problems")),
        judged(tool("fsck.fat").arg("-n").arg(&esp), "fsck.fat -n"),
        judged(tool("e2fsck").args(["-f", "-n"]).arg(&root), "e2fsck -fn"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[track_caller]
fn assert_whole(disk: &Path) {
    let found = faults(disk);
    assert!(found.is_empty(), "{}:\n{}", disk.display(), found.join("\n"));
}

/// The base, an artifact whose EFI partition was mounted by offline steps and by a booted system, and one that
/// a build has made from a kept layer on. The artifact's first boot, with dosfstools, has nothing to repair.
#[test]
fn tools_of_others_find_no_fault_in_what_is_built() {
    let ground = Ground::find();
    assert_whole(&ground.disk);
    let image_file = |word: &str| {
        format!(
            r#"image "whole" {{
  os linux debian 13
  packages ["dosfstools"]
  script <<-SH {{ name = "first", user = root }}
    #!/bin/bash -e
    findmnt /boot/efi
    echo kept > /boot/efi/EFI/kept
  SH
  script <<-SH {{ name = "second", user = root, offline = true }}
    #!/bin/bash -e
    test "$(cat /boot/efi/EFI/kept)" = kept
    echo {word} > /boot/efi/EFI/word
  SH
  test "nothing is repaired" <<-SH {{ user = root }}
    #!/bin/bash -e
    if journalctl -b -u 'systemd-fsck@*' | grep -E 'Expected a valid|Bad short|Dirty bit|not properly unmounted'; then exit 1; fi
    test "$(cat /boot/efi/EFI/word)" = {word}
    find /boot/efi >/dev/null
  SH
}}
"#
        )
    };
    let project = Project::new(&image_file("one"));
    project.build(&["--no-test"]);
    assert_whole(&project.path("out/whole.qcow2"));
    fs::write(project.path("ImageFile"), image_file("two")).unwrap();
    let log = project.build(&[]);
    assert!(!log.contains("> first"), "the second build is to go on from a layer of the first:\n{log}");
    assert_whole(&project.path("out/whole.qcow2"));
}

/// A project whose catalogue has a base with the name of a built-in one.
fn with_own_base(definition: &str) -> Project {
    let project = Project::new("image \"own\" {\n  os linux debian 13\n  cleanup none\n}\n");
    let folder = project.path("catalog/bases");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("debian-13.yaml"), definition).unwrap();
    project
}

/// The head of the built-in definition and a recipe of little more than the essential packages.
fn small(finish: &str) -> String {
    let head = DEBIAN_13.split_once("    packages:\n").unwrap().0;
    let finish: String = finish.lines().map(|line| format!("      {line}\n")).collect();
    format!("{head}    packages: [apt]\n    finish: |\n{finish}")
}

/// Leaves a chroot, if there is nothing around it but that, and writes a file outside.
fn escape(marker: &Path) -> String {
    format!(
        "echo the finish runs\nperl -e 'mkdir \"/q\"; chroot \"/q\"; chdir \"..\" for 1..50; chroot \".\"; exec \"/bin/sh\", \"-c\", \"id > {0}\"'\nid > {0} || true\nexit 7\n",
        marker.display()
    )
}

/// A folder of the host that everybody may write to.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("imgfile-open-").tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

#[test]
fn nothing_of_a_projects_recipe_runs_on_the_host() {
    let folder = open_folder();
    let marker = folder.path().join("owned");
    let project = with_own_base(&small(&escape(&marker)));
    let build = |args: &[&str]| {
        let output = project.imgfile(&[&["build", "--no-test", "--progress", "plain"], args].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // What calls itself proven is listed.
    let (code, text) = build(&[]);
    assert!(code == Some(1) && text.contains("W0340") && text.contains("E0310"), "{text}");
    let (code, text) = build(&["--unproven"]);
    assert!(code == Some(3) && text.contains("the finish runs"), "{code:?} {text}");
    assert!(text.contains("run the recipe's `finish`") && text.contains("exit status 7"), "{text}");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "a recipe has written outside of its machine"
    );
}

/// The tree of a base, as its own `find` prints it, without what no two systems made have alike.
async fn tree(ground: &Ground, disk: &Path) -> BTreeSet<String> {
    let run = tempfile::tempdir().unwrap();
    let spec = MachineSpec {
        cpus: 1,
        memory_mib: 512,
        start: Start::Offline,
        disks: vec![Disk { path: disk.to_owned(), format: DiskFormat::Qcow2, access: DiskAccess::Discard }],
        payload: Vec::new(),
        network: Network::None,
        run_dir: run.path().to_owned(),
        limits: Limits::default(),
    };
    let mut machine = ground.driver().await.start(spec).await.unwrap();
    machine.mount(MountOptions::default()).await.unwrap();
    let mut printed = Vec::new();
    let list =
        "find / -xdev ! -path '/boot/efi/*' ! -name '*.pyc' -printf '%p %y %m %U:%G %l\\n'; dpkg --audit";
    let mut sink = |output: imgfile::driver::Output| printed.extend(output.bytes);
    let end = machine.exec(Exec::script("list", format!("#!/bin/sh -e\n{list}\n")), &mut sink).await;
    assert!(end.unwrap().success());
    machine.power_off().await.unwrap();
    // The order in which packages are set up decides by which of its names a link has a folder.
    let printed = String::from_utf8(printed).unwrap().replace(" /usr/lib/systemd/", " /lib/systemd/");
    printed.lines().map(str::to_owned).collect()
}

/// The disk of the base that a build has made in a store.
fn base_of(store: &Path) -> PathBuf {
    let found: Vec<_> = fs::read_dir(store.join("bases")).unwrap().flatten().collect();
    found.iter().map(|base| base.path().join("disk.qcow2")).find(|disk| disk.is_file()).unwrap()
}

/// Of the built-in recipe's packages, those that a base has to have: in a machine the others take minutes.
fn bootable() -> String {
    const NEEDED: [&str; 8] = [
        "apt",
        "e2fsprogs",
        "grub-cloud-amd64",
        "initramfs-tools",
        "less",
        "linux-image-cloud-amd64",
        "systemd-sysv",
        "udev",
    ];
    let (head, rest) = DEBIAN_13.split_once("    packages:\n").unwrap();
    let files = rest.find("    files:\n").unwrap();
    let (packages, rest) = rest.split_at(files);
    assert!(NEEDED.iter().all(|name| packages.contains(&format!("- {name}\n"))), "{packages}");
    let (files, finish) = rest.split_once("    finish: |\n").unwrap();
    let disabled = finish.lines().find(|line| line.trim_start().starts_with("systemctl disable")).unwrap();
    format!("{head}    packages: [{}]\n{files}    finish: |\n{disabled}\n", NEEDED.join(", "))
}

/// For `make test-long`: minutes each (.config/nextest.toml).
mod long {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_base_made_in_a_machine_is_like_one_made_on_the_host() {
        let ground = Ground::find();
        let mut project = with_own_base(&bootable());
        let store = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        project.store = store.path().to_owned();
        project.build(&["--unproven", "--no-test"]);
        let made = base_of(store.path());
        assert_whole(&made);
        let (own, here) = (tree(&ground, &made).await, tree(&ground, &ground.disk).await);
        let differ: Vec<_> = own.difference(&here).collect();
        assert!(differ.is_empty() && own.len() > 5_000, "{} {differ:#?}", own.len());
    }
}

/// In place of mmdebstrap: says what it is able to do, and fails.
const LOOK_AROUND: &str = r#"#!/bin/sh
exec >&2
echo "map: $(head -n 1 /proc/self/uid_map)"
grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status
echo "interfaces: $(tail -n +3 /proc/net/dev | cut -d: -f1)"
for path in /root /home /etc/passwd /var /sys /run "$STORE"; do [ ! -e "$path" ] || echo "sees $path"; done
for process in /proc/[0-9]*; do echo "process ${process##*/}"; done
echo "environment: $(env | cut -d= -f1 | sort | tr '\n' ' ')"
exit 3
"#;

/// The built-in recipe is set up on the host, but not by root of it, and not with what its user may do.
#[test]
fn a_built_in_base_is_made_in_a_cell() {
    let project = Project::new("image \"plain\" {\n  os linux debian 13\n}\n");
    let store = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = project.path("bin/mmdebstrap");
    fs::create_dir(program.parent().unwrap()).unwrap();
    fs::write(&program, LOOK_AROUND.replace("$STORE", store.path().to_str().unwrap())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());

    let mut command = project.command(&["build", "--no-test", "--progress", "plain"]);
    command.env("IMGFILE_STORE", store.path()).env("PATH", path).env("SECRET_OF_MINE", "1");
    let output = command.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(4) && log.contains("E0520"), "{log}");
    let words = |start: &str| -> Vec<String> {
        let line = log.lines().find_map(|line| line.split_once(start));
        let (_, rest) = line.unwrap_or_else(|| panic!("no {start} in {log}"));
        rest.split_whitespace().map(str::to_owned).collect()
    };
    let map = words("map:");
    assert!(map[0] == "0" && map[1] != "0", "root of the host is root in it: {map:?}");
    assert_eq!(
        (words("NoNewPrivs:"), words("Seccomp:")),
        (vec!["1".to_owned()], vec!["2".to_owned()]),
        "{log}"
    );
    assert_eq!(words("interfaces:"), ["lo"], "{log}");
    assert!(!log.contains("| sees "), "{log}");
    assert!(log.matches("| process ").count() < 4, "it sees processes of the host: {log}");
    assert!(!words("environment:").contains(&"SECRET_OF_MINE".to_owned()), "{log}");
}
