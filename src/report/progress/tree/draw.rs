//! From the model to lines of a terminal.

use console::{Style, measure_text_width, truncate_str};

use super::model::{ImageView, Model, Speed, StepState, StepView, Times, Transfer};
use crate::{
    exec::Outcome,
    report::progress::{duration, size},
};

/// What the terminal is like.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Whether it takes ANSI colours.
    pub colour: bool,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
    /// In columns.
    pub width: usize,
    /// Lines the tree may take; none if all shall be shown.
    pub height: Option<usize>,
}

impl Look {
    fn style(self, style: Style, text: &str) -> String {
        if self.colour { style.force_styling(true).apply_to(text).to_string() } else { text.to_owned() }
    }

    fn dim(self, text: &str) -> String {
        self.style(Style::new().dim(), text)
    }

    fn bold(self, text: &str) -> String {
        self.style(Style::new().bold(), text)
    }

    /// The mark before a step or an image.
    fn mark(self, outcome: Outcome) -> String {
        let (unicode, ascii, style) = match outcome {
            Outcome::Done => ("✓", "+", Style::new().green()),
            Outcome::Reused => ("✓", "=", Style::new().cyan()),
            Outcome::Failed => ("✗", "x", Style::new().red().bold()),
            Outcome::Cancelled => ("⊘", "!", Style::new().magenta()),
        };
        self.style(style, if self.unicode { unicode } else { ascii })
    }

    fn spinner(self, at_ms: u64) -> String {
        const UNICODE: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
        const ASCII: [&str; 4] = ["-", "\\", "|", "/"];
        let frames: &[&str] = if self.unicode { &UNICODE } else { &ASCII };
        let frame = usize::try_from(at_ms / 100).unwrap_or(0) % frames.len();
        self.style(Style::new().cyan(), frames[frame])
    }

    fn dot(self) -> &'static str {
        if self.unicode { "·" } else { "." }
    }

    /// `left` with `right` at the right margin; what does not fit of `left` is cut.
    fn spread(self, left: &str, right: &str) -> String {
        let room = self.width.saturating_sub(measure_text_width(right) + 2);
        let left = truncate_str(left, room, if self.unicode { "…" } else { "~" });
        let gap = (self.width.saturating_sub(1))
            .saturating_sub(measure_text_width(&left) + measure_text_width(right));
        self.cut(&format!("{left}{}{right}", " ".repeat(gap)))
    }

    fn cut(self, text: &str) -> String {
        truncate_str(text, self.width.saturating_sub(1), if self.unicode { "…" } else { "~" }).into_owned()
    }
}

/// The tree at time `at_ms`. Steps are summed up where the height does not allow all of them.
pub(super) fn draw(model: &Model, at_ms: u64, look: Look) -> Vec<String> {
    let mut detail = Detail::All;
    loop {
        let mut lines = Vec::new();
        for image in &model.images {
            draw_image(&mut lines, image, &model.times, at_ms, look, detail);
        }
        for transfer in &model.transfers {
            lines.push(draw_transfer(transfer, look));
        }
        let Some(height) = look.height.filter(|height| lines.len() > *height) else { return lines };
        detail = match detail {
            Detail::All => Detail::NoWaiting,
            Detail::NoWaiting => Detail::Running,
            Detail::Running => {
                // Even the summary is too long: its end, where most happens.
                lines.drain(..lines.len() - height);
                return lines;
            }
        };
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    All,
    /// Steps that wait are one line.
    NoWaiting,
    /// Steps that ended are one line too.
    Running,
}

fn draw_image(
    lines: &mut Vec<String>,
    image: &ImageView,
    times: &Times,
    at_ms: u64,
    look: Look,
    detail: Detail,
) {
    let indent = if let Some(name) = &image.name {
        let about =
            image.plan.as_ref().map(|plan| format!("  {} {}", plan.os, plan.arch)).unwrap_or_default();
        let (mark, elapsed) = match image.end {
            Some((outcome, elapsed)) => (look.mark(outcome), elapsed),
            None => (look.spinner(at_ms), at_ms.saturating_sub(image.began)),
        };
        let left = format!("{mark} {}{}", look.bold(name), look.dim(&about));
        lines.push(look.spread(&left, &duration(elapsed)));
        "  "
    } else {
        ""
    };
    let count = |wanted: &[Outcome]| {
        let is = |step: &&StepView| matches!(&step.state, StepState::Ended(end, _) if wanted.contains(end));
        image.steps.iter().filter(is).count()
    };
    let done = count(&[Outcome::Done, Outcome::Reused]);
    if detail == Detail::Running && done > 0 {
        let text = format!("{indent}  {done} done, {} of them reused", count(&[Outcome::Reused]));
        lines.push(look.cut(&look.dim(&text)));
    }
    let mut waiting = 0;
    for step in &image.steps {
        match &step.state {
            StepState::Waiting if image.end.is_some() => {}
            StepState::Waiting if detail != Detail::All => waiting += 1,
            StepState::Ended(outcome, _) if detail == Detail::Running && *outcome != Outcome::Failed => {}
            _ => {
                let last = times.get(&(image.name.clone().unwrap_or_default(), step.name.clone()));
                let packages = image.plan.as_ref().map_or(0, |plan| plan.packages.len());
                draw_step(lines, step, (last.copied(), packages), (indent, at_ms), look);
            }
        }
    }
    if waiting > 0 {
        let text = format!("{indent}{} {waiting} more", look.dot());
        lines.push(look.cut(&look.dim(&text)));
    }
    for (path, bytes) in &image.artifacts {
        let arrow = if look.unicode { "→" } else { "->" };
        lines.push(look.spread(&format!("{indent}{arrow} {path}"), &size(*bytes)));
    }
}

fn draw_step(
    lines: &mut Vec<String>,
    step: &StepView,
    (last, packages): (Option<u64>, usize),
    (indent, at_ms): (&str, u64),
    look: Look,
) {
    let indent = format!("{indent}{}", "  ".repeat(step.depth));
    match &step.state {
        StepState::Waiting => {
            lines.push(look.cut(&look.dim(&format!("{indent}{} {}", look.dot(), step.name))));
        }
        StepState::Running { began, line, packages: [unpacked, set_up] } => {
            let of_packages = match (*unpacked, *set_up) {
                (0, 0) => String::new(),
                // The package manager may say more than once that it unpacks one.
                (unpacked, 0) => format!("  unpacking {} of {packages}", unpacked.min(packages)),
                (_, set_up) => format!("  setting up {} of {packages}", set_up.min(packages)),
            };
            let of_packages = if packages == 0 { String::new() } else { look.dim(&of_packages) };
            let left = format!("{indent}{} {}{of_packages}", look.spinner(at_ms), step.name);
            let now = duration(at_ms.saturating_sub(*began));
            let right = match last {
                // What takes no time needs no comparison.
                Some(last) if last >= 2000 => {
                    format!("{now}{}", look.dim(&format!(" (last time {})", duration(last))))
                }
                _ => now,
            };
            lines.push(look.spread(&left, &right));
            if !line.is_empty() {
                let line = line.replace('\t', " ");
                lines.push(look.cut(&look.dim(&format!("{indent}    {line}"))));
            }
        }
        StepState::Ended(outcome, elapsed) => {
            let left = format!("{indent}{} {}", look.mark(*outcome), step.name);
            let right = match outcome {
                Outcome::Reused => look.dim("reused"),
                _ => look.dim(&duration(*elapsed)),
            };
            lines.push(look.spread(&left, &right));
        }
    }
}

fn draw_transfer(transfer: &Transfer, look: Look) -> String {
    let arrow = if look.unicode { "↓" } else { "v" };
    let left = format!("{} {}", look.style(Style::new().cyan(), arrow), transfer.task);
    // Where there is little room, what is fetched says more than how fast.
    let whole = far(transfer.done, transfer.total, transfer.speed);
    let fits = |right: &&String| measure_text_width(&left) + measure_text_width(right) + 2 <= look.width;
    let right = whole.iter().find(fits).unwrap_or(&whole[2]);
    look.spread(&left, right)
}

/// `3.1 MiB / 8.0 MiB  1.2 MiB/s  4s left`, and shorter: without the rate, and without the time left.
fn far(done: u64, total: u64, speed: Speed) -> [String; 3] {
    let of = if total > 0 { format!(" / {}", size(total)) } else { String::new() };
    let rate = speed.rate.map(|rate| format!("  {}/s", size(rate))).unwrap_or_default();
    let left = speed.left(done, total).map(|ms| format!("  {} left", whole(ms))).unwrap_or_default();
    let done = size(done);
    [format!("{done}{of}{rate}{left}"), format!("{done}{of}{left}"), format!("{done}{of}")]
}

/// A time of which tenths mean nothing: `4s`, `2m 05s`.
fn whole(ms: u64) -> String {
    if ms < 60_000 { format!("{}s", ms.div_ceil(1000)) } else { duration(ms) }
}

impl Look {
    /// One line for a command that is getting ready.
    pub(in crate::report::progress) fn waiting(
        self,
        at_ms: u64,
        task: &str,
        transfer: Option<(u64, u64, Speed)>,
    ) -> String {
        let right = match transfer {
            Some((done, total, speed)) => far(done, total, speed),
            None => [duration(at_ms), duration(at_ms), duration(at_ms)],
        };
        // An address may be cut; how far it is may not.
        let shown = right.iter().find(|right| measure_text_width(right) * 2 <= self.width);
        self.spread(&format!("{} {task}", self.spinner(at_ms)), shown.unwrap_or(&right[2]))
    }
}
