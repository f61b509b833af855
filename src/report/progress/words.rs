//! Events, times and sizes in words.

use crate::exec::{Event, EventKind, Exit, Outcome};
use crate::text::counted;

/// `0.4s`, `12.4s`, `1m 05s`, `2h 03m`.
#[must_use]
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}.{}s", ms % 1000 / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// `17 B`, `1.5 KiB`, `48.0 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    // Tenths, rounded down, so that 1023.99 KiB is not shown as 1024.0 KiB.
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10240 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
}

pub(super) const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Reused => "reused",
        Outcome::Failed => "failed",
        Outcome::Cancelled => "cancelled",
    }
}

/// An event as one line without time and image; none for output, transfers and what needs no line.
pub(super) fn line(event: &Event) -> Option<String> {
    Some(match &event.what {
        EventKind::Begun { build, version } => format!("build {build}, imgfile {version}"),
        EventKind::Planned(plan) => format!(
            "{} {} from {}, {} to install",
            plan.os,
            plan.arch,
            plan.base,
            counted(plan.packages.len(), "package")
        ),
        EventKind::Started { steps } => counted(steps.len(), "step"),
        EventKind::Note { text } => format!("note: {}", super::clean(&text.replace('\n', " "))),
        EventKind::StepStarted { step, .. } => format!("> {step}"),
        EventKind::StepFinished { step, outcome: Outcome::Reused, .. } => format!("  reused {step}"),
        EventKind::StepFinished { step, outcome: ended, elapsed_ms } => {
            format!("  {} {step} ({})", outcome(*ended), duration(*elapsed_ms))
        }
        EventKind::Exited { exit: Exit::Status(0), .. }
        | EventKind::Output { .. }
        | EventKind::Progress { .. }
        | EventKind::Console { .. } => {
            return None;
        }
        EventKind::Exited { step, exit } => format!("  {step}: {exit}"),
        EventKind::Artifact { path, sha256, size: bytes } => {
            format!("wrote {path} ({}, sha256 {sha256})", size(*bytes))
        }
        EventKind::Finished { outcome: ended, elapsed_ms, message } => {
            let why = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
            format!("{} after {}{why}", outcome(*ended), duration(*elapsed_ms))
        }
        EventKind::Ended { outcome: ended } => format!("build {}", outcome(*ended)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_short() {
        for (ms, text) in
            [(0, "0.0s"), (999, "0.9s"), (59_999, "59.9s"), (65_000, "1m 05s"), (7_380_000, "2h 03m")]
        {
            assert_eq!(duration(ms), text);
        }
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1024 * 1024 - 1, "1023.9 KiB"),
            (50_331_648, "48.0 MiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
