//! What of the host imgfile works with: programs and files that a package of the host's brings.

use std::env;
use std::path::PathBuf;

use super::DriverError;
use crate::model::how_to_install;

/// A program of the host, or a file, without which something cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostNeed {
    /// A program's own name; else what the files are called, such as "UEFI firmware".
    pub name: &'static str,
    /// What it is for, as in "it {purpose}".
    pub purpose: &'static str,
    /// Whether it is a program or a file, and where it is looked for.
    pub kind: NeedKind,
    /// The package that brings it on Debian and Ubuntu, and on Fedora.
    pub debian: &'static str,
    /// The package that brings it on Fedora, such as `qemu-system-x86-core`.
    pub fedora: &'static str,
}

/// What a need is, and so how it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedKind {
    /// A program; some tell their version when they are asked by `--version`.
    Program {
        /// Whether `--version` makes it print its version, which `doctor` shows then.
        tells_version: bool,
    },
    /// Any of these files will do: distributions put it into different places.
    Files(&'static [&'static str]),
}

/// Administrator programs are not in the path of ordinary users. Further folders are not looked into: who leaves one out
/// of `PATH` wants what is in it not to be used.
const MORE_PATH: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/libexec"];

impl HostNeed {
    /// Where it is on this host.
    #[must_use]
    pub fn find(&self) -> Option<PathBuf> {
        match self.kind {
            NeedKind::Files(files) => files.iter().map(PathBuf::from).find(|file| file.is_file()),
            NeedKind::Program { .. } => {
                let path = env::var_os("PATH").unwrap_or_default();
                let folders = env::split_paths(&path).chain(MORE_PATH.map(PathBuf::from));
                folders.map(|folder| folder.join(self.name)).find(|candidate| candidate.is_file())
            }
        }
    }

    /// That it is missing, and what installs it.
    #[must_use]
    pub fn lacking(&self) -> DriverError {
        let what = match self.kind {
            NeedKind::Program { .. } => format!("`{}`", self.name),
            NeedKind::Files(_) => format!("the {}", self.name),
        };
        DriverError::HostLacks { what, install: how_to_install(self.debian) }
    }

    /// Where it is on this host, or that it is missing.
    pub fn found(&self) -> Result<PathBuf, DriverError> {
        self.find().ok_or_else(|| self.lacking())
    }

    /// The package that brings it on this host.
    #[must_use]
    pub fn package(&self) -> &'static str {
        if is_fedora() { self.fedora } else { self.debian }
    }
}

/// Whether packages have the names, and are installed in the way, of Fedora and its relatives.
#[must_use]
pub fn is_fedora() -> bool {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    text.lines().any(|line| line.starts_with("ID") && (line.contains("fedora") || line.contains("rhel")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_and_what_is_not_comes_with_what_installs_it() {
        let kind = NeedKind::Program { tells_version: false };
        let shell = HostNeed { name: "sh", purpose: "runs scripts", kind, debian: "dash", fedora: "bash" };
        assert!(shell.found().is_ok_and(|path| path.ends_with("sh")));
        let absent = HostNeed { name: "no-such-program", debian: "nothing", ..shell };
        let said = absent.found().unwrap_err();
        assert_eq!(said.to_string(), "`no-such-program` is not installed");
        assert!(
            matches!(said, DriverError::HostLacks { install, .. } if install.contains("install nothing`"))
        );
        let files = HostNeed { name: "UEFI firmware", kind: NeedKind::Files(&["/no/such", "/"]), ..shell };
        assert_eq!(files.find(), None, "a folder is no file");
        assert_eq!(files.lacking().to_string(), "the UEFI firmware is not installed");
    }
}
