//! Completion in catalogue files, by the schema that they are published with.
//!
//! A file that is being written is rarely YAML that can be read, so the place of the cursor is worked out from
//! indentation and brackets alone.

mod context;
mod schema;

use std::ops::Range;

use super::analysis::Analysis;
use super::proposal::{Completion, CompletionKind};
use crate::model::{Arch, Firmware};
use crate::text::{SourceId, Span};
use context::{Context, Part, Step, context};
use schema::Shape;

/// The proposals at a byte offset of a catalogue file.
pub(super) fn complete(analysis: &Analysis, source: SourceId, offset: u32) -> Vec<Completion> {
    let file = analysis.sources.get(source);
    let Some(root) = schema::of_file(&file.name, &file.text) else { return Vec::new() };
    let Some(Context { path, part, replace }) = context(&file.text, offset as usize) else {
        return Vec::new();
    };
    let Some(shape) = root.at(&path) else { return Vec::new() };
    let (siblings, colon) = match &part {
        Part::Key { siblings, colon } => (siblings.as_slice(), *colon),
        Part::Value | Part::Element => (&[][..], false),
    };
    let mut found = Vec::new();
    if part != Part::Value {
        for (key, value) in shape.keys().into_iter().filter(|(key, _)| !siblings.contains(key)) {
            let detail = value.description().lines().next().unwrap_or_default().to_owned();
            let end = match (colon, value.is_nested()) {
                (true, _) => "",
                (false, true) => ":",
                (false, false) => ": ",
            };
            let mut one = proposal(source, &replace, CompletionKind::Option, (key.clone(), detail));
            one.insert = key + end;
            found.push(one);
        }
    }
    if matches!(part, Part::Value | Part::Element) {
        let words = words(&shape).into_iter().chain(known(analysis, &path));
        found.extend(words.map(|word| proposal(source, &replace, CompletionKind::Value, word)));
    }
    found
}

fn proposal(
    source: SourceId,
    replace: &Range<usize>,
    kind: CompletionKind,
    (label, detail): (String, String),
) -> Completion {
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let replace = Span::new(source, place(replace.start), place(replace.end));
    Completion { insert: label.clone(), label, kind, replace, detail, documentation: String::new() }
}

fn words(shape: &Shape<'_>) -> Vec<(String, String)> {
    if shape.is_boolean() {
        return ["true", "false"].map(|word| (word.to_owned(), String::new())).to_vec();
    }
    shape.words()
}

/// Values that the schema leaves open and the catalogue knows.
fn known(analysis: &Analysis, path: &[Step]) -> Vec<(String, String)> {
    let keys: Vec<&str> = path
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Item => None,
        })
        .collect();
    let plain = |words: &[&str]| words.iter().map(|word| ((*word).to_owned(), String::new())).collect();
    match keys.as_slice() {
        ["requires"] | ["versions", "requires"] => {
            let provided = analysis.catalog.apps().flat_map(|app| &app.provides);
            let mut provided: Vec<_> =
                provided.map(|name| (name.value.clone(), "provided by applications".to_owned())).collect();
            provided.sort();
            provided.dedup();
            apps(analysis).into_iter().chain(provided).collect()
        }
        ["conflicts"] | ["conflicts", "app"] => apps(analysis),
        ["os"] | ["versions", "os"] => {
            let mut systems: Vec<(String, String)> = analysis
                .catalog
                .bases()
                .map(|base| {
                    let codename = base.os.codename.clone().unwrap_or_default();
                    (format!("{} {}", base.os.distro, base.os.version), codename)
                })
                .collect();
            systems.sort();
            systems.dedup_by(|a, b| a.0 == b.0);
            systems
        }
        ["versions", "arch"] => plain(&Arch::ALL.map(Arch::as_str)),
        ["versions", "firmware"] => plain(&Firmware::ALL.map(Firmware::as_str)),
        _ => Vec::new(),
    }
}

fn apps(analysis: &Analysis) -> Vec<(String, String)> {
    analysis.catalog.apps().map(|app| (app.name.value.clone(), app.summary.clone())).collect()
}
