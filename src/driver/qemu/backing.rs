//! What a disk of ours stands on, by the headers of its files.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Files of a chain; a build flattens long before.
const DEEPEST: usize = 256;

/// The fields of a qcow2 header that name other files, and the size of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the disk.
    pub size: u64,
    /// As written: relative to the folder of the file.
    pub backing: Option<PathBuf>,
    /// The content is in another file.
    pub data_file: bool,
}

/// Reads the header of a qcow2 file; nothing if it is none.
pub fn header(path: &Path) -> io::Result<Option<Header>> {
    const MAGIC: &[u8] = b"QFI\xfb";
    const LONGEST_NAME: u32 = 1023;
    const DATA_FILE: u64 = 1 << 2;
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(80).read_to_end(&mut head)?;
    if head.len() < 72 || !head.starts_with(MAGIC) {
        return Ok(None);
    }
    let four = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let eight = |at: usize| u64::from(four(at)) << 32 | u64::from(four(at + 4));
    let backing = match (eight(8), four(16)) {
        (0, _) | (_, 0) => None,
        (_, length) if length > LONGEST_NAME => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a backing file with a name too long"));
        }
        (at, length) => {
            let mut name = vec![0; length as usize];
            file.read_exact_at(&mut name, at)?;
            Some(PathBuf::from(std::ffi::OsString::from_vec(name)))
        }
    };
    let data_file = four(4) >= 3 && head.len() >= 80 && eight(72) & DATA_FILE != 0;
    Ok(Some(Header { size: eight(24), backing, data_file }))
}

/// The files that a disk stands on, the nearest first. Those that are not there are not among them: whoever
/// opens the disk says so.
pub(super) fn files(disk: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut at = disk.to_owned();
    while files.len() < DEEPEST {
        let Some(backing) = header(&at)?.and_then(|header| header.backing) else { break };
        at = at.parent().unwrap_or(Path::new(".")).join(backing);
        if !at.exists() {
            break;
        }
        files.push(at.clone());
    }
    Ok(files)
}
