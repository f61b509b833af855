//! A file of settings: where it is, how it is read, and the entries in it.

use std::path::{Path, PathBuf};

use super::place::span;
use super::{
    Key, PROJECT_FILE,
    projects::{self, ProjectEntry},
    targets::{self, TargetTable},
};
use crate::ops::paths::shown;
use crate::{
    check::{FileError, Files as _, Size},
    diagnostic::{Diagnostic, codes},
    store::{ProjectFolder, read_regular},
    text::{Sources, Span, nearest},
};

/// Largest file of settings, in bytes.
const LIMIT: u64 = 1 << 20;

/// The settings of a project, by the project's own interface: nothing is read through a link that leads out of
/// its folder, for whoever checks a stranger's project would be shown lines of a file of their own.
pub fn of_project(folder: &Path) -> Result<Option<String>, String> {
    let read = ProjectFolder::open(folder).map(|files| files.read(PROJECT_FILE, LIMIT));
    match read.map_err(|error| error.to_string())? {
        Ok(bytes) => text(bytes).map(Some),
        Err(FileError::NotFound) => Ok(None),
        Err(FileError::Outside) => Err("it leads out of the project".to_owned()),
        Err(FileError::TooLarge) => Err(format!("it is larger than {}", Size(LIMIT))),
        Err(FileError::Unreadable(reason)) => Err(reason),
    }
}

/// The user's own settings.
pub fn of_user(path: &Path) -> Result<Option<String>, String> {
    match read_regular(path, LIMIT) {
        Ok(_) if !is_of_user(path) => Err("it belongs to another user".to_owned()),
        Ok(bytes) => text(bytes).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a file is this user's own, or root's: others do not say what a user allows.
fn is_of_user(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let own = nix::unistd::geteuid().as_raw();
    path.metadata().is_ok_and(|found| found.uid() == own || found.uid() == 0)
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

/// One line of a file of settings. The type of its value depends on the key.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: Key,
    /// The value as text.
    pub text: String,
    /// Where the value is.
    pub span: Span,
    /// From the key to the value's end.
    pub line: Span,
}

/// A configuration file's entries.
#[derive(Debug)]
pub struct File {
    pub path: PathBuf,
    pub entries: Vec<Entry>,
    /// What single projects may; in the user's file only.
    pub projects: Vec<ProjectEntry>,
    /// Where images go; in the user's file only.
    pub targets: Vec<TargetTable>,
}

/// Whose a file of settings is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Project,
    /// With the home folder, if there is one.
    User(Option<PathBuf>),
}

impl File {
    /// Reads the text of a file; mistakes in it go to `errors`.
    pub fn parse(
        path: PathBuf,
        owner: Owner,
        text: String,
        sources: &mut Sources,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let source = sources.add(shown(&path), text.clone());
        let table = match toml::de::DeTable::parse(&text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let span = span(source, error.span().unwrap_or_default());
                errors.push(
                    Diagnostic::new(codes::SETTING, "the settings are not valid TOML")
                        .label(span, error.message().to_owned()),
                );
                return None;
            }
        };
        let (mut entries, mut projects, mut tables) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in table {
            if let Owner::User(home) = &owner {
                if name.get_ref() == projects::KEY {
                    projects = projects::read(source, &value, errors);
                    continue;
                }
                if name.get_ref() == targets::KEY {
                    let folder = path.parent().unwrap_or(Path::new("/"));
                    tables = targets::read(source, &value, folder, home.as_deref(), errors);
                    continue;
                }
            } else if name.get_ref() == targets::KEY {
                errors.push(targets::of_project(span(source, name.span())));
                continue;
            }
            let at = span(source, value.span());
            // Says which folder the project is, to whoever opens one.
            if name.get_ref() == "root" {
                if !matches!(value.get_ref(), toml::de::DeValue::Boolean(_)) {
                    let message = "`root` has a value of the wrong type";
                    errors.push(
                        Diagnostic::new(codes::SETTING, message).label(at, "expected `true` or `false`"),
                    );
                }
                continue;
            }
            let Some(&key) = Key::ALL.iter().find(|key| key.name() == name.get_ref()) else {
                errors.push(unknown(name.get_ref(), span(source, name.span())));
                continue;
            };
            let line = span(source, name.span().start..value.span().end);
            let text = match value.get_ref() {
                toml::de::DeValue::String(text) => text.to_string(),
                toml::de::DeValue::Integer(number) => number.as_str().to_owned(),
                toml::de::DeValue::Boolean(value) if key.is_yes_or_no() => value.to_string(),
                _ => {
                    errors.push(
                        Diagnostic::new(
                            codes::SETTING,
                            format!("the setting `{}` has a value of the wrong type", key.name()),
                        )
                        .label(at, "expected a string or a number"),
                    );
                    continue;
                }
            };
            entries.push(Entry { key, text, span: at, line });
        }
        // The table is sorted by name; people read from the top.
        entries.sort_by_key(|entry| entry.line);
        Some(Self { path, entries, projects, targets: tables })
    }
}

fn unknown(name: &str, span: Span) -> Diagnostic {
    let unknown =
        Diagnostic::new(codes::SETTING, format!("there is no setting `{name}`")).label(span, "unknown");
    match nearest(name, Key::ALL.iter().map(|key| key.name())) {
        Some(near) => unknown.help(format!("did you mean `{near}`?")),
        None => unknown.note(format!(
            "the settings are {}",
            Key::ALL.iter().map(|key| format!("`{}`", key.name())).collect::<Vec<_>>().join(", ")
        )),
    }
}
