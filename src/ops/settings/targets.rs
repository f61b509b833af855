//! Where images may be published, as the user's configuration says it:
//!
//! ```toml
//! [targets.prod]
//! driver = "glance"
//! cloud = "mycloud"
//! ```
//!
//! A project's own `.imgfile.toml` has no say in it: it would say where the user's credentials go.

use std::{collections::BTreeMap, path::Path};

use toml::{Spanned, de::DeValue};

use super::place::span;
use crate::{
    diagnostic::{Diagnostic, codes},
    publish::{ConfigValue, KeyKind, TARGETS, TargetConfig, TargetEntry},
    text::{SourceId, Span, nearest},
};

/// The key of the table in the user's configuration.
pub const KEY: &str = "targets";

/// One target of the file.
#[derive(Debug)]
pub struct TargetTable {
    /// What it says.
    pub config: TargetConfig,
}

/// A project's file that would say where images go.
pub fn of_project(span: Span) -> Diagnostic {
    Diagnostic::new(codes::SETTING, "a project does not say where its images are published")
        .label(span, "for the user alone to set")
        .help(
            "move it to ~/.config/imgfile/config.toml; the ImageFile names the target: `publish to \"prod\"`",
        )
}

/// Reads the table; mistakes in it go to `errors`. `folder` is the configuration's.
pub fn read(
    source: SourceId,
    table: &Spanned<DeValue<'_>>,
    folder: &Path,
    home: Option<&Path>,
    errors: &mut Vec<Diagnostic>,
) -> Vec<TargetTable> {
    let DeValue::Table(targets) = table.get_ref() else {
        errors.push(wrong(span(source, table.span()), "expected a table of targets, by their names"));
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, value) in targets {
        let reader = Reader { source, folder, home, name: name.get_ref(), at: span(source, name.span()) };
        match reader.target(value) {
            Ok(config) => found.push(TargetTable { config }),
            Err(mistakes) => errors.extend(mistakes),
        }
    }
    found
}

fn wrong(at: Span, label: impl Into<String>) -> Diagnostic {
    Diagnostic::new(codes::SETTING, "a target of the configuration cannot be understood")
        .label(at, label)
        .help(
            "write `[targets.NAME]` with `driver = \"…\"` and what that one wants to know (docs/publish.md)",
        )
}

struct Reader<'a> {
    source: SourceId,
    folder: &'a Path,
    home: Option<&'a Path>,
    name: &'a str,
    /// Where the name stands.
    at: Span,
}

impl Reader<'_> {
    fn target(&self, value: &Spanned<DeValue<'_>>) -> Result<TargetConfig, Vec<Diagnostic>> {
        let DeValue::Table(table) = value.get_ref() else {
            return Err(vec![wrong(span(self.source, value.span()), "expected a table with `driver`")]);
        };
        let driver = table.iter().find(|(key, _)| key.get_ref() == "driver");
        let Some((_, written)) = driver else {
            return Err(vec![wrong(
                self.at,
                format!("this target has no `driver`; there are {}", drivers()),
            )]);
        };
        let named = match written.get_ref() {
            DeValue::String(name) => TargetEntry::named(name),
            _ => None,
        };
        let Some(driver) = named else {
            let label = format!("not a driver of targets; there are {}", drivers());
            return Err(vec![wrong(span(self.source, written.span()), label)]);
        };
        let (mut values, mut mistakes) = (BTreeMap::new(), Vec::new());
        for (key, value) in table.iter().filter(|(key, _)| key.get_ref() != "driver") {
            let name = key.get_ref().as_ref();
            let Some(known) = driver.keys.iter().find(|known| known.name == name) else {
                let mut diagnostic = wrong(
                    span(self.source, key.span()),
                    format!("the driver `{}` has no key `{name}`", driver.name),
                );
                if let Some(near) = nearest(name, driver.keys.iter().map(|known| known.name)) {
                    diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
                }
                mistakes.push(diagnostic);
                continue;
            };
            match self.value(known.kind, value.get_ref()) {
                Some(value) => drop(values.insert(name.to_owned(), value)),
                None => mistakes.push(wrong(
                    span(self.source, value.span()),
                    format!("expected {}: {}", known.kind.expected(), known.about),
                )),
            }
        }
        let is_given = |name: &str| table.iter().any(|(key, _)| key.get_ref() == name);
        for key in driver.keys.iter().filter(|key| key.required && !is_given(key.name)) {
            mistakes.push(wrong(self.at, format!("this target has no `{}`: {}", key.name, key.about)));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(TargetConfig { name: self.name.to_owned(), driver, values })
    }

    fn value(&self, kind: KeyKind, value: &DeValue<'_>) -> Option<ConfigValue> {
        match (kind, value) {
            (KeyKind::Text, DeValue::String(text)) if !text.is_empty() => {
                Some(ConfigValue::Text(text.to_string()))
            }
            (KeyKind::Path, DeValue::String(text)) if !text.is_empty() => {
                let path = Path::new(text.as_ref());
                let path = match (path.strip_prefix("~"), self.home) {
                    (Ok(rest), Some(home)) => home.join(rest),
                    _ => self.folder.join(path),
                };
                Some(ConfigValue::Text(path.to_string_lossy().into_owned()))
            }
            (KeyKind::Texts, DeValue::Array(list)) if !list.is_empty() => {
                let texts = list.iter().map(|one| match one.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                });
                texts.collect::<Option<_>>().map(ConfigValue::Texts)
            }
            _ => None,
        }
    }
}

fn drivers() -> String {
    TARGETS.iter().map(|entry| format!("`{}`", entry.name)).collect::<Vec<_>>().join(", ")
}
