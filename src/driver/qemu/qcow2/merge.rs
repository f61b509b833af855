//! A disk file and all it stands on as one compressed file.
//!
//! Nearly all of a built disk is as its base has it, compressed already. `qemu-img convert` unpacks that and
//! packs it again, 2.4 s of a processor for a base of 200 MB; here it is taken over as it lies, and only what a
//! build changed is compressed.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::chain::{Chain, Found, PACKED, PLACE_BITS, SECTOR};
use super::{CLUSTER, COVERED};

/// Clusters that are read and compressed before any of them is written, by all processors together: 16 MiB.
const BATCH: u64 = 256;
/// Of an entry: what it points to is used once.
const COPIED: u64 = 1 << 63;

/// Writes `disk`, whose backing files may not change meanwhile, to a new file. An error of kind `Unsupported`
/// means that only QEMU can read it, one of kind `InvalidData` that a file is damaged; whatever the error, the
/// file is to be removed. `level` is zstd's. Blocking; `stop` ends it.
pub(in crate::driver::qemu) fn merge(
    disk: &Path,
    to: &Path,
    level: i32,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut chain = Chain::open(disk)?;
    let mut file = Writer::new(File::create_new(to)?);
    let clusters = chain.size().div_ceil(CLUSTER);
    let mut first = 0;
    while first < clusters {
        if stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let entry = usize::try_from(first * CLUSTER / COVERED).unwrap_or(usize::MAX);
        let last = if chain.covers(entry) {
            let last = (first + BATCH).min(clusters);
            let found = (first..last).map(|cluster| chain.find(cluster)).collect::<io::Result<Vec<_>>>()?;
            for (cluster, content) in (first..last).zip(contents(&chain, &found, level)?) {
                file.put(cluster, &content)?;
            }
            last
        } else {
            (entry as u64 + 1) * (COVERED / CLUSTER)
        };
        first = last;
    }
    file.finish(chain.size())
}

/// What is to be written for a cluster.
pub(super) enum Content {
    Nothing,
    Plain(Vec<u8>),
    Packed(Vec<u8>),
}

/// Reads and compresses, in the order of `found`.
fn contents(chain: &Chain, found: &[Found], level: i32) -> io::Result<Vec<Content>> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = found.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = found
            .chunks(share)
            .map(|part| scope.spawn(|| part.iter().map(|&found| content(chain, found, level)).collect()))
            .collect();
        let mut all = Vec::with_capacity(found.len());
        for part in parts {
            let part: io::Result<Vec<Content>> =
                part.join().unwrap_or_else(|_| Err(io::Error::other("a thread that compresses panicked")));
            all.extend(part?);
        }
        Ok(all)
    })
}

pub(super) fn content(chain: &Chain, found: Found, level: i32) -> io::Result<Content> {
    match found {
        Found::Nothing => Ok(Content::Nothing),
        Found::Packed { file, offset, room } => {
            let mut bytes = read(chain.file(file), offset, room)?;
            // What follows in the last sector belongs to others.
            let len = zstd::zstd_safe::find_frame_compressed_size(&bytes)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a broken compressed cluster"))?;
            bytes.truncate(len);
            Ok(Content::Packed(bytes))
        }
        Found::Plain { file, offset } => {
            let bytes = read(chain.file(file), offset, CLUSTER)?;
            if bytes.iter().all(|&byte| byte == 0) {
                return Ok(Content::Nothing);
            }
            let packed = zstd::bulk::compress(&bytes, level)?;
            let worth_it = packed.len() as u64 <= CLUSTER - SECTOR;
            Ok(if worth_it { Content::Packed(packed) } else { Content::Plain(bytes) })
        }
    }
}

/// So many bytes, zeroes where the file ends before.
fn read(file: &File, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(bytes)
}

/// A file that grows: contents first, then the tables that say where they are, the header last.
struct Writer {
    file: File,
    /// Where the next free cluster is.
    end: u64,
    /// What is free of the cluster that compressed ones were last put into.
    packing: std::ops::Range<u64>,
    /// How often each cluster of the file is used.
    counts: Vec<u16>,
    /// Tables of the second level, by their number.
    tables: BTreeMap<u64, Vec<u64>>,
}

impl Writer {
    fn new(file: File) -> Self {
        // The header's cluster.
        Self { file, end: CLUSTER, packing: 0..0, counts: vec![1], tables: BTreeMap::new() }
    }

    fn put(&mut self, cluster: u64, content: &Content) -> io::Result<()> {
        let entry = match content {
            Content::Nothing => return Ok(()),
            Content::Plain(bytes) => self.append(bytes)? | COPIED,
            Content::Packed(bytes) => self.pack(bytes)?,
        };
        let covered = COVERED / CLUSTER;
        let table = self.tables.entry(cluster / covered).or_insert_with(|| vec![0; index(covered)]);
        table[index(cluster % covered)] = entry;
        Ok(())
    }

    /// Puts a compressed cluster behind the last one; answers its entry.
    fn pack(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let len = bytes.len() as u64;
        if self.packing.end - self.packing.start < len {
            let next = self.claim();
            // It may lie across two clusters only if they are neighbours.
            if next != self.packing.end {
                self.packing.start = next;
            }
            self.packing.end = next + CLUSTER;
        }
        let at = self.packing.start;
        self.packing.start += len;
        self.file.write_all_at(bytes, at)?;
        let sectors = (at % SECTOR + len).div_ceil(SECTOR);
        // Claiming counted a cluster once already, for whoever is the first to begin in it.
        for used in at / CLUSTER..=(at + len - 1) / CLUSTER {
            self.counts[index(used)] += 1;
        }
        Ok(PACKED | (sectors - 1) << PLACE_BITS | at)
    }

    /// Puts whole clusters at the end; answers where.
    fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let at = self.end;
        for _ in 0..(bytes.len() as u64).div_ceil(CLUSTER) {
            let claimed = self.claim();
            self.counts[index(claimed / CLUSTER)] = 1;
        }
        self.file.write_all_at(bytes, at)?;
        Ok(at)
    }

    /// A free cluster, not counted yet.
    fn claim(&mut self) -> u64 {
        let at = self.end;
        self.end += CLUSTER;
        self.counts.push(0);
        at
    }

    fn finish(mut self, size: u64) -> io::Result<()> {
        let entries = size.div_ceil(COVERED);
        let mut first_level = vec![0; index(entries)];
        for (number, table) in std::mem::take(&mut self.tables) {
            first_level[index(number)] = self.append(&numbers(&table))? | COPIED;
        }
        let first_level_at = self.append(&numbers(&first_level))?;
        // The blocks of counts count themselves, and the table that lists them.
        let in_block = CLUSTER / 2;
        let used = self.end / CLUSTER;
        let (mut blocks, mut table) = (1, 1);
        while (used + blocks + table).div_ceil(in_block) > blocks || (blocks * 8).div_ceil(CLUSTER) > table {
            blocks = (used + blocks + table).div_ceil(in_block);
            table = (blocks * 8).div_ceil(CLUSTER);
        }
        self.counts.resize(index(used + blocks + table), 1);
        let counts: Vec<u8> = self.counts.iter().flat_map(|count| count.to_be_bytes()).collect();
        let blocks_at = self.end;
        let table_at = blocks_at + blocks * CLUSTER;
        self.file.write_all_at(&counts, blocks_at)?;
        let places: Vec<u64> = (0..blocks).map(|block| blocks_at + block * CLUSTER).collect();
        self.file.write_all_at(&numbers(&places), table_at)?;
        self.file.set_len(table_at + table * CLUSTER)?;
        self.file.write_all_at(&header(size, entries, first_level_at, table_at, table)?, 0)
    }
}

fn header(
    size: u64,
    entries: u64,
    first_level: u64,
    counts: u64,
    count_clusters: u64,
) -> io::Result<Vec<u8>> {
    let short = |number: u64| {
        u32::try_from(number).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "too large a disk"))
    };
    let mut out = Vec::new();
    out.extend(b"QFI\xfb");
    out.extend(3u32.to_be_bytes());
    out.extend([0; 12]); // no backing file
    out.extend(CLUSTER.ilog2().to_be_bytes());
    out.extend(size.to_be_bytes());
    out.extend(0u32.to_be_bytes()); // not encrypted
    out.extend(short(entries)?.to_be_bytes());
    out.extend(first_level.to_be_bytes());
    out.extend(counts.to_be_bytes());
    out.extend(short(count_clusters)?.to_be_bytes());
    out.extend([0; 12]); // no snapshots
    out.extend((1u64 << 3).to_be_bytes()); // incompatible: a compression type is said
    out.extend([0; 16]); // no compatible or automatically cleared features
    out.extend(4u32.to_be_bytes()); // log2 of the bits of a count
    out.extend(112u32.to_be_bytes()); // bytes of the header
    out.extend([1, 0, 0, 0, 0, 0, 0, 0]); // zstd
    out.extend([0; 8]); // the end of the extensions
    Ok(out)
}

fn numbers(table: &[u64]) -> Vec<u8> {
    table.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// Tables and files here are far smaller than memory.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
