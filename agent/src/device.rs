//! Block devices and kernel modules.
#![allow(unsafe_code)] // ioctl on block devices has no safe wrapper; each call says why it is sound

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgfile_agent::protocol::message::{Answer, Device, Partition};
use nix::kmod::init_module;

use crate::error::{AgentError, At, Result};

/// The kernel counts in these everywhere in /sys, whatever the disk's own block is.
const SECTOR: u64 = 512;

pub fn load_module(name: &str, module: &[u8]) -> Result<Answer> {
    match init_module(module, c"") {
        // No such device: a driver for a processor's own instructions, which this one has not.
        Ok(()) | Err(nix::Error::EEXIST | nix::Error::ENODEV) => Ok(Answer::Nothing),
        Err(error) => Err(error).at(name),
    }
}

/// Loads what the initramfs brought, in the order of the names.
pub fn load_own_modules() -> Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir("/modules").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        load_module(&path.to_string_lossy(), &fs::read(&path)?)?;
        let _ = fs::remove_file(&path);
    }
    Ok(())
}

/// The disks, partitions included, in the order of their names.
pub fn list() -> Result<Vec<Device>> {
    let mut devices = Vec::new();
    for entry in fs::read_dir("/sys/block").at("/sys/block")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("loop") || name.starts_with("ram") {
            continue;
        }
        let mut partitions = Vec::new();
        for inner in fs::read_dir(entry.path())?.flatten() {
            let path = inner.path();
            if let Some(number) = number(&path, "partition") {
                partitions.push(Partition {
                    name: inner.file_name().to_string_lossy().into_owned(),
                    number: u32::try_from(number).unwrap_or(0),
                    start: number_or_zero(&path, "start") * SECTOR,
                    size: number_or_zero(&path, "size") * SECTOR,
                });
            }
        }
        partitions.sort_by_key(|partition| partition.start);
        let size = number_or_zero(&entry.path(), "size") * SECTOR;
        devices.push(Device { name, size, read_only: number_or_zero(&entry.path(), "ro") != 0, partitions });
    }
    devices.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(devices)
}

fn number(folder: &Path, name: &str) -> Option<u64> {
    fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok()
}

fn number_or_zero(folder: &Path, name: &str) -> u64 {
    number(folder, name).unwrap_or(0)
}

fn node(device: &str) -> PathBuf {
    Path::new("/dev").join(device)
}

/// Up to `len` bytes at `offset`.
pub fn read(device: &str, offset: u64, len: u32) -> Result<Vec<u8>> {
    let file = File::open(node(device)).at(device)?;
    let mut bytes = vec![0; (len as usize).min(16 * 1024 * 1024)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64).at(device)? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

pub fn write(device: &str, offset: u64, content: &mut impl Read) -> Result<Answer> {
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    let file = OpenOptions::new().write(true).open(node(device)).at(device)?;
    file.write_all_at(&bytes, offset).at(device)?;
    file.sync_all().at(device)?;
    Ok(Answer::Nothing)
}

/// Bytes of a block device.
pub fn size(device: &str) -> Result<u64> {
    nix::ioctl_read!(blkgetsize64, 0x12, 114, usize);
    let file = File::open(node(device)).at(device)?;
    let mut size = 0u64;
    // SAFETY: the kernel writes one u64 through the pointer, despite the `size_t` in the request's number.
    unsafe { blkgetsize64(file.as_raw_fd(), (&raw mut size).cast()) }.at(device)?;
    Ok(size)
}

/// `struct blkpg_partition` of `linux/blkpg.h`.
#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    pno: c_int,
    devname: [c_char; 64],
    volname: [c_char; 64],
}

/// `struct blkpg_ioctl_arg` of `linux/blkpg.h`.
#[repr(C)]
struct BlkpgArg {
    op: c_int,
    flags: c_int,
    datalen: c_int,
    data: *mut c_void,
}

/// Changes a partition in the kernel's mind while it is in use.
pub fn resize_partition(device: &str, number: u32, start: u64, len: u64) -> Result<Answer> {
    nix::ioctl_write_ptr_bad!(blkpg, 0x1269, BlkpgArg);
    const RESIZE: c_int = 3;
    let whole = |value: u64| i64::try_from(value).map_err(|_| AgentError::new("absurd partition"));
    let mut partition = BlkpgPartition {
        start: whole(start)?,
        length: whole(len)?,
        pno: c_int::try_from(number).map_err(|_| AgentError::new("absurd partition"))?,
        devname: [0; 64],
        volname: [0; 64],
    };
    let datalen = c_int::try_from(size_of::<BlkpgPartition>()).unwrap_or(c_int::MAX);
    let arg = BlkpgArg { op: RESIZE, flags: 0, datalen, data: (&raw mut partition).cast() };
    let file = File::open(node(device)).at(device)?;
    // SAFETY: `arg` and the partition it points to outlive the call, which only reads them.
    unsafe { blkpg(file.as_raw_fd(), &raw const arg) }.at(device)?;
    Ok(Answer::Nothing)
}

/// Runs an ioctl whose number and argument the caller vouches for.
///
/// # Safety
/// `argument` must be what the kernel expects for `request`.
pub unsafe fn ioctl<T>(file: &File, request: u64, argument: &mut T) -> io::Result<()> {
    // SAFETY: passed on to the caller.
    let result = unsafe { nix::libc::ioctl(file.as_raw_fd(), request, std::ptr::from_mut(argument)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Copies a name into a fixed field, cut to fit, NUL at its end.
pub fn fill(field: &mut [c_char], name: &CStr) {
    let last = field.len().saturating_sub(1);
    for (to, from) in field[..last].iter_mut().zip(name.to_bytes()) {
        *to = from.cast_signed();
    }
}

/// Makes the links of /dev/disk that udev would make; those that are there stay.
pub fn link(links: &[(String, String)]) -> Result<()> {
    for (link, device) in links {
        let link = Path::new("/dev/disk").join(link);
        if let Some(folder) = link.parent() {
            fs::create_dir_all(folder).at(folder.display())?;
        }
        match std::os::unix::fs::symlink(format!("../../{device}"), &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).at(link.display());
            }
            _ => {}
        }
    }
    Ok(())
}
