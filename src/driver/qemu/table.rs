//! Partition tables: the names they give, and growing the last partition to a larger disk's end.

use flate2::Crc;

/// Every table here counts in these, whatever the disk's own block is.
const SECTOR: u64 = 512;
/// Partitions end on a multiple of this many sectors (1 MiB).
const ALIGN: u64 = 2048;
/// How many bytes from the start of a disk hold its tables.
pub(super) const LOOK: u32 = 34 * 512;
/// Sectors of GPT's entries at either end of the disk, at the usual 128 entries of 128 bytes.
const ENTRIES: u64 = 32;

/// Bytes to write at an offset of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// What growing comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Growth {
    /// No room behind it worth a change.
    Nothing,
    /// Room is there, but another partition lies between.
    NotLast,
    /// The new length of the partition in bytes, and how to write it down.
    To { len: u64, writes: Vec<Write> },
    /// A table that is not understood.
    Unknown(&'static str),
}

/// Names of a partition beside those of its content: PARTUUID and PARTLABEL.
pub(super) fn names(table: &[u8], number: u32) -> (Option<String>, Option<String>) {
    if let Some(gpt) = Gpt::parse(table) {
        let Some(entry) = gpt.entry(number) else { return (None, None) };
        let units: Vec<u16> =
            entry[56..128].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let label = String::from_utf16_lossy(&units).trim_end_matches('\0').to_owned();
        return (Some(guid(&entry[16..32])), Some(label).filter(|label| !label.is_empty()));
    }
    let signature = table.get(440..444).filter(|_| is_mbr(table));
    let uuid =
        signature.map(|id| format!("{:08x}-{number:02x}", u32::from_le_bytes([id[0], id[1], id[2], id[3]])));
    (uuid, None)
}

/// The first three fields of a GUID are little-endian.
fn guid(bytes: &[u8]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let hex = hex::encode(order.map(|at| bytes[at]));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn is_mbr(table: &[u8]) -> bool {
    table.get(510..512) == Some(&[0x55, 0xaa])
}

/// How to grow partition `number` of a disk of `disk` bytes whose first [`LOOK`] bytes are `table`.
pub(super) fn grow(table: &[u8], number: u32, disk: u64) -> Growth {
    if let Some(gpt) = Gpt::parse(table) {
        gpt.grow(number, disk / SECTOR)
    } else if table.get(512..520) == Some(b"EFI PART") {
        Growth::Unknown("a GPT that is damaged or laid out unusually")
    } else if is_mbr(table) {
        grow_mbr(table, number, disk / SECTOR)
    } else {
        Growth::Unknown("no partition table")
    }
}

/// A GPT with its entries in the usual place.
struct Gpt<'a> {
    header: &'a [u8],
    entries: &'a [u8],
}

impl<'a> Gpt<'a> {
    fn parse(table: &'a [u8]) -> Option<Self> {
        let header = table.get(512..604).filter(|header| header.starts_with(b"EFI PART"))?;
        let mut copy = header.to_vec();
        copy[16..20].fill(0);
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let entries = table.get(1024..1024 + 128 * 128)?;
        let usual = word(12) == 92 && word(72) == 2 && word(76) == 0 && word(80) == 128 && word(84) == 128;
        (usual && word(16) == crc(&copy) && word(88) == crc(entries)).then_some(Self { header, entries })
    }

    fn entry(&self, number: u32) -> Option<&'a [u8]> {
        let start = (number.checked_sub(1)? as usize).checked_mul(128)?;
        self.entries.get(start..start.checked_add(128)?).filter(|entry| entry[..16] != [0; 16])
    }

    fn grow(&self, number: u32, sectors: u64) -> Growth {
        let long =
            |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        let Some(entry) = self.entry(number) else {
            return Growth::Unknown("a partition that is not in the table");
        };
        let (first, last) = (long(entry, 32), long(entry, 40));
        let ends =
            self.entries.chunks(128).filter(|entry| entry[..16] != [0; 16]).map(|entry| long(entry, 40));
        let is_last = ends.max() == Some(last);
        // Backup header in the last sector, its entries before it.
        let Some(usable) = sectors.checked_sub(ENTRIES + 2) else { return Growth::Nothing };
        let end = (usable + 1) / ALIGN * ALIGN;
        if first > last || end < last + 1 + ALIGN {
            return Growth::Nothing;
        }
        if !is_last {
            return Growth::NotLast;
        }
        let mut entries = self.entries.to_vec();
        let at = (number as usize - 1) * 128 + 40;
        entries[at..at + 8].copy_from_slice(&(end - 1).to_le_bytes());
        let header = |own: u64, other: u64, entries_at: u64| {
            let mut sector = vec![0; 512];
            sector[..92].copy_from_slice(self.header);
            sector[24..32].copy_from_slice(&own.to_le_bytes());
            sector[32..40].copy_from_slice(&other.to_le_bytes());
            sector[48..56].copy_from_slice(&usable.to_le_bytes());
            sector[72..80].copy_from_slice(&entries_at.to_le_bytes());
            sector[88..92].copy_from_slice(&crc(&entries).to_le_bytes());
            sector[16..20].fill(0);
            let sum = crc(&sector[..92]);
            sector[16..20].copy_from_slice(&sum.to_le_bytes());
            sector
        };
        let backup = sectors - 1;
        // The backup first: whenever this is interrupted, one of the two is whole.
        let writes = vec![
            Write { offset: (backup - ENTRIES) * SECTOR, bytes: entries.clone() },
            Write { offset: backup * SECTOR, bytes: header(backup, 1, backup - ENTRIES) },
            Write { offset: 2 * SECTOR, bytes: entries.clone() },
            Write { offset: SECTOR, bytes: header(1, backup, 2) },
        ];
        Growth::To { len: (end - first) * SECTOR, writes }
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The four primary partitions of an MBR; logical ones are not grown.
fn grow_mbr(table: &[u8], number: u32, sectors: u64) -> Growth {
    let entry = |number: usize| &table[446 + number * 16..462 + number * 16];
    let word = |bytes: &[u8], at: usize| {
        u64::from(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
    };
    let Some(index) = number.checked_sub(1).filter(|&index| index < 4).map(|index| index as usize) else {
        return Growth::Unknown("a logical partition");
    };
    let (first, len) = (word(entry(index), 8), word(entry(index), 12));
    // An MBR counts in 32 bits.
    let end = sectors.min(first + u64::from(u32::MAX)) / ALIGN * ALIGN;
    if len == 0 || end < first + len + ALIGN {
        return Growth::Nothing;
    }
    if (0..4).any(|other| word(entry(other), 8) > first && word(entry(other), 12) > 0) {
        return Growth::NotLast;
    }
    let mut sector = table[..512].to_vec();
    let new = u32::try_from(end - first).unwrap_or(u32::MAX);
    sector[446 + index * 16 + 12..446 + index * 16 + 16].copy_from_slice(&new.to_le_bytes());
    Growth::To { len: (end - first) * SECTOR, writes: vec![Write { offset: 0, bytes: sector }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// A disk made by the `gpt` crate, an implementation of its own, with partitions of these MiB.
    fn disk(mib: u64, partitions: &[u64]) -> Vec<u8> {
        let device = Box::new(std::io::Cursor::new(vec![0u8; usize::try_from(mib * MIB).unwrap()]));
        let mut disk = gpt::GptConfig::new().writable(true).create_from_device(device, None).unwrap();
        for (index, size) in partitions.iter().enumerate() {
            let name = format!("part{index}");
            disk.add_partition(&name, size * MIB, gpt::partition_types::LINUX_FS, 0, Some(2048)).unwrap();
        }
        disk.write().unwrap().into_inner()
    }

    fn apply(mut bytes: Vec<u8>, writes: &[Write]) -> Vec<u8> {
        for Write { offset, bytes: new } in writes {
            let at = usize::try_from(*offset).unwrap();
            bytes[at..at + new.len()].copy_from_slice(new);
        }
        bytes
    }

    #[test]
    fn the_last_partition_grows_and_both_tables_stay_sound() {
        let mut bytes = disk(16, &[2, 8]);
        bytes.resize(usize::try_from(64 * MIB).unwrap(), 0);
        let Growth::To { len, writes } = grow(&bytes[..LOOK as usize], 2, 64 * MIB) else { panic!() };
        let bytes = apply(bytes, &writes);
        // The backup alone must do, too.
        for spoil in [false, true] {
            let mut bytes = bytes.clone();
            if spoil {
                bytes[512..1024].fill(0);
            }
            let device = Box::new(std::io::Cursor::new(bytes));
            let disk = gpt::GptConfig::new().writable(false).open_from_device(device).unwrap();
            let partition = &disk.partitions()[&2];
            assert_eq!((partition.last_lba - partition.first_lba + 1) * 512, len);
            assert_eq!(disk.partitions()[&1].name, "part0");
            assert_eq!((partition.last_lba + 1) % 2048, 0);
        }
        assert!(len > 58 * MIB, "{len}");
        assert_eq!(grow(&bytes[..LOOK as usize], 2, 64 * MIB), Growth::Nothing, "once is enough");
    }

    #[test]
    fn only_the_last_can_grow() {
        let bytes = disk(16, &[2, 8]);
        assert_eq!(grow(&bytes[..LOOK as usize], 1, 64 * MIB), Growth::NotLast);
    }

    #[test]
    fn partitions_have_names() {
        let bytes = disk(16, &[2, 8]);
        let (uuid, label) = names(&bytes[..LOOK as usize], 2);
        assert_eq!(uuid.map(|uuid| uuid.len()), Some(36));
        assert_eq!(label.as_deref(), Some("part1"));
        assert_eq!(names(&bytes[..LOOK as usize], 7), (None, None));
    }

    #[test]
    fn an_mbr_grows_in_place() {
        let mut table = vec![0; LOOK as usize];
        table[510..512].copy_from_slice(&[0x55, 0xaa]);
        table[440..444].copy_from_slice(&[0x78, 0x56, 0x34, 0x12]);
        table[454..458].copy_from_slice(&2048u32.to_le_bytes());
        table[458..462].copy_from_slice(&4096u32.to_le_bytes());
        let Growth::To { len, writes } = grow(&table, 1, 64 * MIB) else { panic!() };
        assert_eq!(len, 63 * MIB);
        assert_eq!(grow(&apply(table.clone(), &writes), 1, 64 * MIB), Growth::Nothing);
        assert_eq!(names(&table, 1).0.as_deref(), Some("12345678-01"));
    }

    #[test]
    fn noise_is_no_table() {
        for len in [0, 1, 511, 512, 600, LOOK as usize] {
            assert!(matches!(grow(&vec![0; len], 1, 64 * MIB), Growth::Unknown(_)));
        }
    }
}
