//! Programs of QEMU that come to an end by themselves, such as `qemu-img`; each in a cell that shows it the files
//! it is to work on.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{ExitStatus, Output};

use super::backing;
use crate::cell::{Access, Cell};

/// Bytes that are taken of what a program answers.
const ANSWER: u64 = 16 << 20;
/// Bytes that are taken of what it complains of; a damaged disk makes it say the same thing thousands of times.
const COMPLAINTS: u64 = 64 << 10;

/// Bytes of memory that a program may take: some hundred MiB are buffers and tables, the rest parts of the disks.
const MEMORY: u64 = 2 << 30;

/// `qemu-img` with a command.
#[must_use]
pub fn qemu_img(verb: &str) -> Cell {
    let mut cell = Cell::new("qemu-img");
    cell.arg(verb);
    cell
}

/// Shows a disk of ours with all it stands on, of which nothing is written.
pub fn show_disk(cell: &mut Cell, disk: &Path, access: Access) -> io::Result<()> {
    for file in backing::files(disk)? {
        cell.read(file);
    }
    cell.show(disk, access);
    Ok(())
}

/// Shows a file that is going to be written; it is made, empty, if it is not there.
pub fn show_output(cell: &mut Cell, file: &Path) -> io::Result<()> {
    File::options().create(true).append(true).open(file)?;
    cell.write(file);
    Ok(())
}

/// Beyond the content of a disk, what may be written into one file: tables, a console.
const OTHER_BYTES: u64 = 4 << 30;

/// No file that holds a disk of this size becomes larger: with its tables, and what a cluster that is written a
/// second time leaves unused.
#[must_use]
pub const fn largest_file(size: u64) -> u64 {
    size.saturating_add(size / 4).saturating_add(OTHER_BYTES)
}

/// The size of a disk, as the guest finds it.
pub fn size_of(disk: &Path) -> io::Result<u64> {
    Ok(match backing::header(disk)? {
        Some(header) => header.size,
        None => std::fs::metadata(disk)?.len(),
    })
}

/// Runs a program to its end; returns how it ended and what it complained of. It is killed when the future is
/// dropped, and when this process ends in whatever way.
pub async fn run(cell: Cell) -> io::Result<(ExitStatus, String)> {
    let output = output(cell).await?;
    Ok((output.status, String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// As [`run`], with what the program answered.
pub async fn output(mut cell: Cell) -> io::Result<Output> {
    let (answer, complaints) = (tempfile::tempfile()?, tempfile::tempfile()?);
    cell.stdout(answer.try_clone()?).stderr(complaints.try_clone()?).memory(MEMORY);
    let status = cell.start()?.wait().await?;
    Ok(Output { status, stdout: read(answer, ANSWER)?, stderr: read(complaints, COMPLAINTS)? })
}

fn read(mut file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_ends_with_its_status_and_words_and_goes_when_dropped() {
        let shell = |script: &str| {
            let mut cell = Cell::new("sh");
            cell.args(["-c", script]);
            cell
        };
        let (status, text) = run(shell("echo no >&2; exit 3")).await.unwrap();
        assert_eq!((status.code(), text.as_str()), (Some(3), "no"));
        assert_eq!(output(shell("echo yes")).await.unwrap().stdout, b"yes\n");
        assert_eq!(run(Cell::new("/no/such/program")).await.unwrap_err().kind(), io::ErrorKind::NotFound);

        // What is dropped has been waited for: no process is left, not even a dead one.
        let endless = shell("exec sleep 1000");
        let pending = tokio::time::timeout(std::time::Duration::from_millis(1), run(endless)).await;
        assert!(pending.is_err());
    }
}
