//! What fstab asks of a disk that instances get elsewhere.

use super::finding::Findings;
use super::rules::{FSTAB_DEVICE, FSTAB_MISSING};
use super::system::{System, Wanted};
use super::texts::{lines, shown};
use crate::model::{DiskLayout, VolumeContent, VolumeName};

const FSTAB: &str = "/etc/fstab";

pub(super) fn wants(_: &System<'_>) -> Vec<Wanted> {
    vec![Wanted::text(FSTAB)]
}

pub(super) fn look(system: &System<'_>, findings: &mut Findings) {
    let text = system.text(FSTAB).unwrap_or_default();
    for line in lines(&text) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [spec, target, ..] = fields[..] else { continue };
        let options = fields.get(3).copied().unwrap_or_default();
        // A boot goes on without these.
        if options.split(',').any(|option| matches!(option, "noauto" | "nofail")) {
            continue;
        }
        let target = shown(target.as_bytes());
        if is_place(spec) {
            findings.file(
                FSTAB_DEVICE,
                FSTAB,
                format!("mounts {spec} at {target}, and no instance need have a disk of that name"),
            );
        } else if is_missing(system.layout, spec) {
            let message = format!("mounts {spec} at {target}, which is not on the disk");
            findings.file(FSTAB_MISSING, FSTAB, message);
        }
    }
}

/// Names that the kernel gives disks in the order in which it finds them.
pub(super) fn is_place(spec: &str) -> bool {
    let Some(name) = spec.strip_prefix("/dev/") else { return false };
    let numbered = |start: &str| {
        name.strip_prefix(start).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let lettered = |start: &str| {
        name.strip_prefix(start).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    ["sd", "hd", "vd", "xvd", "ubd"].iter().any(|start| lettered(start))
        || ["nvme", "mmcblk", "loop"].iter().any(|start| numbered(start))
        || name.starts_with("disk/by-path/")
}

/// Whether the disk has no volume of this name. What LVM, LUKS and the like hold is not known, and may have it.
pub(super) fn is_missing(layout: &DiskLayout, spec: &str) -> bool {
    let hides = |content: &VolumeContent| matches!(content, VolumeContent::Layer(layer) if layer != "swap");
    VolumeName::of(spec).is_some()
        && layout.named(spec).is_none()
        && !layout.volumes.is_empty()
        && !layout.volumes.iter().any(|volume| hides(&volume.content))
}
