//! Events as lines, for logs: no cursor control, no colour.

use std::fmt::Write as _;
use std::{collections::HashMap, io::Write, sync::Mutex};

use super::{Lines, words};
use crate::exec::{Event, EventKind, Observer};

/// How often a transfer that goes on is mentioned, in milliseconds.
const MENTION_MS: u64 = 10_000;

/// One line an event: time, image, what; and each line a step prints.
#[derive(Debug)]
pub struct Plain<W> {
    state: Mutex<State<W>>,
}

#[derive(Debug)]
struct State<W> {
    out: W,
    lines: Lines,
    /// When each running transfer was last mentioned.
    transfers: HashMap<String, u64>,
    /// Time and image of the event at hand.
    prefix: String,
}

impl<W: Write + Send> Plain<W> {
    /// Writes to `out`; nothing is coloured.
    pub fn new(out: W) -> Self {
        let state = State { out, lines: Lines::default(), transfers: HashMap::new(), prefix: String::new() };
        Self { state: Mutex::new(state) }
    }
}

/// Writes one line. A closed or full log must not stop a build: the error is dropped on purpose.
fn write_line(out: &mut impl Write, parts: [&str; 2]) {
    let _ = out.write_all(parts[0].as_bytes());
    let _ = out.write_all(parts[1].as_bytes());
    let _ = out.write_all(b"\n");
}

/// `  12.3s web: `
pub(crate) fn write_prefix(prefix: &mut String, event: &Event) {
    prefix.clear();
    let _ = write!(prefix, "{:5}.{}s ", event.at_ms / 1000, event.at_ms % 1000 / 100);
    if let Some(image) = &event.image {
        let _ = write!(prefix, "{image}: ");
    }
}

impl<W: Write> State<W> {
    fn event(&mut self, event: &Event) {
        let Self { out, lines, transfers, prefix } = self;
        write_prefix(prefix, event);
        let image = event.image.as_deref();
        match &event.what {
            EventKind::Output { step, stream, text } => {
                prefix.push_str("  | ");
                lines.push(image, step, *stream, text, |line| write_line(out, [prefix, line]));
                return;
            }
            EventKind::Progress { task, done, total } => {
                if done >= total {
                    transfers.remove(task);
                } else if event.at_ms >= transfers.get(task).map_or(event.at_ms, |last| last + MENTION_MS) {
                    let first = transfers.insert(task.clone(), event.at_ms).is_none();
                    if !first {
                        let text = format!("{task}: {} of {}", words::size(*done), words::size(*total));
                        write_line(out, [prefix, &text]);
                    }
                }
                return;
            }
            EventKind::StepFinished { step, .. } => {
                let rest = format!("{prefix}  | ");
                lines.end(image, step, |line| write_line(out, [&rest, line]));
            }
            _ => {}
        }
        if let Some(text) = words::line(event) {
            write_line(out, [prefix, &text]);
        }
        if matches!(event.what, EventKind::Ended { .. }) {
            let _ = out.flush();
        }
    }
}

impl<W: Write + Send> Observer for Plain<W> {
    fn event(&self, event: &Event) {
        if let Ok(mut state) = self.state.lock() {
            state.event(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Outcome, Stream};

    fn rendered(events: &[EventKind]) -> String {
        let plain = Plain::new(Vec::new());
        for what in events {
            plain.event(&Event { at_ms: 1500, image: Some("web".into()), what: what.clone() });
        }
        String::from_utf8(plain.state.into_inner().unwrap().out).unwrap()
    }

    fn output(text: &str) -> EventKind {
        EventKind::Output { step: "s".into(), stream: Stream::Stdout, text: text.into() }
    }

    #[test]
    fn output_is_cut_into_whole_lines_without_cursor_control() {
        let finished = EventKind::StepFinished { step: "s".into(), outcome: Outcome::Done, elapsed_ms: 40 };
        let text = rendered(&[output("one\ntw"), output("o\u{1b}[2K\r\nthree"), finished]);
        assert_eq!(
            text,
            "    1.5s web:   | one\n    1.5s web:   | two\n    1.5s web:   | three\n    1.5s web:   done s (0.0s)\n"
        );
    }

    #[test]
    fn a_long_transfer_is_mentioned_now_and_then() {
        let plain = Plain::new(Vec::new());
        for second in 0..=25u64 {
            let what = EventKind::Progress { task: "linux".into(), done: second << 20, total: 25 << 20 };
            plain.event(&Event { at_ms: second * 1000, image: None, what });
        }
        let text = String::from_utf8(plain.state.into_inner().unwrap().out).unwrap();
        assert_eq!(text, "   10.0s linux: 10.0 MiB of 25.0 MiB\n   20.0s linux: 20.0 MiB of 25.0 MiB\n");
    }
}
