//! A small ISO 9660 writer: one folder of files under plain names, for the payload disk and for seeds of cloud-init.
//!
//! Names are written as they are, in lower case and without a version. A mount with `map=off` leaves them so, and
//! Linux's usual one has nothing to change.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::PayloadFile;

const SECTOR: u64 = 2048;
/// Sectors before the descriptors, which belong to boot loaders.
const SYSTEM_AREA: u64 = 16;
/// Then the primary descriptor, the terminator, and the two path tables.
const PATH_TABLE: u64 = SYSTEM_AREA + 2;
const ROOT: u64 = PATH_TABLE + 2;

/// Writes `files` to `to`, on a volume called `label`, at most 32 characters. Their content is read now; a name that does
/// not fit is an error.
pub(super) fn write(label: &str, files: &[PayloadFile], to: &Path) -> io::Result<()> {
    let sizes = files.iter().map(|file| size(&file.path)).collect::<io::Result<Vec<_>>>()?;
    let records: Vec<Vec<u8>> =
        files.iter().map(|file| record(file.name.as_bytes(), 0, 0, false)).collect::<io::Result<_>>()?;
    let root_len = folder_len(&records);
    let mut at = ROOT + root_len / SECTOR;
    let mut places = Vec::new();
    for size in &sizes {
        places.push(at);
        at += u64::from(*size).div_ceil(SECTOR);
    }

    let mut out = BufWriter::with_capacity(1 << 20, File::create_new(to)?);
    let mut written = 0;
    let mut put = |out: &mut BufWriter<File>, bytes: &[u8]| -> io::Result<()> {
        out.write_all(bytes)?;
        written += bytes.len() as u64;
        Ok(())
    };
    put(&mut out, &vec![0; to_usize(SYSTEM_AREA * SECTOR)])?;
    put(&mut out, &primary(label, at, root_len)?)?;
    put(&mut out, &terminator())?;
    put(&mut out, &path_table(u32::to_le_bytes, u16::to_le_bytes))?;
    put(&mut out, &path_table(u32::to_be_bytes, u16::to_be_bytes))?;
    put(&mut out, &folder(files, &sizes, &places, root_len)?)?;
    debug_assert_eq!(written, (ROOT + root_len / SECTOR) * SECTOR, "files start where the records say");
    for (file, size) in files.iter().zip(&sizes) {
        let copied = io::copy(&mut io::Read::take(File::open(&file.path)?, u64::from(*size)), &mut out)?;
        if copied != u64::from(*size) {
            return Err(io::Error::other(format!("{} became shorter", file.path.display())));
        }
        out.write_all(&vec![0; to_usize(copied.next_multiple_of(SECTOR) - copied)])?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(())
}

fn size(path: &Path) -> io::Result<u32> {
    let len = std::fs::metadata(path)?.len();
    u32::try_from(len).map_err(|_| io::Error::other(format!("{} is 4 GiB or larger", path.display())))
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Numbers stand in both byte orders.
fn both32(value: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&value.to_le_bytes());
    bytes[4..].copy_from_slice(&value.to_be_bytes());
    bytes
}

fn both16(value: u16) -> [u8; 4] {
    let mut bytes = [0; 4];
    bytes[..2].copy_from_slice(&value.to_le_bytes());
    bytes[2..].copy_from_slice(&value.to_be_bytes());
    bytes
}

/// A directory record, ECMA-119 section 9.1.
fn record(name: &[u8], place: u64, size: u32, folder: bool) -> io::Result<Vec<u8>> {
    if name.is_empty() || name.len() > 30 {
        return Err(io::Error::other(format!(
            "`{}` is no name for the payload disk",
            String::from_utf8_lossy(name)
        )));
    }
    let mut record = vec![0; 33];
    record[2..10].copy_from_slice(&both32(u32::try_from(place).map_err(io::Error::other)?));
    record[10..18].copy_from_slice(&both32(size));
    // A fixed date, 2000-01-01, so that equal payloads are equal bytes.
    record[18..21].copy_from_slice(&[100, 1, 1]);
    record[25] = u8::from(folder) << 1;
    record[28..32].copy_from_slice(&both16(1));
    record[32] = u8::try_from(name.len()).unwrap_or(0);
    record.extend_from_slice(name);
    record.resize(record.len().next_multiple_of(2), 0);
    record[0] = u8::try_from(record.len()).unwrap_or(0);
    Ok(record)
}

/// Bytes of the root folder: whole sectors, no record crossing from one to the next.
fn folder_len(records: &[Vec<u8>]) -> u64 {
    // `.` and `..` are 34 bytes each.
    let end = records.iter().fold(68, |at, record| place_record(at, record.len()) + record.len() as u64);
    end.next_multiple_of(SECTOR)
}

fn place_record(at: u64, len: usize) -> u64 {
    if at % SECTOR + len as u64 > SECTOR { at.next_multiple_of(SECTOR) } else { at }
}

fn folder(files: &[PayloadFile], sizes: &[u32], places: &[u64], len: u64) -> io::Result<Vec<u8>> {
    let len32 = u32::try_from(len).map_err(io::Error::other)?;
    let mut bytes = [record(&[0], ROOT, len32, true)?, record(&[1], ROOT, len32, true)?].concat();
    for ((file, &size), &place) in files.iter().zip(sizes).zip(places) {
        let record = record(file.name.as_bytes(), place, size, false)?;
        bytes.resize(to_usize(place_record(bytes.len() as u64, record.len())), 0);
        bytes.extend_from_slice(&record);
    }
    bytes.resize(to_usize(len), 0);
    Ok(bytes)
}

/// The primary volume descriptor, ECMA-119 section 8.4.
fn primary(label: &str, sectors: u64, root_len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; to_usize(SECTOR)];
    bytes[0] = 1;
    bytes[1..6].copy_from_slice(b"CD001");
    bytes[6] = 1;
    bytes[8..72].fill(b' ');
    for (byte, letter) in bytes[40..72].iter_mut().zip(label.bytes()) {
        *byte = letter;
    }
    bytes[80..88].copy_from_slice(&both32(u32::try_from(sectors).map_err(io::Error::other)?));
    bytes[120..124].copy_from_slice(&both16(1));
    bytes[124..128].copy_from_slice(&both16(1));
    bytes[128..132].copy_from_slice(&both16(2048));
    bytes[132..140].copy_from_slice(&both32(10));
    bytes[140..144].copy_from_slice(&u32::try_from(PATH_TABLE).unwrap_or(0).to_le_bytes());
    bytes[148..152].copy_from_slice(&u32::try_from(PATH_TABLE + 1).unwrap_or(0).to_be_bytes());
    let root = record(&[0], ROOT, u32::try_from(root_len).map_err(io::Error::other)?, true)?;
    bytes[156..156 + root.len()].copy_from_slice(&root);
    bytes[190..813].fill(b' ');
    for date in [813, 830, 847, 864] {
        bytes[date..date + 16].fill(b'0');
    }
    bytes[881] = 1;
    Ok(bytes)
}

fn terminator() -> Vec<u8> {
    let mut bytes = vec![0; to_usize(SECTOR)];
    bytes[0] = 255;
    bytes[1..6].copy_from_slice(b"CD001");
    bytes[6] = 1;
    bytes
}

fn path_table(four: fn(u32) -> [u8; 4], two: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mut bytes = vec![1, 0];
    bytes.extend_from_slice(&four(u32::try_from(ROOT).unwrap_or(0)));
    bytes.extend_from_slice(&two(1));
    bytes.extend_from_slice(&[0, 0]);
    bytes.resize(to_usize(SECTOR), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads it back as Linux does: descriptor, root record, records, extents.
    fn read(image: &[u8]) -> Vec<(String, Vec<u8>)> {
        let word = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap()) as usize;
        let descriptor = 16 * 2048;
        assert_eq!(&image[descriptor + 1..descriptor + 6], b"CD001");
        let (place, len) = (word(descriptor + 156 + 2) * 2048, word(descriptor + 156 + 10));
        let mut files = Vec::new();
        let mut at = 0;
        while at < len {
            let record = place + at;
            let size = usize::from(image[record]);
            if size == 0 {
                at = (at + 1).next_multiple_of(2048);
                continue;
            }
            let name = &image[record + 33..record + 33 + usize::from(image[record + 32])];
            if name.len() > 1 {
                let content = word(record + 2) * 2048;
                files.push((
                    String::from_utf8(name.to_vec()).unwrap(),
                    image[content..content + word(record + 10)].to_vec(),
                ));
            }
            at += size;
        }
        files
    }

    #[test]
    fn what_goes_in_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        let contents: Vec<Vec<u8>> = (0u8..200).map(|n| vec![n; usize::from(n) * 41]).collect();
        let files: Vec<PayloadFile> = contents
            .iter()
            .enumerate()
            .map(|(index, content)| {
                let path = folder.path().join(format!("file-{index}"));
                std::fs::write(&path, content).unwrap();
                PayloadFile { name: format!("{index}.package-with-a-name.deb"), path }
            })
            .collect();
        let image = folder.path().join("payload.iso");
        write("PAYLOAD", &files, &image).unwrap();
        let read = read(&std::fs::read(&image).unwrap());
        assert_eq!(read.len(), 200);
        for (index, (name, content)) in read.iter().enumerate() {
            assert_eq!((name, content), (&files[index].name, &contents[index]));
        }
    }

    #[test]
    fn a_name_that_does_not_fit_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let files = [PayloadFile { name: "n".repeat(31), path }];
        assert!(write("PAYLOAD", &files, &folder.path().join("payload.iso")).is_err());
    }
}
