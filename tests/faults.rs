//! Real builds that are killed at any moment: imgfile, the emulator, or both. Nothing runs on, no finished
//! layer is lost, the store stays whole, and in the end the build succeeds. Then a full disk, a network that is
//! cut, and a clock that jumps.
//!
//! `IMGFILE_KILLS` says how many kills (10 without it), `IMGFILE_SEED` which ones.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

mod built;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use built::Project;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Many small steps, offline and booted, so that most moments are in the middle of something.
fn image_file(variant: u64) -> String {
    let offline = |number: u32| {
        format!(
            "  script <<-SH {{ name = \"offline {number}\", offline = true, user = root }}\n    #!/bin/sh -e\n    \
             head -c 2000000 /dev/urandom > /var/tmp/data{number}\n    : {variant}\n  SH\n"
        )
    };
    let steps: String = (0..6).map(offline).collect();
    format!(
        "image \"faults\" {{\n  os linux debian 13\n{steps}  script <<-SH {{ name = \"booted\" }}\n    #!/bin/sh -e\n    \
         sudo touch /var/tmp/booted\n  SH\n}}\n"
    )
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

/// A project with a store of its own that has the base and the packages of the shared one.
fn project(variant: u64) -> Project {
    let mut project = Project::new(&image_file(variant));
    fs::write(project.path("ImageFile"), image_file(0)).unwrap();
    // What all tests share is made by the first of them.
    if !built::store().join("kernels/pinned").exists() {
        Project::new("image \"ground\" {\n  os linux debian 13\n}\n").build(&["--no-test"]);
    }
    project.store = project.path("store");
    fs::create_dir(&project.store).unwrap();
    for shared in ["bases", "blobs", "indexes", "kernels", "facts"] {
        let from = built::store().join(shared);
        let copied = Command::new("cp").arg("-al").args([&from, &project.store.join(shared)]).status();
        assert!(copied.unwrap().success());
    }
    fs::write(project.path("ImageFile"), image_file(variant)).unwrap();
    project
}

fn layers(store: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(store.join("layers")).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "claims")
        .collect()
}

/// Processes that have this folder on their command line, beside `but`.
fn processes(folder: &Path, but: u32) -> Vec<i32> {
    let folder = folder.to_str().unwrap();
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // One that has ended and was not waited for yet runs no more.
        let zombie = stat.rsplit_once(')')?.1.trim_start().starts_with('Z');
        let ours = String::from_utf8_lossy(&line).contains(folder);
        (ours && !zombie && pid.cast_unsigned() != but).then_some(pid)
    })
    .collect()
}

/// Starts a build and reads its log until `lines` lines have come, or it ends.
fn start(project: &Project, lines: u64) -> Child {
    let mut child = project
        .command(&["build", "--progress", "plain", "--no-test"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    for _ in 0..lines {
        if log.next().is_none() {
            break;
        }
    }
    // Whoever writes to a closed pipe learns of it: the rest is read by somebody.
    std::thread::spawn(move || log.map_while(Result::ok).for_each(drop));
    child
}

/// Waits until a condition holds that is bound to hold soon; a test that waits for ever is ended by its runner.
fn eventually(mut condition: impl FnMut() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

fn verify(project: &Project) {
    let output = project.imgfile(&["cache", "verify"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let left = fs::read_dir(project.store.join("builds")).unwrap().flatten();
    // One that was just being made has no owner yet; it is swept when it is older.
    let left: Vec<_> =
        left.filter(|entry| !entry.file_name().to_string_lossy().starts_with(".new-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn kills_at_any_moment_lose_nothing() {
    let seed = number("IMGFILE_SEED", 7);
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let project = project(seed);
    for round in 0..number("IMGFILE_KILLS", 10) {
        // A build that had been finished would have nothing left to be killed in.
        if round % 8 == 0 {
            fs::write(project.path("ImageFile"), image_file(seed + round)).unwrap();
        }
        let lines = 1 + dice.below(30);
        let mut child = start(&project, lines);
        // Between two lines there is much to be hit as well.
        for _ in 0..dice.below(3_000_000) {
            std::hint::spin_loop();
        }
        let what = ["imgfile", "the emulator", "both"][usize::try_from(dice.below(3)).unwrap()];
        let before = layers(&project.store);
        let emulators = processes(&project.store, child.id());
        if what != "imgfile" {
            for pid in &emulators {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
        }
        if what != "the emulator" {
            let _ = child.kill();
        }
        let status = child.wait().unwrap();
        eventually(|| processes(&project.store, 0).is_empty());
        let after = layers(&project.store);
        assert!(before.is_subset(&after), "round {round}, {what}, {lines} lines, {status}: a layer is lost");
        verify(&project);
    }
    let log = project.build(&["--no-test"]);
    assert!(
        log.contains("done clean up") || log.contains("reused clean up") || log.contains("clean up"),
        "{log}"
    );
    verify(&project);
    let check = Command::new("qemu-img").args(["check", "-q"]).arg(project.path("out/faults.qcow2")).status();
    assert!(check.unwrap().success());
}

#[test]
fn a_full_disk_is_said_and_harms_nothing() {
    let mut project = project(1);
    // A small file system of its own, in a namespace that needs no root; the store is moved onto it.
    let inside = project.path("small");
    fs::create_dir(&inside).unwrap();
    let imgfile = env!("CARGO_BIN_EXE_imgfile");
    let (store, small) = (project.store.display().to_string(), inside.display().to_string());
    let script = format!(
        "size=$(( $(du -s -B1M {store} | cut -f1) + 1500 ))\n\
         mount -t tmpfs -o size=${{size}}m none {small} && cp -a {store}/. {small}/ || exit 90\n\
         fill=$(( $(df --output=avail -B1 {small} | tail -n 1) - 12000000 ))\n\
         fallocate -l $fill {small}/filler\n\
         export IMGFILE_STORE={small}\n\
         {imgfile} build --progress plain --no-test; echo \"status $?\" >&2\n\
         {imgfile} cache verify; echo \"first verify $?\" >&2\n\
         rm {small}/filler\n\
         {imgfile} build --progress plain --no-test; echo \"second $?\" >&2\n\
         {imgfile} cache verify; echo \"second verify $?\" >&2\n"
    );
    project.store = inside;
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", &script])
        .current_dir(project.path("."))
        .env("IMGFILE_ACCEL", "tcg")
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    for part in ["E0503", "status 4", "first verify 0", "second 0", "second verify 0"] {
        assert!(log.contains(part), "{part} is missing:\n{log}");
    }
}

#[test]
fn a_network_that_is_cut_is_said_and_the_next_build_goes_on() {
    let project = project(2);
    // Nothing can be reached from a namespace without a network; what is in the store suffices but for this.
    let url = "http://127.0.0.1:9/nothing.tar";
    let copy = format!("  copy url \"{url}\" sha256 \"{}\" to \"/opt/x\"\n", "0".repeat(64));
    let file = image_file(2)
        .replace("  script <<-SH { name = \"booted\"", &format!("{copy}  script <<-SH {{ name = \"booted\""));
    fs::write(project.path("ImageFile"), file).unwrap();
    let output = project.imgfile(&["build", "--progress", "plain", "--no-test"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(4) && log.contains("E0456") || log.contains("E0454"), "{log}");
    fs::write(project.path("ImageFile"), image_file(2)).unwrap();
    project.build(&["--no-test"]);
    verify(&project);
}

#[test]
fn files_of_the_future_and_of_the_past_are_what_they_are() {
    let project = project(3);
    project.build(&["--no-test"]);
    // A clock that was set back leaves a store from the future, one that was set ahead an ancient one.
    for seconds in [-40_000_000_i64, 40_000_000] {
        let now = std::time::SystemTime::now();
        let shift = Duration::from_secs(seconds.unsigned_abs());
        let then = if seconds < 0 { now - shift } else { now + shift };
        let times = fs::FileTimes::new().set_accessed(then).set_modified(then);
        for entry in walk(&project.store.join("layers")) {
            let _ = fs::File::open(&entry).and_then(|file| file.set_times(times));
        }
        let log = project.build(&["--no-test"]);
        assert!(!log.contains("start the machine"), "{log}");
        verify(&project);
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
