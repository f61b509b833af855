//! The file that a machine's serial console goes to. QEMU appends to it for as long as the guest prints, and the
//! guest is a stranger: only the end is kept, or it would fill the host's disk. What a kernel says there about itself
//! is read while it starts.

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

/// What Linux says when one of its processors has not run for 21 s (`kernel/rcu/tree_stall.h`) or has run nothing
/// else for as long (`kernel/watchdog.c`).
const STUCK: [&str; 3] = ["detected stalls on CPUs/tasks", "self-detected stall on CPU", "BUG: soft lockup"];

/// Ends when the kernel that prints to `path`, behind the first `before` bytes, says that it is stuck.
pub(super) async fn is_stuck(path: &Path, before: u64) {
    loop {
        let printed = std::fs::metadata(path).map_or(0, |found| found.len());
        let said = last(path, printed.saturating_sub(before).min(KEPT));
        if STUCK.iter().any(|words| said.contains(words)) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// At most so many bytes of the end of a file; one that cannot be read is empty.
pub(super) fn last(path: &Path, bytes: u64) -> String {
    let mut found = Vec::new();
    if let Ok(mut file) = File::open(path) {
        let len = file.metadata().map_or(0, |found| found.len());
        let _ = file.seek(SeekFrom::Start(len.saturating_sub(bytes)));
        let _ = file.take(bytes).read_to_end(&mut found);
    }
    String::from_utf8_lossy(&found).into_owned()
}

/// Lines of a log that are shown.
const SHOWN: usize = 40;
pub(super) const PANIC: &str = "Kernel panic";

/// The end of a log the guest had a hand in: at most 40 lines, control characters removed. A panic's
/// trace and registers are longer than that; its reason comes first, and so it is shown from there.
pub(super) fn tail(path: &Path) -> String {
    let plain = plain(&last(path, 64 * 1024));
    let lines: Vec<&str> = plain.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let end = lines.len().saturating_sub(SHOWN);
    let from = lines.iter().rposition(|line| line.contains(PANIC)).map_or(end, |panic| panic.min(end));
    lines[from..(from + SHOWN).min(lines.len())].join("\n")
}

/// Text without escape sequences and other control characters but the newline.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\x1b' => {
                // CSI: parameters, then one final letter; anything else is one character long.
                if chars.next() == Some('[') {
                    while chars.next().is_some_and(|char| !('@'..='~').contains(&char)) {}
                }
            }
            '\n' => out.push('\n'),
            '\t' => out.push(' '),
            char if char.is_control() => {}
            char => out.push(char),
        }
    }
    out
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

    #[test]
    fn a_console_cannot_play_tricks_on_a_terminal() {
        assert_eq!(plain("a\x1b[2J\x1b[1;31mb\x07\r\n\x1bcc\x1b[9999"), "ab\nc");
    }

    #[test]
    fn the_tail_is_short_whatever_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, "line\n\n".repeat(100_000)).unwrap();
        assert_eq!(tail(&log).lines().count(), 40);
        assert_eq!(tail(&folder.path().join("none")), "");
    }

    #[test]
    fn the_tail_of_a_panic_begins_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let trace = "[ 4.7] registers\n".repeat(60);
        std::fs::write(&log, format!("before\n[ 4.7] Kernel panic - not syncing: why\n{trace}")).unwrap();
        assert_eq!(tail(&log).lines().next(), Some("[ 4.7] Kernel panic - not syncing: why"));
        assert_eq!(tail(&log).lines().count(), SHOWN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_kernel_that_says_it_is_stuck_is_heard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        let heard = async |patience| tokio::time::timeout(patience, is_stuck(&path, 0)).await.is_ok();
        let minute = Duration::from_mins(1);
        assert!(!heard(minute).await, "it has not printed yet");
        std::fs::write(&path, "detected stalls on CPUs/tasks: an earlier machine\n").unwrap();
        let earlier = std::fs::metadata(&path).unwrap().len();
        let heard = async |patience| tokio::time::timeout(patience, is_stuck(&path, earlier)).await.is_ok();
        assert!(!heard(minute).await);
        let mut log = File::options().append(true).open(&path).unwrap();
        log.write_all(b"[    1.0] Loading modules\n").unwrap();
        assert!(!heard(minute).await);
        log.write_all(b"[   22.7] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n").unwrap();
        assert!(heard(minute).await);
    }
}
