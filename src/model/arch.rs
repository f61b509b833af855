//! Processor architectures, and what each is called where.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The processor architecture of an image; the host's never matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
pub enum Arch {
    /// `x86_64`, Debian's `amd64`.
    #[default]
    #[serde(rename = "x86_64")]
    X86_64,
    /// `aarch64`, Debian's `arm64`.
    #[serde(rename = "aarch64")]
    Aarch64,
}

/// A text that names no architecture known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no architecture that is known here")]
pub struct UnknownArch(pub String);

impl Arch {
    /// Every one that an ImageFile can name.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// As the ImageFile, `uname -m` and QEMU call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// As Debian calls it, in its archives and in the names of its kernels' packages.
    #[must_use]
    pub const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// As Windows calls it, in `processorArchitecture` of an answer file.
    #[must_use]
    pub const fn windows(self) -> &'static str {
        self.debian()
    }

    /// The program of QEMU that runs its machines.
    #[must_use]
    pub const fn emulator(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-system-x86_64",
            Self::Aarch64 => "qemu-system-aarch64",
        }
    }

    /// The files in which distributions have EDK2's firmware for its machines, the first that is there counts: Debian's,
    /// Fedora's, Arch's, Gentoo's, openSUSE's.
    #[must_use]
    pub const fn uefi_firmware(self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &[
                "/usr/share/OVMF/OVMF_CODE_4M.fd",
                "/usr/share/OVMF/OVMF_CODE.fd",
                "/usr/share/edk2/ovmf/OVMF_CODE.fd",
                "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
                "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
                "/usr/share/qemu/ovmf-x86_64-code.bin",
            ],
            Self::Aarch64 => &["/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/edk2/aarch64/QEMU_EFI.fd"],
        }
    }

    /// The architecture that other tools call so, such as `amd64`.
    #[must_use]
    pub fn of_another_name(text: &str) -> Option<Self> {
        let aliases = match text {
            "x86-64" | "x64" => Some(Self::X86_64),
            _ => None,
        };
        aliases.or_else(|| Self::ALL.into_iter().find(|arch| arch.debian() == text))
    }

    /// The machine in the header of an ELF file (elf(5), `e_machine`).
    #[must_use]
    pub const fn of_elf(machine: u16) -> Option<Self> {
        match machine {
            62 => Some(Self::X86_64),
            183 => Some(Self::Aarch64),
            _ => None,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    fn from_str(text: &str) -> Result<Self, UnknownArch> {
        Self::ALL.into_iter().find(|arch| arch.as_str() == text).ok_or_else(|| UnknownArch(text.to_owned()))
    }
}
