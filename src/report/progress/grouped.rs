//! Events as lines in foldable groups, one a step, for CI logs.
//!
//! A log has one open group at a time, but images build side by side. So one image is *live*: its lines
//! are written as they come; those of others wait until a step of the live image ends, or until too much
//! waits.

use std::{io::Write, sync::Mutex};

use super::{Ci, Lines, words};
use crate::exec::{Event, EventKind, Observer, Outcome};

/// Bytes that may wait for one image before it becomes the live one.
const WAITING: usize = 256 * 1024;

/// Lines in groups of steps.
#[derive(Debug)]
pub struct Grouped<W> {
    state: Mutex<State<W>>,
}

#[derive(Debug)]
struct State<W> {
    out: W,
    ci: Ci,
    lines: Lines,
    images: Vec<Image>,
    /// Index of the image whose lines are written at once.
    live: usize,
    /// Groups begun so far.
    groups: u32,
}

/// The lines of one image, or of what concerns no image.
#[derive(Debug)]
struct Image {
    name: Option<String>,
    /// Rendered and not written yet.
    waiting: String,
    /// The step and the number of the group that was begun last and not ended.
    group: Option<(String, u32)>,
}

impl<W: Write + Send> Grouped<W> {
    /// Writes to `out`, with the marks by which `ci` folds lines.
    pub fn new(out: W, ci: Ci) -> Self {
        let state = State { out, ci, lines: Lines::default(), images: Vec::new(), live: 0, groups: 0 };
        Self { state: Mutex::new(state) }
    }
}

impl<W: Write> State<W> {
    fn image(&mut self, name: Option<&str>) -> usize {
        self.images.iter().position(|image| image.name.as_deref() == name).unwrap_or_else(|| {
            let name = name.map(str::to_owned);
            self.images.push(Image { name, waiting: String::new(), group: None });
            self.images.len() - 1
        })
    }

    /// Writes text of an image, or lets it wait.
    fn emit(&mut self, image: usize, at_ms: u64, text: &str) {
        let idle = self.images[self.live].group.is_none();
        if image != self.live && (idle || self.images[image].waiting.len() + text.len() > WAITING) {
            self.go_live(image, at_ms);
        }
        if image == self.live {
            // A closed or full log must not stop a build: the error is dropped on purpose.
            let _ = self.out.write_all(text.as_bytes());
        } else {
            self.images[image].waiting.push_str(text);
        }
    }

    /// Writes what waited for an image, and goes on with it. An open group of the image before is ended,
    /// and begun again when that has more to say.
    fn go_live(&mut self, image: usize, at_ms: u64) {
        if let Some((_, number)) = self.images[self.live].group.take() {
            let _ = self.out.write_all(self.ci.end(number, at_ms).as_bytes());
        }
        self.live = image;
        let _ = self.out.write_all(std::mem::take(&mut self.images[image].waiting).as_bytes());
    }

    /// Begins the group of a step, after the end of the one before.
    fn begin(&mut self, image: usize, at_ms: u64, step: &str, continued: bool) {
        self.end(image, at_ms);
        self.groups += 1;
        let mut title = titled(self.images[image].name.as_deref(), step);
        if continued {
            title.push_str(" (continued)");
        }
        let text = self.ci.begin(self.groups, at_ms, &title);
        self.emit(image, at_ms, &text);
        self.images[image].group = Some((step.to_owned(), self.groups));
    }

    fn end(&mut self, image: usize, at_ms: u64) {
        if let Some((_, number)) = self.images[image].group.clone() {
            let text = self.ci.end(number, at_ms);
            self.emit(image, at_ms, &text);
            self.images[image].group = None;
        }
    }

    fn event(&mut self, event: &Event) {
        let image = self.image(event.image.as_deref());
        match &event.what {
            EventKind::Progress { .. } | EventKind::Console { .. } => {}
            EventKind::StepStarted { step, .. } => self.begin(image, event.at_ms, step, false),
            EventKind::Output { step, stream, text } => {
                let mut shown = String::new();
                let (lines, ci) = (&mut self.lines, self.ci);
                lines.push(event.image.as_deref(), step, *stream, text, |line| {
                    shown.push_str("| ");
                    shown.push_str(&ci.harmless(line));
                    shown.push('\n');
                });
                self.output(image, event.at_ms, step, &shown);
            }
            EventKind::StepFinished { step, .. } => {
                let mut shown = String::new();
                let (lines, ci) = (&mut self.lines, self.ci);
                lines.end(event.image.as_deref(), step, |line| {
                    shown.push_str("| ");
                    shown.push_str(&ci.harmless(line));
                    shown.push('\n');
                });
                self.output(image, event.at_ms, step, &shown);
                if self.images[image].group.as_ref().is_some_and(|(open, _)| open == step) {
                    self.end(image, event.at_ms);
                }
                self.headline(image, event);
                self.turn(event.at_ms);
            }
            EventKind::Finished { outcome: Outcome::Failed, message, .. } => {
                self.end(image, event.at_ms);
                let title = event.image.as_deref().unwrap_or("build");
                let message = message.as_deref().unwrap_or("failed");
                let text = self.ci.error(title, message);
                self.emit(image, event.at_ms, &text);
                self.turn(event.at_ms);
            }
            EventKind::Finished { .. } => {
                self.end(image, event.at_ms);
                self.headline(image, event);
                self.turn(event.at_ms);
            }
            EventKind::Ended { .. } => {
                for other in 0..self.images.len() {
                    self.end(other, event.at_ms);
                    self.go_live(other, event.at_ms);
                }
                self.go_live(image, event.at_ms);
                self.headline(image, event);
                let _ = self.out.flush();
            }
            _ => self.headline(image, event),
        }
    }

    fn output(&mut self, image: usize, at_ms: u64, step: &str, lines: &str) {
        if lines.is_empty() {
            return;
        }
        if self.images[image].group.as_ref().is_none_or(|(open, _)| open != step) {
            self.begin(image, at_ms, step, true);
        }
        self.emit(image, at_ms, lines);
    }

    fn headline(&mut self, image: usize, event: &Event) {
        if let Some(text) = words::line(event) {
            let text = titled(event.image.as_deref(), self.ci.harmless(text.trim_start()).as_ref());
            self.emit(image, event.at_ms, &format!("{text}\n"));
        }
    }

    /// At the end of a step another image may have its turn: the one after the live one that waits.
    fn turn(&mut self, at_ms: u64) {
        let count = self.images.len();
        if self.images[self.live].group.is_some() {
            return;
        }
        let next = (1..count).map(|step| (self.live + step) % count);
        if let Some(next) = next.into_iter().find(|&next| !self.images[next].waiting.is_empty()) {
            self.go_live(next, at_ms);
        }
    }
}

fn titled(image: Option<&str>, text: &str) -> String {
    image.map_or_else(|| text.to_owned(), |image| format!("{image}: {text}"))
}

impl<W: Write + Send> Observer for Grouped<W> {
    fn event(&self, event: &Event) {
        if let Ok(mut state) = self.state.lock() {
            state.event(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Stream;

    /// Each event one second after the one before.
    fn rendered(ci: Ci, events: &[(&str, EventKind)]) -> String {
        let grouped = Grouped::new(Vec::new(), ci);
        for (at, (image, what)) in events.iter().enumerate() {
            let image = (!image.is_empty()).then(|| (*image).to_owned());
            grouped.event(&Event { at_ms: at as u64 * 1000, image, what: what.clone() });
        }
        String::from_utf8(grouped.state.into_inner().unwrap().out).unwrap()
    }

    fn start(step: &str) -> EventKind {
        EventKind::StepStarted { step: step.into(), within: None }
    }

    fn output(step: &str, text: &str) -> EventKind {
        EventKind::Output { step: step.into(), stream: Stream::Stdout, text: text.into() }
    }

    fn finish(step: &str, outcome: Outcome) -> EventKind {
        EventKind::StepFinished { step: step.into(), outcome, elapsed_ms: 1200 }
    }

    fn one_image() -> Vec<(&'static str, EventKind)> {
        let message = Some("`script b` failed with exit status 3".to_owned());
        vec![
            ("", EventKind::Begun { build: 7, version: "0.1.0".into() }),
            ("web", finish("grow", Outcome::Reused)),
            ("web", start("script a")),
            ("web", output("script a", "::error::not ours\nx ##[add-path]/tmp\nno newline")),
            ("web", finish("script a", Outcome::Done)),
            ("web", start("reboot")),
            ("web", start("boot")),
            ("web", finish("boot", Outcome::Done)),
            ("web", output("reboot", "back\n")),
            ("web", finish("reboot", Outcome::Done)),
            ("web", finish("script b", Outcome::Failed)),
            ("web", EventKind::Finished { outcome: Outcome::Failed, elapsed_ms: 65_000, message }),
            ("", EventKind::Ended { outcome: Outcome::Failed }),
        ]
    }

    #[test]
    fn github_folds_steps_and_obeys_no_guest() {
        insta::assert_snapshot!(rendered(Ci::GitHub, &one_image()));
    }

    #[test]
    fn gitlab_folds_steps() {
        let text = rendered(Ci::GitLab { began: 1_700_000_000 }, &one_image());
        insta::assert_snapshot!(text.replace('\u{1b}', "ESC").replace('\r', "CR"));
    }

    #[test]
    fn images_side_by_side_take_turns() {
        let text = rendered(
            Ci::GitHub,
            &[
                ("a", start("script 1")),
                ("b", start("script 2")),
                ("a", output("script 1", "a1\n")),
                ("b", output("script 2", "b1\n")),
                ("a", finish("script 1", Outcome::Done)),
                ("b", output("script 2", "b2\n")),
                ("a", start("script 3")),
                ("b", finish("script 2", Outcome::Done)),
                ("", EventKind::Ended { outcome: Outcome::Done }),
            ],
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn groups_never_nest_and_a_flood_does_not_wait_in_memory() {
        let flood = "x".repeat(1000) + "\n";
        let grouped = Grouped::new(Vec::new(), Ci::GitHub);
        let send = |image: &str, what| {
            grouped.event(&Event { at_ms: 0, image: Some(image.into()), what });
        };
        for image in ["a", "b"] {
            send(image, start("s"));
        }
        for _ in 0..2000 {
            for image in ["a", "b"] {
                send(image, output("s", &flood));
            }
            let state = grouped.state.lock().unwrap();
            assert!(state.images.iter().all(|image| image.waiting.len() <= WAITING));
        }
        for image in ["a", "b"] {
            send(image, finish("s", Outcome::Done));
        }
        send("a", EventKind::Ended { outcome: Outcome::Done });
        let text = String::from_utf8(grouped.state.into_inner().unwrap().out).unwrap();
        assert_eq!(text.matches(&flood).count(), 4000, "no line is lost");
        let mut open = false;
        for line in text.lines() {
            match line {
                "::endgroup::" => assert!(std::mem::replace(&mut open, false)),
                _ if line.starts_with("::group::") => assert!(!std::mem::replace(&mut open, true)),
                _ => {}
            }
        }
        assert!(!open);
    }
}
