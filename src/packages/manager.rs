//! What a package manager is, to everybody outside its folder. Adding one is a folder, a line of [`MANAGERS`], and what
//! everybody may know of it, in `model/package_manager.rs`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::apt;
use super::archive::Archive;
use super::archive_files::{ArchiveFiles, KeptArchive, MoreOfOwn, SystemFile};
use super::archive_format::ArchiveFormat;
use super::base_maker::BaseMaker;
use super::kernel_source::KernelSource;
use super::mirrors::Mirrors;
use super::model::{InstalledPackage, Solution};
use super::openpgp::{KeyError, Keyring};
use super::system::{SystemFiles, Wanted};
use crate::model::{Arch, ManagerFacts};

/// A package manager.
pub trait PackageManager: fmt::Debug + Sync {
    /// What everybody may know of it.
    fn facts(&self) -> &'static ManagerFacts;

    /// As plans, locks and catalogue files name it.
    fn name(&self) -> &'static str {
        self.facts().name
    }

    /// What it calls an architecture.
    fn arch(&self, arch: Arch) -> &'static str;

    /// What it reads of a system. It is asked again with what was found, until it wants nothing more.
    fn wants(&self, found: &SystemFiles) -> Vec<Wanted>;

    /// The packages of a system; nothing where it keeps none.
    fn installed(&self, system: &SystemFiles) -> Option<Vec<InstalledPackage>>;

    /// Whether every system has this package, whatever it is for.
    fn is_of_every_system(&self, package: &InstalledPackage) -> bool;

    /// The packages that one cannot be without, by name: of alternatives all.
    fn needs(&self, package: &InstalledPackage) -> Vec<String>;

    /// The files of configuration that a package brought, each with the MD5 that it had then.
    fn configuration(&self, package: &InstalledPackage) -> Vec<(String, String)>;

    /// The name of the package whose files a list names that lies at this path, one of `file_lists` of its facts.
    fn lister<'p>(&self, list: &'p str) -> Option<&'p str>;

    /// The archives that a system's own sources name. The distribution's are asked for at this host's mirrors, if there
    /// are any: the names in an image are often not what its build host can reach.
    fn archives_of(&self, system: &SystemFiles, mirrors: Option<&Mirrors>) -> Vec<Archive>;

    /// The keys that the system keeps for them; the distribution's for one that keeps none.
    fn keys_of(&self, system: &SystemFiles) -> Option<Keyring>;

    /// The distribution's own keys, which are compiled in.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    fn distribution_keys(&self) -> Result<Keyring, KeyError>;

    /// The archives of a release, in the order of a new system's own sources: its own, and those of `updates`.
    fn release_archives(
        &self,
        mirrors: &Mirrors,
        release: &str,
        updates: &[String],
        components: &[String],
    ) -> Vec<Archive>;

    /// What its distribution calls a release: Debian's `13` is `trixie`. Names pass as they are; nothing for what is neither.
    fn codename(&self, release: &str) -> Option<&'static str>;

    /// How archives are laid out, and read.
    fn archive_format(&self) -> &'static dyn ArchiveFormat;

    /// How it makes a system from packages alone, if it can.
    fn base_maker(&self) -> Option<&'static dyn BaseMaker>;

    /// Where its distribution has a kernel to build under, if it has one that serves.
    fn kernel_source(&self) -> Option<&'static dyn KernelSource>;

    /// Where a host that has it keeps its own sources: a file, and a folder of files.
    fn host_sources(&self) -> (&'static str, &'static str);

    /// The mirrors that a host's own sources name, given by the names of their files and their texts, in the order in
    /// which it reads them.
    fn host_mirrors(&self, files: &[(String, String)]) -> Option<Mirrors>;

    /// Units of systemd that do its upkeep in the background, where they hold its locks.
    fn upkeep(&self) -> &'static [&'static str];

    /// Paths, as a shell takes them, of what it kept of its work and can make or fetch again.
    fn caches(&self) -> &'static [&'static str];

    /// What the file of the package with this number is called where the guest finds it.
    fn payload_name(&self, number: usize) -> String;

    /// The file in which it marks what is there only because others need it.
    fn marks(&self) -> &'static str;

    /// What that file holds in a system with these packages. `native` is the architecture, as the manager calls it.
    fn marked(&self, installed: &[InstalledPackage], native: &str) -> String;

    /// Bytes that a solution takes on the disk beyond what it replaces or removes of `before`, as the packages say.
    fn growth(&self, before: &[InstalledPackage], solution: &Solution) -> u64;

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

    /// The command that a person would install packages by, in messages.
    fn install_command(&self) -> &'static str;
}

/// A package file of a transaction, whose number is its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staged {
    /// See [`Selected::stage`](super::Selected::stage).
    pub stage: u16,
}

/// All of them.
pub static MANAGERS: &[Manager] = &[Manager(&apt::Apt)];

/// A package manager by its name, as plans and locks carry it.
#[derive(Debug, Clone, Copy)]
pub struct Manager(&'static dyn PackageManager);

impl Manager {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        MANAGERS.iter().copied().find(|manager| manager.name() == name)
    }

    /// That of a distribution, by the `ID` of os-release(5); the default one where nothing is known of it.
    #[must_use]
    pub fn of_distribution(id: &str) -> Self {
        Self::named(ManagerFacts::of_distribution(id).name).unwrap_or_default()
    }

    /// The one that a system has, with the packages it keeps there.
    #[must_use]
    pub fn of_system(system: &SystemFiles) -> Option<(Self, Vec<InstalledPackage>)> {
        MANAGERS.iter().find_map(|manager| Some((*manager, manager.installed(system)?)))
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
    use crate::model::PACKAGE_MANAGERS;

    #[test]
    fn managers_are_found_by_their_names() {
        for manager in MANAGERS {
            assert_eq!(Manager::named(manager.name()), Some(*manager));
            let json = serde_json::to_string(manager).unwrap();
            assert_eq!(serde_json::from_str::<Manager>(&json).unwrap(), *manager);
        }
        // What stands above this module goes by the facts alone.
        let facts: Vec<_> = MANAGERS.iter().map(|manager| manager.facts()).collect();
        assert_eq!(facts, PACKAGE_MANAGERS);
        assert!(serde_json::from_str::<Manager>("\"yast\"").is_err());
    }
}
