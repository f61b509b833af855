//! What the user's configuration lets single projects read outside their folders:
//!
//! ```toml
//! [projects."~/src/shop"]
//! files = ["/srv/disks"]
//! secrets = { token = "env:API_TOKEN" }
//! keep = 5
//! ```
//!
//! and how long their images stay ([`Lifecycle`]).

use std::path::{Path, PathBuf};

use toml::{Spanned, de::DeValue};

use super::{lifecycle::Lifecycle, place::span};
use crate::{
    diagnostic::{Diagnostic, codes},
    exec::{Consent, Outside},
    text::SourceId,
};

/// The key of the table in the user's configuration.
pub const KEY: &str = "projects";

/// One project's entry.
#[derive(Debug)]
pub struct ProjectEntry {
    /// As written.
    pub folder: PathBuf,
    secrets: Vec<(String, Outside)>,
    files: Vec<PathBuf>,
    lifecycle: Lifecycle,
}

impl ProjectEntry {
    /// Adds what this allows the project in `root`.
    pub fn allow(&self, root: &Path, home: Option<&Path>, consent: &mut Consent) {
        if at_home(&self.folder, home).canonicalize().is_ok_and(|folder| folder == root) {
            let located = |path: &PathBuf| Outside::File(at_home(path, home)).located(root);
            let secrets = self.secrets.iter().map(|(name, source)| match source {
                Outside::File(path) => (name.clone(), located(path)),
                Outside::Env(_) => (name.clone(), source.clone()),
            });
            consent.secrets.extend(secrets);
            consent.sources.extend(self.files.iter().map(located));
        }
    }

    /// The project's folder as records name it, and how long its images stay; none if nothing is said of that, or there
    /// is no such folder.
    pub fn lifecycle(&self, home: Option<&Path>) -> Option<(PathBuf, Lifecycle)> {
        let folder = at_home(&self.folder, home).canonicalize().ok()?;
        self.lifecycle.is_rule().then_some((folder, self.lifecycle))
    }
}

fn at_home(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

/// Reads the table; mistakes in it go to `errors`.
pub fn read(
    source: SourceId,
    table: &Spanned<DeValue<'_>>,
    errors: &mut Vec<Diagnostic>,
) -> Vec<ProjectEntry> {
    let mut wrong = |value: &Spanned<DeValue<'_>>, expected: &str| {
        let message = "a project's entry in the configuration cannot be understood";
        errors.push(
            Diagnostic::new(codes::SETTING, message)
                .label(span(source, value.span()), format!("expected {expected}"))
                .help(
                    "write `[projects.\"~/src/shop\"]` with `files = [\"PATH\"]`, `secrets = { NAME = \"env:VARIABLE\" }`, \
                     `keep = 5`, `max_age = \"90d\"` or `quota = \"50GiB\"`",
                ),
        );
    };
    let DeValue::Table(projects) = table.get_ref() else {
        wrong(table, "a table of projects, by their folders");
        return Vec::new();
    };
    let mut entries = Vec::new();
    for (folder, value) in projects {
        let mut entry = ProjectEntry {
            folder: folder.get_ref().to_string().into(),
            secrets: Vec::new(),
            files: Vec::new(),
            lifecycle: Lifecycle::default(),
        };
        let DeValue::Table(keys) = value.get_ref() else {
            wrong(value, "a table with `files`, `secrets` and rules of its images");
            continue;
        };
        for (key, value) in keys {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("files", DeValue::Array(files)) => {
                    for file in files {
                        match file.get_ref() {
                            DeValue::String(path) => entry.files.push(path.to_string().into()),
                            _ => wrong(file, "a path"),
                        }
                    }
                }
                ("secrets", DeValue::Table(secrets)) => {
                    for (name, value) in secrets {
                        let parsed = match value.get_ref() {
                            DeValue::String(text) => text.parse::<Outside>().ok(),
                            _ => None,
                        };
                        match parsed {
                            Some(outside) => entry.secrets.push((name.get_ref().to_string(), outside)),
                            None => wrong(value, "`env:VARIABLE` or `file:PATH`"),
                        }
                    }
                }
                ("files", _) => wrong(value, "a list of paths"),
                (rule, given) if Lifecycle::KEYS.contains(&rule) => {
                    let text = match given {
                        DeValue::String(text) => text.to_string(),
                        DeValue::Integer(number) => number.as_str().to_owned(),
                        _ => String::new(),
                    };
                    if let Err(expected) = entry.lifecycle.set(rule, &text) {
                        wrong(value, expected);
                    }
                }
                _ => wrong(value, "only `files`, `secrets`, `keep`, `max_age`, `quota` and `grace`"),
            }
        }
        entries.push(entry);
    }
    entries
}
