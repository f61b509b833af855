//! Forms of a disk file.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A form of disk file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// `qcow2`: QEMU and OpenStack.
    #[default]
    Qcow2,
    /// `raw`: the disk byte by byte, holes kept.
    Raw,
    /// `vmdk`: VMware.
    Vmdk,
    /// `vhd`, which QEMU calls `vpc`: Azure, and Hyper-V's first generation.
    Vhd,
    /// `vhdx`: Hyper-V.
    Vhdx,
    /// `vdi`: VirtualBox.
    Vdi,
}

/// How a disk file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// `none`: not packed.
    None,
    /// `zlib`: for readers older than QEMU 5.1; of `vmdk` the stream-optimised form.
    Zlib,
    /// `zstd`: Zstandard, what `qcow2` uses by default.
    Zstd,
    /// Zstandard at its quickest.
    Fast,
}

impl DiskFormat {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Qcow2, Self::Raw, Self::Vmdk, Self::Vhd, Self::Vhdx, Self::Vdi];

    /// The format's name, which is the extension of its files too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Vdi => "vdi",
        }
    }

    /// Who takes it, in a few words.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Qcow2 => "QEMU and OpenStack, the default",
            Self::Raw => "the plain disk",
            Self::Vmdk => "VMware",
            Self::Vhd => "Azure and older Hyper-V",
            Self::Vhdx => "Hyper-V",
            Self::Vdi => "VirtualBox",
        }
    }

    /// As QEMU and `qemu-img` call it.
    #[must_use]
    pub const fn qemu(self) -> &'static str {
        match self {
            Self::Vhd => "vpc",
            other => other.as_str(),
        }
    }

    /// Whether a file of this format can be packed so. VMDK has one way to be packed, of which `zlib` is the name.
    #[must_use]
    pub const fn holds(self, compression: Compression) -> bool {
        match self {
            Self::Qcow2 => true,
            Self::Vmdk => matches!(compression, Compression::Zlib | Compression::None),
            Self::Raw | Self::Vhd | Self::Vhdx | Self::Vdi => matches!(compression, Compression::None),
        }
    }

    /// How it is packed unless somebody says otherwise.
    #[must_use]
    pub const fn usual_compression(self) -> Compression {
        match self {
            Self::Qcow2 => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// Whether a machine takes a file of this format as its disk; the others are for taking elsewhere.
    #[must_use]
    pub const fn is_for_machines(self) -> bool {
        matches!(self, Self::Qcow2 | Self::Raw)
    }
}

impl fmt::Display for DiskFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
