//! Settings, each with where it came from: flags, then `IMGFILE_*` variables, then the project's
//! `.imgfile.toml`, then the user's configuration file, then what this host or we suggest.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::{
    check::{FileError, Files, Size},
    diagnostic::{Diagnostic, codes},
    store::ProjectFolder,
    text::{SourceId, Sources, Span, nearest},
};

/// The project's file, beside the ImageFile.
pub const PROJECT_FILE: &str = ".imgfile.toml";

/// Largest file of settings of a project, in bytes.
const LIMIT: u64 = 1 << 20;

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Such as `--accel`.
    Flag(&'static str),
    /// Such as `IMGFILE_ACCEL`.
    Env(&'static str),
    File(PathBuf),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Env(name) => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    pub value: T,
    pub origin: Origin,
}

/// Whether the machine's processor is emulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Accel {
    /// KVM where a probe guest really runs under it, else emulation.
    Auto,
    /// Hardware virtualisation, or an error.
    Kvm,
    /// Emulation.
    Tcg,
}

/// All settings, as they hold for one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// URL of the Debian archive to use; without it, the one the host's own apt sources name.
    pub mirror: Option<Setting<String>>,
    /// URL of its security archive; without it, `mirror` with `-security` appended, or the host's.
    pub security_mirror: Option<Setting<String>>,
    /// URL of a mirror of the publishers' disks; below it a folder for each publisher's host.
    pub disk_mirror: Option<Setting<String>>,
    pub proxy: Option<Setting<String>>,
    /// A file of more certificate authorities to trust (PEM).
    pub ca: Option<Setting<PathBuf>>,
    /// The store's folder.
    pub store: Setting<PathBuf>,
    /// Bytes the store may grow to before the least recently used goes.
    pub store_size: Option<Setting<Size>>,
    /// Memory all machines that run at once may have together.
    pub memory: Option<Setting<Size>>,
    /// Processors all machines that run at once may have together.
    pub cpus: Option<Setting<u32>>,
    pub accel: Setting<Accel>,
}

/// What was given on the command line, as text, by key.
#[derive(Debug, Clone, Default)]
pub struct Flags(Vec<(Key, String)>);

impl Flags {
    /// Adds a flag's value, if the flag was given.
    #[must_use]
    pub fn with(mut self, key: Key, value: Option<String>) -> Self {
        self.0.extend(value.map(|value| (key, value)));
        self
    }
}

/// The surroundings that settings are looked up in.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a, E> {
    /// The folder of the ImageFile, if there is a project.
    pub project: Option<&'a Path>,
    /// Looks up an environment variable.
    pub env: E,
}

macro_rules! keys {
    ($($variant:ident $name:literal $flag:literal $env:literal $about:literal;)*) => {
        /// A setting's name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Key { $(#[doc = $about] $variant),* }

        impl Key {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As written in a configuration file.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// As given on the command line.
            #[must_use]
            pub const fn flag(self) -> &'static str {
                match self { $(Self::$variant => $flag),* }
            }

            /// The environment variable.
            #[must_use]
            pub const fn env(self) -> &'static str {
                match self { $(Self::$variant => $env),* }
            }

            /// One line about it.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about),* }
            }
        }
    };
}

keys! {
    Mirror "mirror" "--mirror" "IMGFILE_MIRROR" "URL of the Debian archive";
    SecurityMirror "security-mirror" "--security-mirror" "IMGFILE_SECURITY_MIRROR" "URL of the Debian security archive";
    DiskMirror "disk-mirror" "--disk-mirror" "IMGFILE_DISK_MIRROR" "URL of a mirror of publishers' disks, a folder for each host";
    Proxy "proxy" "--proxy" "IMGFILE_PROXY" "URL of an HTTP proxy for downloads";
    Ca "ca" "--ca" "IMGFILE_CA" "file of more certificate authorities to trust (PEM)";
    Store "store" "--store" "IMGFILE_STORE" "folder of the store";
    StoreSize "store-size" "--store-size" "IMGFILE_STORE_SIZE" "size the store may grow to, such as `50GiB`";
    Memory "memory" "--memory" "IMGFILE_MEMORY" "memory for all machines together, such as `8GiB`";
    Cpus "cpus" "--cpus" "IMGFILE_CPUS" "processors for all machines together";
    Accel "accel" "--accel" "IMGFILE_ACCEL" "`auto`, `kvm` or `tcg`";
}

impl Settings {
    /// Looks every setting up. Files that are read are added to `sources`, for the diagnostics.
    pub fn load<E: Fn(&str) -> Option<OsString>>(
        flags: &Flags,
        around: &Surroundings<'_, E>,
        sources: &mut Sources,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut files = Vec::new();
        let project = around.project.map(|folder| (folder.join(PROJECT_FILE), of_project(folder)));
        let user = user_file(around);
        let of_user = match std::fs::read_to_string(&user) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(|error| error.to_string()),
        };
        for (path, read) in project.into_iter().chain([(user, of_user)]) {
            match read {
                Ok(Some(text)) => files.extend(File::parse(path, text, sources, &mut errors)),
                Ok(None) => {}
                Err(reason) => errors.push(Diagnostic::new(
                    codes::SETTING,
                    format!("cannot read the settings in {}: {reason}", path.display()),
                )),
            }
        }
        let mut lookup = Lookup { flags, around, files: &files, errors };
        let settings = Self {
            mirror: lookup.find(Key::Mirror, url),
            security_mirror: lookup.find(Key::SecurityMirror, url),
            disk_mirror: lookup.find(Key::DiskMirror, url),
            proxy: lookup.find(Key::Proxy, url),
            ca: lookup.find(Key::Ca, path),
            store: lookup
                .find(Key::Store, path)
                .unwrap_or_else(|| Setting { value: default_store(around), origin: Origin::Default }),
            store_size: lookup.find(Key::StoreSize, size),
            memory: lookup.find(Key::Memory, size),
            cpus: lookup.find(Key::Cpus, |raw, _| match raw.text.parse() {
                Ok(0) | Err(_) => Err("a number of processors, such as `2`"),
                Ok(cpus) => Ok(cpus),
            }),
            accel: lookup
                .find(Key::Accel, accel)
                .unwrap_or(Setting { value: Accel::Auto, origin: Origin::Default }),
        };
        let mut errors = lookup.errors;
        errors.sort_by_key(Diagnostic::span);
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// Every setting as text with its origin; settings that are not set have no text.
    #[must_use]
    pub fn rows(&self) -> Vec<(Key, Option<String>, Origin)> {
        fn row<T>(
            key: Key,
            setting: Option<&Setting<T>>,
            show: impl Fn(&T) -> String,
        ) -> (Key, Option<String>, Origin) {
            match setting {
                Some(setting) => (key, Some(show(&setting.value)), setting.origin.clone()),
                None => (key, None, Origin::Default),
            }
        }
        let show_path = |path: &PathBuf| path.display().to_string();
        vec![
            row(Key::Mirror, self.mirror.as_ref(), String::clone),
            row(Key::SecurityMirror, self.security_mirror.as_ref(), String::clone),
            row(Key::DiskMirror, self.disk_mirror.as_ref(), String::clone),
            row(Key::Proxy, self.proxy.as_ref(), String::clone),
            row(Key::Ca, self.ca.as_ref(), show_path),
            row(Key::Store, Some(&self.store), show_path),
            row(Key::StoreSize, self.store_size.as_ref(), Size::to_string),
            row(Key::Memory, self.memory.as_ref(), Size::to_string),
            row(Key::Cpus, self.cpus.as_ref(), u32::to_string),
            row(Key::Accel, Some(&self.accel), |accel| {
                match accel {
                    Accel::Auto => "auto",
                    Accel::Kvm => "kvm",
                    Accel::Tcg => "tcg",
                }
                .to_owned()
            }),
        ]
    }
}

/// A value as found, before it has a type.
struct Raw {
    text: String,
    origin: Origin,
    span: Option<Span>,
}

struct Lookup<'a, E> {
    flags: &'a Flags,
    around: &'a Surroundings<'a, E>,
    files: &'a [File],
    errors: Vec<Diagnostic>,
}

impl<E: Fn(&str) -> Option<OsString>> Lookup<'_, E> {
    fn raw(&self, key: Key) -> Option<Raw> {
        if let Some((_, text)) = self.flags.0.iter().find(|(flag, _)| *flag == key) {
            return Some(Raw { text: text.clone(), origin: Origin::Flag(key.flag()), span: None });
        }
        // An empty variable counts as unset, as it does elsewhere.
        if let Some(text) = (self.around.env)(key.env()).filter(|text| !text.is_empty()) {
            let text = text.to_string_lossy().into_owned();
            return Some(Raw { text, origin: Origin::Env(key.env()), span: None });
        }
        self.files.iter().find_map(|file| {
            let (_, text, span) = file.entries.iter().find(|(name, ..)| *name == key)?;
            Some(Raw { text: text.clone(), origin: Origin::File(file.path.clone()), span: Some(*span) })
        })
    }

    fn find<T>(
        &mut self,
        key: Key,
        parse: impl Fn(&Raw, &dyn Fn(&str) -> Option<OsString>) -> Result<T, &'static str>,
    ) -> Option<Setting<T>> {
        let raw = self.raw(key)?;
        match parse(&raw, &self.around.env) {
            Ok(value) => Some(Setting { value, origin: raw.origin }),
            Err(expected) => {
                let message = format!("`{}` is not a value of the setting `{}`", raw.text, key.name());
                let mut diagnostic = Diagnostic::new(codes::SETTING, message);
                if let Some(span) = raw.span {
                    diagnostic = diagnostic.label(span, format!("expected {expected}"));
                } else {
                    diagnostic = diagnostic.help(format!("give {} {expected}", raw.origin));
                }
                self.errors.push(diagnostic);
                None
            }
        }
    }
}

fn url(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<String, &'static str> {
    let good = ["http://", "https://"].iter().any(|scheme| raw.text.starts_with(scheme));
    if good {
        Ok(raw.text.trim_end_matches('/').to_owned())
    } else {
        Err("a URL that starts with `http://` or `https://`")
    }
}

/// `~/` is the home folder; in a file, a relative path starts from the file's folder.
fn path(raw: &Raw, env: &dyn Fn(&str) -> Option<OsString>) -> Result<PathBuf, &'static str> {
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

fn size(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<Size, &'static str> {
    Size::parse(&raw.text).ok_or("a size, such as `8GiB`")
}

fn accel(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<Accel, &'static str> {
    match raw.text.as_str() {
        "auto" => Ok(Accel::Auto),
        "kvm" => Ok(Accel::Kvm),
        "tcg" => Ok(Accel::Tcg),
        _ => Err("one of `auto`, `kvm` and `tcg`"),
    }
}

/// The user's own cache folder, whatever settings say of the store: `$XDG_CACHE_HOME/imgfile`. None if
/// the user has no home.
pub(super) fn cache_folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    cache.map(|cache| cache.join("imgfile"))
}

/// The settings of a project, by the project's own door: nothing is read through a link that leads out of
/// its folder, for whoever checks a stranger's project would be shown lines of a file of their own.
fn of_project(folder: &Path) -> Result<Option<String>, String> {
    let read = ProjectFolder::open(folder).map(|files| files.read(PROJECT_FILE, LIMIT));
    match read.map_err(|error| error.to_string())? {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| "it is not UTF-8 text".to_owned()),
        Err(FileError::NotFound) => Ok(None),
        Err(FileError::Outside) => Err("it leads out of the project".to_owned()),
        Err(FileError::TooLarge) => Err(format!("it is larger than {}", Size(LIMIT))),
        Err(FileError::Unreadable(reason)) => Err(reason),
    }
}

/// `$XDG_CACHE_HOME/imgfile`, by the XDG base directory rules.
fn default_store<E: Fn(&str) -> Option<OsString>>(around: &Surroundings<'_, E>) -> PathBuf {
    xdg(around, "XDG_CACHE_HOME", ".cache").join("imgfile")
}

fn user_file<E: Fn(&str) -> Option<OsString>>(around: &Surroundings<'_, E>) -> PathBuf {
    xdg(around, "XDG_CONFIG_HOME", ".config").join("imgfile/config.toml")
}

fn xdg<E: Fn(&str) -> Option<OsString>>(
    around: &Surroundings<'_, E>,
    name: &str,
    below_home: &str,
) -> PathBuf {
    // The rules say that a relative path in these variables is to be ignored.
    let set = (around.env)(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set.unwrap_or_else(|| {
        (around.env)("HOME").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from).join(below_home)
    })
}

/// A configuration file's entries, as text: their types depend on the key.
struct File {
    path: PathBuf,
    entries: Vec<(Key, String, Span)>,
}

impl File {
    fn parse(
        path: PathBuf,
        text: String,
        sources: &mut Sources,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let source = sources.add(super::shown(&path), text.clone());
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
        let mut entries = Vec::new();
        for (name, value) in table {
            let at = span(source, value.span());
            let Some(key) = Key::ALL.iter().find(|key| key.name() == name.get_ref()) else {
                let unknown =
                    Diagnostic::new(codes::SETTING, format!("there is no setting `{}`", name.get_ref()))
                        .label(span(source, name.span()), "unknown");
                errors.push(match nearest(name.get_ref(), Key::ALL.iter().map(|key| key.name())) {
                    Some(near) => unknown.help(format!("did you mean `{near}`?")),
                    None => unknown.note(format!(
                        "the settings are {}",
                        Key::ALL.iter().map(|key| format!("`{}`", key.name())).collect::<Vec<_>>().join(", ")
                    )),
                });
                continue;
            };
            match value.get_ref() {
                toml::de::DeValue::String(text) => entries.push((*key, text.to_string(), at)),
                toml::de::DeValue::Integer(number) => entries.push((*key, number.as_str().to_owned(), at)),
                _ => errors.push(
                    Diagnostic::new(
                        codes::SETTING,
                        format!("the setting `{}` has a value of the wrong type", key.name()),
                    )
                    .label(at, "expected a string or a number"),
                ),
            }
        }
        Some(Self { path, entries })
    }
}

fn span(source: SourceId, range: std::ops::Range<usize>) -> Span {
    let at = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
    Span::new(source, at(range.start), at(range.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        dir: tempfile::TempDir,
        env: Vec<(&'static str, String)>,
        sources: Sources,
    }

    impl World {
        fn new(project: &str, user: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(dir.path().join("home/.config/imgfile")).unwrap();
            std::fs::write(dir.path().join("home/.config/imgfile/config.toml"), user).unwrap();
            std::fs::write(dir.path().join(PROJECT_FILE), project).unwrap();
            let home = dir.path().join("home").display().to_string();
            Self { dir, env: vec![("HOME", home)], sources: Sources::default() }
        }

        fn load(&mut self, flags: &Flags) -> Result<Settings, Vec<Diagnostic>> {
            let env =
                |name: &str| self.env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
            let around = Surroundings { project: Some(self.dir.path()), env };
            Settings::load(flags, &around, &mut self.sources)
        }
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_project_beats_the_user() {
        let mut world = World::new(
            "cpus = 3\nmemory = '3GiB'",
            "cpus = 4\nmemory = '4GiB'\naccel = 'kvm'\nmirror = 'http://m.example/debian/'",
        );
        world.env.push(("IMGFILE_CPUS", "2".into()));
        let flags = Flags::default().with(Key::Cpus, Some("1".into())).with(Key::Memory, None);
        let settings = world.load(&flags).unwrap();
        let user = world.dir.path().join("home/.config/imgfile/config.toml");
        assert_eq!(settings.cpus, Some(Setting { value: 1, origin: Origin::Flag("--cpus") }));
        let memory =
            Setting { value: Size(3 << 30), origin: Origin::File(world.dir.path().join(PROJECT_FILE)) };
        assert_eq!(settings.memory, Some(memory));
        assert_eq!(settings.accel, Setting { value: Accel::Kvm, origin: Origin::File(user.clone()) });
        assert_eq!(
            settings.mirror,
            Some(Setting { value: "http://m.example/debian".into(), origin: Origin::File(user) })
        );
        assert_eq!(
            world.load(&Flags::default()).unwrap().cpus,
            Some(Setting { value: 2, origin: Origin::Env("IMGFILE_CPUS") })
        );
    }

    #[test]
    fn the_store_is_in_the_users_cache_unless_set() {
        let mut world = World::new("", "");
        let home = world.dir.path().join("home");
        assert_eq!(
            world.load(&Flags::default()).unwrap().store,
            Setting { value: home.join(".cache/imgfile"), origin: Origin::Default }
        );
        world.env.push(("XDG_CACHE_HOME", "/cache".into()));
        assert_eq!(world.load(&Flags::default()).unwrap().store.value, Path::new("/cache/imgfile"));
        world.env.push(("IMGFILE_STORE", "~/store".into()));
        assert_eq!(
            world.load(&Flags::default()).unwrap().store,
            Setting { value: home.join("store"), origin: Origin::Env("IMGFILE_STORE") }
        );
    }

    #[test]
    fn a_path_in_a_file_starts_from_the_file() {
        let mut world = World::new("store = 'store'", "");
        assert_eq!(world.load(&Flags::default()).unwrap().store.value, world.dir.path().join("store"));
    }

    #[test]
    fn every_mistake_is_told_at_its_place() {
        let mut world = World::new("memry = '1GiB'\ncpus = 0\naccel = true\nmirror = 'ftp://x'", "store = ");
        let errors = world.load(&Flags::default()).unwrap_err();
        let told: Vec<_> = errors
            .iter()
            .map(|error| (error.message.as_str(), error.span().map(|span| world.sources.slice(span))))
            .collect();
        assert_eq!(
            told[..5],
            [
                ("there is no setting `memry`", Some("memry")),
                ("`0` is not a value of the setting `cpus`", Some("0")),
                ("the setting `accel` has a value of the wrong type", Some("true")),
                ("`ftp://x` is not a value of the setting `mirror`", Some("'ftp://x'")),
                ("the settings are not valid TOML", Some("")),
            ]
        );
        assert_eq!(errors[0].helps, ["did you mean `memory`?"]);
    }
}
