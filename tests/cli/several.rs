//! Several images at once, and several processes on one project: nothing is done twice.

use std::process::Stdio;

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
