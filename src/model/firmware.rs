//! What starts a machine's boot loader.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The firmware that a disk boots under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// `bios`: a boot sector at the disk's start.
    Bios,
    /// `uefi`: a loader on an EFI system partition.
    Uefi,
}

impl Firmware {
    /// Every one that an ImageFile can name.
    pub const ALL: [Self; 2] = [Self::Bios, Self::Uefi];

    /// As the ImageFile and the catalogue write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
        }
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
