//! Diagnostics for people: the message, code frames with the offending text underlined, notes and
//! helps. Readable without colour; with colour it says nothing more.
//!
//! It is a handler of miette's, so a program that embeds this crate can let it draw its own errors too. Unlike
//! miette's graphical one it draws what lies in other files in the frame of the same message, cuts lines of
//! megabytes, and hands no control character of a stranger's file to the terminal.

use std::fmt::{self, Write as _};

use miette::{LabeledSpan, Severity, SourceCode};
use unicode_width::UnicodeWidthChar;

use crate::diagnostic::{BULLET, Diagnostic, concerns};
use crate::text::{Sources, counted, is_hidden};

/// Longest part of a line that is shown, in columns: files may have lines of megabytes.
const WINDOW: usize = 140;

/// Renders diagnostics one below the other, without a summary.
#[must_use]
pub fn human(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let handler = HumanHandler::new(colour);
    let mut out = String::new();
    for diagnostic in diagnostics {
        handler.draw(&mut out, &diagnostic.clone().with_sources(sources), None);
        out.push('\n');
    }
    out
}

/// Draws any [`miette::Diagnostic`] as `imgfile` does; for [`miette::set_hook`].
#[derive(Debug, Clone, Copy)]
pub struct HumanHandler(Paint);

impl HumanHandler {
    /// With ANSI colours if `colour`.
    #[must_use]
    pub fn new(colour: bool) -> Self {
        Self(Paint(colour))
    }
}

impl miette::ReportHandler for HumanHandler {
    fn debug(&self, diagnostic: &dyn miette::Diagnostic, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return fmt::Debug::fmt(diagnostic, f);
        }
        let mut out = String::new();
        self.draw(&mut out, diagnostic, None);
        f.write_str(&out)
    }
}

/// "2 errors and 1 warning"; nothing if there is nothing to count.
#[must_use]
pub fn summary(diagnostics: &[Diagnostic]) -> Option<String> {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let warnings = diagnostics.len() - errors;
    match (errors, warnings) {
        (0, 0) => None,
        (errors, 0) => Some(counted(errors, "error")),
        (0, warnings) => Some(counted(warnings, "warning")),
        (errors, warnings) => {
            Some(format!("{} and {}", counted(errors, "error"), counted(warnings, "warning")))
        }
    }
}

#[derive(Debug, Clone, Copy)]
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

impl HumanHandler {
    /// `around` has the text that labels point into where the diagnostic has none of its own.
    fn draw(self, out: &mut String, diagnostic: &dyn miette::Diagnostic, around: Option<&dyn SourceCode>) {
        let paint = self.0;
        let (word, hue) = match diagnostic.severity() {
            None | Some(Severity::Error) => ("error", "1;31"),
            // Yellow cannot be read on white.
            Some(Severity::Warning) => ("warning", "1;35"),
            Some(Severity::Advice) => ("advice", "1;94"),
        };
        let head = diagnostic.code().map_or_else(|| word.to_owned(), |code| format!("{word}[{code}]"));
        let head = paint.with(hue, &printable(&head));
        let _ = writeln!(out, "{head}: {}", paint.with("1", &printable(&diagnostic.to_string())));

        let source = diagnostic.source_code().or(around);
        let mut frames: Vec<Frame> = Frame::of(diagnostic, source, true).into_iter().collect();
        let mut notes = Vec::new();
        let mut others = Vec::new();
        for related in diagnostic.related().into_iter().flatten() {
            if !is_part(related) {
                others.push(related);
                continue;
            }
            let message = related.to_string();
            let frame = Frame::of(related, related.source_code().or(source), false);
            // What the frame's first line says anyway.
            if frame.as_ref().and_then(|frame| frame.file.as_deref()).map(concerns).as_ref() != Some(&message)
            {
                notes.push(message);
            }
            frames.extend(frame);
        }
        let causes = std::iter::successors(diagnostic.source(), |cause| cause.source());
        notes.extend(causes.map(|cause| format!("the cause: {cause}")));
        let helps = diagnostic.help().map(|help| help.to_string());

        let gutter =
            frames.iter().flat_map(|frame| &frame.lines).map(|line| digits(line.number)).max().unwrap_or(1);
        for (at, frame) in frames.iter().enumerate() {
            frame.draw(out, if at == 0 { "┌─" } else { "├─" }, gutter, hue, paint);
        }
        let pad = " ".repeat(gutter);
        let helps = helps.as_deref().map(each_help).unwrap_or_default();
        let notes = notes.iter().map(|note| ("note", note.as_str()));
        for (word, text) in notes.chain(helps.into_iter().map(|help| ("help", help))) {
            let indent = format!("\n{pad}   {}", " ".repeat(word.len() + 2));
            let text = text.lines().map(printable).collect::<Vec<_>>().join(&indent);
            let _ = writeln!(out, "{pad} {} {}: {text}", paint.frame("="), paint.with("1", word));
        }
        for other in others {
            out.push('\n');
            self.draw(out, other, source);
        }
    }
}

/// Whether a related diagnostic is no message of its own: a note, or places in another file.
fn is_part(related: &dyn miette::Diagnostic) -> bool {
    related.severity() == Some(Severity::Advice)
        && related.code().is_none()
        && related.help().is_none()
        && related.related().is_none()
}

/// The texts of a list of helps; one that is no list is one text.
fn each_help(helps: &str) -> Vec<&str> {
    match helps.strip_prefix(BULLET) {
        Some(list) => list.split(&format!("\n{BULLET}")).collect(),
        None => vec![helps],
    }
}

/// The lines of one file that labels point at.
struct Frame {
    file: Option<String>,
    /// Of its first label, counted from 1; the column in characters.
    line: usize,
    column: usize,
    lines: Vec<Line>,
}

struct Line {
    /// Counted from 1.
    number: usize,
    text: String,
    marks: Vec<Mark>,
}

struct Mark {
    /// In terminal columns.
    column: usize,
    width: usize,
    primary: bool,
    text: String,
}

impl Frame {
    /// Nothing without a label whose text there is. Of the `main` file's labels one is the primary one: that which
    /// says so, or the first.
    fn of(diagnostic: &dyn miette::Diagnostic, source: Option<&dyn SourceCode>, main: bool) -> Option<Self> {
        let source = source?;
        let labels: Vec<LabeledSpan> = diagnostic.labels()?.collect();
        let primary = main.then(|| labels.iter().position(LabeledSpan::primary).unwrap_or(0));
        let mut frame: Option<Self> = None;
        for (at, label) in labels.iter().enumerate() {
            // With the lines around it, since some sources give only what was asked for.
            let Ok(contents) = source.read_span(label.inner(), 1, 1) else { continue };
            let text = String::from_utf8_lossy(contents.data());
            let start = floor(&text, label.offset().saturating_sub(contents.span().offset()));
            let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
            let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
            let raw = text[line_start..line_end].trim_end_matches('\r');
            let from = (start - line_start).min(raw.len());
            let to = (start - line_start + label.len()).clamp(from, raw.len());
            let number = contents.line() + text[..line_start].matches('\n').count() + 1;
            let view = view(raw, from, to);
            let frame = frame.get_or_insert_with(|| Self {
                file: contents.name().map(str::to_owned),
                line: number,
                column: raw[..floor(raw, from)].chars().count() + 1,
                lines: Vec::new(),
            });
            let mark = Mark {
                column: view.column,
                width: view.width,
                primary: primary == Some(at),
                text: label.label().unwrap_or_default().to_owned(),
            };
            match frame.lines.iter_mut().find(|line| line.number == number) {
                Some(line) => line.marks.push(mark),
                None => frame.lines.push(Line { number, text: view.text, marks: vec![mark] }),
            }
        }
        if let Some(frame) = &mut frame {
            frame.lines.sort_by_key(|line| line.number);
        }
        frame
    }

    fn draw(&self, out: &mut String, corner: &str, gutter: usize, hue: &str, paint: Paint) {
        let pad = " ".repeat(gutter);
        let file = self.file.as_ref().map(|file| format!("{}:", printable(file))).unwrap_or_default();
        let _ = writeln!(out, "{pad} {} {file}{}:{}", paint.frame(corner), self.line, self.column);
        let mut previous: Option<usize> = None;
        for line in &self.lines {
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
                    if mark.text.is_empty() { marks } else { format!("{marks} {}", printable(&mark.text)) };
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
