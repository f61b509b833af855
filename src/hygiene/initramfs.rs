//! Which kernel modules an initramfs holds. It is one cpio archive after the other, the last of them usually compressed
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};

/// Most bytes of what is unpacked, and most files.
const MOST_BYTES: u64 = 1 << 30;
const MOST_FILES: usize = 200_000;
/// The longest name that cpio's readers in kernels take.
const NAME: usize = 4096;
const HEADER: usize = 110;

/// Names of the modules, `_` for every `-`; nothing if it is packed in a way that is not known here, or damaged.
pub(super) fn modules(bytes: &[u8]) -> Option<BTreeSet<String>> {
    let mut modules = BTreeSet::new();
    let mut rest = bytes;
    loop {
        // Between archives are zeroes.
        let zeroes = rest.iter().take_while(|&&byte| byte == 0).count();
        rest = &rest[zeroes..];
        if rest.is_empty() {
            return Some(modules);
        }
        if rest.starts_with(b"07070") {
            let before = rest.len();
            archive(&mut rest, &mut modules).ok()?;
            if rest.len() == before {
                return None;
            }
            continue;
        }
        let unpacked: Box<dyn Read> = match rest {
            [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(rest)),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(rest).ok()?),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Box::new(liblzma::bufread::XzDecoder::new(rest)),
            _ => return None,
        };
        // What is behind a compressed archive, if anything, is not looked for: its end is known only to its kind.
        let mut unpacked = BufReader::with_capacity(256 * 1024, unpacked.take(MOST_BYTES));
        loop {
            let start = unpacked.fill_buf().ok()?;
            match start.first() {
                None => return Some(modules),
                Some(0) => {
                    let zeroes = start.iter().take_while(|&&byte| byte == 0).count();
                    unpacked.consume(zeroes);
                }
                Some(_) => archive(&mut unpacked, &mut modules).ok()?,
            }
        }
    }
}

/// Reads one archive up to its end mark.
fn archive(from: &mut impl BufRead, modules: &mut BTreeSet<String>) -> io::Result<()> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    for _ in 0..MOST_FILES {
        let mut header = [0; HEADER];
        from.read_exact(&mut header)?;
        if !header.starts_with(b"070701") && !header.starts_with(b"070702") {
            return Err(malformed());
        }
        let field = |number: usize| {
            let digits = header.get(6 + 8 * number..14 + 8 * number)?;
            u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let size = u64::from(field(6).ok_or_else(malformed)?);
        let length = field(11).map(|length| length as usize).filter(|length| (1..=NAME).contains(length));
        let length = length.ok_or_else(malformed)?;
        let mut name = vec![0; length];
        from.read_exact(&mut name)?;
        name.pop();
        // Header and name together, and then the content, end at a multiple of four.
        skip(from, ((HEADER + length).next_multiple_of(4) - HEADER - length) as u64)?;
        if name == b"TRAILER!!!" {
            return Ok(());
        }
        skip(from, size.next_multiple_of(4))?;
        let name = String::from_utf8_lossy(&name);
        let file = name.rsplit('/').next().unwrap_or_default();
        if let Some((module, _)) = file.split_once(".ko") {
            modules.insert(module.replace('-', "_"));
        }
    }
    Err(malformed())
}

fn skip(from: &mut impl BufRead, mut bytes: u64) -> io::Result<()> {
    while bytes > 0 {
        let there = from.fill_buf()?.len() as u64;
        if there == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let taken = there.min(bytes);
        from.consume(usize::try_from(taken).unwrap_or(usize::MAX));
        bytes -= taken;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn cpio(names: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, content) in
            names.iter().map(|name| (*name, &b"module"[..])).chain([("TRAILER!!!", &b""[..])])
        {
            let mut header =
                format!("070701{:0>48}{:08x}{:0>32}{:08x}{:08}", "", content.len(), "", name.len() + 1, 0);
            header.push_str(name);
            out.extend(header.into_bytes());
            out.push(0);
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend(content);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    fn names(modules: &BTreeSet<String>) -> Vec<&str> {
        modules.iter().map(String::as_str).collect()
    }

    #[test]
    fn modules_are_found_in_archives_of_every_usual_kind() {
        let early = cpio(&["kernel/x86/microcode/GenuineIntel.bin", "usr/lib/modules/6/kernel/ahci.ko.xz"]);
        let main = cpio(&["init", "usr/lib/modules/6/kernel/xen-blkfront.ko"]);
        let gzip = {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&main).unwrap();
            encoder.finish().unwrap()
        };
        let zstd = zstd::encode_all(&main[..], 1).unwrap();
        let xz = {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(&main).unwrap();
            encoder.finish().unwrap()
        };
        for packed in [&main, &gzip, &zstd, &xz] {
            let found = modules(&[&early[..], &[0; 512], packed].concat()).unwrap();
            assert_eq!(names(&found), ["ahci", "xen_blkfront"]);
            assert_eq!(names(&modules(packed).unwrap()), ["xen_blkfront"]);
        }
        assert_eq!(modules(b"\x02!L\x18 lz4 is not known"), None);
        assert_eq!(modules(&main[..main.len() - 140]), None, "cut off");
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_through_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = modules(&bytes);
            let _ = modules(&[b"070701", &bytes[..]].concat());
            let _ = modules(&[&[0x28, 0xb5, 0x2f, 0xfd], &bytes[..]].concat());
        }
    }
}
