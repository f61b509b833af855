//! A disk file and all it stands on, read cluster by cluster.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{BACKING_FORMAT, CLUSTER, COVERED};

/// Files of a chain; a build flattens long before.
const DEEPEST: usize = 256;
/// Bits of an entry of either table that say where something is.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Of an entry of the second level: its cluster is compressed.
pub(super) const PACKED: u64 = 1 << 62;
/// Of the same: reads as zeroes.
const ZERO: u64 = 1;
/// How many bits of a compressed cluster's entry are its place; the others count its sectors but the first.
pub(super) const PLACE_BITS: u32 = 54;
pub(super) const SECTOR: u64 = 512;
/// The only incompatible feature that is understood: a compression type in the header.
const COMPRESSION_TYPE: u64 = 1 << 3;
/// That type, if it is zstd.
const ZSTD: u8 = 1;

/// Where a cluster's content is: the number of the file in the chain, and the place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It reads as zeroes.
    Nothing,
    Plain {
        file: usize,
        offset: u64,
    },
    /// Compressed by zstd, in at most `room` bytes.
    Packed {
        file: usize,
        offset: u64,
        room: u64,
    },
}

/// The disk file first, then what each stands on.
#[derive(Debug)]
pub(super) struct Chain {
    images: Vec<Image>,
}

#[derive(Debug)]
struct Image {
    file: File,
    /// Bytes.
    size: u64,
    zstd: bool,
    first_level: Vec<u64>,
    /// The table of the second level that was used last, and its number.
    second_level: Option<(usize, Vec<u64>)>,
}

fn unknown(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, what)
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Chain {
    /// Opens a disk and its backing files; an error of kind `Unsupported` if one of them is of a kind that only
    /// QEMU knows to read. Nobody may have them open for writing.
    pub(super) fn open(disk: &Path) -> io::Result<Self> {
        let mut images: Vec<Image> = Vec::new();
        let mut next = Some(disk.to_owned());
        while let Some(path) = next {
            if images.len() == DEEPEST {
                return Err(unknown("a chain that is too long"));
            }
            let (image, backing) = Image::open(&path)?;
            let top = images.first().map_or(image.size, |first| first.size);
            // What lies beyond the end of a backing file reads as zeroes, in the middle of a cluster too.
            if image.size % CLUSTER != 0 && image.size < top {
                return Err(unknown("a backing file that ends within a cluster"));
            }
            images.push(image);
            next = backing;
        }
        Ok(Self { images })
    }

    /// Bytes of the disk.
    pub(super) fn size(&self) -> u64 {
        self.images[0].size
    }

    pub(super) fn file(&self, number: usize) -> &File {
        &self.images[number].file
    }

    /// Whether the disk, all of whose backing files are looked through, may have anything in the range of an
    /// entry of the first level.
    pub(super) fn covers(&self, entry: usize) -> bool {
        self.images.iter().any(|image| image.first_level.get(entry).is_some_and(|table| table & OFFSET != 0))
    }

    /// Where the content of a cluster of the disk is.
    pub(super) fn find(&mut self, cluster: u64) -> io::Result<Found> {
        for (file, image) in self.images.iter_mut().enumerate() {
            if cluster * CLUSTER >= image.size {
                return Ok(Found::Nothing);
            }
            let entry = image.entry(cluster)?;
            if entry & PACKED != 0 {
                if !image.zstd {
                    return Err(unknown("a cluster compressed by zlib"));
                }
                let offset = entry & ((1 << PLACE_BITS) - 1);
                let sectors = ((entry & !(3 << 62)) >> PLACE_BITS) + 1;
                return Ok(Found::Packed { file, offset, room: sectors * SECTOR - offset % SECTOR });
            }
            if entry & ZERO != 0 {
                return Ok(Found::Nothing);
            }
            if entry & OFFSET != 0 {
                return Ok(Found::Plain { file, offset: entry & OFFSET });
            }
        }
        Ok(Found::Nothing)
    }
}

impl Image {
    /// The image, and the file it stands on.
    fn open(path: &Path) -> io::Result<(Self, Option<PathBuf>)> {
        let file = File::open(path)?;
        let mut header = vec![0; usize::try_from(CLUSTER).unwrap_or(usize::MAX)];
        let read = file.read_at(&mut header, 0)?;
        let header = Header(&header[..read]);
        if header.bytes(0, 4)? != b"QFI\xfb" || header.u32(4)? != 3 {
            return Err(unknown("not of version 3"));
        }
        let features = header.u64(72)?;
        if header.u32(20)? != CLUSTER.ilog2() || header.u32(32)? != 0 || features & !COMPRESSION_TYPE != 0 {
            return Err(unknown("clusters, encryption or features of another kind"));
        }
        let zstd = features & COMPRESSION_TYPE != 0 && header.bytes(104, 1)? == [ZSTD];
        let size = header.u64(24)?;
        let entries = u64::from(header.u32(36)?);
        // As QEMU makes them: enough of them, and not absurdly many.
        if entries < size.div_ceil(COVERED) || entries > size.div_ceil(COVERED) + CLUSTER / 8 {
            return Err(unknown("a table of the first level of an odd length"));
        }
        let first_level = table(&file, header.u64(40)?, entries)?;
        let backing = header.backing(path)?;
        Ok((Self { file, size, zstd, first_level, second_level: None }, backing))
    }

    /// The entry of a cluster in its table of the second level; 0 where there is no such table.
    fn entry(&mut self, cluster: u64) -> io::Result<u64> {
        let odd = |_| unknown("a cluster far beyond the end");
        let number = usize::try_from(cluster * CLUSTER / COVERED).map_err(odd)?;
        let within = usize::try_from(cluster % (COVERED / CLUSTER)).map_err(odd)?;
        let offset = self.first_level.get(number).map_or(0, |entry| entry & OFFSET);
        if offset == 0 {
            return Ok(0);
        }
        if self.second_level.as_ref().is_none_or(|(known, _)| *known != number) {
            self.second_level = Some((number, table(&self.file, offset, CLUSTER / 8)?));
        }
        Ok(self.second_level.as_ref().and_then(|(_, table)| table.get(within)).copied().unwrap_or(0))
    }
}

/// A table of 64-bit numbers.
fn table(file: &File, offset: u64, entries: u64) -> io::Result<Vec<u64>> {
    let len = file.metadata()?.len();
    if offset.checked_add(entries * 8).is_none_or(|end| end > len) {
        return Err(broken("a table beyond the end of the file"));
    }
    let mut bytes = vec![0; usize::try_from(entries * 8).map_err(|_| unknown("an endless table"))?];
    file.read_exact_at(&mut bytes, offset)?;
    let numbers = bytes.as_chunks::<8>().0.iter().map(|number| u64::from_be_bytes(*number));
    Ok(numbers.collect())
}

/// The first bytes of a file, none of which need be there.
struct Header<'a>(&'a [u8]);

impl Header<'_> {
    fn bytes(&self, at: usize, len: usize) -> io::Result<&[u8]> {
        let found = at.checked_add(len).and_then(|end| self.0.get(at..end));
        found.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }

    fn u32(&self, at: usize) -> io::Result<u32> {
        Ok(self.bytes(at, 4)?.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)))
    }

    fn u64(&self, at: usize) -> io::Result<u64> {
        Ok(u64::from(self.u32(at)?) << 32 | u64::from(self.u32(at + 4)?))
    }

    fn usize(&self, at: usize) -> io::Result<usize> {
        Ok(self.u32(at)? as usize)
    }

    /// The backing file, which has to be of this format too; a relative name is beside `path`.
    fn backing(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        use std::os::unix::ffi::OsStrExt;
        let (at, len) = (self.u64(8)?, self.usize(16)?);
        if at == 0 {
            return Ok(None);
        }
        let mut extension = self.usize(100)?;
        let mut format: &[u8] = b"";
        while self.u32(extension)? != 0 {
            let len = self.usize(extension + 4)?;
            if self.u32(extension)? == BACKING_FORMAT {
                format = self.bytes(extension + 8, len)?;
            }
            extension += 8 + len.next_multiple_of(8);
        }
        if format != b"qcow2" {
            return Err(unknown("a backing file of another format"));
        }
        let name = self.bytes(usize::try_from(at).unwrap_or(usize::MAX), len)?;
        Ok(Some(path.parent().unwrap_or(Path::new("")).join(std::ffi::OsStr::from_bytes(name))))
    }
}
