//! Growing, trimming and measuring mounted file systems by ioctl: the image need not have the tools.
#![allow(unsafe_code)] // ioctl; each call says why it is sound

use std::ffi::c_char;
use std::fs::File;
use std::path::{Path, PathBuf};

use imgfile_agent::protocol::message::Answer;
use nix::mount::MsFlags;
use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType, MSDOS_SUPER_MAGIC, XFS_SUPER_MAGIC, statfs,
};
use nix::sys::statvfs::FsFlags;
use nix::{request_code_read, request_code_readwrite, request_code_write};

use crate::device;
use crate::error::{AgentError, At, Result};

/// Size and free bytes.
pub fn space(path: &Path) -> Result<Answer> {
    let found = statfs(path).at(path.display())?;
    let block = u64::try_from(found.block_size()).unwrap_or(4096);
    Ok(Answer::Space { size: found.blocks() * block, free: found.blocks_free() * block })
}

/// `struct fstrim_range` of `linux/fs.h`.
#[repr(C)]
struct TrimRange {
    start: u64,
    len: u64,
    minlen: u64,
}

/// Gives unused blocks back; file systems that cannot are passed over.
pub fn trim(targets: &[PathBuf]) -> Result<Answer> {
    nix::unistd::sync();
    let mut trimmed = 0;
    for target in targets {
        let mut range = TrimRange { start: 0, len: u64::MAX, minlen: 0 };
        let folder = File::open(target).at(target.display())?;
        let request = request_code_readwrite!(b'X', 121, size_of::<TrimRange>());
        // SAFETY: FITRIM reads and writes one struct fstrim_range.
        if unsafe { device::ioctl(&folder, request, &mut range) }.is_ok() {
            trimmed += range.len;
        }
    }
    Ok(Answer::Number { value: trimmed })
}

/// Freezes what can be. FAT cannot: it is made read-only, which also takes the mark off it that says that it
/// was not unmounted; a mark that were left in a kept disk would stay for good. What else cannot be frozen is
/// synchronised and left alone by all. Subvolumes of one btrfs are one to freeze: the second says that it is
/// frozen already. Answers what was made read-only.
pub fn freeze(targets: &[PathBuf]) -> Result<Vec<PathBuf>> {
    nix::unistd::sync();
    let mut read_only = Vec::new();
    let mut rest = || -> Result<()> {
        for target in targets {
            let found = statfs(target).at(target.display())?;
            if found.filesystem_type() == MSDOS_SUPER_MAGIC {
                if !found.flags().contains(FsFlags::ST_RDONLY) {
                    remount(target, MsFlags::MS_RDONLY)?;
                    read_only.push(target.clone());
                }
            } else if let Err(error) = change(target, request_code_readwrite!(b'X', 119, size_of::<i32>()))
                && ![nix::Error::EOPNOTSUPP, nix::Error::EBUSY]
                    .iter()
                    .any(|errno| error.errno == *errno as i32)
            {
                return Err(error);
            }
        }
        Ok(())
    };
    match rest() {
        Ok(()) => Ok(read_only),
        Err(error) => {
            thaw(targets, &read_only);
            Err(error)
        }
    }
}

/// Thaws what is frozen, and lets be written again what [`freeze`] made read-only.
pub fn thaw(targets: &[PathBuf], read_only: &[PathBuf]) -> Answer {
    for target in targets {
        // One that was not frozen says EINVAL, which is what is wanted.
        let _ = change(target, request_code_readwrite!(b'X', 120, size_of::<i32>()));
    }
    for target in read_only {
        let _ = remount(target, MsFlags::empty());
    }
    Answer::Nothing
}

fn remount(target: &Path, flags: MsFlags) -> Result<()> {
    let none = None::<&str>;
    nix::mount::mount(none, target, none, MsFlags::MS_REMOUNT | flags, none).at(target.display())
}

fn change(target: &Path, request: u64) -> Result<()> {
    let folder = File::open(target).at(target.display())?;
    let mut unused = 0i32;
    // SAFETY: FIFREEZE and FITHAW take an int that they do not look at.
    unsafe { device::ioctl(&folder, request, &mut unused) }.at(target.display())
}

/// `struct xfs_growfs_data` of `xfs_fs.h`.
#[repr(C)]
struct XfsGrow {
    newblocks: u64,
    imaxpct: u32,
}

/// `struct xfs_fsop_geom_v1` of `xfs_fs.h`; only its first eight words matter here.
#[repr(C)]
struct XfsGeometry {
    words: [u32; 28],
}

/// `struct btrfs_ioctl_vol_args` of `linux/btrfs.h`.
#[repr(C)]
struct BtrfsArgs {
    fd: i64,
    name: [c_char; 4088],
}

/// Grows the file system at `target` to the end of `device`; answers its new size in bytes.
pub fn grow(target: &Path, device: &str) -> Result<Answer> {
    let room = device::size(device)?;
    let before = statfs(target).at(target.display())?;
    let folder = File::open(target).at(target.display())?;
    match before.filesystem_type() {
        FsType(kind) if kind == EXT4_SUPER_MAGIC.0 => {
            let block = u64::try_from(before.block_size()).unwrap_or(4096);
            let mut blocks = room / block;
            // SAFETY: EXT4_IOC_RESIZE_FS reads one u64, the new number of blocks.
            unsafe { device::ioctl(&folder, request_code_write!(b'f', 16, size_of::<u64>()), &mut blocks) }
                .at(target.display())?;
        }
        FsType(kind) if kind == XFS_SUPER_MAGIC.0 => {
            let mut geometry = XfsGeometry { words: [0; 28] };
            // SAFETY: XFS_IOC_FSGEOMETRY_V1 writes 112 bytes, the size of the struct.
            unsafe {
                device::ioctl(&folder, request_code_read!(b'X', 100, size_of::<XfsGeometry>()), &mut geometry)
            }
            .at(target.display())?;
            let [block, .., imaxpct] = [geometry.words[0], 0, geometry.words[7]];
            let newblocks = room / u64::from(block.max(512));
            let mut grow = XfsGrow { newblocks, imaxpct };
            // SAFETY: XFS_IOC_FSGROWFSDATA reads one struct xfs_growfs_data.
            unsafe {
                device::ioctl(&folder, request_code_write!(b'X', 110, size_of::<XfsGrow>()), &mut grow)
            }
            .at(target.display())?;
        }
        FsType(kind) if kind == BTRFS_SUPER_MAGIC.0 => {
            let mut args = BtrfsArgs { fd: 0, name: [0; 4088] };
            device::fill(&mut args.name, c"max");
            // SAFETY: BTRFS_IOC_RESIZE reads one struct btrfs_ioctl_vol_args.
            unsafe {
                device::ioctl(&folder, request_code_write!(0x94, 3, size_of::<BtrfsArgs>()), &mut args)
            }
            .at(target.display())?;
        }
        _ => return Err(AgentError::new("this file system cannot be grown")),
    }
    let after = statfs(target).at(target.display())?;
    let block = u64::try_from(after.block_size()).unwrap_or(4096);
    Ok(Answer::Number { value: after.blocks() * block })
}
