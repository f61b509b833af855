//! Real machines through the whole `Driver` seam: a real disk, a real QEMU, under whatever
//! accelerator the host has.
//!
//! The disk and the build kernel come from a store that the first test to need it fills by
//! building a small image, and that later runs find again (`IMGFILE_TEST_STORE` names another).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use imgfile::driver::inspect::Init;
use imgfile::driver::{AcceleratorChoice, qemu::QemuDriver};
use imgfile::driver::{
    BootOptions, Disk, DiskAccess, DiskFormat, Driver, DriverError, End, Exec, ExecEnd, Firmware, Limits,
    Machine, MachineSpec, MountOptions, Network, PayloadFile, Stage, Start, Stream,
};
use tempfile::TempDir;

use crate::common::ground::Ground;

/// A machine's own folder and description.
fn machine(disk: &Path, start: Start, access: DiskAccess) -> (TempDir, MachineSpec) {
    let run = tempfile::tempdir().unwrap();
    let spec = MachineSpec {
        cpus: 2,
        memory_mib: 1024,
        start,
        disks: vec![Disk { path: disk.to_owned(), format: DiskFormat::Qcow2, access }],
        payload: Vec::new(),
        network: Network::None,
        run_dir: run.path().to_owned(),
        // Emulated machines on a host that runs other tests beside.
        limits: Limits { start: Duration::from_mins(15), operation: Duration::from_mins(15) },
    };
    (run, spec)
}

/// Runs a script; answers its end, what it printed, and what it complained of.
async fn run(machine: &mut dyn Machine, user: &str, script: &str) -> (ExecEnd, String, String) {
    let mut exec = Exec::script("step", format!("#!/bin/sh\n{script}\n"));
    exec.user = Some(user.to_owned());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut sink = |piece: imgfile::driver::Output| match piece.stream {
        Stream::Out => out.extend(piece.bytes),
        Stream::Err => err.extend(piece.bytes),
    };
    let end = machine.exec(exec, &mut sink).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (end, text(out), text(err))
}

async fn out(machine: &mut dyn Machine, user: &str, script: &str) -> String {
    let (end, out, err) = run(machine, user, script).await;
    assert_eq!(end, ExecEnd::Code(0), "{script}: {out}{err}");
    out
}

/// A tar archive of files: path, owner's name, mode, content.
fn archive(files: &[(&str, &str, u32, &str)]) -> std::io::Cursor<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, owner, mode, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_username(owner).unwrap();
        header.set_groupname(owner).unwrap();
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    std::io::Cursor::new(tar.into_inner().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_is_looked_into_without_being_changed() {
    let ground = Ground::find();
    let before = fs::metadata(&ground.disk).unwrap().modified().unwrap();
    let (_run, spec) = machine(&ground.disk, Start::Offline, DiskAccess::Read);
    let mut machine = ground.driver().await.start(spec).await.unwrap();
    let facts = machine.inspect().await.unwrap();
    machine.power_off().await.unwrap();
    assert_eq!(facts.os_release["ID"], "debian");
    assert_eq!(
        (facts.arch.as_str(), facts.root.fs_type.as_str(), facts.init),
        ("x86_64", "ext4", Init::Systemd)
    );
    assert!(facts.root.last_partition && facts.root.free > 0 && facts.root.free < facts.root.size);
    assert!(facts.kernels[0].path.starts_with("/boot/vmlinuz-"));
    assert_eq!(facts.firmware, [Firmware::Bios, Firmware::Uefi]);
    let packages = imgfile::packages::apt::installed_in(&facts.files).unwrap();
    assert!(packages.iter().any(|package| package.name == "systemd"));
    assert!(!imgfile::packages::apt::archives_of(&facts.files, None).is_empty());
    assert!(facts.files.contains("/usr/share/keyrings/debian-archive-keyring.gpg"), "the sources name it");
    assert!(facts.units.contains(&"ssh.service".to_owned()));
    assert_eq!(fs::metadata(&ground.disk).unwrap().modified().unwrap(), before);
}

/// What a machine whose disk is `disk` says of its kernel's place in memory and of chance; it has the host's time.
async fn telling(driver: &QemuDriver, disk: &Path) -> (String, String) {
    let began = seconds_now();
    let (_run, spec) = machine(disk, Start::Offline, DiskAccess::Discard);
    let mut machine = driver.start(spec).await.unwrap();
    machine.mount(MountOptions::default()).await.unwrap();
    let script = "grep -m 1 -w _text /proc/kallsyms; ssh-keygen -q -t ed25519 -N '' -f /tmp/key; cat /tmp/key.pub; date +%s";
    let said = out(&mut *machine, "root", script).await;
    machine.power_off().await.unwrap();
    let lines: Vec<&str> = said.lines().collect();
    // A clock that is set to nanoseconds may be a moment behind the one it was set by.
    let time: u64 = lines[2].parse().unwrap();
    assert!((began - 1..=seconds_now() + 1).contains(&time), "{began} to {}: {time}", seconds_now());
    (lines[0].to_owned(), lines[1].to_owned())
}

fn seconds_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn only_memory(folder: &Path) -> std::path::PathBuf {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "state"));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_woken_from_one_memory_share_neither_chance_nor_time() {
    let ground = Ground::find();
    let folder = tempfile::tempdir().unwrap();
    let driver = ground.driver_with(AcceleratorChoice::Tcg, folder.path()).await;
    let first = telling(&driver, &ground.disk).await;
    let memory = only_memory(folder.path());
    let written = fs::metadata(&memory).unwrap().ino();
    // The kernel lies elsewhere after every boot, so these two were not booted.
    let other_disk = folder.path().join("other.qcow2");
    overlay(&ground.disk, &other_disk, "6G");
    let woken = [telling(&driver, &ground.disk).await, telling(&driver, &other_disk).await];
    assert_eq!([&woken[0].0, &woken[1].0], [&first.0, &first.0]);
    assert_eq!(fs::metadata(&memory).unwrap().ino(), written, "woken from, not written again");
    let keys = std::collections::BTreeSet::from([&first.1, &woken[0].1, &woken[1].1]);
    assert_eq!(keys.len(), 3, "{keys:?}");

    // Half a memory wakes nobody: the machine boots, and the next have a whole one again.
    let len = fs::metadata(&memory).unwrap().len();
    fs::OpenOptions::new().write(true).open(&memory).unwrap().set_len(len / 2).unwrap();
    let booted = telling(&driver, &ground.disk).await;
    assert_ne!(booted.0, first.0);
    assert!(fs::metadata(only_memory(folder.path())).unwrap().len() > len / 2);
    assert_eq!(telling(&driver, &ground.disk).await.0, booted.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_whose_memory_finds_no_room_goes_on() {
    let ground = Ground::find();
    let folder = tempfile::tempdir().unwrap();
    let driver = ground.driver_with(AcceleratorChoice::Tcg, folder.path()).await;
    let (run_dir, spec) = machine(&ground.disk, Start::Offline, DiskAccess::Discard);
    // Where QEMU is going to write it is a device that is always full.
    std::os::unix::fs::symlink("/dev/full", run_dir.path().join("memory")).unwrap();
    let mut machine = driver.start(spec).await.unwrap();
    machine.mount(MountOptions::default()).await.unwrap();
    assert_eq!(out(&mut *machine, "root", "echo awake").await, "awake\n");
    machine.power_off().await.unwrap();
    let kept = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.extension().is_some_and(|end| end == "state")).collect();
    assert_eq!(kept, Vec::<std::path::PathBuf>::new());
    assert!(!run_dir.path().join("memory").exists() && Path::new("/dev/full").exists());
}

/// Every stage in one machine, and then a second look at the disk for what it left.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_goes_through_all_stages_and_leaves_no_trace() {
    let ground = Ground::find();
    let driver = ground.driver().await;
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.qcow2");
    overlay(&ground.disk, &disk, "6G");
    let payload = folder.path().join("payload");
    fs::write(&payload, "from the host").unwrap();

    let (_run, mut spec) = machine(&disk, Start::Offline, DiskAccess::Write);
    spec.payload = vec![PayloadFile { name: "0.txt".into(), path: payload }];
    let mut machine_ = driver.start(spec).await.unwrap();
    let machine_ref = machine_.as_mut();
    machine_ref.mount(MountOptions::default()).await.unwrap();
    let size = machine_ref.grow_root().await.unwrap();
    assert!(size > 5 << 30, "{size}");
    assert_eq!(machine_ref.grow_root().await.unwrap(), size, "once is enough");

    // The chroot.
    assert_eq!(out(machine_ref, "root", "cat /run/imgfile/payload/0.txt").await, "from the host");
    assert_eq!(
        out(machine_ref, "root", "policy-rc.d; echo $? $USER $HOME $PWD $LANG").await,
        "101 root /root / C.UTF-8\n"
    );
    let (end, _, err) = run(machine_ref, "root", "echo no >&2; exit 3").await;
    assert_eq!((end, err.as_str()), (ExecEnd::Code(3), "no\n"));
    out(machine_ref, "root", "useradd --create-home tester").await;
    machine_ref.put(Box::new(archive(&[("etc/tested", "tester", 0o640, "one\n")]))).await.unwrap();
    assert_eq!(out(machine_ref, "root", "stat -c '%U:%G %a' /etc/tested").await, "tester:tester 640\n");
    let unknown =
        machine_ref.put(Box::new(archive(&[("etc/x", "nobody-knows", 0o644, "")]))).await.unwrap_err();
    assert!(
        matches!(&unknown, DriverError::Refused { reason, .. } if reason.contains("nobody-knows")),
        "{unknown:?}"
    );
    assert_eq!(machine_ref.get("/etc/tested", 100).await.unwrap(), b"one\n");
    assert!(matches!(machine_ref.get("/etc/tested", 1).await, Err(DriverError::Refused { .. })));

    // The really booted system.
    machine_ref.boot(BootOptions::default()).await.unwrap();
    assert_eq!(machine_ref.stage(), Stage::Booted);
    assert_eq!(
        out(machine_ref, "tester", "id -un; cat /proc/1/comm; echo $HOME").await,
        "tester\nsystemd\n/home/tester\n"
    );
    assert_eq!(out(machine_ref, "root", "systemctl is-active multi-user.target").await, "active\n");
    // The boot does without it; a script that has changed its configuration can restart it all the same.
    let held = "systemctl is-active ssh; systemctl restart ssh && systemctl is-active ssh";
    assert_eq!(out(machine_ref, "root", held).await, "inactive\nactive\n");
    // So it is with those that the bus starts when somebody asks for them.
    let asked = "systemctl is-active systemd-logind systemd-networkd systemd-resolved; \
                 loginctl list-sessions && networkctl reload && resolvectl status && \
                 systemctl is-active systemd-logind systemd-networkd systemd-resolved";
    let said = out(machine_ref, "root", asked).await;
    assert!(said.starts_with("inactive\ninactive\ninactive\n"), "{said}");
    assert!(said.ends_with("active\nactive\nactive\n"), "{said}");
    // Of all devices udev was told of the disks, by whose names boot loaders are configured.
    assert!(!out(machine_ref, "root", "udevadm settle; ls /dev/disk/by-uuid").await.is_empty());

    // And back.
    machine_ref.offline().await.unwrap();
    assert_eq!(machine_ref.stage(), Stage::Mounted);
    assert_eq!(out(machine_ref, "root", "cat /proc/1/comm").await.trim_end(), "shutdown");
    machine_ref.trim().await.unwrap();
    machine_.power_off().await.unwrap();

    let (_run, spec) = machine(&disk, Start::Offline, DiskAccess::Read);
    let mut machine_ = driver.start(spec).await.unwrap();
    machine_.mount(MountOptions { read_only: true, ..MountOptions::default() }).await.unwrap();
    let traces =
        "find / -xdev \\( -iname '*imagefile*' -o -name policy-rc.d \\) -not -path '/run/*'; ls -A /run /tmp";
    let found = out(machine_.as_mut(), "root", traces).await;
    let found: Vec<&str> =
        found.lines().filter(|line| line.starts_with('/') && !line.ends_with(':')).collect();
    // The one that is there is the veil of this very chroot, where the image has a place for it.
    assert!(found.iter().all(|path| *path == "/usr/sbin/policy-rc.d"), "{found:?}");
    machine_.power_off().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_never_ends_is_killed_with_all_it_started() {
    let ground = Ground::find();
    let (_run, spec) = machine(&ground.disk, Start::Offline, DiskAccess::Discard);
    let mut machine = ground.driver().await.start(spec).await.unwrap();
    machine.mount(MountOptions::default()).await.unwrap();
    let mut endless = Exec::script("endless", "#!/bin/sh\nsetsid sleep 1000 &\ntrap '' TERM\nsleep 1000\n");
    endless.timeout = Duration::from_secs(1);
    assert_eq!(machine.exec(endless, &mut |_| {}).await.unwrap(), ExecEnd::TimedOut);
    // A daemon that a script leaves behind does not outlive it either.
    let (end, ..) = run(machine.as_mut(), "root", "setsid sleep 1000 & exit 4").await;
    assert_eq!(end, ExecEnd::Code(4));
    assert_eq!(
        out(machine.as_mut(), "root", "cat /proc/[0-9]*/comm | grep -c '^sleep' || true").await,
        "0\n"
    );
    for (program, code) in [("no-such-program", 127), ("/etc/passwd", 126)] {
        assert_eq!(
            machine.exec(Exec::argv([program]), &mut |_| {}).await.unwrap(),
            ExecEnd::Code(code),
            "{program}"
        );
    }
    machine.power_off().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_ends_in_the_middle_says_how() {
    let ground = Ground::find();
    let driver = ground.driver().await;
    for (key, expected) in [("c", End::Panicked), ("o", End::PoweredOff), ("b", End::Rebooted)] {
        let (_run, spec) = machine(&ground.disk, Start::Offline, DiskAccess::Discard);
        let mut machine = driver.start(spec).await.unwrap();
        machine.mount(MountOptions::default()).await.unwrap();
        let script = format!("#!/bin/sh\necho {key} > /proc/sysrq-trigger\nsleep 1000\n");
        match machine.exec(Exec::script("end", script), &mut |_| {}).await {
            Err(DriverError::MachineEnded { end, doing, .. }) => {
                assert_eq!((end, doing.as_str()), (expected, "run the script end"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_forks_without_end_is_stopped_and_the_machine_goes_on() {
    let ground = Ground::find();
    let (_run, spec) = machine(&ground.disk, Start::Offline, DiskAccess::Discard);
    let mut machine = ground.driver().await.start(spec).await.unwrap();
    machine.mount(MountOptions::default()).await.unwrap();
    let mut bomb =
        Exec::script("bomb", "#!/bin/bash\nbomb() { bomb | bomb & }\nbomb 2>/dev/null\nsleep 1000\n");
    bomb.timeout = Duration::from_secs(10);
    assert_eq!(machine.exec(bomb, &mut |_| {}).await.unwrap(), ExecEnd::TimedOut);
    assert_eq!(out(machine.as_mut(), "root", "echo alive").await, "alive\n");
    let left = "grep -l '^bomb' /proc/[0-9]*/comm 2>/dev/null | wc -l";
    assert_eq!(out(machine.as_mut(), "root", left).await, "0\n");
    machine.power_off().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_passes_without_being_kept() {
    const TOTAL: u64 = 256 << 20;
    let ground = Ground::find();
    let (_run, spec) = machine(&ground.disk, Start::Offline, DiskAccess::Discard);
    let mut machine = ground.driver().await.start(spec).await.unwrap();
    machine.mount(MountOptions::default()).await.unwrap();
    let before = resident();
    let mut seen = 0;
    let flood = Exec::script("flood", format!("#!/bin/sh\nhead -c {TOTAL} /dev/zero\n"));
    let end = machine.exec(flood, &mut |piece| seen += piece.bytes.len() as u64).await.unwrap();
    assert_eq!((end, seen), (ExecEnd::Code(0), TOTAL));
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB more");
    machine.power_off().await.unwrap();
}

/// Memory of this process at its highest so far, in KiB (proc(5)).
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_boots_by_its_own_loader_and_is_not_written() {
    let ground = Ground::find();
    let driver = ground.driver().await;
    let before = fs::metadata(&ground.disk).unwrap().modified().unwrap();
    for (firmware, efi) in [(Firmware::Bios, "no\n"), (Firmware::Uefi, "yes\n")] {
        let (_run, spec) = machine(&ground.disk, Start::Firmware(firmware), DiskAccess::Discard);
        let mut machine = driver.start(spec).await.unwrap();
        assert_eq!(machine.stage(), Stage::Booted);
        let script = "[ -d /sys/firmware/efi ] && echo yes || echo no";
        assert_eq!(out(machine.as_mut(), "root", script).await, efi);
        // Its own kernel line, not ours.
        let line = out(machine.as_mut(), "root", "cat /proc/cmdline").await;
        assert!(line.contains("BOOT_IMAGE=") && !line.contains("imagefile"), "{line}");
        machine.power_off().await.unwrap();
    }
    assert_eq!(fs::metadata(&ground.disk).unwrap().modified().unwrap(), before);
}

/// The other half of the next test: starts a machine and waits to be killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by `the_emulator_does_not_outlive_its_parent`"]
async fn a_parent_that_waits() {
    let ground = Ground::find();
    let (_run, mut spec) = machine(&ground.disk, Start::Offline, DiskAccess::Discard);
    spec.run_dir = std::env::var_os("RUN_DIR").unwrap().into();
    let _machine = ground.driver().await.start(spec).await.unwrap();
    println!("machine is up");
    std::future::pending::<()>().await;
}

#[test]
fn the_emulator_does_not_outlive_its_parent() {
    use std::io::{BufRead, BufReader};
    drop(Ground::find());
    let run = tempfile::tempdir().unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "driver::a_parent_that_waits", "--ignored", "--nocapture"])
        .env("RUN_DIR", run.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let up = lines.map_while(Result::ok).any(|line| line.contains("machine is up"));
    let emulators = || processes_of(run.path(), parent.id());
    let before = emulators();
    // SIGKILL: nothing of the parent gets to clean up.
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(up && before == 1, "{before} emulators");
    while processes_of(run.path(), 0) > 0 {
        std::thread::yield_now();
    }
}

/// How many processes beside `parent` have this folder on their command line.
fn processes_of(folder: &Path, parent: u32) -> usize {
    let folder = folder.to_str().unwrap();
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| entry.file_name() != *parent.to_string())
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(folder))
        .count()
}

fn overlay(of: &Path, to: &Path, size: &str) {
    let made = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"])
        .args([of, to])
        .arg(size)
        .status()
        .unwrap();
    assert!(made.success());
}

/// The pixels of a PNG file, as they lie in it.
fn pixels(png: &[u8]) -> Vec<u8> {
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "no PNG file");
    let (mut at, mut packed) = (8, Vec::new());
    while let Some(head) = png.get(at..at + 8) {
        let len = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        if &head[4..] == b"IDAT" {
            packed.extend(&png[at + 8..at + 8 + len]);
        }
        at += len + 12;
    }
    let mut pixels = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(&packed[..]), &mut pixels).unwrap();
    pixels
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_that_hangs_is_told_with_its_console_and_a_picture_of_its_screen() {
    let ground = Ground::find();
    let driver = ground.driver().await;
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("stuck.qcow2");
    overlay(&ground.disk, &disk, "4G");
    let (_run, spec) = machine(&disk, Start::Offline, DiskAccess::Write);
    let mut fixing = driver.start(spec).await.unwrap();
    fixing.mount(MountOptions::default()).await.unwrap();
    let stuck = "set gfxpayload=text\necho the boot loader waits here\nsleep 1000000\n";
    fixing.put(Box::new(archive(&[("boot/grub/grub.cfg", "root", 0o644, stuck)]))).await.unwrap();
    fixing.power_off().await.unwrap();

    let (run, mut spec) = machine(&disk, Start::Firmware(Firmware::Bios), DiskAccess::Discard);
    spec.limits.start = Duration::from_secs(45);
    let fault = driver.start(spec).await.unwrap_err();
    let shown = fault.diagnostic();
    let DriverError::Hang { screen: Some(screen), .. } = fault else { panic!("{fault:?}") };
    assert!(screen.starts_with(run.path()), "{}", screen.display());
    let seen = pixels(&fs::read(&screen).unwrap());
    let lit = seen.iter().filter(|byte| **byte > 100).count();
    assert!(seen.len() > 640 * 400 && lit > 500, "nothing is on the screen: {} of {}", lit, seen.len());
    assert!(shown.notes.iter().any(|note| note.contains("screen.png")), "{shown:?}");
}
