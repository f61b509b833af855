//! Machines that were saved just after they booted, and what goes on from them: real ones. What they share and what
//! they do not; that a changed script is run in one, and that nothing wrong ever is.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imgfile::driver::{
    AcceleratorChoice, BootOptions, Disk, DiskAccess, DiskFormat, Driver, Exec, ExecEnd, Limits, Machine,
    MachineSpec, Network, Stage, Start, Stream,
};

use crate::common::built::{self, Project};
use crate::common::disks::tool;
use crate::common::ground::Ground;

/// A machine whose disk is an overlay of its own in `folder`.
fn machine(ground: &Ground, folder: &Path) -> MachineSpec {
    let disk = folder.join("disk.qcow2");
    qemu_img(&["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"], &[&ground.disk, &disk]);
    let run_dir = folder.join("run");
    fs::create_dir(&run_dir).unwrap();
    MachineSpec {
        cpus: 1,
        memory_mib: 1024,
        start: Start::Offline,
        disks: vec![Disk { path: disk, format: DiskFormat::Qcow2, access: DiskAccess::Write }],
        payload: Vec::new(),
        network: Network::User,
        run_dir,
        limits: Limits { start: Duration::from_mins(15), operation: Duration::from_mins(15) },
    }
}

fn qemu_img(args: &[&str], paths: &[&Path]) {
    assert!(tool("qemu-img").args(args).args(paths).status().unwrap().success(), "{args:?}");
}

async fn out(machine: &mut dyn Machine, script: &str) -> String {
    let mut said = Vec::new();
    let mut sink = |piece: imgfile::driver::Output| {
        if piece.stream == Stream::Out {
            said.extend(piece.bytes);
        }
    };
    let exec = Exec::script("ask", format!("#!/bin/bash\n{script}\n"));
    let end = machine.exec(exec, &mut sink).await.unwrap();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(end, ExecEnd::Code(0), "{script}: {said}");
    said
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What no two systems may have in common, a line each.
const CHANCE: &str = "od -An -N16 -tx1 /dev/urandom
cat /proc/sys/kernel/random/uuid
python3 -c 'import os; print(os.getrandom(16).hex())' 2>/dev/null || mktemp -u XXXXXXXXXXXXXXXX
ssh-keygen -q -t ed25519 -N '' -f /run/key && cut -d' ' -f2 /run/key.pub
systemd-id128 new
ss -tn >/dev/null 2>&1; cat /proc/sys/kernel/random/uuid";

#[tokio::test(flavor = "multi_thread")]
async fn machines_that_go_on_from_one_boot_share_neither_chance_nor_time_and_reach_their_network() {
    let ground = Ground::find();
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let driver = ground.driver_with(AcceleratorChoice::Tcg, folders[0].path()).await;
    let saved = tempfile::tempdir().unwrap();

    let spec = machine(&ground, folders[0].path());
    let make = driver.make(&spec).unwrap();
    let mut first = driver.start(spec).await.unwrap();
    first.boot(BootOptions::default()).await.unwrap();
    assert!(first.save(saved.path()).await.unwrap());
    assert_eq!(first.stage(), Stage::Booted);
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut take = |said: String| {
        for line in said.lines() {
            assert!(seen.insert(line.trim().to_owned()), "two have `{line}`");
        }
    };
    take(out(&mut *first, CHANCE).await);
    let boot = out(&mut *first, "cat /proc/sys/kernel/random/boot_id").await;
    // It goes on as if nothing had been, to its end.
    first.offline().await.unwrap();
    first.power_off().await.unwrap();

    for folder in &folders[1..] {
        let spec = machine(&ground, folder.path());
        assert_eq!(driver.make(&spec), Some(make));
        let disk = spec.disks[0].path.clone();
        let mut resumed = driver.resume(spec, saved.path()).await.unwrap();
        assert_eq!(resumed.stage(), Stage::Booted);
        // The one boot, and the time of now.
        assert_eq!(out(&mut *resumed, "cat /proc/sys/kernel/random/boot_id").await, boot);
        let before = seconds_now();
        let time: u64 = out(&mut *resumed, "date +%s").await.trim().parse().unwrap();
        assert!((before - 1..=seconds_now() + 1).contains(&time), "{before}: {time}");
        take(out(&mut *resumed, CHANCE).await);
        // Its network answers, as that of a machine that booted does: nobody listens there.
        let reach = "timeout 30 bash -c 'exec 3<>/dev/tcp/10.0.2.2/9' 2>&1 | tail -n 1";
        let said = out(&mut *resumed, reach).await;
        assert!(said.contains("Connection refused"), "{said}");
        assert_eq!(out(&mut *resumed, "ip -br route show default | cut -d' ' -f3").await, "10.0.2.2\n");
        // Timers by the clock and by what has passed.
        let timers = "systemd-run -q --on-active=1 touch /run/passed
systemd-run -q --on-calendar='*:*:*' touch /run/clock
timeout 60 sh -c 'until test -e /run/passed -a -e /run/clock; do sleep 0.1; done' && systemctl is-system-running
echo kept > /var/tmp/kept";
        assert_eq!(out(&mut *resumed, timers).await, "running\n");
        resumed.offline().await.unwrap();
        assert_eq!(out(&mut *resumed, "cat /var/tmp/kept").await, "kept\n");
        resumed.power_off().await.unwrap();
        // What it wrote is in its own disk, whole.
        qemu_img(&["check", "-q"], &[&disk]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_memory_is_no_machine() {
    let ground = Ground::find();
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let driver = ground.driver_with(AcceleratorChoice::Tcg, folders[0].path()).await;
    let saved = tempfile::tempdir().unwrap();
    let mut first = driver.start(machine(&ground, folders[0].path())).await.unwrap();
    first.boot(BootOptions::default()).await.unwrap();
    assert!(first.save(saved.path()).await.unwrap());
    drop(first);
    // Whoever asks by way of the store never comes so far: the seal is broken.
    let memory = File::options().write(true).open(saved.path().join("memory")).unwrap();
    memory.set_len(memory.metadata().unwrap().len() / 2).unwrap();
    driver.resume(machine(&ground, folders[1].path()), saved.path()).await.unwrap_err();
}

/// A project with a store of its own and a booted script that says this.
struct World {
    project: Project,
}

const RESUME: &str = "> resume the booted machine";
const SAVE: &str = "> save the booted machine";
const BOOT: &str = "w: > boot";

fn image_file(before: &str, says: &str) -> String {
    format!(
        "image \"w\" {{\n  os linux debian 13\n{before}  script <<-SH {{ name = \"booted\", user = root }}\n    \
         #!/bin/sh -e\n    echo {says} > /var/tmp/said\n    echo \"it says $(cat /var/tmp/said)\"\n  SH\n}}\n"
    )
}

impl World {
    fn new(before: &str) -> Self {
        let mut project = Project::new(&image_file(before, "one"));
        project.store = built::own_store(&project.path("store"));
        Self { project }
    }

    fn write(&self, before: &str, says: &str) {
        fs::write(self.project.path("ImageFile"), image_file(before, says)).unwrap();
    }

    fn build(&self, says: &str) -> String {
        self.write("", says);
        let log = self.project.build(&["--no-test"]);
        assert!(log.contains(&format!("it says {says}")), "{log}");
        log
    }

    /// The folders of machines that were saved.
    fn saved(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.project.store.join("machines/boots")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    }
}

#[test]
fn a_changed_booted_script_is_run_in_the_machine_that_was_saved() {
    let world = World::new("");
    let first = world.build("one");
    assert!(first.contains(BOOT) && first.contains(SAVE) && !first.contains(RESUME), "{first}");
    let [saved] = &world.saved()[..] else { panic!("{:?}", world.saved()) };
    for file in fs::read_dir(saved).unwrap().flatten() {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    assert_eq!(saved.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    for says in ["two", "three"] {
        let log = world.build(says);
        assert!(log.contains(RESUME) && !log.contains(BOOT) && !log.contains(SAVE), "{log}");
    }
    // The record of the build says so too.
    let output = world.project.imgfile(&["logs", "3"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("resume the booted machine"), "{output:?}");
    let listed = world.project.imgfile(&["cache", "ls"]);
    assert!(String::from_utf8_lossy(&listed.stderr).contains("1 machine saved after booting"), "{listed:?}");

    // The user may do without.
    world.write("", "four");
    let log = world.project.build(&["--no-test", "--saved-boots", "0"]);
    assert!(log.contains(BOOT) && !log.contains(RESUME) && !log.contains(SAVE), "{log}");

    // One that is damaged is not gone on from.
    let memory = saved.join("memory");
    let half = memory.metadata().unwrap().len() / 2;
    File::options().write(true).open(&memory).unwrap().set_len(half).unwrap();
    let log = world.build("five");
    assert!(log.contains(BOOT) && log.contains(SAVE) && !log.contains(RESUME), "{log}");
    assert!(world.build("six").contains(RESUME));

    // It goes with the layers that it stands on.
    assert!(world.project.imgfile(&["cache", "prune"]).status.success());
    assert_eq!(world.saved(), Vec::<PathBuf>::new());
}

#[test]
fn a_build_that_is_killed_while_it_saves_or_resumes_leaves_nothing_wrong() {
    use std::io::{BufRead, BufReader};
    let world = World::new("");
    let killed_at = |says: &str, line: &str| {
        world.write("", says);
        let mut command = world.project.command(&["build", "--progress", "plain", "--no-test"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|said| said.ends_with(line)), "`{line}` never came");
        child.kill().unwrap();
        child.wait().unwrap();
    };
    killed_at("one", SAVE);
    // Nothing of a saved machine is there by half: the next boots, or goes on from a whole one.
    world.build("two");
    let left = fs::read_dir(world.project.store.join("builds")).unwrap().count();
    assert_eq!((left, world.saved().len()), (0, 1));
    killed_at("three", RESUME);
    let log = world.build("four");
    assert!(log.contains(RESUME), "what somebody began to go on from is whole still: {log}");
}

#[test]
fn no_machine_is_saved_after_a_secret() {
    let secret = "  secret token from env TOKEN\n  script <<-SH { name = \"secret\", offline = true, user = root, \
                  secrets = [token] }\n    #!/bin/sh -e\n    test -s /run/secrets/token\n  SH\n";
    let world = World::new(secret);
    let build = |says: &str| {
        world.write(secret, says);
        let given = ["build", "--progress", "plain", "--no-test", "--secret", "token=env:TOKEN"];
        let mut command = world.project.command(&given);
        let output = command.env("TOKEN", "s3cr3t-t0k3n").output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{log}");
        log
    };
    for says in ["one", "two"] {
        let log = build(says);
        assert!(log.contains(BOOT) && !log.contains(SAVE) && !log.contains(RESUME), "{log}");
    }
    assert_eq!(world.saved(), Vec::<PathBuf>::new());
}
