//! Whether an instance starts, and shows what it does.

use super::finding::Findings;
use super::kernel_line::{self, BootEntry};
use super::mounts::{is_missing, is_place};
use super::rules::{NO_CONSOLE, NO_KERNEL, NO_LOADER, ROOT_MISSING};
use super::system::{System, Wanted};
use super::texts::shown;
use crate::model::VolumeContent;

/// Where firmware looks for a loader of a disk that it has not seen before.
const FALLBACK: [&str; 6] = [
    "/boot/efi/EFI/BOOT",
    "/boot/efi/EFI/boot",
    "/efi/EFI/BOOT",
    "/efi/EFI/boot",
    "/boot/EFI/BOOT",
    "/boot/EFI/boot",
];

/// Consoles that every hypervisor can show or keep.
const SERIAL: [&str; 4] = ["ttyS", "ttyAMA", "hvc", "ttysclp"];

pub(super) fn wants(system: &System<'_>) -> Vec<Wanted> {
    kernel_line::wants(system)
}

pub(super) fn look(system: &System<'_>, findings: &mut Findings) {
    let entries = kernel_line::entries(system);
    if !has_loader(system) {
        let message = "the disk has no boot code, and its EFI system partition no EFI/BOOT/BOOT….EFI";
        findings.disk(NO_LOADER, message);
    }
    for entry in entries.iter().filter(|entry| !entry.is_open()) {
        look_at(system, entry, findings);
    }
    // What some loader adds by itself may be a console.
    if !entries.is_empty() && !entries.iter().any(|entry| entry.is_open() || has_console(entry)) {
        let first = &entries[0];
        findings.file(NO_CONSOLE, &first.file, "starts the kernel without a serial console");
    }
}

fn look_at(system: &System<'_>, entry: &BootEntry, findings: &mut Findings) {
    if !entry.kernel.contains('$') && !kernel_line::is_there(system, &entry.kernel) {
        let message = format!("starts {}, which is not there", shown(entry.kernel.as_bytes()));
        findings.file(NO_KERNEL, &entry.file, message);
    }
    let Some(root) = entry.argument("root") else { return };
    if is_place(root) {
        let message =
            format!("has root={}, and no instance need have a disk of that name", shown(root.as_bytes()));
        findings.file(ROOT_MISSING, &entry.file, message);
    } else if is_missing(system.layout, root) {
        let message = format!("has root={}, which is not on the disk", shown(root.as_bytes()));
        findings.file(ROOT_MISSING, &entry.file, message);
    }
}

fn has_console(entry: &BootEntry) -> bool {
    entry.line.split_ascii_whitespace().any(|word| {
        let console = word.strip_prefix("console=");
        console.is_some_and(|console| SERIAL.iter().any(|serial| console.starts_with(serial)))
    })
}

/// A system without a kernel is started by one from elsewhere; a FAT that is not mounted may hold a loader.
fn has_loader(system: &System<'_>) -> bool {
    let layout = system.layout;
    let is_fat = |content: &VolumeContent| matches!(content, VolumeContent::Fs(fs_type) if fs_type == "vfat");
    let is_mounted = |name: &str| layout.mounts.iter().any(|mount| mount.volume == name);
    layout.boot_code
        || layout.volumes.is_empty()
        || layout.volumes.iter().any(|volume| is_fat(&volume.content) && !is_mounted(&volume.name))
        || FALLBACK.iter().any(|folder| {
            system.folder(folder).iter().any(|(_, node)| {
                let name = node.name.to_ascii_lowercase();
                name.starts_with(b"boot") && name.ends_with(b".efi") && node.size > 0
            })
        })
        || kernels(system).is_empty()
}

/// Kernels of the system, the newest first.
pub(super) fn kernels(system: &System<'_>) -> Vec<Vec<u8>> {
    let mut kernels: Vec<Vec<u8>> = system
        .folder("/boot")
        .into_iter()
        .filter(|(_, node)| node.name.starts_with(b"vmlinuz") && node.size > 0)
        .map(|(path, _)| path)
        .collect();
    kernels.sort_by_key(|path| std::cmp::Reverse(by_numbers(path)));
    kernels
}

/// A key that sorts 6.12 behind 6.2.
fn by_numbers(path: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut parts = Vec::new();
    for part in path.split(|byte| !byte.is_ascii_alphanumeric()) {
        let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&part[..digits]).ok().and_then(|text| text.parse().ok());
        parts.push((number.unwrap_or(0), part[digits..].to_vec()));
    }
    parts
}
