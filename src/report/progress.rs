//! Events as lines: for logs and CI, and as JSON for programs.

use std::{collections::HashMap, io::Write, sync::Mutex};

use crate::exec::{Event, Observer, Outcome, What};

/// One line an event: step, time, the step's output. No cursor control, no colour.
#[derive(Debug)]
pub struct Plain<W> {
    state: Mutex<PlainState<W>>,
}

#[derive(Debug)]
struct PlainState<W> {
    out: W,
    /// Output that has not seen its newline yet, by image and step.
    partial: HashMap<(Option<String>, String), String>,
}

/// A line of guest output longer than this many bytes is broken, so that a flood without newlines
/// cannot grow memory.
const LONGEST_LINE: usize = 16 * 1024;

impl<W: Write + Send> Plain<W> {
    pub fn new(out: W) -> Self {
        Self { state: Mutex::new(PlainState { out, partial: HashMap::new() }) }
    }
}

impl<W: Write> PlainState<W> {
    /// Writes one line. A closed or full log must not stop a build: the error is dropped on purpose.
    fn line(&mut self, at_ms: u64, image: Option<&str>, text: &str) {
        let seconds = std::time::Duration::from_millis(at_ms).as_secs_f64();
        let image = image.map(|name| format!("{name}: ")).unwrap_or_default();
        let _ = writeln!(self.out, "{seconds:7.1}s {image}{text}");
        let _ = self.out.flush();
    }

    fn output(&mut self, at_ms: u64, image: Option<&String>, step: &str, text: &str) {
        let key = (image.cloned(), step.to_owned());
        let mut rest = self.partial.remove(&key).unwrap_or_default() + text;
        while let Some(end) = rest
            .find('\n')
            .map(|newline| newline + 1)
            .or_else(|| (rest.len() > LONGEST_LINE).then(|| rest.floor_char_boundary(LONGEST_LINE)))
        {
            let next = rest.split_off(end);
            self.line(at_ms, image.map(String::as_str), &format!("  | {}", printable(rest.trim_end())));
            rest = next;
        }
        if !rest.is_empty() {
            self.partial.insert(key, rest);
        }
    }
}

/// Guest output is hostile: what would move the cursor or change colours is dropped, tabs stay.
fn printable(text: &str) -> String {
    console::strip_ansi_codes(text).chars().filter(|c| *c == '\t' || !c.is_control()).collect()
}

impl<W: Write + Send> Observer for Plain<W> {
    fn event(&self, event: &Event) {
        let Ok(mut state) = self.state.lock() else { return };
        let image = event.image.as_deref();
        match &event.what {
            What::Started { steps } => state.line(event.at_ms, image, &format!("{} steps", steps.len())),
            What::Note { text } => state.line(event.at_ms, image, &format!("note: {text}")),
            What::StepStarted { step } => state.line(event.at_ms, image, &format!("> {step}")),
            What::Output { step, text, .. } => state.output(event.at_ms, event.image.as_ref(), step, text),
            What::Progress { .. } => {}
            What::StepFinished { step, outcome, elapsed_ms } => {
                state.output(event.at_ms, event.image.as_ref(), step, "");
                if let Some(rest) = state.partial.remove(&(event.image.clone(), step.clone())) {
                    state.line(event.at_ms, image, &format!("  | {}", printable(&rest)));
                }
                let elapsed = std::time::Duration::from_millis(*elapsed_ms).as_secs_f64();
                let word = match outcome {
                    Outcome::Done => "done",
                    Outcome::Reused => "reused",
                    Outcome::Failed => "failed",
                    Outcome::Cancelled => "cancelled",
                };
                state.line(event.at_ms, image, &format!("  {word} {step} ({elapsed:.1}s)"));
            }
            What::Artifact { path, .. } => state.line(event.at_ms, image, &format!("wrote {path}")),
        }
    }
}

/// The event stream itself, one JSON object a line.
#[derive(Debug)]
pub struct JsonLines<W> {
    out: Mutex<W>,
}

impl<W: Write + Send> JsonLines<W> {
    pub fn new(out: W) -> Self {
        Self { out: Mutex::new(out) }
    }
}

impl<W: Write + Send> Observer for JsonLines<W> {
    fn event(&self, event: &Event) {
        let Ok(mut out) = self.out.lock() else { return };
        if let Ok(line) = serde_json::to_string(event) {
            let _ = writeln!(out, "{line}");
            let _ = out.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Stream;

    fn rendered(events: &[What]) -> String {
        let plain = Plain::new(Vec::new());
        for what in events {
            plain.event(&Event { at_ms: 1500, image: Some("web".into()), what: what.clone() });
        }
        String::from_utf8(plain.state.into_inner().unwrap().out).unwrap()
    }

    fn output(text: &str) -> What {
        What::Output { step: "s".into(), stream: Stream::Stdout, text: text.into() }
    }

    #[test]
    fn output_is_cut_into_whole_lines_without_cursor_control() {
        let finished = What::StepFinished { step: "s".into(), outcome: Outcome::Done, elapsed_ms: 40 };
        let text = rendered(&[output("one\ntw"), output("o\u{1b}[2K\r\nthree"), finished]);
        assert_eq!(
            text,
            "    1.5s web:   | one\n    1.5s web:   | two\n    1.5s web:   | three\n    1.5s web:   done s (0.0s)\n"
        );
    }
}
