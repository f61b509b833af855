//! The archive from which Compute Engine makes an image: gzip around a tar archive in GNU's old format, with holes, that
//! holds one file named `disk.raw` (its documentation, "Manually import boot disks").

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::atomic::AtomicBool,
};

use flate2::{Compression, write::GzEncoder};
use tar::{Builder, HeaderMode};

use super::{Stoppable, create};

/// The name of the file in it, and no other does.
const DISK: &str = "disk.raw";

/// Packs the raw disk in the file `disk`; with `fast` it is compressed at gzip's quickest.
pub(super) fn pack(disk: &Path, to: &Path, fast: bool, stop: &AtomicBool) -> io::Result<()> {
    let level = if fast { Compression::fast() } else { Compression::default() };
    let file = BufWriter::new(create(to)?);
    let mut tar = Builder::new(Stoppable { to: GzEncoder::new(file, level), stop });
    // Neither the user's name nor the time of day is anybody's business; holes are stored as such, in GNU's way.
    tar.mode(HeaderMode::Deterministic);
    tar.sparse(true);
    tar.append_file(DISK, &mut File::open(disk)?)?;
    tar.into_inner()?.to.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::FileExt, process::Command};

    use super::*;

    #[test]
    fn gnu_tar_finds_one_sparse_file_in_its_old_format() {
        let dir = tempfile::tempdir().unwrap();
        let disk = File::create_new(dir.path().join("raw")).unwrap();
        disk.set_len(64 << 20).unwrap();
        // More pieces than a header has room for.
        let at: Vec<u64> = (0..64).map(|piece| piece << 20).collect();
        for &at in &at {
            disk.write_all_at(&[b'x'; 4096], at).unwrap();
        }
        let to = dir.path().join("web.tar.gz");
        pack(&dir.path().join("raw"), &to, false, &AtomicBool::new(false)).unwrap();
        assert!(to.metadata().unwrap().len() < 64 << 10);

        let tar = |args: &[&str]| {
            let output = Command::new("tar").args(args).current_dir(dir.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(tar(&["-tf", "web.tar.gz"]), "disk.raw\n");
        tar(&["-xzf", "web.tar.gz"]);
        let same = Command::new("cmp").args(["raw", "disk.raw"]).current_dir(dir.path()).status().unwrap();
        assert!(same.success());
        // GNU's magic and version, and its type of a file with holes.
        let mut header = [0; 512];
        let mut gzip = flate2::read::GzDecoder::new(File::open(&to).unwrap());
        io::Read::read_exact(&mut gzip, &mut header).unwrap();
        assert_eq!((&header[257..265], header[156]), (&b"ustar  \0"[..], b'S'));
    }

    #[test]
    fn nobody_waits_in_vain_for_what_was_stopped() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("raw"), vec![1; 1 << 20]).unwrap();
        let stopped = pack(&dir.path().join("raw"), &dir.path().join("x"), true, &AtomicBool::new(true));
        assert!(stopped.is_err());
    }
}
