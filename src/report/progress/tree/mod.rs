//! The live view: images, their steps with time and reuse, the current line of output, transfers.
//!
//! Events only change a model; a thread of its own draws it ten times a second. So a flood of output costs
//! no drawing, and a silent step still shows its time.

mod draw;
mod model;

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use console::measure_text_width;

use crate::exec::{Event, Observer};
pub use draw::Look;
use model::Model;
pub(super) use model::Speed;
pub use model::Times;

/// Time between two drawings.
const FRAME: Duration = Duration::from_millis(100);

/// Draws the tree until it is dropped; the last state stays on the screen.
pub struct Tree<W: Write + Send + 'static> {
    shared: Arc<Shared<W>>,
    painter: Option<std::thread::JoinHandle<()>>,
}

impl<W: Write + Send + 'static> std::fmt::Debug for Tree<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").finish_non_exhaustive()
    }
}

struct Shared<W> {
    state: Mutex<State<W>>,
    wake: Condvar,
    /// Asked before each drawing, since windows are resized.
    look: Box<dyn Fn() -> Look + Send + Sync>,
}

struct State<W> {
    model: Model,
    /// When the last event came: from then on the view's clock runs by itself.
    last: Instant,
    screen: Screen<W>,
    ended: bool,
}

impl<W: Write> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn paint(&self) {
        let mut state = self.lock();
        while !state.ended {
            let look = (self.look)();
            state.draw(look);
            let waited = self.wake.wait_timeout_while(state, FRAME, |state| !state.ended);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<W: Write> State<W> {
    fn draw(&mut self, look: Look) {
        let since = u64::try_from(self.last.elapsed().as_millis()).unwrap_or(0);
        let at_ms = if self.ended { self.model.at_ms } else { self.model.at_ms + since };
        let above = std::mem::take(&mut self.model.notes);
        let lines = draw::draw(&self.model, at_ms, look);
        self.screen.show(&above, lines, look.width);
    }

    /// Draws the last state, whole, and nothing after it.
    fn end(&mut self, look: Look) {
        self.ended = true;
        self.draw(Look { height: None, ..look });
    }
}

impl<W: Write + Send + 'static> Tree<W> {
    /// A tree on the terminal behind `out`, which looks as `look` says when asked.
    pub fn new(out: W, look: impl Fn() -> Look + Send + Sync + 'static) -> Self {
        Self::expecting(Times::new(), out, look)
    }

    /// The same, with how long steps took last time.
    pub fn expecting(times: Times, out: W, look: impl Fn() -> Look + Send + Sync + 'static) -> Self {
        let screen = Screen { out, drawn: Vec::new() };
        let state =
            State { model: Model { times, ..Model::default() }, last: Instant::now(), screen, ended: false };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new(), look: Box::new(look) });
        let painted = Arc::clone(&shared);
        // Without a thread (a full process table) only the last state is shown.
        let painter = std::thread::Builder::new().name("progress".into()).spawn(move || painted.paint()).ok();
        Self { shared, painter }
    }
}

impl<W: Write + Send + 'static> Observer for Tree<W> {
    fn event(&self, event: &Event) {
        let mut state = self.shared.lock();
        state.model.event(event);
        state.last = Instant::now();
        if state.model.ended.is_some() && !state.ended {
            // What others print now comes below.
            state.end((self.shared.look)());
        }
    }
}

impl<W: Write + Send + 'static> Drop for Tree<W> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if !state.ended {
            state.end((self.shared.look)());
        }
        drop(state);
        self.shared.wake.notify_one();
        if let Some(painter) = self.painter.take() {
            let _ = painter.join();
        }
    }
}

/// The part of the terminal that is drawn again and again, below what was printed for good.
struct Screen<W> {
    out: W,
    /// Width in columns of each line on the screen now.
    drawn: Vec<usize>,
}

impl<W: Write> Screen<W> {
    /// Replaces what is drawn by `lines`, with `above` printed for good before them.
    fn show(&mut self, above: &[String], lines: Vec<String>, width: usize) {
        let mut text = String::new();
        // A window that became narrower has wrapped our lines.
        let rows: usize = self.drawn.iter().map(|drawn| drawn.div_ceil(width.max(1)).max(1)).sum();
        if rows > 0 {
            text.push_str(&format!("\u{1b}[{rows}A\r"));
        }
        for line in above.iter().chain(&lines) {
            text.push_str(line);
            text.push_str("\u{1b}[K\r\n");
        }
        text.push_str("\u{1b}[J");
        self.drawn = lines.iter().map(|line| measure_text_width(line)).collect();
        // A terminal that went away must not stop a build: the error is dropped on purpose.
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }
}

#[cfg(test)]
mod tests;
