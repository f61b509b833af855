//! Which bases layers stand on.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{DISK, LayerEntry, Layers};
use crate::store::{Digest, Result};

/// Longest name of a backing file that a qcow2 disk can hold, in bytes.
const LONGEST: usize = 1023;

impl Layers<'_> {
    /// The bases that layers of this store stand on: those noted, and for a layer of an older version, which
    /// notes none, what its disk says. One whose disk says nothing stands on no base of this store, or is
    /// damaged: it keeps none.
    pub(in crate::store) fn grounds(self) -> Result<BTreeSet<Digest>> {
        let all = self.list()?.into_iter();
        Ok(all.filter_map(|layer| self.ground(&layer)).collect())
    }

    /// The base that a layer stands on.
    pub(super) fn ground(self, layer: &LayerEntry) -> Option<Digest> {
        layer.meta.base.or_else(|| base_of(&backing(&self.disk(&layer.key)).ok()??))
    }
}

/// The base that a backing file is, by its place: `…/bases/<key>/disk.qcow2`.
fn base_of(backing: &Path) -> Option<Digest> {
    let folder = backing.parent().filter(|_| backing.ends_with(DISK))?;
    folder.parent().filter(|bases| bases.ends_with("bases"))?;
    folder.file_name()?.to_str()?.parse().ok()
}

/// The backing file as the header of a qcow2 disk names it: an offset at byte 8 and a length at byte 16, both
/// big-endian; without one the offset is 0.
fn backing(disk: &Path) -> io::Result<Option<PathBuf>> {
    let file = File::open(disk)?;
    let mut header = [0; 20];
    file.read_exact_at(&mut header, 0)?;
    let (magic, rest) = header.split_at(8);
    let (offset, length) = rest.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let length = usize::try_from(number(length)).unwrap_or(usize::MAX);
    if !magic.starts_with(b"QFI\xfb") || number(offset) == 0 || length > LONGEST {
        return Ok(None);
    }
    let mut name = vec![0; length];
    file.read_exact_at(&mut name, number(offset))?;
    Ok(String::from_utf8(name).ok().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_known_by_its_place() {
        let key = Digest::of("base");
        for (path, is) in [
            (format!("../../bases/{key}/disk.qcow2"), true),
            (format!("/store/bases/{key}/disk.qcow2"), true),
            (format!("../{key}/disk.qcow2"), false),
            (format!("../../layers/{key}/disk.qcow2"), false),
            ("../../bases/other/disk.qcow2".to_owned(), false),
            ("disk.qcow2".to_owned(), false),
        ] {
            assert_eq!(base_of(Path::new(&path)), is.then_some(key), "{path}");
        }
    }
}
