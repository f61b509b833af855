//! What imgfile does, step by step, for whoever looks into imgfile itself: off unless `IMGFILE_LOG` asks for it.
//!
//! Nothing that a guest prints and no value of a secret is in it; addresses are without their passwords.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::screen;

/// The variable that says what is traced, in the form that `RUST_LOG` has elsewhere: `imgfile=debug`.
const VARIABLE: &str = "IMGFILE_LOG";

/// Begins to trace what `IMGFILE_LOG` asks for, on stderr; nothing without it.
///
/// # Errors
///
/// What cannot be read in the variable.
pub(super) fn begin() -> Result<(), String> {
    let Some(asked) = std::env::var_os(VARIABLE).filter(|asked| !asked.is_empty()) else { return Ok(()) };
    let wrong = |why: &dyn std::fmt::Display| {
        format!("`{VARIABLE}` says nothing that can be traced: {why}; try `{VARIABLE}=imgfile=debug`")
    };
    let asked = asked.to_str().ok_or_else(|| wrong(&"it is no text"))?;
    let filter = EnvFilter::builder().parse(asked).map_err(|error| wrong(&error))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(screen::err_colour())
        .with_writer(Stderr)
        .init();
    Ok(())
}

/// Writes whole lines to stderr, by the one way there is to it.
struct Stderr;

/// The text of one event.
#[derive(Default)]
struct Line(Vec<u8>);

impl<'w> MakeWriter<'w> for Stderr {
    type Writer = Line;

    fn make_writer(&'w self) -> Line {
        Line::default()
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        screen::to_stderr(&String::from_utf8_lossy(&self.0));
    }
}
