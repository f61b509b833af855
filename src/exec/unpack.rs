//! `copy url … { unpack = true }`: an archive's files on their way into the image, with the owners and modes
//! the plan says.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::{Component, Path},
    rc::Rc,
};

use tar::EntryType;

use super::pack::{Pack, Placement};

/// What is read of one archive, in bytes, whether it is packed or dropped by `strip`: a small download may hold
/// more zeros than anybody waits for.
const LIMIT: u64 = 64 << 30;
/// What an entry costs besides its content: it is an entry of the packed archive too.
const ENTRY: u64 = 1024;
/// What stands between two contents: headers, long names, padding. The `tar` crate reads names into memory.
const BETWEEN: u64 = 1 << 20;

/// Why an archive cannot be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Reads as in "cannot be unpacked: {reason}".
    Broken(String),
    /// It holds more than there is room for, in bytes.
    TooLarge(u64),
}

impl From<String> for Refused {
    fn from(reason: String) -> Self {
        Self::Broken(reason)
    }
}

/// A reader that ends in an error where more than was allowed is read.
struct Metered<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.get().checked_sub(count as u64) {
            Some(left) => self.left.set(left),
            None => return Err(io::Error::other("it holds more than its entries say")),
        }
        Ok(count)
    }
}

/// Adds what is in the archive below `to`, each path without its first `strip` parts, as far as the pack has
/// room for it.
pub(super) fn unpack(
    pack: &mut Pack,
    archive: &Path,
    (to, strip): (&str, u32),
    place: Placement<'_>,
) -> Result<(), Refused> {
    let file = File::open(archive).map_err(|error| error.to_string())?;
    let mut unpacking =
        Unpacking { pack, to: to.trim_end_matches('/'), strip, place, folders: BTreeSet::new(), total: 0 };
    let left = Rc::new(Cell::new(BETWEEN));
    let plain = Metered { inner: plain(file)?, left: Rc::clone(&left) };
    let broken = |error: io::Error| format!("it is broken: {error}");
    let mut tar = tar::Archive::new(plain);
    let mut any = false;
    let mut entries = tar.entries().map_err(broken)?;
    loop {
        left.set(left.get().saturating_add(BETWEEN));
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(broken)?;
        any = true;
        // What it does not read now is read on the way to the next one.
        left.set(entry.size().saturating_add(BETWEEN));
        unpacking.entry(&mut entry)?;
    }
    if any {
        Ok(())
    } else {
        Err(Refused::Broken("there is nothing in it, or it is no tar archive".to_owned()))
    }
}

/// The tar stream behind whatever compresses it, told by its first bytes.
fn plain(mut file: File) -> Result<Box<dyn Read>, String> {
    let mut magic = Vec::new();
    let read = file.by_ref().take(6).read_to_end(&mut magic).and_then(|_| file.rewind());
    read.map_err(|error| error.to_string())?;
    let file = BufReader::new(file);
    Ok(match magic.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Box::new(zstd::Decoder::with_buffer(file).map_err(|error| error.to_string())?)
        }
        [b'P', b'K', 3, 4, ..] => return Err("it is a zip archive".to_owned()),
        [b'B', b'Z', b'h', ..] => return Err("it is compressed with bzip2".to_owned()),
        _ => Box::new(file),
    })
}

struct Unpacking<'a, 'p> {
    pack: &'a mut Pack,
    to: &'a str,
    strip: u32,
    place: Placement<'p>,
    /// Folders that are in the pack already.
    folders: BTreeSet<String>,
    total: u64,
}

impl Unpacking<'_, '_> {
    fn entry(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), Refused> {
        let kind = entry.header().entry_type();
        let path = entry.path().map_err(|error| error.to_string())?.into_owned();
        let takes = entry.size().saturating_add(ENTRY);
        self.total = self.total.saturating_add(takes);
        if self.total > LIMIT {
            return Err(Refused::TooLarge(LIMIT));
        }
        let Some(target) = self.target(&path)? else { return Ok(()) };
        self.pack.claim_room(takes).map_err(Refused::TooLarge)?;
        let name = path.display();
        self.pack.as_old_as(entry.header().mtime().unwrap_or(0));
        let failed = |error: super::BuildError| error.to_string();
        match kind {
            EntryType::Directory => {
                self.parents(&target)?;
                if self.folders.insert(target.clone()) {
                    self.pack.folder(&target, self.place.folder()).map_err(failed)?;
                }
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let size = entry.size();
                let executable = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
                self.parents(&target)?;
                self.pack
                    .stream(&target, self.place.file(executable), size, entry)
                    .map_err(|error| format!("it is broken at {name}: {error}"))?;
            }
            EntryType::Symlink | EntryType::Link => {
                let link = entry.link_name().map_err(|error| error.to_string())?;
                let Some(link) = link else { return Err(format!("the link {name} leads nowhere").into()) };
                self.parents(&target)?;
                if kind == EntryType::Symlink {
                    let link = link.to_str().ok_or_else(|| format!("the target of {name} is not UTF-8"))?;
                    self.pack.symlink(&target, self.place.file(false), link).map_err(failed)?;
                } else {
                    let whole =
                        self.target(&link)?.ok_or_else(|| format!("{name} links to what `strip` drops"))?;
                    self.pack.hard_link(&target, self.place.file(false), &whole).map_err(failed)?;
                }
            }
            _ => return Err(format!("{name} is a device, pipe or something stranger").into()),
        }
        Ok(())
    }

    /// Where an entry goes; none if `strip` leaves nothing of its path.
    fn target(&self, path: &Path) -> Result<Option<String>, String> {
        let mut parts = Vec::new();
        for part in path.components() {
            match part {
                Component::Normal(part) => {
                    let part = part.to_str();
                    parts.push(part.ok_or_else(|| format!("the path {} is not UTF-8", path.display()))?);
                }
                Component::CurDir | Component::RootDir => {}
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(format!("the path {} leads out of it", path.display()));
                }
            }
        }
        let rest = parts.get(self.strip as usize..).unwrap_or_default();
        Ok((!rest.is_empty()).then(|| format!("{}/{}", self.to, rest.join("/"))))
    }

    /// The folders above a path that no entry has named.
    fn parents(&mut self, target: &str) -> Result<(), String> {
        let Some((folder, _)) = target.rsplit_once('/') else { return Ok(()) };
        if self.folders.contains(folder) {
            return Ok(());
        }
        self.pack.parents(target).map_err(|error| error.to_string())?;
        self.folders.insert(folder.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::store::Store;

    const PLACE: Placement<'static> = Placement { owner: "app", group: "app", mode: None, dir_mode: None };

    /// An archive of entries: type, path, content or link target, mode.
    fn archive(entries: &[(EntryType, &str, &str, u32)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (kind, path, content, mode) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(*mode);
            // By hand: the crate refuses to write some of the paths that others write.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            if matches!(kind, EntryType::Symlink | EntryType::Link) {
                header.set_size(0);
                header.set_link_name_literal(content).unwrap();
                header.set_cksum();
                tar.append(&header, io::empty()).unwrap();
            } else {
                header.set_size(content.len() as u64);
                header.set_cksum();
                tar.append(&header, content.as_bytes()).unwrap();
            }
        }
        tar.into_inner().unwrap()
    }

    /// What lands in the pack: path, type, mode, owner, content or link.
    fn unpacked(bytes: &[u8], strip: u32) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        let path = dir.path().join("archive");
        std::fs::write(&path, bytes).unwrap();
        let mut pack = Pack::new(&store, 1 << 20);
        unpack(&mut pack, &path, ("/opt/tool", strip), PLACE).map_err(|refused| match refused {
            Refused::Broken(reason) => reason,
            Refused::TooLarge(room) => format!("no more room than {room} bytes"),
        })?;
        let mut tar = tar::Archive::new(pack.finish().unwrap());
        let mut lines = Vec::new();
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let header = entry.header();
            let owner = header.username().unwrap().unwrap_or_default().to_owned();
            let link = header.link_name().unwrap().map(|link| format!(" -> {}", link.display()));
            let mode = header.mode().unwrap();
            if mode == 0 {
                continue; // a folder to be made only where it is missing
            }
            let path = entry.path().unwrap().display().to_string();
            lines.push(format!("{path} {mode:o} {owner} {content}{}", link.unwrap_or_default()));
        }
        Ok(lines)
    }

    fn sample() -> Vec<u8> {
        archive(&[
            (EntryType::Directory, "tool-1.0/", "", 0o700),
            (EntryType::Regular, "tool-1.0/bin/tool", "#!/bin/sh\n", 0o4711),
            (EntryType::Regular, "tool-1.0/README", "read me", 0o600),
            (EntryType::Symlink, "tool-1.0/doc", "README", 0o777),
            (EntryType::Link, "tool-1.0/copy", "tool-1.0/README", 0o644),
        ])
    }

    #[test]
    fn paths_are_stripped_and_owners_and_modes_are_the_statements() {
        let expected = [
            "opt/tool/bin/tool 755 app #!/bin/sh\n",
            "opt/tool/README 644 app read me",
            "opt/tool/doc 644 app  -> README",
            "opt/tool/copy 644 app  -> opt/tool/README",
        ];
        assert_eq!(unpacked(&sample(), 1).unwrap(), expected);
        assert_eq!(unpacked(&sample(), 9).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn compression_is_told_by_the_content() {
        let plain = unpacked(&sample(), 1).unwrap();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&sample()).unwrap();
        assert_eq!(unpacked(&gz.finish().unwrap(), 1).unwrap(), plain);
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&sample()).unwrap();
        assert_eq!(unpacked(&xz.finish().unwrap(), 1).unwrap(), plain);
        assert_eq!(unpacked(&zstd::encode_all(sample().as_slice(), 1).unwrap(), 1).unwrap(), plain);
    }

    #[test]
    fn more_than_there_is_room_for_is_refused_while_it_is_read() {
        let bomb = |size: usize| {
            let zeroes = "\0".repeat(size);
            let tar = archive(&[(EntryType::Regular, "zeroes", &zeroes, 0o644)]);
            zstd::encode_all(tar.as_slice(), 1).unwrap()
        };
        assert!(bomb(1 << 21).len() < 4096, "small on its way");
        assert_eq!(unpacked(&bomb(1 << 21), 0).unwrap_err(), "no more room than 1048576 bytes");
        assert!(unpacked(&bomb(1 << 19), 0).is_ok());
        // Entries take room without any content.
        let many = archive(&(0..1100).map(|_| (EntryType::Regular, "empty", "", 0o644)).collect::<Vec<_>>());
        assert_eq!(unpacked(&many, 0).unwrap_err(), "no more room than 1048576 bytes");
        // What `strip` drops takes no room, and its names no memory.
        let zeroes = "\0".repeat(1 << 21);
        let dropped = archive(&[(EntryType::Regular, "zeroes", &zeroes, 0o644)]);
        assert_eq!(unpacked(&dropped, 1).unwrap(), Vec::<String>::new());
        let name = archive(&[(EntryType::GNULongName, "././@LongLink", &zeroes, 0o644)]);
        assert!(unpacked(&name, 0).unwrap_err().contains("more than its entries say"));
    }

    #[test]
    fn what_is_no_sound_archive_is_refused() {
        let climbing = archive(&[(EntryType::Regular, "../../etc/passwd", "x", 0o644)]);
        assert!(unpacked(&climbing, 0).unwrap_err().contains("leads out of it"));
        let device = archive(&[(EntryType::Char, "null", "", 0o644)]);
        assert!(unpacked(&device, 0).unwrap_err().contains("device"));
        assert!(unpacked(b"PK\x03\x04 and so on", 0).unwrap_err().contains("zip"));
        assert!(unpacked(&sample()[..700], 0).is_err(), "cut short");
        assert!(unpacked(b"just a text, and not even a long one", 0).is_err());
    }
}
