//! Platforms whose machines start by BIOS, and images that do not.

use std::collections::BTreeMap;

use crate::check::{Output, Spec};
use crate::diagnostic::{Diagnostic, codes};
use crate::model::{DiskFormat, Firmware, OutputFormat, Package};
use crate::resolve::Resolution;

/// Of outputs for platforms that start machines by BIOS unless the image is registered otherwise, those of images that
/// boot by UEFI alone.
pub(super) fn surprises(spec: &Spec, resolutions: &BTreeMap<String, Resolution>) -> Vec<Diagnostic> {
    let resolved = spec.images.iter().filter_map(|image| Some((image, resolutions.get(&image.name.value)?)));
    resolved
        .filter(|(_, resolution)| resolution.base.firmware == [Firmware::Uefi])
        .flat_map(|(image, _)| image.outputs.iter().filter_map(surprise))
        .collect()
}

fn surprise(output: &Output) -> Option<Diagnostic> {
    let (platform, help) = match output.format {
        // Azure's documentation, "Support for Generation 2 VMs on Azure"; what grows is not for Azure.
        OutputFormat::Disk(DiskFormat::Vhd) if !output.dynamic => (
            "Azure starts machines of generation 1 by BIOS",
            "make the image there with `--hyper-v-generation V2`",
        ),
        // Compute Engine's documentation, "Manually import boot disks".
        OutputFormat::Packed(Package::Gce) => (
            "Compute Engine starts machines by BIOS unless their image says otherwise",
            "make the image there with `--guest-os-features=UEFI_COMPATIBLE`",
        ),
        _ => return None,
    };
    let message = format!("the image boots by UEFI alone, and {platform}");
    Some(Diagnostic::new(codes::BOOT_MODE, message).label(output.span, "written for it").help(help))
}
