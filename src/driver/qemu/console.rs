//! The file that a machine's serial console goes to. QEMU appends to it for as long as the guest prints, and the
//! guest is a stranger: only the end is kept, or it would fill the host's disk.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes that are kept.
const KEPT: u64 = 1 << 20;
/// Bytes at which the rest is thrown away.
const MOST: u64 = 8 << 20;
/// Between two looks. An emulated serial port prints a few megabytes in that time.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps a console's file small while this lives.
#[derive(Debug)]
pub(super) struct Watch(tokio::task::JoinHandle<()>);

impl Watch {
    pub(super) fn over(path: PathBuf) -> Self {
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                // One that cannot be shortened is no reason to end the machine.
                let _ = shorten(&path);
            }
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Throws all but the end away, if it has become too long. QEMU appends, so that it goes on where the file
/// ends then; what it writes in between may be lost.
fn shorten(path: &Path) -> io::Result<()> {
    let mut file = File::options().read(true).append(true).open(path)?;
    let len = file.metadata()?.len();
    if len <= MOST {
        return Ok(());
    }
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(len - KEPT))?;
    (&file).take(KEPT).read_to_end(&mut end)?;
    file.set_len(0)?;
    file.write_all(&end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_the_end_is_kept_and_whoever_appends_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        let mut guest = File::options().create(true).append(true).open(&path).unwrap();
        let (mut largest, line) = (0, "x".repeat(1023) + "\n");
        for number in 0..40 {
            guest.write_all(line.repeat(1024).as_bytes()).unwrap();
            writeln!(guest, "line {number}").unwrap();
            shorten(&path).unwrap();
            largest = largest.max(std::fs::metadata(&path).unwrap().len());
        }
        assert!(largest <= MOST, "{largest}");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("line 39\n") && !text.contains("line 10\n") && !text.contains('\0'));
    }
}
