//! GRUB where firmware looks for it: boot sectors for BIOS, a removable-path loader for UEFI.
//!
//! What `grub-install` would do inside the system, done on the disk's file: that program wants
//! a block device, which an ordinary user cannot have.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::layout::{BIOS, ESP, Identities, SECTOR, Window};

/// Length of the code in the master boot record; the partition table follows.
const MBR_CODE: usize = 440;

// Fields of GRUB's boot.img and of the first sector of core.img (diskboot.img), from
// include/grub/i386/pc/boot.h.
const KERNEL_SECTOR: usize = 0x5c;
const DRIVE_CHECK: usize = 0x66;
const FIRST_BLOCK: usize = 0x200 - 12;
/// Real-mode segment at which the part of the core image after its first sector is loaded.
const CORE_SEGMENT: u16 = 0x820;
/// x86: two `nop`, in place of a jump, make boot.img distrust what the BIOS says about the drive.
const NOPS: [u8; 2] = [0x90, 0x90];

/// Writes GRUB's sectors for BIOS; `boot` and `core` are its boot.img and core.img.
pub(super) fn write_bios(disk: &File, boot: &[u8], core: &[u8]) -> io::Result<()> {
    let sectors = core.len().div_ceil(usize::try_from(SECTOR).unwrap_or(512));
    let fits = u64::try_from(core.len()).is_ok_and(|len| len <= BIOS.len);
    let (Some(code), true, 2..) = (boot.get(..MBR_CODE), fits, sectors) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "GRUB's images for BIOS have an unexpected size",
        ));
    };
    let first = BIOS.start / SECTOR;
    let mut code = code.to_vec();
    code[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&first.to_le_bytes());
    code[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&NOPS);

    let mut core = core.to_vec();
    let rest = u16::try_from(sectors - 1).map_err(io::Error::other)?;
    core[FIRST_BLOCK..FIRST_BLOCK + 8].copy_from_slice(&(first + 1).to_le_bytes());
    core[FIRST_BLOCK + 8..FIRST_BLOCK + 10].copy_from_slice(&rest.to_le_bytes());
    core[FIRST_BLOCK + 10..FIRST_BLOCK + 12].copy_from_slice(&CORE_SEGMENT.to_le_bytes());

    disk.write_all_at(&code, 0)?;
    disk.write_all_at(&core, BIOS.start)
}

/// The loaders for UEFI, signed ones: files of the new system.
#[derive(Debug, Clone, Copy)]
pub(super) struct EfiLoaders<'a> {
    pub shim: &'a Path,
    pub grub: &'a Path,
}

/// Makes the EFI system partition with the loaders on the removable path, where firmware looks
/// without any entry in its memory. The signed GRUB reads its first configuration from the
/// distribution's folder, which points to the root file system.
pub(super) fn write_esp(
    disk: &File,
    loaders: EfiLoaders<'_>,
    distribution: &str,
    ids: &Identities,
) -> io::Result<()> {
    let options = fatfs::FormatVolumeOptions::new()
        .fat_type(fatfs::FatType::Fat32)
        .volume_id(ids.esp_id)
        .volume_label(*b"EFI        ");
    fatfs::format_volume(Window::new(disk, ESP), options)?;
    let file_system = fatfs::FileSystem::new(Window::new(disk, ESP), fatfs::FsOptions::new())?;
    let efi = file_system.root_dir().create_dir("EFI")?;
    let own = efi.create_dir(distribution)?;
    let removable = efi.create_dir("BOOT")?;
    for (dir, name, from) in [
        (&removable, "BOOTX64.EFI", loaders.shim),
        (&removable, "grubx64.efi", loaders.grub),
        (&own, "shimx64.efi", loaders.shim),
        (&own, "grubx64.efi", loaders.grub),
    ] {
        dir.create_file(name)?.write_all(&std::fs::read(from)?)?;
    }
    let configuration = format!(
        "search.fs_uuid {} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n",
        ids.root_uuid
    );
    own.create_file("grub.cfg")?.write_all(configuration.as_bytes())?;
    drop((removable, own, efi));
    file_system.unmount()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Digest;

    #[test]
    fn the_boot_sector_finds_the_core_image_and_the_core_image_its_rest() {
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(4 << 20).unwrap();
        write_bios(&disk, &[1; 512], &[2; 2000]).unwrap();
        let read = |at: u64, len: usize| {
            let mut bytes = vec![0; len];
            disk.read_exact_at(&mut bytes, at).unwrap();
            bytes
        };
        assert_eq!(read(0x5c, 8), 2048u64.to_le_bytes());
        assert_eq!(read(0x66, 2), NOPS);
        assert_eq!(read(440, 72), [0; 72], "the partition table's place is left alone");
        let first_block = read(BIOS.start + 0x1f4, 12);
        assert_eq!(first_block[..8], 2049u64.to_le_bytes());
        assert_eq!(first_block[8..], [3, 0, 0x20, 0x08]);
    }

    #[test]
    fn a_core_image_that_is_too_large_is_refused() {
        let disk = tempfile::tempfile().unwrap();
        assert!(write_bios(&disk, &[1; 512], &vec![2; (1 << 20) + 1]).is_err());
        assert!(write_bios(&disk, &[1; 100], &[2; 2000]).is_err());
    }

    #[test]
    fn firmware_finds_the_loader_on_the_removable_path() {
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(ESP.start + ESP.len).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (shim, grub) = (dir.path().join("shim"), dir.path().join("grub"));
        std::fs::write(&shim, "shim").unwrap();
        std::fs::write(&grub, "grub").unwrap();
        let ids = Identities::of(&Digest::of("key"));
        write_esp(&disk, EfiLoaders { shim: &shim, grub: &grub }, "debian", &ids).unwrap();

        let esp = fatfs::FileSystem::new(Window::new(&disk, ESP), fatfs::FsOptions::new()).unwrap();
        let read = |path: &str| {
            let mut text = String::new();
            io::Read::read_to_string(&mut esp.root_dir().open_file(path).unwrap(), &mut text).unwrap();
            text
        };
        assert_eq!(read("EFI/BOOT/BOOTX64.EFI"), "shim");
        assert_eq!(read("EFI/BOOT/grubx64.efi"), "grub");
        assert!(read("EFI/debian/grub.cfg").contains(&ids.root_uuid));
        assert_eq!(esp.volume_id(), ids.esp_id);
    }
}
