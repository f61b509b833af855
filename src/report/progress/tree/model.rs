//! What the live view shows, kept up to date by events. A flood of output costs a glance at its end.

use crate::exec::{Event, EventKind, Outcome, PlanSummary};

/// How long steps took last time, in milliseconds, by image (empty for what concerns none) and step.
pub type Times = std::collections::HashMap<(String, String), u64>;

/// Everything on the screen.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) build: Option<i64>,
    /// In the order of their first event; the one without a name holds what concerns no image.
    pub(super) images: Vec<ImageView>,
    pub(super) transfers: Vec<Transfer>,
    /// How long steps took last time.
    pub(super) times: Times,
    /// Lines for above the tree, not printed yet.
    pub(super) notes: Vec<String>,
    pub(super) ended: Option<Outcome>,
    /// Time of the last event.
    pub(super) at_ms: u64,
}

#[derive(Debug)]
pub(super) struct ImageView {
    pub(super) name: Option<String>,
    pub(super) plan: Option<PlanSummary>,
    pub(super) began: u64,
    pub(super) steps: Vec<StepView>,
    pub(super) end: Option<(Outcome, u64)>,
    pub(super) artifacts: Vec<(String, u64)>,
}

#[derive(Debug)]
pub(super) struct StepView {
    pub(super) name: String,
    pub(super) state: StepState,
    /// Number of steps it runs within.
    pub(super) depth: usize,
}

#[derive(Debug)]
pub(super) enum StepState {
    Waiting,
    Running {
        began: u64,
        /// The last line it printed.
        line: String,
        /// Packages that it has unpacked, and set up, so far.
        packages: [usize; 2],
    },
    Ended(Outcome, u64),
}

/// A download or conversion under way.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) task: String,
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) speed: Speed,
}

/// How fast bytes come.
#[derive(Debug, Clone, Copy)]
pub(in crate::report::progress) struct Speed {
    /// Bytes a second, smoothed; none until there is something to tell it from.
    pub(super) rate: Option<u64>,
    /// Where the rate was last taken: time and bytes.
    mark: (u64, u64),
}

impl Speed {
    pub(in crate::report::progress) const fn from(at: u64, done: u64) -> Self {
        Self { rate: None, mark: (at, done) }
    }

    /// So many bytes are there now.
    pub(in crate::report::progress) fn at(&mut self, at: u64, done: u64) {
        let elapsed = at.saturating_sub(self.mark.0);
        if elapsed >= RATE_MS {
            let now = done.saturating_sub(self.mark.1).saturating_mul(1000) / elapsed;
            self.rate = Some(self.rate.map_or(now, |before| before.midpoint(now)));
            self.mark = (at, done);
        }
    }

    /// Milliseconds until the rest is there.
    pub(super) fn left(self, done: u64, total: u64) -> Option<u64> {
        let rate = self.rate.filter(|rate| *rate > 0)?;
        (total > done).then(|| (total - done).saturating_mul(1000) / rate)
    }
}

/// Bytes of an output line worth keeping: no terminal is wider.
const WIDEST: usize = 2000;
/// Least time between two measurements of a rate.
const RATE_MS: u64 = 500;

impl Model {
    pub(super) fn event(&mut self, event: &Event) {
        self.at_ms = event.at_ms;
        match &event.what {
            EventKind::Begun { build, .. } => self.build = Some(*build),
            EventKind::Note { text } => {
                let text = super::super::clean(&text.replace('\n', " ")).into_owned();
                self.notes.push(match &event.image {
                    Some(image) => format!("{image}: {text}"),
                    None => text,
                });
            }
            EventKind::Progress { task, done, total } => self.transfer(event.at_ms, task, *done, *total),
            EventKind::Ended { outcome } => {
                self.ended = Some(*outcome);
                self.transfers.clear();
                self.images.iter_mut().for_each(|image| image.stop(*outcome, event.at_ms));
            }
            _ => self.image(event).event(event),
        }
    }

    fn image(&mut self, event: &Event) -> &mut ImageView {
        let index = self.images.iter().position(|image| image.name == event.image).unwrap_or_else(|| {
            self.images.push(ImageView {
                name: event.image.clone(),
                plan: None,
                began: event.at_ms,
                steps: Vec::new(),
                end: None,
                artifacts: Vec::new(),
            });
            self.images.len() - 1
        });
        &mut self.images[index]
    }

    fn transfer(&mut self, at: u64, task: &str, done: u64, total: u64) {
        let known = self.transfers.iter().position(|transfer| transfer.task == task);
        if done >= total && total > 0 {
            known.map(|index| self.transfers.remove(index));
            return;
        }
        let Some(index) = known else {
            let speed = Speed::from(at, done);
            self.transfers.push(Transfer { task: task.to_owned(), done, total, speed });
            return;
        };
        let transfer = &mut self.transfers[index];
        (transfer.done, transfer.total) = (done, total);
        transfer.speed.at(at, done);
    }
}

impl ImageView {
    fn event(&mut self, event: &Event) {
        match &event.what {
            EventKind::Planned(plan) => self.plan = Some((**plan).clone()),
            EventKind::Started { steps } => {
                self.steps.extend(steps.iter().map(|name| StepView {
                    name: name.clone(),
                    state: StepState::Waiting,
                    depth: 0,
                }));
            }
            EventKind::StepStarted { step, within } => {
                self.step(step, within.as_deref()).state =
                    StepState::Running { began: event.at_ms, line: String::new(), packages: [0; 2] };
            }
            EventKind::Output { step, text, .. } => {
                if let Some(StepState::Running { packages, .. }) =
                    self.running(step).map(|step| &mut step.state)
                {
                    for (count, begin) in packages.iter_mut().zip(["Unpacking ", "Setting up "]) {
                        *count += text.lines().filter(|line| line.starts_with(begin)).count();
                    }
                }
                if let Some(line) = self.running(step).and_then(|step| step.line())
                    && let Some(last) = last_line(text)
                {
                    line.clear();
                    line.push_str(&super::super::clean(last));
                }
            }
            EventKind::Console { step, line: last } => {
                if let Some(line) = self.running(step).and_then(|step| step.line()) {
                    line.clear();
                    line.push_str(&super::super::clean(last));
                }
            }
            EventKind::StepFinished { step, outcome, elapsed_ms } => {
                let ended = StepState::Ended(*outcome, *elapsed_ms);
                match self.running(step) {
                    Some(running) => running.state = ended,
                    None => self.step(step, None).state = ended,
                }
            }
            EventKind::Artifact { path, size, .. } => self.artifacts.push((path.clone(), *size)),
            EventKind::Finished { outcome, .. } => {
                self.end = Some((*outcome, event.at_ms.saturating_sub(self.began)));
            }
            _ => {}
        }
    }

    /// The command ended: so did what had not said so itself.
    fn stop(&mut self, outcome: Outcome, at_ms: u64) {
        for step in &mut self.steps {
            if let StepState::Running { began, .. } = step.state {
                step.state = StepState::Ended(outcome, at_ms.saturating_sub(began));
            }
        }
        self.end.get_or_insert((outcome, at_ms.saturating_sub(self.began)));
    }

    fn running(&mut self, name: &str) -> Option<&mut StepView> {
        self.steps
            .iter_mut()
            .rev()
            .find(|step| step.name == name && matches!(step.state, StepState::Running { .. }))
    }

    /// The step of this name that waits, or else a new one after what has begun.
    fn step(&mut self, name: &str, within: Option<&str>) -> &mut StepView {
        let waits = |step: &StepView| matches!(step.state, StepState::Waiting);
        let depth = within.and_then(|within| self.running(within)).map_or(0, |outer| outer.depth + 1);
        let index = match self.steps.iter().position(|step| waits(step) && step.name == name) {
            Some(index) => index,
            None => {
                let index = self.steps.iter().rposition(|step| !waits(step)).map_or(0, |last| last + 1);
                let name = name.to_owned();
                self.steps.insert(index, StepView { name, state: StepState::Waiting, depth });
                index
            }
        };
        &mut self.steps[index]
    }
}

impl StepView {
    fn line(&mut self) -> Option<&mut String> {
        match &mut self.state {
            StepState::Running { line, .. } => Some(line),
            StepState::Waiting | StepState::Ended(..) => None,
        }
    }
}

/// The last line of a piece that has text in it.
fn last_line(piece: &str) -> Option<&str> {
    let piece = &piece[piece.ceil_char_boundary(piece.len().saturating_sub(WIDEST))..];
    piece.rsplit(['\n', '\r']).find(|line| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_follows_what_arrives() {
        let mut model = Model::default();
        for (at, done) in [(0, 0), (100, 50), (1000, 1000), (2000, 4000)] {
            let what = EventKind::Progress { task: "deb".into(), done, total: 10_000 };
            model.event(&Event { at_ms: at, image: None, what });
        }
        let transfer = &model.transfers[0];
        assert_eq!((transfer.done, transfer.speed.rate), (4000, Some(2000)));
        assert_eq!(transfer.speed.left(transfer.done, transfer.total), Some(3000));
        let what = EventKind::Progress { task: "deb".into(), done: 10_000, total: 10_000 };
        model.event(&Event { at_ms: 3000, image: None, what });
        assert!(model.transfers.is_empty());
    }

    #[test]
    fn the_last_line_with_text_is_the_current_one() {
        for (piece, line) in [("a\nb\n\n", Some("b")), ("10%\r20%", Some("20%")), ("\n \n", None), ("", None)]
        {
            assert_eq!(last_line(piece), line);
        }
    }
}
