//! Diagnostics for people: the message, code frames with the offending text underlined, notes and
//! helps. Readable without colour; with colour it says nothing more.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

use crate::diagnostic::{Diagnostic, Label, Severity};
use crate::text::{SourceId, Sources, is_hidden};

/// Longest part of a line that is shown, in columns: files may have lines of megabytes.
const WINDOW: usize = 140;

/// Renders diagnostics one below the other, without a summary.
#[must_use]
pub fn human(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        one(&mut out, diagnostic, sources, Paint(colour));
        out.push('\n');
    }
    out
}

/// "2 errors and 1 warning"; nothing if there is nothing to count.
#[must_use]
pub fn summary(diagnostics: &[Diagnostic]) -> Option<String> {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let warnings = diagnostics.len() - errors;
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => None,
        (errors, 0) => Some(count(errors, "error")),
        (0, warnings) => Some(count(warnings, "warning")),
        (errors, warnings) => Some(format!("{} and {}", count(errors, "error"), count(warnings, "warning"))),
    }
}

#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn frame(self, text: &str) -> String {
        // Bright blue: plain blue cannot be read on black.
        self.with("94", text)
    }
}

fn one(out: &mut String, diagnostic: &Diagnostic, sources: &Sources, paint: Paint) {
    let (word, hue) = match diagnostic.severity {
        Severity::Error => ("error", "1;31"),
        // Yellow cannot be read on white.
        Severity::Warning => ("warning", "1;35"),
    };
    let head = paint.with(hue, &format!("{word}[{}]", diagnostic.code));
    let _ = writeln!(out, "{head}: {}", paint.with("1", &printable(&diagnostic.message)));
    let frames = frames(&diagnostic.labels, sources);
    let gutter =
        frames.iter().flat_map(|frame| &frame.lines).map(|line| digits(line.number)).max().unwrap_or(1);
    let pad = " ".repeat(gutter);
    for (at, frame) in frames.iter().enumerate() {
        let corner = if at == 0 { "┌─" } else { "├─" };
        let _ = writeln!(
            out,
            "{pad} {} {}:{}:{}",
            paint.frame(corner),
            printable(&sources.get(frame.source).name),
            frame.line,
            frame.column
        );
        let mut previous: Option<usize> = None;
        for line in &frame.lines {
            if previous.is_some_and(|previous| line.number > previous + 1) {
                let _ = writeln!(out, "{pad} {}", paint.frame("·"));
            }
            previous = Some(line.number);
            let number = format!("{:>gutter$}", line.number);
            let _ = writeln!(out, "{} {} {}", paint.frame(&number), paint.frame("│"), line.text.trim_end());
            for mark in &line.marks {
                let sign = if mark.primary { "^" } else { "-" };
                let marks = sign.repeat(mark.width);
                let hue = if mark.primary { hue } else { "1;94" };
                let said =
                    if mark.text.is_empty() { marks } else { format!("{marks} {}", printable(mark.text)) };
                let _ = writeln!(
                    out,
                    "{pad} {} {}{}",
                    paint.frame("│"),
                    " ".repeat(mark.column),
                    paint.with(hue, &said)
                );
            }
        }
    }
    for (word, texts) in [("note", &diagnostic.notes), ("help", &diagnostic.helps)] {
        for text in texts {
            let indent = format!("\n{pad}   {}", " ".repeat(word.len() + 2));
            let text = text.lines().map(printable).collect::<Vec<_>>().join(&indent);
            let _ = writeln!(out, "{pad} {} {}: {text}", paint.frame("="), paint.with("1", word));
        }
    }
}

/// The lines of one file that labels point at.
struct Frame<'d> {
    source: SourceId,
    /// Of its first label, counted from 1; the column in characters.
    line: usize,
    column: usize,
    lines: Vec<Line<'d>>,
}

struct Line<'d> {
    /// Counted from 1.
    number: usize,
    text: String,
    marks: Vec<Mark<'d>>,
}

struct Mark<'d> {
    /// In terminal columns.
    column: usize,
    width: usize,
    primary: bool,
    text: &'d str,
}

fn frames<'d>(labels: &'d [Label], sources: &Sources) -> Vec<Frame<'d>> {
    let mut frames: Vec<Frame<'d>> = Vec::new();
    for (at, label) in labels.iter().enumerate() {
        let source = sources.get(label.span.source);
        let place = source.lines().line_col(label.span.start);
        let start = source.lines().line_start(place.line).unwrap_or(0) as usize;
        let end = source.lines().line_start(place.line + 1).map_or(source.text.len(), |next| next as usize);
        let raw = source.text[start..end].trim_end_matches(['\n', '\r']);
        let from = (place.col as usize).min(raw.len());
        let to = (label.span.end as usize).saturating_sub(start).clamp(from, raw.len());
        let view = view(raw, from, to);
        let number = place.line as usize + 1;
        let frame = match frames.iter().position(|frame| frame.source == label.span.source) {
            Some(known) => &mut frames[known],
            None => {
                let column = raw[..floor(raw, from)].chars().count() + 1;
                frames.push(Frame { source: label.span.source, line: number, column, lines: Vec::new() });
                let last = frames.len() - 1;
                &mut frames[last]
            }
        };
        let mark = Mark { column: view.column, width: view.width, primary: at == 0, text: &label.text };
        match frame.lines.iter_mut().find(|line| line.number == number) {
            Some(line) => line.marks.push(mark),
            None => frame.lines.push(Line { number, text: view.text, marks: vec![mark] }),
        }
    }
    for frame in &mut frames {
        frame.lines.sort_by_key(|line| line.number);
    }
    frames
}

struct View {
    text: String,
    column: usize,
    width: usize,
}

/// A line as a terminal can show it: tabs as four blanks, control characters replaced, cut around
/// the mark if it is long.
fn view(raw: &str, from: usize, to: usize) -> View {
    let (from, to) = (floor(raw, from), floor(raw, to));
    let cut_start = if raw.len() > WINDOW && from > WINDOW / 2 { floor(raw, from - WINDOW / 2) } else { 0 };
    let mut text = if cut_start > 0 { "…".to_owned() } else { String::new() };
    let mut columns = usize::from(cut_start > 0);
    let (mut column, mut end) = (None, None);
    for (offset, c) in raw[cut_start..].char_indices() {
        let offset = offset + cut_start;
        if offset >= from && column.is_none() {
            column = Some(columns);
        }
        if offset >= to && end.is_none() {
            end = Some(columns);
        }
        if columns > WINDOW {
            text.push('…');
            break;
        }
        columns += push(&mut text, c);
    }
    let column = column.unwrap_or(columns);
    let end = end.unwrap_or(columns);
    View { text, column, width: end.saturating_sub(column).max(1) }
}

/// Appends a character as it may be shown and answers its columns.
fn push(text: &mut String, c: char) -> usize {
    match c {
        '\t' => {
            text.push_str("    ");
            4
        }
        c if c == '\n' || is_hidden(c) => {
            text.push('\u{FFFD}');
            1
        }
        c => {
            text.push(c);
            c.width().unwrap_or(0)
        }
    }
}

/// The user's text in a message, with nothing in it that a terminal would act on.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| {
        push(&mut out, c);
    });
    out
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}
