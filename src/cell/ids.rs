//! Who a program in a cell is outside, and whose the files are that it sees.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use nix::unistd::{Pid, getegid, geteuid};

use super::{Ids, child};

/// Numbers that no account of a host has: systemd's list of ranges leaves those from here on unused, and from
/// 2^31 on they are negative for some programs.
pub(super) const FIRST: u32 = 1_879_048_192;
const COUNT: u32 = 65_536;

/// Whether this process is root of the host, not of a user namespace.
pub(super) fn is_host_root() -> bool {
    geteuid().is_root()
        && fs::read_to_string("/proc/self/uid_map")
            .is_ok_and(|map| map.split_ascii_whitespace().collect::<Vec<_>>() == ["0", "0", "4294967295"])
}

/// How the ids of a cell are mapped, and what is needed for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mapping {
    /// Root inside is this user; nobody else is there.
    Own,
    /// Root inside is this user, the others are its subordinate ids.
    Subordinate,
    /// All ids inside are numbers of nobody. Only root of the host can write this.
    Nobodies {
        /// A group of the host for which a device is kept (`/dev/kvm`).
        group: Option<u32>,
    },
}

impl Mapping {
    pub(super) fn of(ids: Ids, root: bool, group: Option<u32>) -> Self {
        match ids {
            _ if root => Self::Nobodies { group },
            Ids::One => Self::Own,
            Ids::System => Self::Subordinate,
        }
    }

    /// Writes the maps of a process that has just got its user namespace.
    pub(super) fn write(&self, pid: Pid) -> io::Result<()> {
        let file = |name: &str, content: String| fs::write(format!("/proc/{pid}/{name}"), content);
        match self {
            Self::Own => {
                file("uid_map", format!("0 {} 1", geteuid()))?;
                file("setgroups", "deny".into())?;
                file("gid_map", format!("0 {} 1", getegid()))
            }
            Self::Subordinate => {
                mapped_by("newuidmap", pid, geteuid().as_raw(), subordinate("/etc/subuid")?)?;
                mapped_by("newgidmap", pid, getegid().as_raw(), subordinate("/etc/subgid")?)
            }
            Self::Nobodies { group } => {
                file("uid_map", format!("0 {FIRST} {COUNT}"))?;
                let more = group.map_or(String::new(), |group| format!("\n{COUNT} {group} 1"));
                file("gid_map", format!("0 {FIRST} {COUNT}{more}"))
            }
        }
    }

    /// The supplementary groups of a process inside; none if it keeps those that it has.
    pub(super) fn groups(&self) -> Option<Vec<u32>> {
        match self {
            Self::Own => None,
            Self::Subordinate => Some(Vec::new()),
            Self::Nobodies { group } => Some(group.iter().map(|_| COUNT).collect()),
        }
    }
}

/// The first id of a range of this user that is large enough: subuid(5).
fn subordinate(file: &str) -> io::Result<u32> {
    let user = nix::unistd::User::from_uid(geteuid())?.map(|user| user.name).unwrap_or_default();
    let number = geteuid().to_string();
    let text = fs::read_to_string(file)?;
    let first = text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [owner, first, count] = fields[..] else { return None };
        let enough = count.parse::<u32>().ok()? >= COUNT - 1;
        if enough && (owner == user || owner == number) { first.parse().ok() } else { None }
    });
    first.ok_or_else(|| io::Error::other(format!("{file} gives {user} no {COUNT} subordinate ids")))
}

fn mapped_by(program: &str, pid: Pid, own: u32, first: u32) -> io::Result<()> {
    let map = [0, own, 1, 1, first, COUNT - 1].map(|number| number.to_string());
    let output =
        Command::new(super::find(Path::new(program))).arg(pid.to_string()).args(map).env_clear().output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// The group of a device that its owner and one group may open.
pub(super) fn group_of(device: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::metadata(device).ok()?;
    (found.mode() & 0o006 == 0 && found.mode() & 0o060 == 0o060 && found.gid() != 0).then_some(found.gid())
}

/// A user namespace in which the files of one owner are those of the first id of [`Mapping::Nobodies`], or all
/// of them in order; made once.
pub(super) fn namespace_for(owner: Option<(u32, u32)>) -> io::Result<OwnedFd> {
    static MADE: Mutex<Option<HashMap<Option<(u32, u32)>, OwnedFd>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.get_or_insert_default();
    if let Some(fd) = made.get(&owner) {
        return fd.as_fd().try_clone_to_owned();
    }
    let waiting = child::Waiting::in_user_namespace()?;
    let pid = waiting.pid();
    let (uid, gid, count) = owner.map_or((0, 0, COUNT), |(uid, gid)| (uid, gid, 1));
    fs::write(format!("/proc/{pid}/uid_map"), format!("{uid} {FIRST} {count}"))?;
    fs::write(format!("/proc/{pid}/gid_map"), format!("{gid} {FIRST} {count}"))?;
    let fd: OwnedFd = File::open(format!("/proc/{pid}/ns/user"))?.into();
    let copy = fd.try_clone()?;
    made.insert(owner, fd);
    Ok(copy)
}
