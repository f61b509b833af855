//! What a project that is not trusted would set, and may not: each line a warning that says how to allow it.

use std::{ffi::OsString, fmt, path::Path};

use super::{Entry, Key, LookupContext, PROJECT_FILE, Trust, user_file};
use crate::diagnostic::{Diagnostic, codes};
use crate::ops::paths::shown;

/// The lines that do not count.
pub struct Ignored {
    /// Of the project.
    trust: Option<Trust>,
    /// The command that allows them.
    allow: String,
    /// The user's own file, for people.
    user_file: String,
    warnings: Vec<Diagnostic>,
}

impl Ignored {
    pub fn new<E: Fn(&str) -> Option<OsString>>(
        context: &LookupContext<'_, E>,
        trust: Option<Trust>,
    ) -> Self {
        let folder = context.project.map(shown).unwrap_or_default();
        let folder = if folder == "." { "" } else { &folder };
        let allow = format!("imgfile trust {folder}");
        let user_file = user_file(context);
        let below_home =
            (context.env)("HOME").and_then(|home| user_file.strip_prefix(home).ok().map(Path::to_owned));
        let user_file = match below_home {
            Some(path) => format!("~/{}", path.display()),
            None => user_file.display().to_string(),
        };
        Self { trust, allow: allow.trim_end().to_owned(), user_file, warnings: Vec::new() }
    }

    /// Whether the project's values count only up to the user's.
    pub fn is_limiting(&self) -> bool {
        self.trust.is_some_and(|trust| trust != Trust::Trusted)
    }

    /// Whether a line of the project's file counts; if not, there is a warning now.
    pub fn keeps(&mut self, entry: &Entry) -> bool {
        if entry.key.is_never_of_project() {
            self.warn(entry, "for the user alone to set");
            return false;
        }
        let counts = !self.is_limiting() || entry.key.of_project();
        if !counts {
            self.warn(entry, "for the user to set");
        }
        counts
    }

    /// A line is above what the user or the host has.
    pub fn above(&mut self, entry: &Entry, limit: &impl fmt::Display) {
        let what = if entry.key == Key::Memory { "more memory" } else { "more processors" };
        self.warn(entry, &format!("{what} than the {limit} of this user"));
    }

    fn warn(&mut self, entry: &Entry, label: &str) {
        let (name, variable) = (entry.key.name(), entry.key.env());
        let never = entry.key.is_never_of_project();
        let reason = match self.trust {
            _ if never => "no project may set it".to_owned(),
            Some(Trust::Changed) => format!("`{PROJECT_FILE}` has changed since the project was trusted"),
            _ => "the project is not trusted".to_owned(),
        };
        let warning = Diagnostic::new(
            codes::SETTING_IGNORED,
            format!("the setting `{name}` of this project is ignored: {reason}"),
        )
        .label(entry.line, label);
        let yourself = format!("set it yourself: `{variable}=…`, or `{name}` in {}", self.user_file);
        self.warnings.push(if never {
            warning.help(yourself)
        } else {
            warning
                .help(format!("if you know what it does, allow the project's settings: `{}`", self.allow))
                .help(format!("or {yourself}"))
        });
    }

    pub fn into_warnings(self) -> Vec<Diagnostic> {
        self.warnings
    }
}
