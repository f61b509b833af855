//! What kind of disk a file is, by its bytes alone.
//!
//! Asking `qemu-img` would let it open the file as what it looks like, and with it the files that the content
//! names.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::super::FoundFormat::{self, Known, Other};
use crate::model::DiskFormat;

/// What files of a format begin with, at an offset.
const MARKS: &[(FoundFormat, usize, &[u8])] = &[
    (Known(DiskFormat::Qcow2), 0, b"QFI\xfb"),
    (Other("qed"), 0, b"QED\0"),
    (Known(DiskFormat::Vmdk), 0, b"KDMV"),
    (Known(DiskFormat::Vmdk), 0, b"COWD"),
    (Known(DiskFormat::Vmdk), 0, b"# Disk DescriptorFile"),
    (Known(DiskFormat::Vhdx), 0, b"vhdxfile"),
    (Known(DiskFormat::Vhd), 0, b"conectix"),
    (Known(DiskFormat::Vdi), 64, b"\x7f\x10\xda\xbe"),
    (Other("luks"), 0, b"LUKS\xba\xbe"),
    (Other("parallels"), 0, b"WithoutFreeSpace"),
    (Other("parallels"), 0, b"WithouFreSpacExt"),
    (Other("bochs"), 0, b"Bochs Virtual HD Image"),
    (Other("cloop"), 0, b"#!/bin/sh\n#V2.0 Format"),
];

/// Marks of the last 512 bytes.
const END_MARKS: &[(FoundFormat, &[u8])] = &[(Known(DiskFormat::Vhd), b"conectix"), (Other("dmg"), b"koly")];

/// The format of a disk; what bears no mark is raw.
pub(super) fn of(path: &Path) -> io::Result<FoundFormat> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(512).read_to_end(&mut head)?;
    let begins = |(_, at, mark): &&(FoundFormat, usize, &[u8])| {
        head.get(*at..).is_some_and(|rest| rest.starts_with(mark))
    };
    if let Some((format, ..)) = MARKS.iter().find(begins) {
        return Ok(*format);
    }
    let length = file.metadata()?.len();
    if length < 512 {
        return Ok(Known(DiskFormat::Raw));
    }
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(length - 512))?;
    file.take(512).read_to_end(&mut end)?;
    Ok(END_MARKS
        .iter()
        .find(|(_, mark)| end.starts_with(mark))
        .map_or(Known(DiskFormat::Raw), |(format, _)| *format))
}
