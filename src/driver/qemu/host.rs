//! What of the host this driver works with, and where distributions put it.

use std::path::{Path, PathBuf};

use super::super::{DriverError, HostNeed, NeedKind};
use crate::model::Arch;

const EMULATOR: HostNeed = HostNeed {
    name: Arch::X86_64.emulator(),
    purpose: "runs the machines",
    kind: NeedKind::Program { tells_version: true },
    debian: "qemu-system-x86",
    fedora: "qemu-system-x86-core",
};

pub(super) const DISK_TOOL: HostNeed = HostNeed {
    name: "qemu-img",
    purpose: "writes disk images",
    kind: NeedKind::Program { tells_version: true },
    debian: "qemu-utils",
    fedora: "qemu-img",
};

const UEFI: HostNeed = HostNeed {
    name: "UEFI firmware",
    purpose: "boots UEFI machines",
    kind: NeedKind::Files(Arch::X86_64.uefi_firmware()),
    debian: "ovmf",
    fedora: "edk2-ovmf",
};

/// All of it.
pub(super) const NEEDS: &[HostNeed] = &[EMULATOR, DISK_TOOL, UEFI];

/// The emulator and its tool for disks.
pub(super) fn programs() -> Result<(PathBuf, PathBuf), DriverError> {
    Ok((EMULATOR.found()?, DISK_TOOL.found()?))
}

/// The firmware's code, and a template of its variables, which lies beside it under the like name.
pub(super) fn firmware() -> Result<(PathBuf, PathBuf), DriverError> {
    let code = UEFI.found()?;
    let variables = variables_beside(&code);
    if variables.is_file() { Ok((code, variables)) } else { Err(UEFI.lacking()) }
}

fn variables_beside(code: &Path) -> PathBuf {
    let name = code.file_name().unwrap_or_default().to_string_lossy();
    code.with_file_name(name.replace("CODE", "VARS").replace("code", "vars"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_are_found_beside_the_code() {
        for (code, variables) in [
            ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
            ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
            ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
        ] {
            assert_eq!(variables_beside(Path::new(code)), Path::new(variables));
        }
        assert!(firmware().is_ok(), "tests with UEFI machines need it");
    }
}
