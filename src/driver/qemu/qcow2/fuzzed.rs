//! The reader of disk files as a function of plain bytes, for the fuzz targets (`fuzz/src/hostile.rs`).

use std::{cell::RefCell, ffi::OsStr, fs::File, io, os::fd::AsRawFd, os::unix::fs::FileExt, path::PathBuf};

use super::{
    CLUSTER,
    chain::{Chain, Found},
    layout,
    merge::{Content, content},
};

/// Clusters that are looked up in one disk.
const LOOKS: u64 = 64;
/// Bytes of the file that can be written to; the rest of it is zeroes, or not there.
const REACH: u64 = 16 * CLUSTER;

/// A disk file that is an empty overlay of ours at first, with pieces of it written over: `bytes` are 3 bytes
/// that say where, one how many, and so many of them, and again. A first byte that is odd begins with zeroes.
pub fn disk(bytes: &[u8]) {
    thread_local! {
        static FILE: RefCell<Option<File>> = const { RefCell::new(None) };
    }
    FILE.with_borrow_mut(|file| {
        if file.is_none() {
            *file = tempfile::tempfile().ok();
        }
        // Without room for a file there is nothing to be found out.
        if let Some(file) = file
            && write(file, bytes).is_ok()
        {
            read(file);
        }
    });
}

fn write(file: &File, bytes: &[u8]) -> io::Result<()> {
    let Some((first, mut rest)) = bytes.split_first() else { return Ok(()) };
    file.set_len(0)?;
    if first & 1 == 0 {
        let name = OsStr::new("no such file");
        let overlay = layout(name.as_ref(), "qcow2", u64::from(*first) << 20)?;
        file.set_len(overlay.clusters * CLUSTER)?;
        file.write_all_at(&overlay.header, 0)?;
        // Without a backing file, so that what is in its tables is reached.
        file.write_all_at(&[0; 8], 8)?;
    }
    while let [low, middle, high, len, more @ ..] = rest {
        let at = u64::from(u32::from_le_bytes([*low, *middle, *high, 0])) % REACH;
        let (piece, left) = more.split_at(usize::from(*len).min(more.len()));
        file.write_all_at(piece, at)?;
        rest = left;
    }
    Ok(())
}

fn read(file: &File) {
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let Ok(mut chain) = Chain::open(&path) else { return };
    let clusters = chain.size().div_ceil(CLUSTER);
    // The first ones, and others all over the disk.
    let step = (clusters / LOOKS).max(1);
    for cluster in (0..LOOKS).chain((0..LOOKS).map(|number| number * step)).filter(|at| *at < clusters) {
        let Ok(found) = chain.find(cluster) else { continue };
        if matches!(found, Found::Packed { .. })
            && let Ok(Content::Packed(bytes)) = content(&chain, found, 3)
        {
            assert!(bytes.len() as u64 <= 2 * CLUSTER, "{} bytes of one cluster", bytes.len());
        }
    }
}
