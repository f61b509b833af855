//! From the model to lines of a terminal.

use console::{Style, measure_text_width, truncate_str};

use super::model::{ImageView, Model, StepState, StepView, Transfer};
use crate::{
    exec::Outcome,
    report::progress::{duration, size},
};

/// What the terminal is like.
#[derive(Debug, Clone, Copy)]
pub struct Look {
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
            Outcome::Cancelled => ("⊘", "!", Style::new().yellow()),
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
            draw_image(&mut lines, image, at_ms, look, detail);
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

fn draw_image(lines: &mut Vec<String>, image: &ImageView, at_ms: u64, look: Look, detail: Detail) {
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
            _ => draw_step(lines, step, indent, at_ms, look),
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

fn draw_step(lines: &mut Vec<String>, step: &StepView, indent: &str, at_ms: u64, look: Look) {
    let indent = format!("{indent}{}", "  ".repeat(step.depth));
    match &step.state {
        StepState::Waiting => {
            lines.push(look.cut(&look.dim(&format!("{indent}{} {}", look.dot(), step.name))));
        }
        StepState::Running { began, line } => {
            let left = format!("{indent}{} {}", look.spinner(at_ms), step.name);
            lines.push(look.spread(&left, &duration(at_ms.saturating_sub(*began))));
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
    let rate = transfer.rate.map(|rate| format!("  {}/s", size(rate))).unwrap_or_default();
    let of = if transfer.total > 0 { format!(" / {}", size(transfer.total)) } else { String::new() };
    let left = format!("{} {}", look.style(Style::new().cyan(), arrow), transfer.task);
    look.spread(&left, &format!("{}{of}{rate}", size(transfer.done)))
}
