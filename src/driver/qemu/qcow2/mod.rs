//! Disk files in QEMU's own format, where its tool would be slower: empty overlays, one for every step, and
//! artifacts ([`merge`]).
//!
//! The layout is that of version 3 of the format (QEMU's docs/interop/qcow2.rst), all of whose numbers are
//! big-endian. An overlay is a header with the backing file's name, then one table of reference counts, one
//! block of them, and the first-level table, which is empty.

mod chain;
pub(super) mod fuzzed;
pub(super) mod merge;

use std::{io, os::unix::fs::FileExt, path::Path};

/// Bytes of a cluster: QEMU's own default.
const CLUSTER: u64 = 1 << 16;
/// Bytes that one entry of the first-level table covers: a cluster of 8-byte entries, each for a cluster.
const COVERED: u64 = CLUSTER / 8 * CLUSTER;
/// Bytes of the header before its extensions.
const HEADER: u32 = 104;
/// The header extension that names the backing file's format.
const BACKING_FORMAT: u32 = 0xE279_2ACA;

/// Makes an overlay of `size` bytes on a backing file, whose path may be relative to the overlay and which
/// need not exist yet. A file that is there is an error.
pub(super) fn overlay(path: &Path, backing: &Path, backing_format: &str, size: u64) -> io::Result<()> {
    let Overlay { header, clusters } = layout(backing, backing_format, size)?;
    let file = std::fs::File::create_new(path)?;
    // Everything between these is zero, and takes no room.
    file.set_len(clusters * CLUSTER)?;
    file.write_all_at(&header, 0)?;
    file.write_all_at(&(2 * CLUSTER).to_be_bytes(), CLUSTER)?;
    let counts: Vec<u8> = (0..clusters).flat_map(|_| 1u16.to_be_bytes()).collect();
    file.write_all_at(&counts, 2 * CLUSTER)
}

struct Overlay {
    /// The first cluster's content, without the zeros after it.
    header: Vec<u8>,
    /// In the whole file, each in use once.
    clusters: u64,
}

fn layout(backing: &Path, backing_format: &str, size: u64) -> io::Result<Overlay> {
    let too_large = || io::Error::new(io::ErrorKind::InvalidInput, "too large for an overlay");
    let name = backing.as_os_str().as_encoded_bytes();
    let entries = u32::try_from(size.div_ceil(COVERED)).map_err(|_| too_large())?;
    let tables = (u64::from(entries) * 8).div_ceil(CLUSTER).max(1);
    let clusters = 3 + tables;
    // One block of 16-bit counts covers 32768 clusters; and the name has to fit the first.
    if clusters > CLUSTER / 2 || name.len() > 1023 {
        return Err(too_large());
    }
    let mut extension = Vec::new();
    extension.extend(BACKING_FORMAT.to_be_bytes());
    extension.extend(u32::try_from(backing_format.len()).map_err(|_| too_large())?.to_be_bytes());
    extension.extend(backing_format.as_bytes());
    extension.resize(extension.len().next_multiple_of(8), 0);
    // The end of the extensions: type and length 0.
    extension.extend([0; 8]);
    let name_at = u64::from(HEADER) + extension.len() as u64;

    let mut out = Vec::new();
    out.extend(b"QFI\xfb");
    out.extend(3u32.to_be_bytes());
    out.extend(name_at.to_be_bytes());
    out.extend(u32::try_from(name.len()).map_err(|_| too_large())?.to_be_bytes());
    out.extend(16u32.to_be_bytes()); // log2 of a cluster
    out.extend(size.to_be_bytes());
    out.extend(0u32.to_be_bytes()); // not encrypted
    out.extend(entries.to_be_bytes());
    out.extend((3 * CLUSTER).to_be_bytes()); // first-level table
    out.extend(CLUSTER.to_be_bytes()); // table of reference counts
    out.extend(1u32.to_be_bytes()); // its clusters
    out.extend(0u32.to_be_bytes()); // snapshots
    out.extend(0u64.to_be_bytes());
    out.extend([0; 24]); // no incompatible, compatible or automatically cleared features
    out.extend(4u32.to_be_bytes()); // log2 of the bits of a count
    out.extend(HEADER.to_be_bytes());
    out.extend(extension);
    out.extend(name);
    Ok(Overlay { header: out, clusters })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn qemu_reads_an_overlay_as_one_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("below")).unwrap();
        let qemu_img = |args: &[&str]| {
            let output = Command::new("qemu-img").args(args).current_dir(dir.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        qemu_img(&["create", "-q", "-f", "qcow2", "below/disk", "1G"]);
        // From one entry of the first-level table to several clusters of them.
        for size in [1 << 30, 8 << 30, (512 << 20) + 512, 5 << 42] {
            let path = dir.path().join("over");
            overlay(&path, Path::new("below/disk"), "qcow2", size).unwrap();
            qemu_img(&["check", "-q", "over"]);
            let info: serde_json::Value =
                serde_json::from_str(&qemu_img(&["info", "--output=json", "over"])).unwrap();
            assert_eq!(info["virtual-size"], size);
            assert_eq!(info["backing-filename"], "below/disk");
            assert_eq!(info["backing-filename-format"], "qcow2");
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn what_is_there_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        std::fs::write(&path, "precious").unwrap();
        assert!(overlay(&path, Path::new("b"), "raw", 1 << 30).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
