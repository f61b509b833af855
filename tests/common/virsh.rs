//! A stand-in for libvirt's program, with faults on request; what libvirt itself answers is seen in tests/machine/clouds.rs.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A folder with the program, and with what it is to do and was asked.
pub struct Virsh(PathBuf);

impl Virsh {
    pub fn in_folder(folder: &Path) -> Self {
        fs::create_dir(folder).unwrap();
        fs::create_dir(folder.join("pool")).unwrap();
        let program = folder.join("virsh");
        fs::write(&program, include_str!("virsh/virsh")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder.to_owned())
    }

    /// What `PATH` is to be.
    pub fn path(&self) -> OsString {
        let mut path = self.0.clone().into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        path
    }

    /// Has it answer or fail so, see the program.
    pub fn say(&self, file: &str, content: &str) {
        fs::write(self.0.join(file), content).unwrap();
    }

    pub fn forget(&self, file: &str) {
        fs::remove_file(self.0.join(file)).unwrap();
    }

    /// What stands in a file; nothing where there is none.
    pub fn said(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_default()
    }

    /// What it was asked, a line each.
    pub fn asked(&self) -> String {
        self.said("asked")
    }

    /// What it was asked the last time from this command on.
    pub fn asked_from(&self, command: &str) -> Vec<String> {
        let asked: Vec<String> = self.asked().lines().map(str::to_owned).collect();
        let from = asked.iter().rposition(|one| one == command).unwrap_or(asked.len());
        asked[from..].to_vec()
    }
}
