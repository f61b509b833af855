use std::collections::BTreeMap;

use super::*;
use crate::{store::ProcessName, text::Digest};

fn records() -> (tempfile::TempDir, Records) {
    let dir = tempfile::tempdir().unwrap();
    let records = Records::open(dir.path()).unwrap();
    (dir, records)
}

fn ending(state: State) -> Ending<'static> {
    Ending { state, elapsed_ms: 50, message: None }
}

/// A process that ended: its number is ours, its start is not.
fn gone() -> ProcessName {
    ProcessName { started: 1, ..ProcessName::own() }
}

fn new_artifact<'a>(build: i64, path: &'a str, labels: &'a BTreeMap<String, String>) -> NewArtifact<'a> {
    let sha256 = Digest::of(path);
    NewArtifact { build, image: "web", path, sha256, size: 7, plan_key: "k", lock: None, labels }
}

#[test]
fn a_build_is_told_back_with_its_images_and_steps() {
    let (_dir, records) = records();
    let build = records.begin(Path::new("/p"), "0.1.0").unwrap();
    records.image_began(build, "web", 3).unwrap();
    records.image_planned(build, "web", r#"{"os":"debian 13"}"#).unwrap();
    let base = records.step_began(build, "", "make the base", 1).unwrap();
    records.step_ended(base, ending(State::Done), 0, "").unwrap();
    let grow = records.step_began(build, "web", "grow", 4).unwrap();
    records.step_ended(grow, ending(State::Reused), 0, "").unwrap();
    let script = records.step_began(build, "web", "script a", 5).unwrap();
    let failed = Ending { message: Some("exit status 1"), ..ending(State::Failed) };
    records.step_ended(script, failed, 12, "no such file").unwrap();
    records.end(build, Ending { message: Some("`script a` failed"), ..failed }).unwrap();

    let record = records.build(build).unwrap().unwrap();
    assert_eq!(
        (record.summary.state, record.summary.images.as_slice()),
        (State::Failed, &["web".into()][..])
    );
    assert_eq!((record.summary.steps_done, record.summary.steps_reused), (2, 1));
    assert_eq!(record.steps[0].name, "make the base");
    let image = &record.details[0];
    assert_eq!((image.state, image.elapsed_ms), (State::Failed, Some(47)), "it ended with the build");
    assert_eq!(image.plan.as_ref().unwrap()["os"], "debian 13");
    let script = &image.steps[1];
    assert_eq!((script.exit.as_deref(), script.tail.as_str()), (Some("exit status 1"), "no such file"));
    assert_eq!(records.builds(None, 10).unwrap(), [record.summary]);
    assert_eq!(records.builds(Some("/elsewhere"), 10).unwrap(), []);
    assert_eq!(records.build(99).unwrap(), None);
}

#[test]
fn the_time_of_a_step_is_that_of_its_last_whole_run_in_the_same_project() {
    let (_dir, records) = records();
    for (project, state, elapsed_ms) in
        [("/p", State::Done, 10), ("/p", State::Done, 20), ("/p", State::Failed, 99), ("/q", State::Done, 7)]
    {
        let build = records.begin(Path::new(project), "0").unwrap();
        let step = records.step_began(build, "web", "script a", 0).unwrap();
        records.step_ended(step, Ending { elapsed_ms, ..ending(state) }, 0, "").unwrap();
        records.end(build, ending(state)).unwrap();
    }
    let times = records.last_times("/p").unwrap();
    assert_eq!(times, [(("web".to_owned(), "script a".to_owned()), 20)].into());
}

#[test]
fn a_build_whose_process_is_gone_ends_by_the_next_look() {
    let (dir, records) = records();
    let alive = records.begin(Path::new("/p"), "0").unwrap();
    let dead = records.begin_as(Kind::Build, Path::new("/p"), "0", &gone()).unwrap();
    records.step_began(dead, "web", "script", 0).unwrap();
    let cancelled = records.begin_as(Kind::Build, Path::new("/p"), "0", &gone()).unwrap();
    assert_eq!(records.ask_to_cancel(cancelled).unwrap(), Some(gone()));

    let other = Records::open(dir.path()).unwrap();
    assert_eq!(other.state(alive).unwrap(), Some(State::Running));
    assert_eq!(other.state(dead).unwrap(), Some(State::Interrupted));
    assert_eq!(other.state(cancelled).unwrap(), Some(State::Cancelled));
    let steps = other.build(dead).unwrap().unwrap();
    assert_eq!(steps.details, [], "no image began");
    assert_eq!(other.ask_to_cancel(dead).unwrap(), None, "it does not run");
    assert_eq!(other.mark_ended().unwrap(), Vec::<i64>::new());
}

#[test]
fn many_processes_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let records = Records::open(dir.path()).unwrap();
                for _ in 0..10 {
                    let build = records.begin(Path::new("/p"), "0").unwrap();
                    let step = records.step_began(build, "", "s", 0).unwrap();
                    records.step_ended(step, ending(State::Done), 0, "").unwrap();
                    records.end(build, ending(State::Done)).unwrap();
                }
            });
        }
    });
    let builds = Records::open(dir.path()).unwrap().builds(None, 100).unwrap();
    assert_eq!(builds.len(), 40);
    assert!(builds.iter().all(|build| build.state == State::Done && build.steps_done == 1));
}

#[test]
fn many_processes_that_open_a_new_database_at_once_all_get_it() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let together = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    together.wait();
                    Records::open(dir.path()).unwrap();
                });
            }
        });
    }
}

#[test]
fn old_builds_go_with_their_logs_and_leave_their_artifacts() {
    let (_dir, records) = records();
    let labels = BTreeMap::new();
    let builds: Vec<i64> = (0..4).map(|_| records.begin(Path::new("/p"), "0").unwrap()).collect();
    for build in &builds[1..] {
        std::fs::write(records.log(*build), "text").unwrap();
        records.add_artifact(&new_artifact(*build, &format!("/out/{build}"), &labels)).unwrap();
        records.end(*build, ending(State::Done)).unwrap();
    }
    assert_eq!(records.forget_old(1).unwrap(), builds[1..3], "the first still runs");
    assert!(!records.log(builds[1]).exists() && records.log(builds[3]).exists());
    assert_eq!(records.artifacts().unwrap().len(), 3);
    assert_eq!(records.artifacts().unwrap()[2].build, None);
}

#[test]
fn an_artifact_is_replaced_by_the_next_of_its_path_and_stays_while_protected() {
    let (_dir, records) = records();
    let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    let build = records.begin(Path::new("/p"), "0").unwrap();
    records.image_began(build, "web", 0).unwrap();
    records.add_artifact(&new_artifact(build, "/out/web.qcow2", &labels)).unwrap();
    records.add_artifact(&new_artifact(build, "/out/web.qcow2", &labels)).unwrap();
    let there = records.artifacts().unwrap();
    assert_eq!((there.len(), there[0].name(), &there[0].labels), (1, "web", &labels));
    assert_eq!(records.build(build).unwrap().unwrap().details[0].artifacts.len(), 2);

    records.protect(there[0].id, true).unwrap();
    assert!(records.is_protected("/out/web.qcow2").unwrap());
    assert!(!records.remove_artifact(there[0].id).unwrap());
    records.protect(there[0].id, false).unwrap();
    records.moved(there[0].id, "/out/shop.qcow2").unwrap();
    assert!(!records.is_protected("/out/web.qcow2").unwrap());
    assert!(records.remove_artifact(there[0].id).unwrap());
    assert_eq!(records.artifacts().unwrap(), []);
}

#[test]
fn what_a_newer_imgfile_wrote_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records/builds.sqlite");
    drop(Records::open(dir.path()).unwrap());
    let database = Connection::open(&path).unwrap();
    database.pragma_update(None, "user_version", 999).unwrap();
    drop(database);
    let newer = Records::open(dir.path()).unwrap_err();
    assert!(newer.to_string().contains("a newer imgfile wrote it"), "{newer}");
    assert!(Records::open_or_renew(dir.path(), true).is_err() && path.exists());
}

/// Makes nonsense of a part of a file.
fn spoil(path: &Path, from: usize, to: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes.resize(bytes.len().max(to), 0);
    bytes[from..to].fill(b'x');
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_database_is_set_aside_and_a_new_one_goes_on() {
    for (name, from, to, at_once) in
        [("no database at all", 0, 4096, true), ("damaged pages", 12288, 20480, false)]
    {
        let (dir, records) = records();
        let build = records.begin(Path::new("/p"), "0").unwrap();
        std::fs::write(records.log(build), "text").unwrap();
        drop(records);
        let path = dir.path().join("records/builds.sqlite");
        spoil(&path, from, to);
        assert_eq!(Records::open(dir.path()).is_err_and(|error| error.is_corrupt()), at_once, "{name}");

        let (renewed, aside) = Records::open_or_renew(dir.path(), true).unwrap();
        let aside = aside.unwrap();
        assert_eq!(std::fs::read(&aside).unwrap()[from], b'x', "{name}: it is kept for whoever can read it");
        assert_eq!(renewed.builds(None, 9).unwrap(), [], "{name}");
        let next = renewed.begin(Path::new("/p"), "0").unwrap();
        assert_ne!(next, build, "{name}: its log would be written over");
        drop(renewed);
        assert_eq!(Records::open_or_renew(dir.path(), true).unwrap().1, None, "{name}: it is whole now");
    }
}

#[test]
fn of_many_that_find_a_damaged_database_one_begins_the_new() {
    let (dir, records) = records();
    drop(records);
    spoil(&dir.path().join("records/builds.sqlite"), 0, 4096);
    let set_aside: usize = std::thread::scope(|scope| {
        let open = || {
            let (records, aside) = Records::open_or_renew(dir.path(), false).unwrap();
            records.begin(Path::new("/p"), "0").unwrap();
            usize::from(aside.is_some())
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(set_aside, 1);
    assert_eq!(Records::open(dir.path()).unwrap().builds(None, 9).unwrap().len(), 8);
}
