//! The event stream itself, for programs.

use std::{io::Write, sync::Mutex};

use crate::exec::{Event, EventKind, Observer};

/// One JSON object a line; `schemas/event.schema.json` says what is in it.
#[derive(Debug)]
pub struct JsonLines<W> {
    out: Mutex<(W, Vec<u8>)>,
}

impl<W: Write + Send> JsonLines<W> {
    /// Writes to `out`, an event a line.
    pub fn new(out: W) -> Self {
        Self { out: Mutex::new((out, Vec::new())) }
    }
}

impl<W: Write + Send> Observer for JsonLines<W> {
    fn event(&self, event: &Event) {
        let Ok(mut guard) = self.out.lock() else { return };
        let (out, line) = &mut *guard;
        line.clear();
        if serde_json::to_writer(&mut *line, event).is_ok() {
            line.push(b'\n');
            // A reader that went away must not stop a build: the error is dropped on purpose.
            let _ = out.write_all(line);
        }
        if matches!(event.what, EventKind::Ended { .. }) {
            let _ = out.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Stream;

    #[test]
    fn an_event_is_one_line_and_reads_back() {
        let json = JsonLines::new(Vec::new());
        let what = EventKind::Output {
            step: "s".into(),
            stream: Stream::Stderr,
            text: "a\n\u{1b}[31m\u{85}".into(),
        };
        let event = Event { at_ms: 12, image: Some("web".into()), what };
        json.event(&event);
        let text = String::from_utf8(json.out.into_inner().unwrap().0).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.starts_with(r#"{"at_ms":12,"image":"web","event":"output","step":"s""#), "{text}");
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}
