//! Lines of JSON over a socket, with a time limit for each answer, and an end as soon as nobody waits any more.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Between two looks at whether anybody still waits.
const TICK: Duration = Duration::from_millis(50);
/// Bytes of a line: a machine with hundreds of disks stays far below.
const LONGEST: usize = 16 << 20;

/// A socket that was connected to.
#[derive(Debug)]
pub(super) struct Lines {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Lines {
    pub(super) fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(Duration::from_secs(1)))?;
        Ok(Self { stream, read: Vec::new() })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The first line that is wanted, of those that come within a time: others are events, or were said to whoever was
    /// connected before.
    pub(super) fn find(
        &mut self,
        limit: Duration,
        stop: Option<&AtomicBool>,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> io::Result<Value> {
        let deadline = Instant::now() + limit;
        loop {
            let line = self.next_by(deadline, stop)?;
            if is_wanted(&line) {
                return Ok(line);
            }
        }
    }

    /// The next line, without what stands before a byte 0xFF in it, which no JSON has.
    pub(super) fn next(&mut self, limit: Duration, stop: Option<&AtomicBool>) -> io::Result<Value> {
        self.find(limit, stop, |_| true)
    }

    fn next_by(&mut self, deadline: Instant, stop: Option<&AtomicBool>) -> io::Result<Value> {
        loop {
            if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(io::Error::other("nobody waits for it any more"));
            }
            // Also where one line follows the other without an end.
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"));
            }
            if let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let from = line.iter().rposition(|&byte| byte == 0xff).map_or(0, |at| at + 1);
                match serde_json::from_slice(&line[from..]) {
                    Ok(value) => return Ok(value),
                    // What was said to whoever was connected before.
                    Err(_) => continue,
                }
            }
            if self.read.len() > LONGEST {
                return Err(io::Error::other("it says more than a line"));
            }
            let mut chunk = [0; 16 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hangs up")),
                Ok(count) => self.read.extend(&chunk[..count]),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
