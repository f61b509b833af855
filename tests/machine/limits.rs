//! The bounds of a cell on memory and processes, in a real machine whose systemd delegates control groups: for a user
//! that is logged in, for services of a user, and for root.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgfile::cell::{Cell, Process, walls};

use crate::common::built::Project;

/// Set where this program runs itself once more, in a guest.
const INSIDE: &str = "IMGFILE_TEST_LIMITS";

/// Bytes that cells in the guest may take, and that one of them tries to take.
const BOUND: u64 = 64 << 20;
const GREED: u64 = 256 << 20;

#[test]
fn a_cell_is_bounded_where_control_groups_are_delegated() {
    let project = Project::new(&format!(
        r#"image "delegating" {{
  os linux debian 13
  user debian
  machine {{ memory = 1GiB }}
  packages ["dbus", "dbus-user-session", "libpam-systemd"]
  copy "program" to "/usr/local/bin/program" {{ mode = 0755 }}
  script <<-SH {{ user = root, name = "limits" }}
    #!/bin/sh -eux
    inside="env {INSIDE}=1 program --exact limits::in_a_guest --ignored --nocapture"
    # The user's number, without a login.
    service="setpriv --reuid debian --regid debian --init-groups"
    if $service $inside; then exit 1; fi
    runuser -l debian -c "$inside"
    loginctl enable-linger debian
    systemctl start user@$(id -u debian).service
    $service $inside
    $inside
    echo "bounded for all"
  SH
}}
"#
    ));
    // With what debuggers read it would be several times as large.
    let stripped = Command::new("strip")
        .arg("-o")
        .arg(project.path("program"))
        .arg(std::env::current_exe().unwrap())
        .status();
    assert!(stripped.unwrap().success());
    let log = project.build(&["--no-test"]);
    assert!(log.contains("bounded for all"), "{log}");
    // Without a login, the service of a user had none.
    assert!(log.contains("no service manager that stays as long as a build"), "{log}");
}

/// The control group of a process.
fn group_of(process: &Process) -> PathBuf {
    let group = fs::read_to_string(format!("/proc/{}/cgroup", process.id())).unwrap();
    Path::new("/sys/fs/cgroup").join(group.trim_end().strip_prefix("0::/").unwrap())
}

/// Waits until the service manager has taken a control group away, which it does when the last process ends.
fn await_removal(group: &Path) {
    while group.exists() {
        std::thread::yield_now();
    }
}

/// A program that takes memory, and ends well if it gets it.
fn greedy() -> Cell {
    let mut cell = Cell::new("dd");
    cell.args(["if=/dev/zero", "of=/dev/null", "count=1"]).arg(format!("bs={GREED}"));
    cell
}

#[tokio::test]
#[ignore = "`a_cell_is_bounded_where_control_groups_are_delegated` runs it in a guest"]
async fn in_a_guest() {
    assert!(std::env::var_os(INSIDE).is_some());
    assert_eq!(walls().limits.missing, None);

    let mut cell = Cell::new("sleep");
    cell.arg("infinity").memory(BOUND);
    let mut process = cell.start().unwrap();
    let group = group_of(&process);
    assert_eq!(group.file_name().unwrap().to_str().unwrap(), format!("imgfile-{}.scope", process.id()));
    let bound = |name: &str| fs::read_to_string(group.join(name)).unwrap().trim_end().to_owned();
    assert_eq!(bound("memory.max"), BOUND.to_string());
    assert_eq!(bound("pids.max"), "512");
    // This process is not in it.
    assert_eq!(bound("cgroup.procs"), process.id().to_string());
    process.kill();
    await_removal(&group);

    // There is memory enough, but not for this cell.
    assert!(greedy().start().unwrap().wait().await.unwrap().success());
    let mut cell = greedy();
    cell.memory(BOUND);
    let mut process = cell.start().unwrap();
    let group = format!("imgfile-{}.scope", process.id());
    assert_eq!(process.wait().await.unwrap().signal(), Some(9));
    let scopes = || walkdir::WalkDir::new("/sys/fs/cgroup").into_iter().flatten();
    // It may be gone before it can be looked at.
    while scopes().any(|folder| folder.file_name().to_str() == Some(&group)) {
        std::thread::yield_now();
    }

    // A store that lies in memory is not counted as what the program takes.
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut cell = Cell::new("sleep");
    cell.arg("infinity").write(folder.path()).memory(BOUND);
    let process = cell.start().unwrap();
    let bound = |name: &str| fs::read_to_string(group_of(&process).join(name)).unwrap();
    assert_eq!([bound("memory.max"), bound("pids.max")], ["max\n", "512\n"]);
}
