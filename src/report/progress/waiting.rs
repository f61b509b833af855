//! One line that moves while a command gets ready: before there is a build to show, and for commands that have none.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::tree::{Look, Speed};

/// Time between two drawings.
const FRAME: Duration = Duration::from_millis(100);
/// What ends sooner than this needs no line: it would only flicker.
const AT_ONCE: Duration = Duration::from_millis(250);

/// Draws the line until it is dropped, which takes it away.
#[derive(Debug)]
pub struct Waiting {
    shared: Arc<Shared>,
    painter: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    look: Box<dyn Fn() -> Look + Send + Sync>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

struct State {
    out: Box<dyn Write + Send>,
    began: Instant,
    /// What is done now.
    task: String,
    /// Downloads under way, by address.
    downloads: Vec<Download>,
    drawn: bool,
    ended: bool,
}

struct Download {
    name: String,
    done: u64,
    total: u64,
    speed: Speed,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn paint(&self) {
        let state = self.lock();
        let waited = self.wake.wait_timeout_while(state, AT_ONCE, |state| !state.ended);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        while !state.ended {
            state.draw((self.look)());
            let waited = self.wake.wait_timeout_while(state, FRAME, |state| !state.ended);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    fn draw(&mut self, look: Look) {
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let line = match self.downloads.last() {
            Some(download) => {
                look.waiting(at, &download.name, Some((download.done, download.total, download.speed)))
            }
            None => look.waiting(at, &self.task, None),
        };
        self.drawn = true;
        // A terminal that went away stops nothing: the error is dropped on purpose.
        let _ = write!(self.out, "\r{line}\u{1b}[K").and_then(|()| self.out.flush());
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(self.out, "\r\u{1b}[K").and_then(|()| self.out.flush());
        }
    }
}

impl Waiting {
    /// A line on the terminal behind `out` that says what is done.
    pub fn new(
        out: impl Write + Send + 'static,
        task: &str,
        look: impl Fn() -> Look + Send + Sync + 'static,
    ) -> Self {
        let state = State {
            out: Box::new(out),
            began: Instant::now(),
            task: task.to_owned(),
            downloads: Vec::new(),
            drawn: false,
            ended: false,
        };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new(), look: Box::new(look) });
        let painted = Arc::clone(&shared);
        // Without a thread (a full process table) nothing moves, and all works.
        let painter = std::thread::Builder::new().name("waiting".into()).spawn(move || painted.paint()).ok();
        Self { shared, painter }
    }

    /// Takes news of a download.
    pub fn download(&self) -> impl Fn(&str, u64, u64) + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |url, done, total| shared.lock().news(format!("reading {}", super::clean(url)), done, total)
    }

    /// Takes news of what is sent.
    pub fn upload(&self) -> impl Fn(&str, u64, u64) + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |name, done, total| shared.lock().news(format!("sending {}", super::clean(name)), done, total)
    }
}

impl State {
    fn news(&mut self, name: String, done: u64, total: u64) {
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let known = self.downloads.iter().position(|download| download.name == name);
        if total > 0 && done >= total {
            if let Some(known) = known {
                self.downloads.remove(known);
            }
            return;
        }
        let index = known.unwrap_or_else(|| {
            self.downloads.push(Download { name, done: 0, total, speed: Speed::from(at, done) });
            self.downloads.len() - 1
        });
        let download = &mut self.downloads[index];
        (download.done, download.total) = (done, total);
        download.speed.at(at, done);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        state.clear();
        drop(state);
        self.shared.wake.notify_one();
        if let Some(painter) = self.painter.take() {
            let _ = painter.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn look() -> Look {
        Look { colour: false, unicode: false, width: 70, height: None }
    }

    #[test]
    fn a_download_shows_how_far_it_is_from_its_first_byte_and_the_line_goes_at_the_end() {
        let screen = Screen::default();
        let waiting = Waiting::new(screen.clone(), "choosing packages", look);
        let shown = |screen: &Screen| {
            let mut terminal = vt100::Parser::new(3, 70, 0);
            terminal.process(&screen.0.lock().unwrap());
            terminal.screen().contents()
        };
        waiting.shared.lock().draw(look());
        assert!(shown(&screen).contains("choosing packages"));
        let news = waiting.download();
        news("http://mirror.example/Packages.xz", 1 << 20, 4 << 20);
        waiting.shared.lock().draw(look());
        let text = shown(&screen);
        assert!(text.contains("mirror.example/Packages.xz") && text.contains("1.0 MiB / 4.0 MiB"), "{text}");
        news("http://mirror.example/Packages.xz", 4 << 20, 4 << 20);
        waiting.shared.lock().draw(look());
        assert!(shown(&screen).contains("choosing packages"));
        drop(waiting);
        assert_eq!(shown(&screen), "");
    }
}
