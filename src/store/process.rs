//! A process by a name that is never used again.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

pub use rustix::process::Signal;

/// How often members of a group are looked for that is to be killed.
const LOOKS: u32 = 1000;

/// A process of this host: its number with the time it started, since numbers are used again, and the
/// host's boot, since times are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessName {
    /// Its number in this process's own PID namespace.
    pub pid: u32,
    /// In clock ticks since the host's boot (proc(5), field 22 of `stat`).
    pub started: u64,
    /// The kernel's id of the boot; empty where it tells none.
    pub boot: String,
}

impl ProcessName {
    /// The calling process.
    #[must_use]
    pub fn own() -> Self {
        let pid = std::process::id();
        Self { pid, started: start_time(pid).unwrap_or(0), boot: boot_id() }
    }

    /// The process that has this number now.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: start_time(pid)?, boot: boot_id() })
    }

    /// Whether it still runs. A process that ended and was not waited for yet counts as gone.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let stat = stat(self.pid);
        let zombie = fields(&stat).and_then(|mut fields| fields.next()) == Some("Z");
        !zombie && start_of(&stat) == Some(self.started) && self.boot == boot_id()
    }

    /// Sends a signal, if the process still runs and is of this user.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(self.open()?, signal)?)
    }

    /// The process itself rather than its number, which may be another's a moment later.
    fn open(&self) -> io::Result<OwnedFd> {
        let gone = || io::Error::from(Errno::SRCH);
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
        let opened = pidfd_open(pid, PidfdFlags::empty())?;
        // Looked at once it is held: while it is, nobody else has this number.
        if self.is_alive() && user_of(self.pid) == Some(nix::unistd::geteuid().as_raw()) {
            Ok(opened)
        } else {
            Err(gone())
        }
    }

    /// Kills the process if it still runs and is of this user, with the process group that it leads if that is
    /// asked for; says whether it did.
    pub(super) fn kill(&self, group: bool) -> bool {
        let Ok(leader) = self.open() else { return false };
        if group {
            // The leader is held and alive, so the group is its own. What its members start meanwhile is found
            // at the next look; one that the kernel does not let go is not waited for without an end.
            for _ in 0..LOOKS {
                if !self.kill_members() {
                    break;
                }
                std::thread::yield_now();
            }
        }
        pidfd_send_signal(leader, Signal::KILL).is_ok()
    }

    /// Kills the members of the group that this process leads, but not itself; says whether there were any.
    fn kill_members(&self) -> bool {
        let mut any = false;
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
            let Some(pid) = number.and_then(Pid::from_raw) else { continue };
            let is_member = || {
                let stat = stat(pid.as_raw_nonzero().get().unsigned_abs());
                let mut fields = fields(&stat)?;
                let state = fields.next()?;
                let group: u32 = fields.nth(1)?.parse().ok()?;
                Some(group == self.pid && state != "Z")
            };
            if pid.as_raw_nonzero().get().unsigned_abs() == self.pid || is_member() != Some(true) {
                continue;
            }
            let Ok(member) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            any |= is_member() == Some(true) && pidfd_send_signal(member, Signal::KILL).is_ok();
        }
        any
    }
}

fn stat(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default()
}

/// Whose a process is. Not by the owner of its folder in /proc, which is root for one that may not be dumped.
fn user_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// When a running process started, in clock ticks since the host's boot (proc(5), field 22).
fn start_time(pid: u32) -> Option<u64> {
    start_of(&stat(pid))
}

fn start_of(stat: &str) -> Option<u64> {
    fields(stat)?.nth(19)?.parse().ok()
}

/// The fields of `stat` from the third on: the second is the program's name in parentheses and may hold
/// anything.
fn fields(stat: &str) -> Option<std::str::SplitWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

/// The kernel's id of the host's boot; empty where it tells none.
pub(super) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends_and_its_number_alone_is_no_name() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let name = ProcessName::of(child.id()).unwrap();
        assert!(name.is_alive());
        assert!(!ProcessName { started: name.started + 1, ..name.clone() }.is_alive());
        assert!(!ProcessName { boot: "another".into(), ..name.clone() }.is_alive());
        let namesake = ProcessName { started: name.started + 1, ..name.clone() };
        assert!(namesake.signal(Signal::KILL).is_err() && !namesake.kill(true) && name.is_alive());
        name.signal(Signal::KILL).unwrap();
        child.wait().unwrap();
        assert!(!name.is_alive());
        let error = name.signal(Signal::TERM).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::ESRCH));
    }

    #[test]
    fn a_group_goes_with_its_leader_and_nobody_else_does() {
        use std::io::{BufRead, BufReader};
        use std::os::unix::process::CommandExt;
        let mut other = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let mut leader = std::process::Command::new("sh")
            .args(["-c", "sleep 1000 & echo $!; wait"])
            .stdout(std::process::Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(leader.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let member = ProcessName::of(line.trim().parse().unwrap()).unwrap();
        assert!(ProcessName::of(leader.id()).unwrap().kill(true));
        leader.wait().unwrap();
        // Killed before its leader was; that it is gone from the table is its new parent's business.
        assert!(!member.is_alive());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
