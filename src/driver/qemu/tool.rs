//! Programs of QEMU that come to an end by themselves, such as `qemu-img`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use super::process::Process;

/// The longest wait between two looks whether the program has ended.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes that are taken of what a program answers.
const ANSWER: u64 = 16 << 20;
/// Bytes that are taken of what it complains of; a damaged disk makes it say the same thing thousands of times.
const COMPLAINTS: u64 = 64 << 10;

/// Runs a program to its end; returns how it ended and what it complained of. It is killed when the future is
/// dropped, and when this process ends in whatever way.
pub async fn run(command: Command) -> io::Result<(ExitStatus, String)> {
    let output = output(command).await?;
    Ok((output.status, String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// As [`run`], with what the program answered.
pub async fn output(mut command: Command) -> io::Result<Output> {
    let (answer, complaints) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(answer.try_clone()?).stderr(complaints.try_clone()?);
    let mut process = Process::spawn(command, Vec::new())?;
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = process.try_wait()? {
            break status;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK);
    };
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
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let (status, text) = run(shell("echo no >&2; exit 3")).await.unwrap();
        assert_eq!((status.code(), text.as_str()), (Some(3), "no"));
        assert_eq!(output(shell("echo yes")).await.unwrap().stdout, b"yes\n");
        assert_eq!(run(Command::new("/no/such/program")).await.unwrap_err().kind(), io::ErrorKind::NotFound);

        // What is dropped has been waited for: no process is left, not even a dead one.
        let endless = shell("exec sleep 1000");
        let pending = tokio::time::timeout(Duration::from_millis(1), run(endless)).await;
        assert!(pending.is_err());
    }
}
