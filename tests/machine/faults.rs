//! Real builds that are killed: in the middle of each of their parts, and at any moment; imgfile, the programs
//! that work for it, or both. Nothing runs on, no finished layer is lost, the store stays whole, and in the end
//! the build succeeds. Then a full disk, a network that is cut, and a clock that jumps.
//!
//! `IMGFILE_KILLS` says how many kills at any moment (10 without it), `IMGFILE_SEED` which ones.

mod running;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use self::running::{
    Gate, Process, Running, VICTIMS, Victim, all_processes, eventually, is_running, processes,
};
use crate::common::built::{self, Project};
use crate::common::{
    server::{Answer, Server},
    signer::Signer,
    tool,
};

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
    fs::copy(built::store().join("CACHEDIR.TAG"), project.store.join("CACHEDIR.TAG")).unwrap();
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

fn verify(project: &Project) {
    let output = project.imgfile(&["cache", "verify"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for folder in ["builds", "tmp"] {
        let left = fs::read_dir(project.store.join(folder)).unwrap().flatten();
        // One that was just being made has no owner yet; it is swept when it is older. A download goes on
        // from the part that is there.
        let left: Vec<_> = left
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with(".new-") && !name.ends_with(".partial"))
            .collect();
        assert!(left.is_empty(), "{folder}: {left:?}");
    }
}

/// Does something that ends in a kill, and looks whether all is as it must be after the next command.
fn survived<T>(project: &Project, what: &str, kill: impl FnOnce() -> T) -> T {
    let before = layers(&project.store);
    let result = kill();
    assert!(before.is_subset(&layers(&project.store)), "{what}: a layer is lost");
    verify(project);
    eventually(|| processes(&project.store, 0).is_empty());
    let half: Vec<_> = halves(&project.path("out")).collect();
    assert!(half.is_empty(), "{what}: {half:?}");
    result
}

/// What is written beside an artifact before it has the artifact's name.
fn halves(out: &Path) -> impl Iterator<Item = PathBuf> {
    let is_half = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with(".part") || name.ends_with(".old") || name.starts_with(".imgfile-")
    };
    fs::read_dir(out).into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_half)
}

/// Whether there is a file of this name somewhere in a folder.
fn is_there(folder: &Path, name: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.ends_with(name) || is_there(&path, name))
}

const PLAIN: [&str; 4] = ["build", "--progress", "plain", "--no-test"];

#[test]
fn kills_in_each_stage_of_the_machine_lose_nothing() {
    let project = project(11);
    let mut variant = 11;
    for stage in [
        "> start the machine",
        "> script offline 2",
        "> boot",
        "> save the booted machine",
        "> script booted",
        "> shut down",
        "> power off",
    ] {
        for victim in VICTIMS {
            let what = format!("{stage}, {victim:?}");
            for tries in 0.. {
                assert!(tries < 10, "{what}: it was always too late");
                // What was done before a kill came is not done again; and a machine whose emulator dies before it
                // is up is started once more, so that such a build goes on to its end.
                let anew = ["> start the machine", "> script offline 2", "> save the booted machine"];
                if tries > 0 || anew.contains(&stage) {
                    variant += 1;
                    fs::write(project.path("ImageFile"), image_file(variant)).unwrap();
                }
                let hit = survived(&project, &what, || {
                    let mut build = Running::start(&project, &PLAIN);
                    build.until(stage);
                    // The emulator may be gone by the time that its last stage is read of.
                    build.until_true(|| is_running(&project, "qemu-system")) && build.kill(&project, victim)
                });
                if hit {
                    break;
                }
            }
        }
    }
    project.build(&["--no-test"]);
    verify(&project);
}

#[test]
fn kills_while_an_artifact_is_sealed_converted_and_published_lose_nothing() {
    let mut project = project(12);
    let outputs = "  output qcow2\n  output vmdk\n  script <<-SH { name = \"booted\"";
    let file = image_file(12).replace("  script <<-SH { name = \"booted\"", outputs);
    fs::write(project.path("ImageFile"), file).unwrap();
    // Its own format imgfile writes itself, the header last; others a program writes.
    survived(&project, "seal", || {
        let mut build = Running::start(&project, &PLAIN);
        build.until("> seal faults.qcow2");
        build.while_runs("seal", || is_there(&project.store.join("builds"), "faults.qcow2"));
        assert!(build.kill(&project, Victim::Imgfile));
    });
    assert!(!project.path("out").exists(), "half an artifact");
    let gate = Gate::at("convert*/faults.vmdk");
    for victim in VICTIMS {
        let what = format!("convert, {victim:?}");
        survived(&project, &what, || {
            let build = gate.reach(&what, &mut project.command(&PLAIN));
            assert!(build.kill(&project, victim));
        });
        assert!(!project.path("out").exists(), "{what}: half an artifact");
    }

    // To another file system an artifact is copied, under a name that nobody knows before.
    let away = tempfile::tempdir_in("/dev/shm").unwrap();
    let out = away.path().join("out");
    fs::create_dir(&out).unwrap();
    let args = [&PLAIN[..], &["--out", out.to_str().unwrap()]].concat();
    survived(&project, "publish", || {
        let mut build = Running::start(&project, &args);
        build.while_runs("publish", || halves(&out).next().is_some());
        // It shall not come to the end of the copy while its helpers are looked for.
        kill(Pid::from_raw(build.child.id().cast_signed()), Signal::SIGSTOP).unwrap();
        assert_eq!(halves(&out).count(), 1, "it was too late");
        assert!(build.kill(&project, Victim::Imgfile));
    });
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "half an artifact");
    project.build(&["--no-test", "--out", out.to_str().unwrap()]);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 3, "two disks and their manifest");
    drop(away);

    // An image that is taken along in another format: the programs work in the project's folder.
    project.build(&["--no-test"]);
    let gate = Gate::at("convert*.imgfile-export-*");
    let out = project.path("out");
    let store = std::mem::replace(&mut project.store, out);
    for victim in VICTIMS {
        let what = format!("export, {victim:?}");
        let mut command = project.command(&["image", "export", "out/faults.qcow2", "out/other.vhdx"]);
        let export = gate.reach(&what, command.env("IMGFILE_STORE", &store));
        assert!(export.kill(&project, victim), "{what}");
        let inside = std::mem::replace(&mut project.store, store.clone());
        survived(&project, &what, || ());
        project.store = inside;
        assert!(!project.path("out/other.vhdx").exists(), "{what}: half an image");
    }
    project.store = store;
    assert!(project.imgfile(&["image", "export", "out/faults.qcow2", "out/other.vhdx"]).status.success());
}

#[test]
fn kills_while_a_base_is_made_or_taken_in_lose_nothing() {
    let project = project(13);
    let disks = |project: &Project| {
        let entries = fs::read_dir(project.store.join("bases")).unwrap().flatten();
        entries.map(|entry| entry.path().join("disk.qcow2")).filter(|disk| disk.exists()).collect::<Vec<_>>()
    };
    let made = disks(&project);
    // A disk from outside: a base will do.
    fs::copy(&made[0], project.path("disk.qcow2")).unwrap();
    let with = |line: &str| {
        let file = image_file(13).replace("os linux debian 13", &format!("os linux debian 13\n  {line}"));
        fs::write(project.path("ImageFile"), file).unwrap();
    };
    with("base file \"disk.qcow2\"");
    let gate = Gate::at("convert*/disk.qcow2");
    for victim in VICTIMS {
        let what = format!("take in a disk, {victim:?}");
        survived(&project, &what, || {
            let build = gate.reach(&what, &mut project.command(&PLAIN));
            assert!(build.kill(&project, victim), "{what}");
        });
        assert_eq!(disks(&project), made, "{what}: half a base");
    }
    for victim in [Victim::Imgfile, Victim::Helpers] {
        let what = format!("look into a disk, {victim:?}");
        survived(&project, &what, || {
            let mut build = Running::start(&project, &PLAIN);
            build.until("> look into disk.qcow2");
            build.while_runs(&what, || is_running(&project, "/inspect-"));
            assert!(build.kill(&project, victim), "{what}");
        });
        assert_eq!(disks(&project), made, "{what}: a base that nobody has looked into");
    }

    // One that is made, for a disk of another size.
    with("min_storage 3GiB");
    for victim in [Victim::Imgfile, Victim::Both] {
        let what = format!("make a base, {victim:?}");
        let mut promised = Vec::new();
        survived(&project, &what, || {
            let mut build = Running::start(&project, &PLAIN);
            build.until("> make base debian-13");
            build.while_runs(&what, || {
                promised = journalled(&project.store.join("tmp"));
                promised.iter().any(|path| path.exists())
            });
            build.lines(3);
            assert!(build.kill(&project, victim), "{what}");
            // What runs in a cell has no path of the store on its command line, but what it works on in view.
            let in_view =
                |one: &Process| promised.iter().any(|path| one.mounts.contains(path.to_str().unwrap()));
            eventually(|| !all_processes().iter().any(in_view));
        });
        let left: Vec<_> = promised.iter().filter(|path| path.exists()).collect();
        assert!(left.is_empty(), "{what}: {left:?}");
        assert_eq!(disks(&project), made, "{what}: half a base");
    }
    let gate = Gate::at("convert*/disk.qcow2");
    survived(&project, "compress a base", || {
        let build = gate.reach("compress a base", &mut project.command(&PLAIN));
        assert!(build.kill(&project, Victim::Imgfile));
    });
    assert_eq!(disks(&project), made, "half a base");
    project.build(&["--no-test"]);
    assert_eq!(disks(&project).len(), made.len() + 1);
    verify(&project);
}

/// The paths outside of the store that its working folders promise to clear.
fn journalled(folder: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(folder).unwrap().flatten();
    let texts: String =
        folders.filter_map(|entry| fs::read_to_string(entry.path().join("journal")).ok()).collect();
    let entries = texts.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    entries.filter_map(|entry| Some(PathBuf::from(entry.get("path")?.as_str()?))).collect()
}

/// Scripts enough that a layer stands on 32 others before the last, which sees what all of them left.
fn many(last: &str) -> String {
    let step = |number: u32| {
        format!(
            "  script <<-SH {{ name = \"step {number}\", offline = true, user = root }}\n    #!/bin/sh -e\n    \
             echo {number} >> /var/tmp/steps\n  SH\n"
        )
    };
    let steps: String = (1..=33).map(step).collect();
    format!(
        "image \"deep\" {{\n  os linux debian 13\n  cleanup none\n{steps}  \
         script <<-SH {{ name = \"last\", offline = true, user = root }}\n    #!/bin/sh -e\n    \
         test \"$(wc -l < /var/tmp/steps)\" = 33\n    echo {last}\n  SH\n}}\n"
    )
}

/// Names of the layers by the layers they stand on, from their `meta.json`.
fn depths(store: &Path) -> BTreeMap<String, u64> {
    let entries = layers(store).into_iter().map(|key| {
        let meta = fs::read(store.join("layers").join(key).join("meta.json")).unwrap();
        let meta: serde_json::Value = serde_json::from_slice(&meta).unwrap();
        (meta["step"].as_str().unwrap().to_owned(), meta["depth"].as_u64().unwrap())
    });
    entries.collect()
}

#[test]
fn a_deep_chain_is_put_on_the_base_and_a_kill_in_the_middle_of_that_loses_nothing() {
    let project = project(14);
    let gate = Gate::at("rebase*/flat.qcow2");
    let mut deep = String::new();
    for (round, victim) in VICTIMS.into_iter().enumerate() {
        let what = format!("flatten, {victim:?}");
        fs::write(project.path("ImageFile"), many(&format!("round {round}"))).unwrap();
        survived(&project, &what, || {
            let build = gate.reach(&what, &mut project.command(&PLAIN));
            assert!(build.kill(&project, victim), "{what}");
        });
        let depths = depths(&project.store);
        let (step, depth) = depths.iter().max_by_key(|(_, depth)| **depth).unwrap();
        assert_eq!(*depth, 32, "{what}: {depths:?}");
        assert!(deep.is_empty() || deep == *step, "{what}: it is not what it says");
        deep.clone_from(step);
    }
    let log = project.build(&["--no-test"]);
    // What all the steps left is seen by the last; those that were done were not done again.
    assert!(log.contains(&format!("reused {deep}")) && log.contains("> script last"), "{log}");
    assert_eq!(depths(&project.store)[&deep], 0);
    verify(&project);
    // Nothing stands on the others any more: they can go, and the rest is still whole.
    let output = project.imgfile(&["cache", "ls", "--format", "json"]);
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let flat = listed.as_array().unwrap().iter().find(|layer| layer["step"] == deep.as_str()).unwrap();
    let disk = project.store.join("layers").join(flat["key"].as_str().unwrap()).join("disk.qcow2");
    let info =
        Command::new("qemu-img").args(["info", "--backing-chain", "--output=json"]).arg(&disk).output();
    let chain: serde_json::Value = serde_json::from_slice(&info.unwrap().stdout).unwrap();
    assert_eq!(chain.as_array().unwrap().len(), 2, "the layer and the base: {chain}");
}

#[test]
fn kills_at_any_moment_lose_nothing() {
    let seed = number("IMGFILE_SEED", 7);
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let project = project(seed);
    let (mut variant, mut kills) = (seed, 0);
    while kills < number("IMGFILE_KILLS", 10) {
        let lines = 1 + dice.below(30);
        let pause = dice.below(3_000_000);
        let victim = VICTIMS[usize::try_from(dice.below(3)).unwrap()];
        let what = format!("kill {kills}, {victim:?} after {lines} lines");
        let (hit, finished) = survived(&project, &what, || {
            let mut build = Running::start(&project, &PLAIN);
            build.lines(lines);
            // Between two lines there is much to be hit as well.
            for _ in 0..pause {
                std::hint::spin_loop();
            }
            let finished = build.child.try_wait().unwrap().is_some_and(|status| status.success());
            (build.kill(&project, victim), finished)
        });
        kills += u64::from(hit);
        eprintln!("{what}: {}", if hit { "hit" } else { "nothing to hit" });
        // A build that is finished has nothing left to be killed in, nor has one that is finished but for its
        // last step.
        if finished || !hit || dice.below(8) == 0 {
            variant += 1;
            fs::write(project.path("ImageFile"), image_file(variant)).unwrap();
        }
    }
    project.build(&["--no-test"]);
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
         mount -t tmpfs -o mode=700,size=${{size}}m none {small} && cp -a {store}/. {small}/ || exit 90\n\
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
fn a_connection_that_is_cut_in_a_package_is_said_and_the_next_build_takes_up_what_has_come() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    let deb = tool::deb("1.4.2-1");
    let (path, half) = ("/deb/pool/tool.deb", deb.len() / 2);
    signer.serve_package(&server, "1.4.2-1", "", &deb);
    let project = project(15);
    fs::create_dir_all(project.path("catalog/apps")).unwrap();
    let entry = tool::entry(&server, &signer, &signer.fingerprint(), "1.4");
    fs::write(project.path("catalog/apps/tool.yaml"), entry).unwrap();
    fs::write(project.path("ImageFile"), "image \"faults\" {\n  os linux debian 13\n  app tool\n}\n")
        .unwrap();
    server.put(path, Answer::CutForGood(deb.clone()));
    let output = survived(&project, "a cut package", || project.imgfile(&["build", "--progress", "plain"]));
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{log}");
    assert!(log.contains("E0456") && log.contains(path), "{log}");
    assert!(!project.path("out").exists() && !log.contains("start the machine"), "{log}");
    // The half that has come is all that is there of it.
    let waiting = fs::read_dir(project.store.join("tmp")).unwrap().flatten();
    let waiting = waiting.filter(|entry| entry.path().extension().is_some_and(|end| end == "partial"));
    let waiting: Vec<u64> = waiting.map(|entry| entry.metadata().unwrap().len()).collect();
    assert_eq!(waiting, [half as u64]);

    let before = server.asked().len();
    server.put(path, Answer::Content(deb));
    let log = project.build(&[]);
    assert!(log.contains("done test verify tool"), "{log}");
    let asked: Vec<String> = server.asked().split_off(before);
    let asked: Vec<&str> = asked.iter().map(String::as_str).filter(|one| one.starts_with(path)).collect();
    assert_eq!(asked, [format!("{path} from {half}")]);
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
