//! Diagnostics for programs: JSON, SARIF 2.1.0 and GitHub's annotations.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::diagnostic::{self, Applicability, Diagnostic, Severity};
use crate::text::{Sources, Span};

/// What `check --format json` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `imgfile/diagnostics/v1`
    pub schema: String,
    /// In the order of the files; empty if nothing is wrong.
    pub diagnostics: Vec<Finding>,
}

/// One diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Such as `E0312`; `imgfile explain` tells more.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// One line: lower case, no full stop.
    pub message: String,
    /// The first is the place at fault, the others are causes.
    pub labels: Vec<Place>,
    /// Facts that help to understand it, one line each.
    pub notes: Vec<String>,
    /// What to write or run instead, one line each.
    pub helps: Vec<String>,
    /// Ways to resolve it that a program can apply; one of them is enough.
    pub fixes: Vec<Repair>,
}

/// A range of a file with words about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Relative to the project's folder, `/` between parts.
    pub file: String,
    /// Of the first character.
    pub start: Position,
    /// Just behind the last character.
    pub end: Position,
    /// What is there, such as "first used here".
    pub text: String,
}

/// Lines and columns count from 1, columns in characters; `offset` counts bytes from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1, in characters (not bytes, not UTF-16 units).
    pub column: u32,
    /// From the start of the file, in bytes from 0.
    pub offset: u32,
}

/// Edits that together resolve the finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repair {
    /// What an editor's menu shows, such as "write `8GiB`".
    pub title: String,
    /// `safe`: keeps the meaning, `check --fix` applies it; `maybe`: a person decides.
    pub applicability: String,
    /// To make together; they do not overlap.
    pub edits: Vec<Change>,
}

/// One replacement of text in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Relative to the project's folder, `/` between parts.
    pub file: String,
    /// Of the first character that goes.
    pub start: Position,
    /// Just behind the last character that goes; the start itself where text is only inserted.
    pub end: Position,
    /// Replaces what is between start and end.
    pub text: String,
}

/// The schema's name in [`Report::schema`].
pub const SCHEMA: &str = "imgfile/diagnostics/v1";

fn position(sources: &Sources, span: Span, offset: u32) -> Position {
    let source = sources.get(span.source);
    let offset = offset.min(u32::try_from(source.text.len()).unwrap_or(u32::MAX));
    let place = source.lines().line_col(offset);
    let start = (offset - place.col) as usize;
    let column =
        source.text.get(start..offset as usize).map_or(place.col as usize, |before| before.chars().count());
    Position {
        line: place.line + 1,
        column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
        offset,
    }
}

fn finding(diagnostic: &Diagnostic, sources: &Sources) -> Finding {
    let name = |span: Span| sources.get(span.source).name.clone();
    Finding {
        code: diagnostic.code.to_string(),
        severity: severity(diagnostic.severity).to_owned(),
        message: diagnostic.message.clone(),
        labels: diagnostic
            .labels
            .iter()
            .map(|label| Place {
                file: name(label.span),
                start: position(sources, label.span, label.span.start),
                end: position(sources, label.span, label.span.end),
                text: label.text.clone(),
            })
            .collect(),
        notes: diagnostic.notes.clone(),
        helps: diagnostic.helps.clone(),
        fixes: diagnostic
            .fixes
            .iter()
            .map(|fix| Repair {
                title: fix.title.clone(),
                applicability: match fix.applicability {
                    Applicability::Safe => "safe",
                    Applicability::Maybe => "maybe",
                }
                .to_owned(),
                edits: fix
                    .edits
                    .iter()
                    .map(|edit| Change {
                        file: name(edit.span),
                        start: position(sources, edit.span, edit.span.start),
                        end: position(sources, edit.span, edit.span.end),
                        text: edit.text.clone(),
                    })
                    .collect(),
            })
            .collect(),
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// The findings of several projects as one [`Report`].
#[must_use]
pub fn json<'a>(found: impl Iterator<Item = (&'a [Diagnostic], &'a Sources)>) -> String {
    let diagnostics = found
        .flat_map(|(diagnostics, sources)| diagnostics.iter().map(|one| finding(one, sources)))
        .collect();
    let report = Report { schema: SCHEMA.to_owned(), diagnostics };
    pretty(&report)
}

fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// The findings as a SARIF 2.1.0 log with one run.
#[must_use]
pub fn sarif<'a>(found: impl Iterator<Item = (&'a [Diagnostic], &'a Sources)>) -> String {
    let found: Vec<_> = found.collect();
    let codes: BTreeSet<_> =
        found.iter().flat_map(|(diagnostics, _)| diagnostics.iter().map(|one| one.code)).collect();
    let rules: Vec<_> = codes
        .iter()
        .map(|code| {
            let title = diagnostic::page(code.as_str()).map_or("", |(_, title, _)| title);
            json!({
                "id": code.as_str(),
                "shortDescription": { "text": title },
                "help": { "text": format!("imgfile explain {code}") },
                "defaultConfiguration": { "level": severity(code.severity()) },
            })
        })
        .collect();
    let index = |code: &diagnostic::Code| codes.iter().position(|known| known == code);
    let results: Vec<_> = found
        .iter()
        .flat_map(|(diagnostics, sources)| {
            diagnostics.iter().map(move |one| {
                let location = |span: Span| {
                    let (start, end) = (position(sources, span, span.start), position(sources, span, span.end));
                    json!({
                        "artifactLocation": { "uri": uri(&sources.get(span.source).name) },
                        "region": {
                            "startLine": start.line, "startColumn": start.column,
                            "endLine": end.line, "endColumn": end.column,
                        },
                    })
                };
                let mut text = one.message.clone();
                for help in &one.helps {
                    let _ = write!(text, "\nhelp: {help}");
                }
                let mut result = json!({
                    "ruleId": one.code.as_str(),
                    "ruleIndex": index(&one.code),
                    "level": severity(one.severity),
                    "message": { "text": text },
                    "locations": one.span().map(|span| json!({ "physicalLocation": location(span) })).into_iter().collect::<Vec<_>>(),
                });
                let related: Vec<_> = one
                    .labels
                    .iter()
                    .skip(1)
                    .enumerate()
                    .map(|(id, label)| json!({ "id": id, "physicalLocation": location(label.span), "message": { "text": label.text } }))
                    .collect();
                if !related.is_empty() {
                    result["relatedLocations"] = related.into();
                }
                result
            })
        })
        .collect();
    sarif_log(&rules, &results)
}

/// A SARIF 2.1.0 log with one run: its rules, and its results, which name them by their place there.
pub(super) fn sarif_log(rules: &[serde_json::Value], results: &[serde_json::Value]) -> String {
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "imgfile", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

/// A path as a relative reference.
pub(super) fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The findings as workflow commands of GitHub Actions, which shows them beside the lines.
#[must_use]
pub fn github<'a>(found: impl Iterator<Item = (&'a [Diagnostic], &'a Sources)>) -> String {
    let mut out = String::new();
    for (diagnostics, sources) in found {
        for one in diagnostics {
            let _ = write!(out, "::{} ", severity(one.severity));
            if let Some(span) = one.span() {
                let (start, end) = (position(sources, span, span.start), position(sources, span, span.end));
                let _ = write!(out, "file={},line={},", property(&sources.get(span.source).name), start.line);
                let _ = if end.line == start.line {
                    write!(out, "col={},endColumn={},", start.column, end.column)
                } else {
                    write!(out, "endLine={},", end.line)
                };
            }
            let mut text = one.message.clone();
            for help in &one.helps {
                let _ = write!(text, "\nhelp: {help}");
            }
            let _ = writeln!(out, "title={}::{}", one.code, data(&text));
        }
    }
    out
}

fn data(text: &str) -> String {
    let shown = |c: char| if c != '\r' && crate::text::is_hidden(c) { '\u{FFFD}' } else { c };
    let text: String = text.chars().map(shown).collect();
    text.replace("##[", "# #[").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
