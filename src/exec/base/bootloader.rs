//! GRUB where the BIOS looks for it: in the disk's first sector and a partition of its own.
//!
//! What `grub-install` would do inside the system, done on the disk's file: that program wants
//! a block device, which an ordinary user cannot have.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::layout::{BIOS, SECTOR};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
