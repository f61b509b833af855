//! A buffer before a slow file, written out soon after anything was put in.

use std::io::{BufWriter, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long output may wait for more: a flood is written in large pieces, and a reader sees no delay.
const PATIENCE: Duration = Duration::from_millis(50);

/// Writes to `W` in large pieces, none of them later than a moment after it came.
#[derive(Debug)]
pub struct Buffered<W: Write + Send + 'static> {
    shared: Arc<Shared<W>>,
    flusher: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<W: Write> {
    state: Mutex<State<W>>,
    wake: Condvar,
}

#[derive(Debug)]
struct State<W: Write> {
    out: BufWriter<W>,
    dirty: bool,
    ended: bool,
}

impl<W: Write> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes out whenever there is something, until the end. A closed reader must not stop a build: the
    /// error is dropped on purpose.
    fn keep_flushing(&self) {
        let mut state = self.lock();
        while !state.ended {
            if state.dirty {
                let waited = self.wake.wait_timeout_while(state, PATIENCE, |state| !state.ended);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                let _ = state.flush();
            } else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl<W: Write> State<W> {
    fn flush(&mut self) -> std::io::Result<()> {
        self.dirty = false;
        self.out.flush()
    }
}

impl<W: Write + Send + 'static> Buffered<W> {
    /// Bytes kept before they are written in any case.
    const CAPACITY: usize = 64 * 1024;

    /// Starts the thread that flushes `out`.
    pub fn new(out: W) -> Self {
        let out = BufWriter::with_capacity(Self::CAPACITY, out);
        let state = State { out, dirty: false, ended: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new() });
        let flushed = Arc::clone(&shared);
        // Without a thread (a full process table) output still appears, in larger pieces.
        let flusher =
            std::thread::Builder::new().name("flush".into()).spawn(move || flushed.keep_flushing()).ok();
        Self { shared, flusher }
    }
}

impl<W: Write + Send + 'static> Write for Buffered<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut state = self.shared.lock();
        if !std::mem::replace(&mut state.dirty, true) {
            self.shared.wake.notify_one();
        }
        state.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.shared.lock().flush()
    }
}

impl<W: Write + Send + 'static> Drop for Buffered<W> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        let _ = state.flush();
        drop(state);
        self.shared.wake.notify_one();
        if let Some(flusher) = self.flusher.take() {
            let _ = flusher.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    struct Sent(mpsc::Sender<Vec<u8>>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_written_appears_without_more_being_written_and_in_one_piece() {
        let (sender, receiver) = mpsc::channel();
        let mut out = Buffered::new(Sent(sender));
        out.write_all(b"one ").unwrap();
        out.write_all(b"line\n").unwrap();
        assert_eq!(receiver.recv().unwrap(), b"one line\n");
        out.write_all(b"last").unwrap();
        drop(out);
        assert_eq!(receiver.recv().unwrap(), b"last");
        assert!(receiver.recv().is_err(), "nothing twice");
    }
}
