//! Copies of large files that have holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{SeekFrom, ioctl_ficlone, seek};
use rustix::io::Errno;

/// Read and written at once, in bytes.
const PIECE: u64 = 1 << 20;

/// Copies all of an open file, without writing its holes; where the file system can, it shares the content.
pub fn copy_whole(from: &File, to: &File) -> io::Result<()> {
    if ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let len = from.metadata()?.len();
    to.set_len(len)?;
    let mut buffer = vec![0; usize::try_from(PIECE).unwrap_or(usize::MAX)];
    let mut at = 0;
    while at < len {
        // File systems that know of no holes say that all is data.
        let data = match seek(from, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let hole = seek(from, SeekFrom::Hole(data))?.min(len);
        at = data;
        while at < hole {
            let piece = usize::try_from((hole - at).min(PIECE)).unwrap_or(buffer.len());
            match from.read_at(&mut buffer[..piece], at)? {
                // It became shorter: whoever looks at its digest sees it.
                0 => return Ok(()),
                read => {
                    to.write_all_at(&buffer[..read], at)?;
                    at += read as u64;
                }
            }
        }
        at = hole;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn holes_stay_holes_and_all_else_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let create = |name: &str| {
            File::options().read(true).write(true).create_new(true).open(dir.path().join(name)).unwrap()
        };
        let (from, to) = (create("from"), create("to"));
        from.set_len(64 << 20).unwrap();
        for at in [0, 5 << 20, (40 << 20) - 3, (64 << 20) - 1] {
            from.write_all_at(b"x", at).unwrap();
        }
        copy_whole(&from, &to).unwrap();
        let content = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
        assert!(content("from") == content("to"));
        assert!(to.metadata().unwrap().blocks() * 512 < 8 << 20);
        let empty = create("empty");
        copy_whole(&create("nothing"), &empty).unwrap();
        assert_eq!(empty.metadata().unwrap().len(), 0);
    }
}
