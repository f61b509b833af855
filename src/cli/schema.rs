//! `imgfile schema`: the JSON schemas of everything this program reads and writes for others.

use schemars::{Schema, schema_for};

use super::Exit;
use crate::text::nearest;
use crate::{catalog, describe, exec, lock, ops, plan, publish, report, store};

/// Print the JSON schema of a file or an output.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which one; without a name, all are listed.
    pub name: Option<String>,
}

/// One schema: its name, what it describes, and how it is made from the types.
pub type Entry = (&'static str, &'static str, fn() -> Schema);

/// Every schema. `schemas/NAME.schema.json` is the same text.
pub const SCHEMAS: [Entry; 24] = [
    ("app", "catalogue file of an application", || schema_for!(catalog::wire::AppFile)),
    ("base", "catalogue file of a base", || schema_for!(catalog::wire::BaseFile)),
    ("lock", "ImageFile.lock", || schema_for!(lock::format_2::File)),
    ("diagnostics", "check --format json", || schema_for!(report::Report)),
    ("plan", "plan --format json", || schema_for!(plan::Plan)),
    ("github-matrix", "plan --format github-matrix", || schema_for!(report::GithubMatrix)),
    ("event", "one line of build --progress json", || schema_for!(exec::Event)),
    ("builds", "builds --format json", || schema_for!(Vec<store::records::BuildSummary>)),
    ("build", "the record of a build", || schema_for!(store::records::BuildRecord)),
    ("images", "images --format json", || schema_for!(Vec<ops::ListedImage>)),
    ("image", "image inspect --format json", || schema_for!(ops::ListedImage)),
    ("apps", "apps --format json", || schema_for!(Vec<ops::App>)),
    ("bases", "bases --format json", || schema_for!(Vec<ops::ListedBase>)),
    ("outdated", "outdated --format json", || schema_for!(Vec<ops::Outdated>)),
    ("publish", "publish --format json", || schema_for!(Vec<ops::publish::PublishedImage>)),
    ("publish-request", "what a program that publishes is told", || schema_for!(publish::ToProgram<'static>)),
    ("publish-answer", "a line of what it says", || schema_for!(publish::FromProgram)),
    ("manifest", "NAME.manifest.json, beside an artifact", || schema_for!(describe::Manifest)),
    ("verify", "verify --format json", || schema_for!(ops::Verification)),
    ("layers", "cache ls --format json", || schema_for!(Vec<ops::cache::ListedLayer>)),
    ("inspection", "inspect --format json", || schema_for!(ops::inspect::Inspection)),
    ("diff", "diff --format json", || schema_for!(ops::diff::Difference)),
    ("gc", "gc --format json", || schema_for!(ops::gc::GcReport)),
    ("doctor", "doctor --format json", || schema_for!(ops::HostReport)),
];

/// A schema as it is printed and kept.
#[must_use]
pub fn text(schema: &Schema) -> String {
    let mut text = serde_json::to_string_pretty(schema).unwrap_or_default();
    text.push('\n');
    text
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> Exit {
    let Some(name) = &args.name else {
        for (name, what, _) in SCHEMAS {
            super::print(&format!("{name:12} {what}\n"));
        }
        return Exit::Done;
    };
    if let Some((_, _, make)) = SCHEMAS.iter().find(|(known, ..)| known == name) {
        super::print(&text(&make()));
        return Exit::Done;
    }
    let near = nearest(name, SCHEMAS.iter().map(|(known, ..)| *known))
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default();
    super::complain(&format!("there is no schema `{name}`{near}"));
    Exit::Usage
}
