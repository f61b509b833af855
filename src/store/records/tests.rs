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
    NewArtifact {
        build,
        image: "web",
        path,
        sha256,
        size: 7,
        plan_key: "k",
        lock: None,
        lock_path: None,
        labels,
        description: None,
        base: None,
        base_key: None,
        parent: None,
        appliance: None,
        captured: None,
    }
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
    assert_eq!(records.keeps("/out/web.qcow2").unwrap(), Some(Keeps::Protected));
    assert!(!records.remove_artifact(there[0].id).unwrap());
    records.protect(there[0].id, false).unwrap();
    records.moved(there[0].id, "/out/shop.qcow2").unwrap();
    assert_eq!(records.keeps("/out/web.qcow2").unwrap(), None);
    assert!(records.remove_artifact(there[0].id).unwrap());
    assert_eq!(records.artifacts().unwrap(), []);
}

/// A store whose database has the format of the version before artifacts had bases, with an artifact in it.
fn former() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    own::folder(&dir.path().join("records/logs")).unwrap();
    let database = Connection::open(dir.path().join("records").join(DATABASE)).unwrap();
    for statements in [include_str!("schema.sql"), include_str!("kinds.sql")] {
        database.execute_batch(statements).unwrap();
    }
    database.pragma_update(None, "user_version", 2).unwrap();
    database
        .execute_batch(&format!(
            "INSERT INTO build (project, version, state, began, pid, pid_started, host_boot)
               VALUES ('/p', '0', 'done', 1, 1, 1, '');
             INSERT INTO artifact (build, image, path, sha256, size, plan_key, labels, made, protected, project)
               VALUES (1, 'web', '/out/web.qcow2', '{}', 7, 'k', '{{\"team\":\"shop\"}}', 5, 1, '/p');",
            Digest::of("web")
        ))
        .unwrap();
    dir
}

#[test]
fn a_database_of_the_former_format_is_taken_over_as_it_is() {
    let dir = former();
    let records = Records::open(dir.path()).unwrap();
    let artifacts = records.artifacts().unwrap();
    let web = &artifacts[0];
    assert_eq!((web.name(), web.project.as_str(), web.protected, web.made_ms), ("web", "/p", true, 5));
    assert_eq!((web.labels["team"].as_str(), web.sha256), ("shop", Digest::of("web")));
    assert_eq!((&web.base, &web.parent, &web.tags, &web.revoked), (&None, &None, &vec![], &None));
    records.tag(web.id, "prod").unwrap();
    records.describe(web.id, Some("of before")).unwrap();
    let again = Records::open(dir.path()).unwrap().artifacts().unwrap();
    assert_eq!(
        (again[0].tags.as_slice(), again[0].description.as_deref()),
        (&["prod".to_owned()][..], Some("of before"))
    );
}

#[test]
fn a_database_of_the_former_format_is_taken_over_once_by_many() {
    let dir = former();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(Records::open(dir.path()).unwrap().artifacts().unwrap().len(), 1));
        }
    });
}

#[test]
fn a_tag_is_at_one_artifact_of_its_project_whoever_moves_it() {
    let (dir, records) = records();
    let labels = BTreeMap::new();
    let [build, other] = ["/p", "/q"].map(|project| records.begin(Path::new(project), "0").unwrap());
    for (build, path) in [(build, "/out/1"), (build, "/out/2"), (other, "/q/out/1")] {
        records.add_artifact(&new_artifact(build, path, &labels)).unwrap();
    }
    let tagged = |records: &Records| -> Vec<String> {
        let all = records.artifacts().unwrap();
        all.into_iter().filter(|artifact| artifact.tags == ["prod"]).map(|artifact| artifact.path).collect()
    };
    let id = |path: &str| {
        let all = records.artifacts().unwrap();
        all.iter().find(|artifact| artifact.path == path).unwrap().id
    };
    assert!(records.tag(id("/out/1"), "prod").unwrap() && records.tag(id("/q/out/1"), "prod").unwrap());
    assert!(records.tag(id("/out/2"), "prod").unwrap());
    assert_eq!(tagged(&records), ["/q/out/1", "/out/2"]);
    let (one, two, folder) = (id("/out/1"), id("/out/2"), dir.path());
    std::thread::scope(|scope| {
        let handles: Vec<_> = [one, two]
            .map(|artifact| {
                scope.spawn(move || {
                    let records = Records::open(folder).unwrap();
                    (0..50).for_each(|_| assert!(records.tag(artifact, "prod").unwrap()));
                })
            })
            .into();
        while handles.iter().any(|handle| !handle.is_finished()) {
            assert_eq!(tagged(&records).len(), 2, "never at two, nor at none");
        }
    });

    // What is tagged stays; what is built over it is another one.
    let id_of_prod = records
        .artifacts()
        .unwrap()
        .iter()
        .find(|one| one.tags == ["prod"] && one.project == "/p")
        .unwrap()
        .id;
    assert!(!records.remove_artifact(id_of_prod).unwrap());
    assert_eq!(
        records.keeps(tagged(&records)[1].as_str()).unwrap(),
        Some(Keeps::Tagged(vec!["prod".into()]))
    );
    assert!(records.untag(id_of_prod, "prod").unwrap() && !records.untag(id_of_prod, "prod").unwrap());
    assert!(records.remove_artifact(id_of_prod).unwrap());
    assert!(!records.tag(id_of_prod, "prod").unwrap(), "it is gone");
    records.tag(id("/q/out/1"), "prod").unwrap();
    records.add_artifact(&new_artifact(other, "/q/out/1", &labels)).unwrap();
    assert_eq!(tagged(&records), [""; 0]);
}

#[test]
fn what_is_revoked_is_so_with_all_that_was_made_from_it() {
    let (_dir, records) = records();
    let labels = BTreeMap::new();
    let build = records.begin(Path::new("/p"), "0").unwrap();
    for (image, path, plan_key, base_key, parent) in [
        ("common", "/out/common", "k1", "base", None),
        ("web", "/out/web", "k2", "k1", Some("common")),
        ("shop", "/out/shop", "k3", "k2", Some("web")),
        ("other", "/out/other", "k4", "base", None),
    ] {
        let new = NewArtifact {
            image,
            plan_key,
            base_key: Some(base_key),
            parent,
            ..new_artifact(build, path, &labels)
        };
        records.add_artifact(&new).unwrap();
    }
    let revoked = || -> Vec<(String, String)> {
        let all = records.artifacts().unwrap().into_iter().rev();
        all.filter_map(|artifact| Some((artifact.image, artifact.revoked?.image))).collect()
    };
    let web = records.artifacts().unwrap().into_iter().find(|artifact| artifact.image == "web").unwrap();
    records.revoke(&web, Some("a key in it")).unwrap();
    let pair = |image: &str, by: &str| (image.to_owned(), by.to_owned());
    assert_eq!(revoked(), [pair("web", "web"), pair("shop", "web")]);
    let common =
        records.artifacts().unwrap().into_iter().find(|artifact| artifact.image == "common").unwrap();
    records.revoke(&common, None).unwrap();
    assert_eq!(revoked(), [pair("common", "common"), pair("web", "web"), pair("shop", "web")]);
    let why = &records.revocations().unwrap()["k2"];
    assert_eq!(why.why.as_deref(), Some("a key in it"));
    assert!(records.reinstate(&web).unwrap());
    assert_eq!(revoked(), [pair("common", "common"), pair("web", "common"), pair("shop", "common")]);
    assert!(!records.reinstate(&web).unwrap(), "that is because of another");
    assert!(records.reinstate(&common).unwrap() && revoked().is_empty());
}

#[test]
fn a_copy_is_an_artifact_of_the_same_origin() {
    let (_dir, records) = records();
    let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    let build = records.begin(Path::new("/p"), "0").unwrap();
    let new = NewArtifact { parent: Some("common"), ..new_artifact(build, "/out/web", &labels) };
    records.add_artifact(&new).unwrap();
    let web = records.artifacts().unwrap().remove(0);
    records.protect(web.id, true).unwrap();
    records.tag(web.id, "prod").unwrap();
    assert!(records.copied(web.id, "/out/copy").unwrap());
    assert!(!records.copied(web.id, "/out/copy").unwrap(), "there is one at this path");
    let copy = records.artifacts().unwrap().remove(0);
    assert_eq!(
        (copy.path.as_str(), copy.parent.as_deref(), copy.made_ms),
        ("/out/copy", Some("common"), web.made_ms)
    );
    assert_eq!((&copy.labels, copy.protected, copy.tags.len()), (&labels, false, 0));
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
