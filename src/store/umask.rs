//! Modes of what is made. The store sets those of its own files itself; what programs make for it, in folders that
//! are private, is made under one umask whatever the user has set, and what is made for the user gets the mode
//! that the user's umask says.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::sync::OnceLock;

use nix::sys::stat::{Mode, umask};

/// Nobody else writes; another user of a user namespace may have to read.
const OURS: u32 = 0o022;

static OF_USER: OnceLock<u32> = OnceLock::new();

/// Sets this process's umask and remembers the user's. To be called before threads are started.
pub fn set() {
    let before = umask(Mode::from_bits_truncate(OURS)).bits();
    let _ = OF_USER.set(before);
}

/// Gives what was made for the user the mode that it would have had under the user's umask: `0o666` for a file,
/// `0o777` for a folder. By what is open: a name may be another's by now.
pub fn share(made: &File, mode: u32) -> io::Result<()> {
    let user = OF_USER.get().copied().unwrap_or_else(of_process);
    made.set_permissions(Permissions::from_mode(mode & !user))
}

/// The umask of a process that has not set it (proc(5)): asking by umask(2) changes it for all threads.
fn of_process() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(OURS)
}
