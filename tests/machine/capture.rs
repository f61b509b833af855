//! `imgfile capture`: images of disks that are there already, and the ImageFiles beside them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Output;

use nix::fcntl::{FcntlArg, fcntl};
use serde_json::Value;

use crate::common::built::{Project, sha256};
use crate::common::disks::{self, debugfs, ext4, partition, place, system, tool, write_at};

/// `e_machine` of the ELF header.
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

const IMAGE_FILE: &str = r#"image "legacy" {
  os linux debian 13
  min_storage 5GiB
  packages ["cron", "jq"]
  account deploy { uid = 1500, groups = ["adm"], sudo = true, shell = "/bin/bash" }
  copy <<-UNIT to "/etc/systemd/system/greet.service"
    [Unit]
    Description=Greets

    [Service]
    Type=oneshot
    RemainAfterExit=yes
    ExecStart=/bin/true

    [Install]
    WantedBy=multi-user.target
  UNIT
  copy "readme" to "/opt/app/readme"
  copy "readme" to "/etc/default/cron"
  service greet enabled
}
"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn capture(project: &Project, args: &[&str]) -> Output {
    project.imgfile(&[&["capture", "--progress", "plain"], args].concat())
}

/// A capture that has to succeed; returns what it said.
#[track_caller]
fn captured(project: &Project, args: &[&str]) -> String {
    let output = capture(project, args);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    said
}

/// A capture that has to be refused, with the status of a user's file; nothing is left of it.
#[track_caller]
fn refused(project: &Project, args: &[&str], code: &str, reason: &str) {
    let output = capture(project, args);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("error[{code}]")) && said.contains(reason), "{code}, {reason}: {said}");
    assert!(!project.path("out").exists(), "{said}");
}

#[test]
fn an_image_is_captured_with_an_image_file_that_says_what_is_in_it() {
    let project = Project::new(IMAGE_FILE);
    fs::write(project.path("readme"), "of this machine alone\n").unwrap();
    project.build(&["--no-test"]);
    let disk = project.path("server.raw");
    let built = project.path("out/legacy.qcow2");
    let converted = tool("qemu-img").args(["convert", "-O", "raw"]).args([&built, &disk]).status();
    assert!(converted.unwrap().success());
    let before = (sha256(&fs::read(&disk).unwrap()), fs::metadata(&disk).unwrap().mtime());

    let said = captured(&project, &["server.raw", "--name", "caught"]);
    assert!(said.contains("done clean up") && said.contains("wrote out/caught.imagefile"), "{said}");
    assert_eq!((sha256(&fs::read(&disk).unwrap()), fs::metadata(&disk).unwrap().mtime()), before);
    // Nothing is left that breaks a rule.
    let inspected = project.imgfile(&["inspect", "caught", "--format", "json"]);
    assert!(inspected.status.success(), "{}", text(&inspected.stdout));

    let manifest: Value =
        serde_json::from_slice(&fs::read(project.path("out/caught.manifest.json")).unwrap()).unwrap();
    assert_eq!(
        (manifest["base"]["kind"].as_str(), manifest["base"]["name"].as_str()),
        (Some("captured"), Some("server.raw"))
    );
    assert_eq!(manifest["base"]["sha256"], before.0);
    assert!(manifest["packages"].as_array().unwrap().iter().any(|package| package["name"] == "jq"));
    let listed = project.imgfile(&["images", "--format", "json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let caught = listed.as_array().unwrap().iter().find(|one| one["name"] == "caught").unwrap();
    assert_eq!((caught["captured"].as_str(), caught["lock"].as_str()), (Some("server.raw"), None));
    assert!(text(&project.imgfile(&["images"]).stdout).contains("captured from server.raw"));

    let image_file = project.path("out/caught.imagefile");
    let written = fs::read_to_string(&image_file).unwrap();
    snapbox::assert_data_eq!(&written, snapbox::file!["capture.imagefile.expected"].raw());
    let checked = project.imgfile(&["check", "out/caught.imagefile"]);
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));

    // Once more: the image is imgfile's to replace, what somebody may have worked on is not.
    fs::write(&image_file, "# mine\n").unwrap();
    let said = captured(&project, &["server.raw", "--name", "caught", "--preset", "none"]);
    assert!(!said.contains("clean up") && said.contains("no ImageFile is written"), "{said}");
    assert_eq!(fs::read_to_string(&image_file).unwrap(), "# mine\n");
    // What was captured does not hide the image of the project.
    let inspected = project.imgfile(&["inspect", "--format", "json"]);
    let found: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(found["name"], "legacy");

    // And an image that it describes is built.
    fs::write(project.path("again.imagefile"), written).unwrap();
    project.build(&["again.imagefile", "--no-test", "--name", "again"]);
    let again = project.imgfile(&["inspect", "again", "--packages", "--format", "json"]);
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["system"]["packages"], found_packages(&project, "legacy"));
}

fn found_packages(project: &Project, image: &str) -> Value {
    let output = project.imgfile(&["inspect", image, "--packages", "--format", "json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found["system"]["packages"].clone()
}

/// A disk with a system that says what it is, and starts nowhere.
fn disk_of(project: &Project, name: &str, elf_machine: u16, os_release: &str) -> std::path::PathBuf {
    let folder = project.path(&format!("{name}-system"));
    system(&folder, os_release, elf_machine);
    fs::write(folder.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    // It would wait for a disk that is nowhere else.
    let fstab = "/dev/sdb1 /data ext4 defaults 0 2\nLABEL=shopdata /srv ext4 nofail 0 2\n";
    fs::write(folder.join("etc/fstab"), fstab).unwrap();
    let disk = project.path(&format!("{name}.raw"));
    ext4(&disk, 16, &folder);
    disk
}

#[test]
fn disks_that_cannot_be_captured_say_why_and_nothing_is_left() {
    let project = Project::new("image \"none\" {\n  os linux debian 13\n}\n");
    let debian = "ID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian of a test\"\n";
    let disk = disk_of(&project, "plain", X86_64, debian);

    // No instance would start.
    refused(&project, &["plain.raw", "--preset", "none"], "E0620", "--allow H0013");
    // What somebody else wrote is not replaced.
    fs::create_dir(project.path("mine")).unwrap();
    fs::write(project.path("mine/plain.qcow2"), "mine").unwrap();
    let out = ["--preset", "none", "--out", "mine"];
    refused(&project, &[&["plain.raw"], &out[..]].concat(), "E0549", "was not written by imgfile");
    // Nor the disk itself.
    let onto = ["--out", ".", "--format", "raw", "--force"];
    refused(&project, &[&["plain.raw"], &onto[..]].concat(), "E0655", "written over the disk");

    // As QEMU says that it writes to it.
    let writer = fs::File::open(&disk).unwrap();
    let lock = nix::libc::flock {
        l_type: i16::try_from(nix::libc::F_RDLCK).unwrap(),
        l_whence: 0,
        l_start: 101,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&writer, FcntlArg::F_OFD_SETLK(&lock)).unwrap();
    refused(&project, &["plain.raw"], "E0652", "a machine writes to it");
    drop(writer);

    disk_of(&project, "arm", AARCH64, debian);
    refused(&project, &["arm.raw"], "E0655", "its system is for aarch64");

    let windows = project.path("windows.raw");
    disks::empty(&windows, 40);
    partition(&windows, "label: gpt\nstart=1MiB, size=8MiB\nstart=10MiB, size=20MiB\n");
    write_at(&windows, 10 * disks::MIB, b"\xeb\x52\x90NTFS    \x00\x02\x08");
    refused(&project, &["windows.raw"], "E0651", "vda2 is NTFS");

    let alpine = disk_of(&project, "alpine", X86_64, "ID=alpine\nVERSION_ID=3.22\nPRETTY_NAME=Alpine\n");
    let two = project.path("two.raw");
    disks::empty(&two, 40);
    partition(&two, "label: gpt\nstart=1MiB, size=16MiB\nstart=20MiB, size=16MiB\n");
    place(&disk, &two, 1);
    place(&alpine, &two, 20);
    refused(&project, &["two.raw"], "E0654", "Alpine is on vda2");

    let none = project.path("none.raw");
    fs::write(&none, "no disk at all\n").unwrap();
    refused(&project, &["none.raw"], "E0507", "has no Linux system");

    let (files, folder) = (project.path("files.raw"), project.path("files"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("ledger"), "1 2 3\n").unwrap();
    ext4(&files, 16, &folder);
    assert!(tool("e2label").arg(&files).arg("shopdata").status().unwrap().success());
    // What is meant is allowed; a system that no base of the catalogue is starts from its own disk.
    let said = captured(
        &project,
        &[
            "plain.raw",
            "--preset",
            "none",
            "--allow",
            "H0013",
            "--data",
            "files.raw",
            "--data",
            "windows.raw",
        ],
    );
    assert!(said.contains("wrote out/plain.imagefile"), "{said}");
    let written = fs::read_to_string(project.path("out/plain.imagefile")).unwrap();
    let mounts = "Mounted from other disks:\n  #   /dev/sdb1 on /data\n  #   LABEL=shopdata on /srv, captured as plain-files.qcow2\n";
    assert!(written.contains(mounts), "{written}");
    // Disks with data are images of their own, as they are.
    for (disk, image) in [("files.raw", "out/plain-files.qcow2"), ("windows.raw", "out/plain-windows.qcow2")]
    {
        let same =
            tool("qemu-img").args(["compare", "-q"]).args([project.path(disk), project.path(image)]).status();
        assert!(same.unwrap().success(), "{disk}");
    }
    let manifest = fs::read(project.path("out/plain-files.manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(
        manifest["labels"],
        serde_json::json!({ "data-of": "plain", "mount": "LABEL=shopdata on /srv" })
    );
    let said =
        captured(&project, &["alpine.raw", "--preset", "none", "--allow", "h0013", "--format", "vmdk"]);
    assert!(said.contains("wrote out/alpine.imagefile"), "{said}");
    let written = fs::read_to_string(project.path("out/alpine.imagefile")).unwrap();
    assert!(
        written.contains("os linux alpine 3.22") && written.contains("base file \"alpine.vmdk\" sha256 \""),
        "{written}"
    );
}

/// A machine that somebody runs; it ends with the test.
struct Machine(std::process::Child);

impl Machine {
    /// Boots a disk, with a monitor and a channel for the agent.
    fn boot(project: &Project, disk: &std::path::Path) -> Self {
        let socket = |name: &str| format!("path={},server=on,wait=off", project.path(name).display());
        let mut qemu = tool("qemu-system-x86_64");
        qemu.args([
            "-nodefaults",
            "-display",
            "none",
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-m",
            "1G",
            "-name",
            "shop",
        ])
        .arg("-drive")
        .arg(format!("file={},if=virtio,format=qcow2", disk.display()))
        .args(["-chardev", &format!("socket,id=qmp,{}", socket("qmp.sock"))])
        .args(["-mon", "chardev=qmp,mode=control", "-device", "virtio-serial"])
        .args(["-chardev", &format!("socket,id=qga,{}", socket("qga.sock"))])
        .args(["-device", "virtserialport,chardev=qga,name=org.qemu.guest_agent.0"]);
        Self(qemu.spawn().unwrap())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_machine_that_runs_is_captured_frozen_or_with_a_warning_and_goes_on() {
    let project = Project::new("image \"shop\" {\n  os linux debian 13\n  app qemu-guest-agent\n}\n");
    project.build(&["--no-test"]);
    let disk = project.path("shop.qcow2");
    fs::rename(project.path("out/shop.qcow2"), &disk).unwrap();
    fs::remove_dir_all(project.path("out")).unwrap();
    let mut machine = Machine::boot(&project, &disk);
    let live = ["--qmp", "qmp.sock", "--guest-agent", "qga.sock"];

    // Until its agent is up.
    let said = loop {
        let output = capture(&project, &[&live[..], &["--name", "frozen"]].concat());
        let said = text(&output.stderr);
        if output.status.success() {
            break said;
        }
        assert!(said.contains("error[E0656]") || said.contains("error[E0657]"), "{said}");
        assert_eq!(machine.0.try_wait().unwrap(), None, "the machine has ended: {said}");
    };
    assert!(said.contains("frozen for the moment of the copy") && !said.contains("W0651"), "{said}");
    let manifest = fs::read_to_string(project.path("out/frozen.manifest.json")).unwrap();
    assert!(manifest.contains("\"name\": \"virtio0 of shop\""), "{manifest}");
    assert!(project.path("out/frozen.imagefile").is_file());

    // It writes again, to the disk that nobody else may copy meanwhile.
    let mut agent = std::os::unix::net::UnixStream::connect(project.path("qga.sock")).unwrap();
    let ask = "\n{\"execute\":\"guest-fsfreeze-status\"}\n";
    std::io::Write::write_all(&mut agent, ask.as_bytes()).unwrap();
    let mut answers = std::io::BufRead::lines(std::io::BufReader::new(agent)).map(Result::unwrap);
    assert!(answers.any(|line| line.contains("\"thawed\"")));
    drop(answers);
    let output = capture(&project, &["shop.qcow2", "--name", "other"]);
    assert!(text(&output.stderr).contains("error[E0652]"), "{}", text(&output.stderr));

    let said = captured(&project, &["--qmp", "qmp.sock", "--name", "unfrozen", "--preset", "identity"]);
    let warning = said.lines().find_map(|line| line.find("warning[W0651]").map(|at| line[at..].to_owned()));
    snapbox::assert_data_eq!(warning.unwrap_or(said) + "\n", snapbox::file!["capture.live.expected"].raw());
    assert!(project.path("out/unfrozen.qcow2").is_file());
    assert_eq!(machine.0.try_wait().unwrap(), None, "it goes on");
    generalized(&project, &mut machine, &disk);
}

/// No Windows is to be had here: a system that calls itself one, with a sysprep that writes down what it was told, is
/// generalized by the same words to the same agent.
fn generalized(project: &Project, machine: &mut Machine, disk: &std::path::Path) {
    let live = ["--qmp", "qmp.sock", "--guest-agent", "qga.sock"];
    let output = capture(project, &[&live[..], &["--name", "windows", "--sysprep"]].concat());
    let said = text(&output.stderr);
    assert!(said.contains("error[E0662]") && said.contains("no Windows but Debian GNU/Linux 13"), "{said}");
    assert_eq!(machine.0.try_wait().unwrap(), None, "nothing was done to it");

    let sysprep = r"/usr/local/bin/C:\Windows\System32\Sysprep\sysprep.exe";
    let script = format!(
        "set -e; printf '%s\\n' '#!/bin/sh' 'echo \"$@\" >/told; cp /C:*imgfile.xml /answers; systemctl poweroff' >'{sysprep}'; \
         chmod 755 '{sysprep}'; sed -i 's/^ID=.*/ID=mswindows/' /etc/os-release"
    );
    let ask = serde_json::json!({ "execute": "guest-exec", "arguments": { "path": "/bin/sh", "arg": ["-c", script] } });
    let mut agent = std::os::unix::net::UnixStream::connect(project.path("qga.sock")).unwrap();
    std::io::Write::write_all(&mut agent, format!("\n{ask}\n").as_bytes()).unwrap();
    let mut answers =
        std::io::BufRead::lines(std::io::BufReader::new(agent.try_clone().unwrap())).map(Result::unwrap);
    let begun = answers
        .find_map(|line| serde_json::from_str::<Value>(&line).unwrap()["return"]["pid"].as_u64())
        .unwrap();
    let ask = serde_json::json!({ "execute": "guest-exec-status", "arguments": { "pid": begun } });
    while !{
        std::io::Write::write_all(&mut agent, format!("{ask}\n").as_bytes()).unwrap();
        serde_json::from_str::<Value>(&answers.next().unwrap()).unwrap()["return"]["exited"] == true
    } {}
    drop((agent, answers));

    fs::write(project.path("own.xml"), "<unattend>mine</unattend>\n").unwrap();
    let said = captured(project, &[&live[..], &["--name", "windows", "--sysprep=own.xml"]].concat());
    assert!(!said.contains("W0651"), "{said}");
    assert!(machine.0.wait().unwrap().success(), "it has shut down");
    let same =
        tool("qemu-img").args(["compare", "-q"]).args([disk, &project.path("out/windows.qcow2")]).status();
    assert!(same.unwrap().success(), "the disk is captured as sysprep left it");
    let manifest: Value =
        serde_json::from_slice(&fs::read(project.path("out/windows.manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["labels"], serde_json::json!({ "system": "Debian GNU/Linux 13 (trixie)" }));
    assert!(!project.path("out/windows.imagefile").exists());
    // What it was told lies on the disk that it left.
    let raw = project.path("windows.raw");
    let converted = tool("qemu-img").args(["convert", "-O", "raw"]).args([disk, &raw]).status();
    assert!(converted.unwrap().success());
    for (file, expected) in [
        (
            "told",
            "/generalize /oobe /shutdown /quiet /unattend:C:\\Windows\\System32\\Sysprep\\imgfile.xml\n",
        ),
        ("answers", "<unattend>mine</unattend>\n"),
    ] {
        debugfs(&raw, &format!("dump /{file} {}", project.path(file).display()));
        assert_eq!(fs::read_to_string(project.path(file)).unwrap(), expected);
    }
}
