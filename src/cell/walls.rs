//! Which walls stand on this host.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::wall::{Missing, Wall, Walls};
use super::{child, ids, limits, network};

static WEAKER: AtomicBool = AtomicBool::new(false);

/// Lets programs run in this process where a wall is missing that they need.
pub fn allow_weaker() {
    WEAKER.store(true, Ordering::Relaxed);
}

/// Whether [`allow_weaker`] was called.
#[must_use]
pub fn is_weaker_allowed() -> bool {
    WEAKER.load(Ordering::Relaxed)
}

/// Looks which walls stand; once for a process.
pub fn walls() -> &'static Walls {
    static WALLS: OnceLock<Walls> = OnceLock::new();
    WALLS.get_or_init(look)
}

fn look() -> Walls {
    let namespaces = namespaces();
    let files = match (&namespaces, has_landlock()) {
        (Ok(()), _) | (Err(_), true) => None,
        (Err(missing), false) => Some(missing.clone()),
    };
    Walls {
        files: Wall {
            name: "files",
            what: "a machine sees only its own files",
            lacking: "a machine that breaks out of QEMU sees the files of this user",
            missing: files,
            is_optional: false,
        },
        network: Wall {
            name: "network",
            what: "a guest reaches nothing of this host",
            lacking: "a guest with a network reaches this host and its private networks",
            missing: namespaces.clone().and_then(|()| uplink()).err(),
            is_optional: false,
        },
        user: Wall {
            name: "user",
            what: "a machine has none of its user's rights",
            lacking: "a machine that breaks out of QEMU has rights of this user",
            missing: namespaces.err(),
            is_optional: false,
        },
        limits: Wall {
            name: "limits",
            what: "a machine takes only so much memory, and has only so many processes",
            lacking: "a machine that breaks out of QEMU can use up this host's memory and processes",
            missing: limits::missing(),
            is_optional: true,
        },
    }
}

/// Whether namespaces of all kinds can be made, by making them.
fn namespaces() -> Result<(), Missing> {
    const SWITCHES: [(&str, &str, &str); 3] = [
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
    ];
    let Err(error) = child::try_namespaces() else { return Ok(()) };
    let switch = SWITCHES
        .iter()
        .find(|(path, bad, _)| fs::read_to_string(path).is_ok_and(|value| value.trim() == *bad))
        .map(|(_, _, switch)| format!("sudo sysctl -w {switch}"));
    Err(Missing::new(format!("this host lets nobody make namespaces ({error})"), switch))
}

fn has_landlock() -> bool {
    child::landlock_version() > 0
}

/// Whether a network namespace can be connected.
fn uplink() -> Result<(), Missing> {
    if network::pasta().is_none() {
        let missing = Missing::new("`pasta` is not installed, which connects a guest", None);
        return Err(Missing { package: Some("passt"), ..missing });
    }
    let device = Path::new("/dev/net/tun");
    match File::options().read(true).write(true).open(device) {
        Ok(_) => Ok(()),
        // Root lends it.
        Err(_) if ids::is_host_root() && device.exists() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Missing::new(
            "/dev/net/tun is root's alone here; elsewhere everyone may open it",
            Some("sudo chmod 666 /dev/net/tun".into()),
        )),
        Err(error) => Err(Missing::new(
            format!("/dev/net/tun cannot be opened ({error})"),
            Some("sudo modprobe tun".into()),
        )),
    }
}
