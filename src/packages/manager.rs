//! What a package manager is, to everybody outside its folder. Adding one is a folder and a line of [`MANAGERS`].

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{ArchiveFiles, KeptArchive, MoreOfOwn, SystemFile, SystemFiles, Wanted, apt};

/// A package manager.
pub trait PackageManager: fmt::Debug + Sync {
    /// As plans are tagged with it.
    fn name(&self) -> &'static str;

    /// What it reads of a system. It is asked again with what was found, until it wants nothing more.
    fn wants(&self, found: &SystemFiles) -> Vec<Wanted>;

    /// Units of systemd that do its upkeep in the background, where they hold its locks.
    fn upkeep(&self) -> &'static [&'static str];

    /// Paths, as a shell takes them, of what it kept of its work and can make or fetch again.
    fn caches(&self) -> &'static [&'static str];

    /// What the file of the package with this number is called where the guest finds it.
    fn payload_name(&self, number: usize) -> String;

    /// The file in which it marks what is there only because others need it.
    fn marks(&self) -> &'static str;

    /// A script for `sh -e`, run as root in the system, that installs the package files in `folder` and removes
    /// packages by name, in one transaction.
    fn transaction(&self, folder: &str, install: &[Staged], remove: &[String]) -> String;

    /// What the files of an archive at an address are called.
    fn archive_name(&self, url: &str, suite: &str) -> String;

    /// The files by which the system goes on knowing an archive.
    fn archive_files(&self, archive: &KeptArchive<'_>) -> ArchiveFiles;

    /// The file by which it knows more of its own archive, and what that is called.
    fn more_of_own(&self, more: &MoreOfOwn<'_>) -> (&'static str, SystemFile);

    /// What its archive calls a suite of a release: `backports` of `trixie` is `trixie-backports`.
    fn own_suite(&self, release: &str, suite: &str) -> String;
}

/// A package file of a transaction, whose number is its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staged {
    /// See [`Selected::stage`](super::Selected::stage).
    pub stage: u16,
}

/// All of them.
pub static MANAGERS: &[Manager] = &[Manager(&apt::Apt)];

/// A package manager by its name, as a plan carries it.
#[derive(Debug, Clone, Copy)]
pub struct Manager(&'static dyn PackageManager);

impl Manager {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        MANAGERS.iter().copied().find(|manager| manager.name() == name)
    }
}

impl std::ops::Deref for Manager {
    type Target = dyn PackageManager;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl Default for Manager {
    /// That of the systems which the built-in catalogue has.
    fn default() -> Self {
        MANAGERS[0]
    }
}

impl PartialEq for Manager {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Manager {}

impl Serialize for Manager {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Manager {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name)
            .ok_or_else(|| D::Error::custom(format!("`{name}` is no package manager known here")))
    }
}

impl JsonSchema for Manager {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Manager".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<&str> = MANAGERS.iter().map(|manager| manager.name()).collect();
        schemars::json_schema!({ "description": "A package manager.", "type": "string", "enum": names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_are_found_by_their_names() {
        for manager in MANAGERS {
            assert_eq!(Manager::named(manager.name()), Some(*manager));
            let json = serde_json::to_string(manager).unwrap();
            assert_eq!(serde_json::from_str::<Manager>(&json).unwrap(), *manager);
        }
        assert!(serde_json::from_str::<Manager>("\"yast\"").is_err());
    }
}
