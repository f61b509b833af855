//! Standard output and standard error. Nothing else of the program writes to them: text passes a
//! [`Sink`], in which nothing is left that a terminal or a CI system would obey.

use std::io::{self, IsTerminal as _, Stderr, Stdout, Write, stderr, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::report::{Content, Sink, progress::Ci};

/// Says something on stderr, with a newline.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::screen::to_stderr(&format!("{}\n", format_args!($($text)*))) };
}
pub(super) use say;

/// Whether a CI system reads along.
fn ci() -> bool {
    Ci::detect(|name| std::env::var_os(name)).is_some()
}

/// Standard output, which remembers that something did not get out.
pub(super) struct Output(Stdout);

/// Whether something was lost on its way out.
static LOST: AtomicBool = AtomicBool::new(false);

impl Output {
    fn noted<T>(result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            // A reader that closed the pipe has seen enough.
            let is_loss = !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::Interrupted);
            if is_loss && !LOST.swap(true, Ordering::Relaxed) {
                to_stderr(&format!("error: cannot write the output: {error}\n"));
            }
        }
        result
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::noted(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::noted(self.0.flush())
    }
}

/// Whether all that was written has got out by now.
pub(super) fn is_complete() -> bool {
    let _ = exact().flush();
    !LOST.load(Ordering::Relaxed)
}

/// Whether a person sits at both ends: types, and sees what is printed.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && stdout().is_terminal()
}

/// For text that people read.
pub(super) fn out() -> Sink<Output> {
    Sink::new(exact(), Content::Text { colour: out_colour() }, ci())
}

/// For text that people read beside the data.
pub(super) fn err() -> Sink<Stderr> {
    Sink::new(stderr(), Content::Text { colour: err_colour() }, ci())
}

/// Whether text on stdout has colours.
pub(super) fn out_colour() -> bool {
    super::console::colour(stdout().is_terminal())
}

/// Whether text on stderr has colours.
pub(super) fn err_colour() -> bool {
    super::console::colour(stderr().is_terminal())
}

/// Writes text to stderr.
pub(super) fn to_stderr(text: &str) {
    let _ = err().write_all(text.as_bytes());
}

/// For JSON.
pub(super) fn json() -> Sink<Output> {
    Sink::new(exact(), Content::Json, ci())
}

/// For findings that GitHub shows beside the lines.
pub(super) fn annotations() -> Sink<Output> {
    Sink::new(exact(), Content::Orders, true)
}

/// For a log with foldable groups; GitLab's are made of control characters, and its view makes text harmless.
pub(super) fn groups(ci: Ci) -> Box<dyn Write + Send> {
    match ci {
        Ci::GitHub => Box::new(Sink::new(stderr(), Content::Orders, true)),
        Ci::GitLab { .. } => Box::new(stderr()),
    }
}

/// For a view that moves the cursor, and makes text harmless itself.
pub(super) fn drawing() -> Stderr {
    stderr()
}

/// For what must come as it is: the protocol with an editor, completions, a file that was formatted.
pub(super) fn exact() -> Output {
    Output(stdout())
}
