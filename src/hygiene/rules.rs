//! The registry of rules. A number, once released, keeps its meaning; the presets of each are in `docs/inspect.md`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::CleanupPreset;

/// How bad a finding is; its rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Instances share what is secret or unique, or do not start: no image is made of it.
    Error,
    /// Likely a mistake.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// Lower case, as messages have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What is asked of a disk.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Such as `H0001`.
    pub id: &'static str,
    /// Of its findings.
    pub severity: Severity,
    /// What was found, in a line: lower case, no full stop.
    pub title: &'static str,
    /// Its explanation (Markdown).
    pub page: &'static str,
    presets: &'static [CleanupPreset],
}

impl Rule {
    /// Whether it counts for a disk that was cleaned by a preset.
    #[must_use]
    pub fn is_of(&self, preset: CleanupPreset) -> bool {
        self.presets.contains(&preset)
    }

    /// The presets that it counts for.
    #[must_use]
    pub const fn presets(&self) -> &'static [CleanupPreset] {
        self.presets
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

/// Where a rule is not only for clouds.
const CLOUD: &[CleanupPreset] = &[CleanupPreset::Cloud];
const IDENTITY: &[CleanupPreset] = &[CleanupPreset::Cloud, CleanupPreset::Identity];
const MINIMAL: &[CleanupPreset] = &[CleanupPreset::Cloud, CleanupPreset::Identity, CleanupPreset::Minimal];
/// Without it, instances do not start.
const ALWAYS: &[CleanupPreset] = &CleanupPreset::ALL;

macro_rules! registry {
    ($($name:ident = $id:literal $severity:ident $presets:ident: $title:literal;)*) => {
        $(pub(super) const $name: Rule = Rule {
            id: $id,
            severity: Severity::$severity,
            title: $title,
            page: include_str!(concat!("pages/", $id, ".md")),
            presets: $presets,
        };)*

        /// All of them, in the order of their numbers.
        pub const RULES: &[Rule] = &[$($name,)*];
    };
}

registry! {
    MACHINE_ID = "H0001" Error MINIMAL: "the system has a machine id already";
    DBUS_ID = "H0002" Error MINIMAL: "D-Bus has a machine id of its own";
    HOST_KEY = "H0003" Error MINIMAL: "the system has host keys already";
    RANDOM_SEED = "H0004" Warning MINIMAL: "random numbers start from a seed that instances share";
    DHCP_STATE = "H0005" Warning IDENTITY: "an identifier or a lease of DHCP is left";
    STORAGE_NAME = "H0006" Warning MINIMAL: "the system has a name for storage networks already";
    PRIVATE_KEY = "H0007" Warning MINIMAL: "a private key is on the disk that no package brought";
    EMPTY_PASSWORD = "H0008" Error MINIMAL: "an account has no password and needs none";
    ROOT_PASSWORD = "H0009" Warning MINIMAL: "root has a password that all instances share";
    SHARED_PASSWORD = "H0010" Note CLOUD: "an account has a password that all instances share";
    ROOT_KEYS = "H0011" Note CLOUD: "somebody may log in as root by a key";
    WORLD_WRITABLE = "H0012" Error MINIMAL: "everybody may write to a part of the system";
    FSTAB_DEVICE = "H0013" Error ALWAYS: "fstab names a disk by the place it had while building";
    FSTAB_MISSING = "H0014" Error ALWAYS: "fstab names a file system that is not on the disk";
    ROOT_MISSING = "H0015" Error ALWAYS: "the kernel is told of a root that instances do not have";
    NO_LOADER = "H0016" Error ALWAYS: "no firmware finds anything to start";
    NO_KERNEL = "H0017" Error ALWAYS: "the boot loader starts a kernel that is not there";
    NO_CONSOLE = "H0018" Warning CLOUD: "the kernel has no serial console";
    NO_GROWTH = "H0019" Warning CLOUD: "nothing makes the root as large as the disk";
    INITRAMFS_DRIVERS = "H0020" Warning CLOUD: "the initramfs lacks drivers for disks of common machines";
    FIXED_HARDWARE = "H0021" Warning IDENTITY: "the network is set up for one network card";
    BUILD_RESOLVER = "H0022" Warning MINIMAL: "names are resolved where only the build could";
    CLOUD_STATE = "H0023" Warning IDENTITY: "cloud-init has run for an instance";
    BUILD_TRACES = "H0024" Error ALWAYS: "something of a build's agent is left";
    SECRET = "H0025" Error MINIMAL: "a file holds a secret";
    FUTURE = "H0026" Warning CLOUD: "a file is from the future";
    FULL = "H0027" Warning CLOUD: "a file system is full";
    NOT_WHOLE = "H0028" Error ALWAYS: "the file system cannot be read whole";
}

/// The rule of this number, however it is spelled.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(id))
}
