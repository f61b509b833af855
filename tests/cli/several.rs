//! Several images at once, and several processes on one project: nothing is done twice.

use std::process::{Command, Stdio};

use crate::common::built::{self, Project};

const TWO: &str = r#"profile common {
  script <<-SH { name = "common", offline = true, user = root }
    #!/bin/sh -e
    head -c 1000000 /dev/urandom > /var/tmp/common
  SH
}
image "one" {
  os linux debian 13
  use common
  script <<-SH { name = "own", offline = true, user = root }
    #!/bin/sh -e
    echo one > /var/tmp/own
  SH
}
image "two" {
  os linux debian 13
  script <<-SH { name = "own", offline = true, user = root }
    #!/bin/sh -e
    echo two > /var/tmp/own
  SH
}
"#;

/// How often a line of a log ends so.
fn count(logs: &[String], end: &str) -> usize {
    logs.iter().flat_map(|log| log.lines()).filter(|line| line.ends_with(end)).count()
}

#[test]
fn two_images_are_built_at_once_and_two_processes_share_the_work() {
    let mut project = Project::new(TWO);
    // An earlier run of the tests may have left its layers in their store.
    project.store = built::own_store(&project.path("store"));
    let start = || {
        project
            .command(&["build", "--progress", "plain", "--no-test"])
            .env("IMGFILE_CPUS", "8")
            .env("IMGFILE_MEMORY", "8GiB")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    // The base and the lock are there before two processes want them.
    assert!(project.imgfile(&["lock"]).status.success());
    let both = [start(), start()].map(|child| child.wait_with_output().unwrap());
    let logs = both.map(|output| {
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{log}");
        log
    });
    for step in ["one: > script common", "one: > script own", "two: > script own"] {
        assert_eq!(count(&logs, step), 1, "{step}\n{}\n{}", logs[0], logs[1]);
    }
    for image in ["one", "two"] {
        assert!(project.path(&format!("out/{image}.qcow2")).is_file());
    }
    // A budget for one machine lets them wait for one another.
    std::fs::write(project.path("ImageFile"), TWO.replace("echo ", "echo again ")).unwrap();
    let output = project
        .command(&["build", "--progress", "plain", "--no-test"])
        .env("IMGFILE_CPUS", "1")
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    let mut running: i32 = 0;
    for line in log.lines() {
        running += i32::from(line.ends_with("> start the machine"));
        running -= i32::from(line.ends_with("done power off") || line.contains("done power off ("));
        assert!(running <= 1, "two machines at once:\n{log}");
    }
    assert!(log.contains("> start the machine"), "{log}");
}

const FAMILY: &str = r#"image "common" {
  os linux debian 13
  script <<-SH { name = "below", offline = true, user = root }
    #!/bin/sh -e
    head -c 1000000 /dev/urandom > /srv/below
  SH
  test "it is there" <<-SH { offline = true, user = root }
    #!/bin/sh -e
    test -s /srv/below
  SH
}
image "it's one" {
  base image "common"
  output qcow2 { name = "one" }
  script <<-SH { name = "own", offline = true, user = root }
    #!/bin/sh -e
    cp /srv/below /srv/own
  SH
}
"#;

/// What `cp -a` makes of a path, as a cache or the artifacts of a job bring it elsewhere.
fn brought(from: &std::path::Path, to: &std::path::Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn a_job_with_the_store_and_the_files_of_the_one_below_does_its_own_work_alone() {
    let mut below = Project::new(FAMILY);
    below.store = built::own_store(&below.path("store"));
    assert!(below.imgfile(&["lock"]).status.success());
    let output = below.imgfile(&["plan", "--format", "gitlab-child-pipeline", "--locked"]);
    let jobs: serde_yaml::Value = serde_yaml::from_slice(&output.stdout).unwrap();
    // As GitLab's runner runs a job: in a checkout of its own, what it needs brought there, its script in a shell.
    let run = |project: &Project, name: &str| {
        let script = jobs[name]["script"][0].as_str().unwrap().to_owned() + " --progress plain";
        let ours = std::path::Path::new(env!("CARGO_BIN_EXE_imgfile")).parent().unwrap();
        let path = format!("{}:{}", ours.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-ec", &script]).current_dir(project.path("")).env("PATH", path);
        let output = shell.env("IMGFILE_STORE", &project.store).env("IMGFILE_ACCEL", "tcg").output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}\n{log}");
        log
    };
    let log = run(&below, "image common");
    assert_eq!(count(&[log], "> script below"), 1);

    let mut above = Project::new(FAMILY);
    above.store = above.path("store");
    for (from, to) in [("store", "store"), ("out", "out"), ("ImageFile.lock", "ImageFile.lock")] {
        brought(&below.path(from), &above.path(to));
    }
    let before = std::fs::read(above.path("out/common.qcow2")).unwrap();
    let log = run(&above, "image it's one");
    assert_eq!(count(std::slice::from_ref(&log), "> script own"), 1, "{log}");
    for done in ["> script below", "> test it is there", "> seal"] {
        let ours = log.lines().filter(|line| line.contains("common: ") && line.ends_with(done)).count();
        assert_eq!(ours, 0, "{done} of the image below\n{log}");
    }
    assert!(std::fs::read(above.path("out/common.qcow2")).unwrap() == before);
    assert!(above.path("out/one.qcow2").is_file());
}
