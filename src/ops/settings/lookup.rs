//! One setting, from where it is found first, as a value of its type.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use super::{
    Flags, Key, LookupContext, Origin, Setting,
    file::{Entry, File},
    ignored::Ignored,
};
use crate::{
    check::Size,
    diagnostic::{Diagnostic, codes},
    driver::{AcceleratorChoice, DriverEntry},
    oci::Repository,
    text::without_credentials,
};

/// A value as found, before it has a type.
pub struct Raw {
    text: String,
    origin: Origin,
    /// Where it is, if that is a file.
    entry: Option<Entry>,
}

/// Gives a value its type, or says what was expected.
pub type Parse<T> = fn(&Raw, &dyn Fn(&str) -> Option<OsString>) -> Result<T, &'static str>;

impl File {
    fn find(&self, key: Key) -> Option<Raw> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let origin = Origin::File(self.path.clone());
        Some(Raw { text: entry.text.clone(), origin, entry: Some(entry.clone()) })
    }
}

pub struct Lookup<'a, E> {
    pub flags: &'a Flags,
    pub context: &'a LookupContext<'a, E>,
    /// The project's, if it has one, then the user's.
    pub files: &'a [File],
    pub ignored: Ignored,
    pub errors: Vec<Diagnostic>,
}

impl<E: Fn(&str) -> Option<OsString>> Lookup<'_, E> {
    fn raw(&self, key: Key) -> Option<Raw> {
        if let Some((_, text)) = self.flags.0.iter().find(|(flag, _)| *flag == key) {
            return Some(Raw { text: text.clone(), origin: Origin::Flag(key.flag()), entry: None });
        }
        // An empty variable counts as unset, as it does elsewhere.
        if let Some(text) = (self.context.env)(key.env()).filter(|text| !text.is_empty()) {
            let text = text.to_string_lossy().into_owned();
            return Some(Raw { text, origin: Origin::Env(key.env()), entry: None });
        }
        self.files.iter().find_map(|file| file.find(key))
    }

    pub fn find<T>(&mut self, key: Key, parse: Parse<T>) -> Option<Setting<T>> {
        let raw = self.raw(key)?;
        self.typed(key, raw, parse)
    }

    /// A setting that a project which is not trusted may make smaller than the user's own value, or than
    /// `otherwise` where the user sets none.
    pub fn find_up_to<T: PartialOrd + Copy + fmt::Display>(
        &mut self,
        key: Key,
        parse: Parse<T>,
        otherwise: impl FnOnce() -> T,
    ) -> Option<Setting<T>> {
        let raw = self.raw(key)?;
        let entry = raw.entry.clone();
        let found = self.typed(key, raw, parse)?;
        let (Some(entry), Some(file), true) = (entry, self.files.first(), self.ignored.is_limiting()) else {
            return Some(found);
        };
        if found.origin != Origin::File(file.path.clone()) {
            return Some(found);
        }
        let own = self.files[1..].iter().find_map(|file| file.find(key));
        let own = own.and_then(|raw| self.typed(key, raw, parse));
        let limit = own.as_ref().map_or_else(otherwise, |own| own.value);
        if found.value <= limit {
            return Some(found);
        }
        self.ignored.above(&entry, &limit);
        own
    }

    fn typed<T>(&mut self, key: Key, raw: Raw, parse: Parse<T>) -> Option<Setting<T>> {
        match parse(&raw, &self.context.env) {
            Ok(value) => Some(Setting { value, origin: raw.origin }),
            Err(expected) => {
                let message = format!("`{}` is not a value of the setting `{}`", raw.text, key.name());
                let mut diagnostic = Diagnostic::new(codes::SETTING, message);
                if let Some(span) = raw.entry.map(|entry| entry.span) {
                    diagnostic = diagnostic.label(span, format!("expected {expected}"));
                } else {
                    diagnostic = diagnostic.help(format!("give {} {expected}", raw.origin));
                }
                if matches!(raw.origin, Origin::Flag(_)) {
                    diagnostic = diagnostic.of_call();
                }
                self.errors.push(diagnostic);
                None
            }
        }
    }
}

pub fn url(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<String, &'static str> {
    let good = ["http://", "https://"].iter().any(|scheme| raw.text.starts_with(scheme));
    if good {
        Ok(raw.text.trim_end_matches('/').to_owned())
    } else {
        Err("a URL that starts with `http://` or `https://`")
    }
}

/// Where something is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileOrUrl {
    /// Absolute.
    File(PathBuf),
    /// `http://…` or `https://…`.
    Url(String),
}

impl fmt::Display for FileOrUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => f.write_str(&without_credentials(url)),
        }
    }
}

pub fn file_or_url(raw: &Raw, env: &dyn Fn(&str) -> Option<OsString>) -> Result<FileOrUrl, &'static str> {
    if raw.text.starts_with("http://") || raw.text.starts_with("https://") {
        return Ok(FileOrUrl::Url(raw.text.clone()));
    }
    match path(raw, env) {
        Ok(path) => Ok(FileOrUrl::File(path)),
        Err(_) => Err("a path, or a URL that starts with `http://` or `https://`"),
    }
}

/// `~/` is the home folder; in a file, a relative path starts from the file's folder.
pub fn path(raw: &Raw, env: &dyn Fn(&str) -> Option<OsString>) -> Result<PathBuf, &'static str> {
    if let (Some(rest), Some(home)) = (raw.text.strip_prefix("~/"), env("HOME")) {
        return Ok(PathBuf::from(home).join(rest));
    }
    let path = PathBuf::from(&raw.text);
    match &raw.origin {
        _ if raw.text.is_empty() => Err("a path"),
        Origin::File(file) => Ok(file.parent().unwrap_or(Path::new("/")).join(path)),
        _ => std::path::absolute(path).map_err(|_| "a path"),
    }
}

/// Repositories of registries, with commas between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repositories(pub Vec<Repository>);

impl fmt::Display for Repositories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(Repository::to_string).collect::<Vec<_>>().join(","))
    }
}

pub fn repositories(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<Repositories, &'static str> {
    let all: Option<Vec<_>> = raw.text.split(',').map(|one| Repository::parse(one.trim())).collect();
    all.map(Repositories).ok_or("addresses such as `oci://registry.example/team`, with commas between them")
}

pub fn repository(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<Repository, &'static str> {
    Repository::parse(&raw.text).ok_or("an address such as `oci://registry.example/team`")
}

pub fn size(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<Size, &'static str> {
    Size::parse(&raw.text).ok_or("a size, such as `8GiB`")
}

pub fn size_or_none(raw: &Raw, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Size, &'static str> {
    if raw.text == "0" {
        return Ok(Size(0));
    }
    size(raw, env).map_err(|_| "a size, such as `4GiB`, or `0`")
}

pub fn cpus(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<u32, &'static str> {
    match raw.text.parse() {
        Ok(0) | Err(_) => Err("a number of processors, such as `2`"),
        Ok(cpus) => Ok(cpus),
    }
}

pub fn yes_or_no(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<bool, &'static str> {
    raw.text.parse().map_err(|_| "`true` or `false`")
}

pub fn accel(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<AcceleratorChoice, &'static str> {
    let named = AcceleratorChoice::ALL.into_iter().find(|choice| choice.as_str() == raw.text);
    named.ok_or("one of `auto`, `kvm` and `tcg`")
}

pub fn driver(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<&'static DriverEntry, &'static str> {
    DriverEntry::named(&raw.text).ok_or("the name of a driver")
}
