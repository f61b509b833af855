//! What kind of disk a file is, by its bytes alone.
//!
//! Asking `qemu-img` would let it open the file as what it looks like, and with it the files that the content
//! names.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// What files of a format begin with, at an offset.
const MARKS: &[(&str, usize, &[u8])] = &[
    ("qcow2", 0, b"QFI\xfb"),
    ("qed", 0, b"QED\0"),
    ("vmdk", 0, b"KDMV"),
    ("vmdk", 0, b"COWD"),
    ("vmdk", 0, b"# Disk DescriptorFile"),
    ("vhdx", 0, b"vhdxfile"),
    ("vpc", 0, b"conectix"),
    ("vdi", 64, b"\x7f\x10\xda\xbe"),
    ("luks", 0, b"LUKS\xba\xbe"),
    ("parallels", 0, b"WithoutFreeSpace"),
    ("parallels", 0, b"WithouFreSpacExt"),
    ("bochs", 0, b"Bochs Virtual HD Image"),
    ("cloop", 0, b"#!/bin/sh\n#V2.0 Format"),
];

/// Marks of the last 512 bytes.
const END_MARKS: &[(&str, &[u8])] = &[("vpc", b"conectix"), ("dmg", b"koly")];

/// The format of a disk as QEMU calls it; what bears no mark is raw.
pub(super) fn of(path: &Path) -> io::Result<&'static str> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(512).read_to_end(&mut head)?;
    let begins =
        |(_, at, mark): &&(&str, usize, &[u8])| head.get(*at..).is_some_and(|rest| rest.starts_with(mark));
    if let Some((format, ..)) = MARKS.iter().find(begins) {
        return Ok(format);
    }
    let length = file.metadata()?.len();
    if length < 512 {
        return Ok("raw");
    }
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(length - 512))?;
    file.take(512).read_to_end(&mut end)?;
    Ok(END_MARKS.iter().find(|(_, mark)| end.starts_with(mark)).map_or("raw", |(format, _)| format))
}
