//! What is in a Debian package file: deb(5). It is data here; nothing of it is run.

use std::io::{self, Read};
use std::path::Path;

/// Longest control file taken; real ones have a few KiB.
const LIMIT: u64 = 1 << 20;

/// The text of a package's control file.
pub fn control(file: impl Read) -> io::Result<String> {
    part(file, "control", |tar| from_tar(tar))
}

/// Gives the entries of the files that a package brings to `take`, one after the other.
pub fn files(
    file: impl Read,
    mut take: impl FnMut(&mut tar::Entry<'_, Box<dyn Read + '_>>) -> io::Result<()>,
) -> io::Result<()> {
    data(file, |tar| {
        for entry in tar::Archive::new(tar).entries()? {
            take(&mut entry?)?;
        }
        Ok(())
    })
}

/// Reads the files that a package brings, as an archive of tar's.
pub fn data<T>(file: impl Read, read: impl FnOnce(Box<dyn Read + '_>) -> io::Result<T>) -> io::Result<T> {
    part(file, "data", read)
}

/// Reads one of the archives that a package file consists of.
fn part<T>(
    file: impl Read,
    wanted: &str,
    read: impl FnOnce(Box<dyn Read + '_>) -> io::Result<T>,
) -> io::Result<T> {
    let mut archive = ar::Archive::new(io::BufReader::new(file));
    while let Some(member) = archive.next_entry() {
        let member = member?;
        let name = String::from_utf8_lossy(member.header().identifier()).trim_end_matches('/').to_owned();
        let Some(compression) = name.strip_prefix(wanted).and_then(|rest| rest.strip_prefix(".tar")) else {
            continue;
        };
        let tar: Box<dyn Read + '_> = match compression {
            "" => Box::new(member),
            ".gz" => Box::new(flate2::read::GzDecoder::new(member)),
            ".xz" => Box::new(liblzma::read::XzDecoder::new(member)),
            ".zst" => Box::new(zstd::Decoder::new(member)?),
            _ => return Err(invalid(&format!("its {wanted} part is compressed in an unknown way: {name}"))),
        };
        return read(tar);
    }
    Err(invalid(&format!("it has no {wanted} part")))
}

fn from_tar(tar: impl Read) -> io::Result<String> {
    for entry in tar::Archive::new(tar).entries()? {
        let entry = entry?;
        if entry.path()?.as_ref() == Path::new("./control") || entry.path()?.as_ref() == Path::new("control")
        {
            let mut text = String::new();
            entry.take(LIMIT).read_to_string(&mut text)?;
            return Ok(text);
        }
    }
    Err(invalid("it has no control file"))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a Debian package: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package file of nothing but a control file.
    fn package(control: &str) -> Vec<u8> {
        let mut tar =
            tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_size(control.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "./control", control.as_bytes()).unwrap();
        let tar = tar.into_inner().unwrap().finish().unwrap();
        let mut file = ar::Builder::new(Vec::new());
        for (name, content) in [("debian-binary", &b"2.0\n"[..]), ("control.tar.gz", &tar)] {
            file.append(&ar::Header::new(name.into(), content.len() as u64), content).unwrap();
        }
        file.into_inner().unwrap()
    }

    #[test]
    fn the_control_file_is_found_and_anything_else_is_refused() {
        let file = package("Package: a\nVersion: 1\n");
        assert_eq!(control(&*file).unwrap(), "Package: a\nVersion: 1\n");
        assert!(files(&*file, |_| Ok(())).unwrap_err().to_string().contains("no data part"));
        assert!(control(&b"!<arch>\n"[..]).unwrap_err().to_string().contains("no control part"));
        assert!(control(&b"hello"[..]).is_err());
    }
}
