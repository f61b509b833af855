//! Working folders that end well, and such that do not.

use super::clear::mounts_in;
use super::*;

/// The state a killed process leaves: files as they are, the lock given back by the kernel.
fn crash(mut folder: WorkFolder) {
    folder.keep = true;
}

#[test]
fn a_crash_is_cleared_by_the_next_sweep_and_by_no_earlier_one() {
    let dir = tempfile::tempdir().unwrap();
    let builds = dir.path().join("builds");
    let (inside, outside) = (builds.join("b1/disk"), dir.path().join("out.partial"));
    std::fs::create_dir(&builds).unwrap();
    let folder = WorkFolder::create(&builds, "b1").unwrap();
    folder.will_create(&outside).unwrap();
    std::fs::write(&inside, "x").unwrap();
    std::fs::write(&outside, "x").unwrap();

    assert_eq!(sweep(&builds).unwrap(), [], "its process is alive");
    assert!(inside.exists() && outside.exists());

    crash(folder);
    let cleared = Leftover {
        name: "b1".into(),
        removed: vec![outside.clone()],
        killed: vec![],
        foreign: false,
        stuck: None,
    };
    assert_eq!(sweep(&builds).unwrap(), [cleared]);
    assert!(!inside.exists() && !outside.exists() && !builds.join("b1").exists());
}

#[test]
fn files_get_their_names_all_or_none_and_a_crash_changes_nothing_about_that() {
    let dir = tempfile::tempdir().unwrap();
    let (builds, out) = (dir.path().join("builds"), dir.path().join("out"));
    std::fs::create_dir(&builds).unwrap();
    std::fs::create_dir(&out).unwrap();
    let read = |name: &str| std::fs::read_to_string(out.join(name)).ok();
    let stage = |text: &str| {
        ["a", "b", "c"].map(|name| {
            let staged = out.join(format!("{name}.7.part"));
            std::fs::write(&staged, text).unwrap();
            (staged, out.join(name))
        })
    };
    let there = || std::fs::read_dir(&out).unwrap().count();

    let folder = WorkFolder::create(&builds, "b1").unwrap();
    folder.rename_all(&stage("one")).unwrap();
    crash(folder);
    sweep(&builds).unwrap();
    assert_eq!((read("a"), read("c"), there()), (Some("one".into()), Some("one".into()), 3));

    // The last one cannot have its name: known before anything is done, and only when it comes to it.
    let folder = WorkFolder::create(&builds, "b2").unwrap();
    std::fs::create_dir_all(out.join("taken/by a folder")).unwrap();
    let mut files = stage("two");
    files[2].1 = out.join("taken");
    assert!(folder.rename_all(&files).is_err(), "a folder has that name");
    std::fs::write(out.join("c.7.old"), "another's").unwrap();
    assert!(folder.rename_all(&stage("two")).is_err(), "what is there cannot be kept");
    assert_eq!(
        ["a", "b", "c", "c.7.old"].map(read),
        ["one", "one", "one", "another's"].map(|text| Some(text.into()))
    );
    std::fs::remove_file(out.join("c.7.old")).unwrap();
    // The process ends in the middle.
    let files = stage("three");
    let swaps: Vec<Swap> = files.iter().map(|(from, to)| Swap::plan(from, to).unwrap()).collect();
    folder.know_root(&files[0].0).unwrap();
    folder.append(&Entry::Swap(swaps.clone())).unwrap();
    for swap in &swaps[..2] {
        swap.run().unwrap();
    }
    assert_eq!(read("b"), Some("three".into()));
    crash(folder);
    let cleared = sweep(&builds).unwrap();
    assert_eq!(cleared[0].removed, [out.join("b"), out.join("a")]);
    assert_eq!(["a", "b", "c"].map(read), ["one"; 3].map(|text| Some(text.into())));
}

#[test]
fn a_process_in_the_journal_is_killed_and_a_namesake_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let folder = WorkFolder::create(dir.path(), "b1").unwrap();
    folder.started(child.id()).unwrap();
    let namesake = ProcessName { started: 1, ..ProcessName::own() };
    folder.append(&Entry::Process { process: namesake, group: false }).unwrap();
    crash(folder);
    assert_eq!(sweep(dir.path()).unwrap()[0].killed, [child.id()]);
    assert!(!child.wait().unwrap().success());
}

/// What a journal from elsewhere names: a folder with a file, and a process.
struct Victims {
    dir: tempfile::TempDir,
    process: std::process::Child,
}

impl Victims {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("victim")).unwrap();
        std::fs::write(dir.path().join("victim/file"), "precious").unwrap();
        Self { dir, process: std::process::Command::new("sleep").arg("1000").spawn().unwrap() }
    }

    fn fill(&self, folder: &WorkFolder) {
        folder.will_create(&self.dir.path().join("victim")).unwrap();
        folder.started(self.process.id()).unwrap();
    }

    fn are_well(&mut self) -> bool {
        self.dir.path().join("victim/file").exists() && self.process.try_wait().unwrap().is_none()
    }
}

impl Drop for Victims {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_journal_from_elsewhere_is_not_obeyed() {
    let (dir, mut victims) = (tempfile::tempdir().unwrap(), Victims::new());
    let builds = dir.path().join("builds");
    std::fs::create_dir(&builds).unwrap();
    let folder = WorkFolder::create(dir.path(), "original").unwrap();
    victims.fill(&folder);
    let original = std::fs::read_to_string(folder.path().join(JOURNAL)).unwrap();
    let (head, rest) = original.split_once('\n').unwrap();
    let bare = format!("{{\"path\":\"{}/victim\"}}\n", victims.dir.path().display());
    // As it is, without its beginning, with the beginning alone, and as somebody would write it by hand.
    for journal in [&original, rest, &format!("{head}\n"), &bare] {
        let copy = builds.join("copy");
        std::fs::create_dir(&copy).unwrap();
        std::fs::write(copy.join(LOCK), "").unwrap();
        std::fs::write(copy.join(JOURNAL), journal).unwrap();
        let cleared = sweep(&builds).unwrap();
        assert_eq!((cleared.len(), cleared[0].foreign), (1, true), "{journal}");
        assert!(cleared[0].removed.is_empty() && cleared[0].killed.is_empty() && victims.are_well());
        assert!(!copy.exists());
    }
    // The same in its own place is.
    crash(folder);
    let cleared = sweep(dir.path()).unwrap();
    assert!(!cleared.iter().any(|one| one.name == "original" && one.foreign));
    assert!(!victims.are_well());
}

#[test]
fn a_folder_that_was_changed_for_another_is_not_cleared() {
    let (dir, mut victims) = (tempfile::tempdir().unwrap(), Victims::new());
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let folder = WorkFolder::create(dir.path(), "b1").unwrap();
    folder.will_create(&out.join("victim")).unwrap();
    crash(folder);
    std::fs::remove_dir(&out).unwrap();
    std::os::unix::fs::symlink(victims.dir.path(), &out).unwrap();
    let cleared = sweep(dir.path()).unwrap();
    assert!(cleared[0].foreign && cleared[0].removed.is_empty() && victims.are_well());
}

#[test]
fn a_path_below_no_root_of_the_journal_is_left_alone() {
    let (dir, mut victims) = (tempfile::tempdir().unwrap(), Victims::new());
    let folder = WorkFolder::create(dir.path(), "b1").unwrap();
    folder.append(&Entry::Path(victims.dir.path().join("victim"))).unwrap();
    crash(folder);
    assert!(sweep(dir.path()).unwrap()[0].foreign && victims.are_well());
}

#[test]
fn a_process_that_ends_by_force_clears_up() {
    let dir = tempfile::tempdir().unwrap();
    let folder = WorkFolder::create(dir.path(), "b1").unwrap();
    let outside = dir.path().join("outside");
    folder.will_create(&outside).unwrap();
    std::fs::write(&outside, "").unwrap();
    // Other tests of this process have folders too: only this one.
    let _ = clear(folder.path());
    assert!(!outside.exists() && !folder.path().exists());
    crash(folder);
}

#[test]
fn a_journal_cut_in_the_middle_of_a_line_is_read_up_to_there() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("file");
    std::fs::write(&kept, "x").unwrap();
    let folder = WorkFolder::create(dir.path(), "b1").unwrap();
    folder.will_create(&kept).unwrap();
    (&folder.journal).write_all(b"{\"path\":\"/no").unwrap();
    drop(folder);
    assert!(!kept.exists() && !dir.path().join("b1").exists());
}

#[test]
fn a_sweep_that_is_cut_short_is_taken_up_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let folder = WorkFolder::create(dir.path(), "b1").unwrap();
    for name in [JOURNAL, LOCK] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    crash(folder);
    assert_eq!(sweep(dir.path()).unwrap(), []);
    assert!(!dir.path().join("b1").exists());
}

#[test]
fn a_kept_folder_stays() {
    let dir = tempfile::tempdir().unwrap();
    let folder = WorkFolder::create(dir.path(), "b1").unwrap();
    std::fs::write(folder.path().join("disk"), "x").unwrap();
    let path = folder.keep().unwrap();
    assert_eq!(sweep(dir.path()).unwrap(), []);
    assert!(path.join("disk").exists());
}

#[test]
fn what_is_mounted_in_a_tree_is_found() {
    let info = "22 1 0:20 / / rw - ext4 /dev/vda rw\n\
        80 22 0:30 / /dev/shm/a rw - tmpfs none rw\n\
        81 80 0:31 / /dev/shm/a/b\\040c/proc ro - proc none rw\n\
        82 81 0:32 / /dev/shm/ab rw - tmpfs none rw\n";
    assert_eq!(mounts_in(info, Path::new("/dev/shm/a")), [Path::new("/dev/shm/a/b c/proc")]);
}

#[test]
fn what_cannot_be_cleared_keeps_nobody_from_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b1", "b2"] {
        let folder = WorkFolder::create(dir.path(), name).unwrap();
        if name == "b1" {
            // Nothing can be removed there, whoever tries.
            folder.will_create(Path::new("/proc/self/status")).unwrap();
        }
        crash(folder);
    }
    let leftovers = sweep(dir.path()).unwrap();
    assert_eq!(leftovers.iter().map(|one| one.stuck.is_some()).collect::<Vec<_>>(), [true, false]);
    assert!(dir.path().join("b1").exists() && !dir.path().join("b2").exists());
}
