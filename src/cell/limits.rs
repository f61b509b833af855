//! Bounds on the memory and the number of processes of a cell, where this user may set them: the service manager
//! (systemd) makes a scope, which is a control group, for the first process of the cell while that still waits.
//!
//! Control groups are systemd's on hosts that it runs: an ordinary user can neither make one nor move a process
//! into one without it. Hosts without it, or with control groups of version 1, set no bounds.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::unistd::{Pid, User, geteuid};

use super::wall::Missing;
use super::{Access, Cell, ids};
use crate::model::install_command;

/// Processes and threads of a cell. An emulator has one thread for each CPU, of which there are at most 256, and up
/// to 64 that read and write its disks.
const TASKS: u64 = 512;

/// How long the manager may take for a control group. It takes some hundredths of a second where nothing is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

const GROUPS: &str = "/sys/fs/cgroup";

/// What a cell is bounded by.
#[derive(Debug)]
pub(super) struct Limits {
    manager: &'static Manager,
    /// Bytes.
    memory: Option<u64>,
}

impl Limits {
    /// The bounds of a cell that names some, on a host that can set them.
    pub(super) fn of(cell: &Cell) -> Option<Self> {
        let memory = cell.memory?;
        let manager = manager().as_ref().ok().filter(|_| !HAS_FAILED.load(Ordering::Relaxed))?;
        // The files that it writes there would count as memory that it takes.
        let writes_tmpfs =
            cell.shown.iter().any(|shown| shown.access == Access::Write && is_tmpfs(&shown.path));
        Some(Self { manager, memory: Some(memory).filter(|_| !writes_tmpfs) })
    }

    /// Sets them for a process that waits. Whether that succeeds decides nothing: the process goes on in any case.
    pub(super) fn set(&self, pid: Pid) {
        if !self.manager.move_to_scope(pid, self.memory) {
            // What did not work once is not waited for again.
            HAS_FAILED.store(true, Ordering::Relaxed);
        }
    }
}

static HAS_FAILED: AtomicBool = AtomicBool::new(false);

fn is_tmpfs(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
}

/// Why this host sets no bounds, if so.
pub(super) fn missing() -> Option<Missing> {
    manager().as_ref().err().cloned()
}

/// The service manager that makes control groups for this user.
#[derive(Debug)]
struct Manager {
    busctl: PathBuf,
    bus: String,
}

/// Looked for once in a process.
fn manager() -> &'static Result<Manager, Missing> {
    static MANAGER: OnceLock<Result<Manager, Missing>> = OnceLock::new();
    MANAGER.get_or_init(Manager::find)
}

impl Manager {
    fn find() -> Result<Self, Missing> {
        let missing = |reason: &str, help: Option<String>| Err(Missing::new(reason, help));
        if !Path::new(GROUPS).join("cgroup.controllers").exists() {
            return missing("this host has no control groups of version 2", None);
        }
        // A container may be shown the bus of its host, where processes have other numbers.
        if !fs::read_to_string("/proc/1/comm").is_ok_and(|name| name.trim_end() == "systemd") {
            return missing("systemd does not run this host", None);
        }
        let (group, bus) = if ids::is_host_root() {
            (String::new(), "/run/dbus/system_bus_socket".to_owned())
        } else {
            let user = geteuid();
            let slice = format!("user.slice/user-{user}.slice");
            if !outlives_this(&slice) {
                let name = User::from_uid(user).ok().flatten().map_or_else(|| user.to_string(), |u| u.name);
                let help = format!("sudo loginctl enable-linger {name}");
                return missing("this user has no service manager that stays as long as a build", Some(help));
            }
            (format!("{slice}/user@{user}.service"), format!("/run/user/{user}/bus"))
        };
        let controllers =
            fs::read_to_string(Path::new(GROUPS).join(group).join("cgroup.controllers")).unwrap_or_default();
        for needed in ["memory", "pids"] {
            if !controllers.split_ascii_whitespace().any(|controller| controller == needed) {
                return missing(&format!("the controller `{needed}` is not delegated to this user"), None);
            }
        }
        if !Path::new(&bus).exists() {
            let package = if ids::is_host_root() { "dbus" } else { "dbus-user-session" };
            let help = install_command(package);
            return missing("the service manager has no D-Bus socket", Some(help));
        }
        let busctl = super::find(Path::new("busctl"));
        if !busctl.is_absolute() {
            return missing("`busctl` of systemd is not installed", None);
        }
        Ok(Self { busctl, bus })
    }

    /// Whether a process is in a scope of its own now, with so many bytes of memory and as many of swap space.
    fn move_to_scope(&self, pid: Pid, memory: Option<u64>) -> bool {
        let until = Instant::now() + PATIENCE;
        let name = format!("imgfile-{pid}.scope");
        self.asked_for(&name, pid, memory, until) && is_moved(pid, &name, until)
    }

    /// Whether the manager accepts a new scope. It makes it after it has answered.
    fn asked_for(&self, name: &str, pid: Pid, memory: Option<u64>, until: Instant) -> bool {
        let mut properties = vec![
            format!("PIDs au 1 {pid}"),
            format!("TasksMax t {TASKS}"),
            // The manager forgets scopes that failed, too.
            "CollectMode s inactive-or-failed".to_owned(),
        ];
        if let Some(bytes) = memory {
            properties.extend([format!("MemoryMax t {bytes}"), format!("MemorySwapMax t {bytes}")]);
        }
        let mut command = Command::new(&self.busctl);
        command
            .args(["--quiet".to_owned(), format!("--address=unix:path={}", self.bus)])
            .args(["call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"])
            .args(["org.freedesktop.systemd1.Manager", "StartTransientUnit", "ssa(sv)a(sa(sv))"])
            .args([name, "fail", &properties.len().to_string()])
            .args(properties.iter().flat_map(|property| property.split(' ')))
            .arg("0")
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let Ok(mut busctl) = command.spawn() else { return false };
        // It prints nothing: its end of the pipe closes when it ends.
        if !busctl.stdout.as_ref().is_some_and(|stdout| is_closed(stdout, until)) {
            let _ = busctl.kill();
        }
        busctl.wait().is_ok_and(|status| status.success())
    }
}

/// Waits until the other end of a pipe, into which nothing is written, closes; not for long.
fn is_closed(pipe: &ChildStdout, until: Instant) -> bool {
    loop {
        let left = PollTimeout::try_from(until.saturating_duration_since(Instant::now()));
        let mut end = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        match poll(&mut end, left.unwrap_or(PollTimeout::ZERO)) {
            // Other processes of ours end meanwhile.
            Err(Errno::EINTR) => {}
            result => return result.is_ok_and(|ready| ready > 0),
        }
    }
}

/// Whether the manager of this user is there until this process ends: it is as long as its user is logged in, and
/// always where an administrator said so. A manager that ends takes what it has in its scopes along.
fn outlives_this(slice: &str) -> bool {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let is_of_login = own.lines().any(|line| line.starts_with(&format!("0::/{slice}/")));
    let lingers = || {
        let user = User::from_uid(geteuid()).ok().flatten();
        user.is_some_and(|user| Path::new("/var/lib/systemd/linger").join(user.name).exists())
    };
    Path::new(GROUPS).join(slice).exists() && (is_of_login || lingers())
}

/// Waits until a process is in its scope; not for long.
fn is_moved(pid: Pid, scope: &str, until: Instant) -> bool {
    let mut pause = Duration::from_millis(1);
    loop {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        if groups.lines().any(|line| line.rsplit('/').next() == Some(scope)) {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
