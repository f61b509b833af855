//! A process by a name that is never used again.

use nix::{sys::signal, unistd::Pid};

/// A process of this host: its number with the time it started, since numbers are used again, and the
/// host's boot, since times are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessName {
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
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let zombie = fields(&stat).and_then(|mut fields| fields.next()) == Some("Z");
        !zombie && start_of(&stat) == Some(self.started) && self.boot == boot_id()
    }

    /// Sends a signal, if the process still runs.
    pub fn signal(&self, signal: signal::Signal) -> nix::Result<()> {
        match i32::try_from(self.pid) {
            Ok(pid) if self.is_alive() => signal::kill(Pid::from_raw(pid), signal),
            _ => Err(nix::errno::Errno::ESRCH),
        }
    }
}

/// When a running process started, in clock ticks since the host's boot (proc(5), field 22).
pub(super) fn start_time(pid: u32) -> Option<u64> {
    start_of(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
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
        name.signal(signal::Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        assert!(!name.is_alive());
        assert_eq!(name.signal(signal::Signal::SIGTERM), Err(nix::errno::Errno::ESRCH));
    }
}
