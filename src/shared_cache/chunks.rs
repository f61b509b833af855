//! Files in chunks whose ends are found by their content: where a part changed, the others are what they were.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
};

use fastcdc::v2020::StreamCDC;
use serde::{Deserialize, Serialize};

use crate::text::Digest;

/// Bytes of a chunk: least, usual, most. A file of half a gigabyte is a thousand chunks, whose manifest has 100 KiB.
const LEAST: usize = 128 << 10;
const USUAL: usize = 512 << 10;
const MOST: usize = 2 << 20;
/// Bytes of a chunk, and of the facts of a disk, that anybody may send.
const LARGEST: u64 = 64 << 20;
/// Of zstd: what is sent is read many times.
const LEVEL: i32 = 6;

/// A piece of a file, as it lies in a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chunk {
    /// SHA-256 of it, compressed.
    pub digest: Digest,
    /// Bytes, compressed.
    pub size: u64,
    /// Bytes of the file.
    pub raw: u64,
}

impl Chunk {
    /// Whether reading it takes no more memory than one of ours.
    pub(super) const fn is_bounded(&self) -> bool {
        self.raw <= LARGEST && self.size <= LARGEST && self.size > 0
    }
}

/// Where the chunks of a file are: offsets and lengths.
pub(super) fn cut(file: &File) -> io::Result<Vec<(u64, usize)>> {
    let cuts = StreamCDC::new(file, LEAST, USUAL, MOST);
    cuts.map(|chunk| chunk.map(|chunk| (chunk.offset, chunk.length)).map_err(io::Error::other)).collect()
}

/// A part of a file, compressed.
pub(super) fn pack(file: &File, (offset, length): (u64, usize)) -> io::Result<(Chunk, Vec<u8>)> {
    let mut raw = vec![0; length];
    file.read_exact_at(&mut raw, offset)?;
    pack_bytes(&raw)
}

/// Bytes, compressed.
pub(super) fn pack_bytes(raw: &[u8]) -> io::Result<(Chunk, Vec<u8>)> {
    let packed = zstd::bulk::compress(raw, LEVEL)?;
    let chunk = Chunk { digest: Digest::of(&packed), size: packed.len() as u64, raw: raw.len() as u64 };
    Ok((chunk, packed))
}

/// What a chunk holds, which is as long as it is said to be.
pub(super) fn unpack(packed: &[u8], chunk: &Chunk) -> io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    let reader = zstd::Decoder::new(packed)?;
    reader.take(chunk.raw + 1).read_to_end(&mut raw)?;
    if raw.len() as u64 == chunk.raw {
        Ok(raw)
    } else {
        Err(io::Error::other("it is not as long as it is said to be"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Bytes that look like nothing, always the same.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    fn chunks(content: &[u8]) -> Vec<Chunk> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let mut whole = Vec::new();
        let mut all = Vec::new();
        for part in cut(&file).unwrap() {
            let (chunk, packed) = pack(&file, part).unwrap();
            whole.extend(unpack(&packed, &chunk).unwrap());
            all.push(chunk);
        }
        assert!(whole == content, "what is cut comes together again");
        all
    }

    #[test]
    fn what_is_put_in_changes_the_chunk_where_it_is() {
        let content = noise(16 << 20);
        let before = chunks(&content);
        assert!(before.len() > 8, "{}", before.len());
        let at = 7 << 20;
        let after = chunks(&[&content[..at], b"something", &content[at..]].concat());
        let new = after.iter().filter(|chunk| !before.contains(chunk)).count();
        assert!((1..=2).contains(&new), "{new}");
    }

    #[test]
    fn a_chunk_that_lies_about_its_length_is_not_unpacked() {
        let (chunk, packed) = pack_bytes(&[0; 4096]).unwrap();
        for raw in [0, 4095, 4097] {
            assert!(unpack(&packed, &Chunk { raw, ..chunk }).is_err(), "{raw}");
        }
        assert!(unpack(b"no zstd", &chunk).is_err());
        assert!(!Chunk { raw: LARGEST + 1, ..chunk }.is_bounded());
    }
}
