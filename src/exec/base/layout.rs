//! Where things are on a disk made here: BIOS boot, EFI and, last so that it can grow, root.

use std::fs::File;
use std::io;

use crate::text::Digest;

pub(super) const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;

/// The BIOS boot partition: GRUB's core image.
pub(super) const BIOS: Extent = Extent { start: MIB, len: MIB };
/// The EFI system partition. 98 MiB leave room for the loaders of several systems.
pub(super) const ESP: Extent = Extent { start: 2 * MIB, len: 98 * MIB };
/// Where the root partition starts; it ends where the backup partition table begins.
pub(super) const ROOT_START: u64 = 100 * MIB;
/// The root partition's number, which GRUB's prefix names.
pub(super) const ROOT_NUMBER: u32 = 3;

/// A range of bytes of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub start: u64,
    pub len: u64,
}

/// The root partition of a disk of `size` bytes: up to the last whole MiB before the backup table.
pub(super) const fn root(size: u64) -> Extent {
    let end = (size - 34 * SECTOR) / MIB * MIB;
    Extent { start: ROOT_START, len: end - ROOT_START }
}

/// Identities of the file systems, from the base's key: fstab and boot loader name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identities {
    pub root_uuid: String,
    pub esp_id: u32,
}

impl Identities {
    pub(super) fn of(key: &Digest) -> Self {
        let hex = key.to_string();
        // In the shape of a random UUID (RFC 9562, version 8: one's own making).
        let root_uuid =
            format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32]);
        Self { root_uuid, esp_id: u32::from_str_radix(&hex[32..40], 16).unwrap_or(1) }
    }

    /// As fstab and GRUB write it.
    pub(super) fn esp_uuid(&self) -> String {
        format!("{:04X}-{:04X}", self.esp_id >> 16, self.esp_id & 0xffff)
    }
}

/// Writes the protective MBR and both partition tables; `disk` has its final length.
pub(super) fn write_tables(disk: &mut File, size: u64) -> io::Result<()> {
    let sectors = u32::try_from(size / SECTOR - 1).unwrap_or(u32::MAX);
    gpt::mbr::ProtectiveMBR::with_lb_size(sectors).overwrite_lba0(disk).map_err(io::Error::other)?;
    let mut table = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(gpt::disk::LogicalBlockSize::Lb512)
        .create_from_device(disk, None)
        .map_err(io::Error::other)?;
    for (number, name, kind, extent) in [
        (1, "bios", gpt::partition_types::BIOS, BIOS),
        (2, "esp", gpt::partition_types::EFI, ESP),
        (ROOT_NUMBER, "root", gpt::partition_types::LINUX_ROOT_X64, root(size)),
    ] {
        table
            .add_partition_at(name, number, extent.start / SECTOR, extent.len / SECTOR, kind, 0)
            .map_err(io::Error::other)?;
    }
    table.write().map_err(io::Error::other)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_where_the_boot_loader_looks_and_leave_the_tables_alone() {
        let size = 256 * MIB;
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        write_tables(&mut file, size).unwrap();
        let table = gpt::GptConfig::new().open_from_device(&mut file).unwrap();
        let found: Vec<_> = table
            .partitions()
            .iter()
            .map(|(n, p)| (*n, p.first_lba * SECTOR, (p.last_lba + 1) * SECTOR))
            .collect();
        assert_eq!(found, [(1, MIB, 2 * MIB), (2, 2 * MIB, 100 * MIB), (3, 100 * MIB, 255 * MIB)]);
        assert_eq!(table.backup_header().unwrap().current_lba, size / SECTOR - 1);
    }

    #[test]
    fn identities_have_the_form_that_tools_expect() {
        let identities = Identities::of(&Digest::of("a base"));
        assert_eq!(identities.root_uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(identities.esp_uuid().len(), 9);
    }
}
