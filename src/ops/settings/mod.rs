//! Settings, each with where it came from: flags, then `IMGFILE_*` variables, then the project's
//! `.imgfile.toml`, then the user's configuration file, then what this host or we suggest.
//!
//! A project comes from somebody else: unless the user trusts it, only what makes its own images smaller
//! counts, see [`Key::of_project`].

mod file;
mod ignored;
mod place;
mod projects;
mod trust;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::{
    check::Size,
    diagnostic::{Diagnostic, codes},
    driver::{AcceleratorChoice, DriverEntry},
    exec::{Consent, Outside},
    store::project_root,
    text::Sources,
};

pub use file::of_project;
use file::{Entry, File, Owner};
use ignored::Ignored;
pub use trust::{Record, Trust, TrustedProjects, is_trusted};

/// The project's file, in its root: beside the ImageFile, unless a folder above says `root = true`.
pub const PROJECT_FILE: &str = ".imgfile.toml";

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Such as `--accel`.
    Flag(&'static str),
    /// Such as `IMGFILE_ACCEL`.
    Env(&'static str),
    /// A configuration file: the project's `.imgfile.toml`, or the user's.
    File(PathBuf),
    /// Nobody set it.
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
    /// What holds.
    pub value: T,
    /// Who set it.
    pub origin: Origin,
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
    /// URL of the proxy for all downloads; without it, what `http_proxy` and `https_proxy` say.
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
    /// Whether machines run under hardware virtualisation.
    pub accel: Setting<AcceleratorChoice>,
    /// What runs the machines.
    pub driver: Setting<&'static DriverEntry>,
    /// The project these are for, and what the user says of it.
    pub project: Option<(PathBuf, Trust)>,
    /// What the user's configuration, and trust, let the project read outside its folder.
    pub consent: Consent,
    /// The lines of the project's file that do not count, as warnings.
    pub ignored: Vec<Diagnostic>,
    /// Guests reach private networks too.
    pub allow_private_network: Option<Setting<bool>>,
    /// Projects are built where walls are missing that would hold them.
    pub allow_weaker_cell: Option<Setting<bool>>,
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
    ($($variant:ident $name:literal $flag:literal $value:literal $env:literal $about:literal;)*) => {
        /// A setting's name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Key { $(#[doc = $about] $variant),* }

        impl Key {
            /// All of them, in the order in which `doctor` lists them.
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

            /// What its value is called in help.
            #[must_use]
            pub const fn value(self) -> &'static str {
                match self { $(Self::$variant => $value),* }
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
    Mirror "mirror" "--mirror" "URL" "IMGFILE_MIRROR" "URL of the Debian archive";
    SecurityMirror "security-mirror" "--security-mirror" "URL" "IMGFILE_SECURITY_MIRROR" "URL of the Debian security archive";
    DiskMirror "disk-mirror" "--disk-mirror" "URL" "IMGFILE_DISK_MIRROR" "URL of a mirror of publishers' disks, a folder for each host";
    Proxy "proxy" "--proxy" "URL" "IMGFILE_PROXY" "URL of an HTTP proxy for downloads";
    Ca "ca" "--ca" "FILE" "IMGFILE_CA" "file of more certificate authorities to trust (PEM)";
    Store "store" "--store" "DIR" "IMGFILE_STORE" "folder of the store";
    StoreSize "store-size" "--store-size" "SIZE" "IMGFILE_STORE_SIZE" "size the store may grow to, such as `50GiB`";
    Memory "memory" "--memory" "SIZE" "IMGFILE_MEMORY" "memory for all machines together, such as `8GiB`";
    Cpus "cpus" "--cpus" "N" "IMGFILE_CPUS" "processors for all machines together";
    Accel "accel" "--accel" "HOW" "IMGFILE_ACCEL" "`auto`, `kvm` or `tcg`";
    Driver "driver" "--driver" "NAME" "IMGFILE_DRIVER" "driver that runs the machines";
    AllowPrivateNetwork "allow-private-network" "--allow-private-network" "BOOL" "IMGFILE_ALLOW_PRIVATE_NETWORK" "`true`: guests reach private networks too";
    AllowWeakerCell "allow-weaker-cell" "--allow-weaker-cell" "BOOL" "IMGFILE_ALLOW_WEAKER_CELL" "`true`: build where this host lacks walls that hold a project";
}

impl Key {
    /// Whether it is `true` or `false`, and no project may set it, not even one that is trusted.
    #[must_use]
    pub const fn is_never_of_project(self) -> bool {
        matches!(self, Self::AllowPrivateNetwork | Self::AllowWeakerCell)
    }
}

impl Key {
    /// Whether a project that is not trusted may set it, up to what the user's own settings or the host allow.
    #[must_use]
    pub const fn of_project(self) -> bool {
        matches!(self, Self::Memory | Self::Cpus)
    }
}

impl Settings {
    /// Looks every setting up. Files that are read are added to `sources`, for the diagnostics.
    pub fn load<E: Fn(&str) -> Option<OsString>>(
        flags: &Flags,
        around: &Surroundings<'_, E>,
        sources: &mut Sources,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let unreadable = |path: &Path, reason: String| {
            let message = format!("cannot read the settings in {}: {reason}", path.display());
            Diagnostic::new(codes::SETTING, message)
        };
        let mut project = None;
        let mut of_project = None;
        if let Some(folder) = around.project {
            // Absolute, as what it sets may be shown elsewhere.
            let root = project_root(&folder.canonicalize().unwrap_or_else(|_| folder.to_owned()));
            let file_of_project = root.join(PROJECT_FILE);
            match file::of_project(&root) {
                Ok(text) => {
                    let text = text.unwrap_or_default();
                    let trust = TrustedProjects::of_user(&around.env).trust(&root, &text);
                    project = Some((root, trust));
                    if !text.is_empty() {
                        of_project = File::parse(file_of_project, Owner::Project, text, sources, &mut errors);
                    }
                }
                Err(reason) => errors.push(unreadable(&file_of_project, reason)),
            }
        }
        let file_of_user = user_file(around);
        let of_user = match file::of_user(&file_of_user) {
            Ok(Some(text)) => File::parse(file_of_user, Owner::User, text, sources, &mut errors),
            Ok(None) => None,
            Err(reason) => {
                errors.push(unreadable(&file_of_user, reason));
                None
            }
        };
        let mut consent = Consent::default();
        if let Some((root, trust)) = &project {
            let home = (around.env)("HOME").map(PathBuf::from);
            for entry in of_user.iter().flat_map(|file: &File| &file.projects) {
                entry.allow(root, home.as_deref(), &mut consent);
            }
            if *trust == Trust::Trusted
                && let Some(record) = TrustedProjects::of_user(&around.env).record(root)
            {
                consent.sources.extend(record.sources.iter().filter_map(|text| text.parse::<Outside>().ok()));
            }
        }
        let mut ignored = Ignored::new(around, project.as_ref().map(|(_, trust)| *trust));
        if let Some(file) = &mut of_project {
            file.entries.retain(|entry| ignored.keeps(entry));
        }
        let files: Vec<File> = of_project.into_iter().chain(of_user).collect();
        let mut lookup = Lookup { flags, around, files: &files, ignored, errors };
        let settings = Self {
            mirror: lookup.find(Key::Mirror, url),
            security_mirror: lookup.find(Key::SecurityMirror, url),
            disk_mirror: lookup.find(Key::DiskMirror, url),
            proxy: lookup.find(Key::Proxy, url),
            ca: lookup.find(Key::Ca, path),
            store: lookup.find(Key::Store, path).unwrap_or_else(|| Setting {
                value: default_store(around).unwrap_or_default(),
                origin: Origin::Default,
            }),
            store_size: lookup.find(Key::StoreSize, size),
            memory: lookup.find_up_to(Key::Memory, size, || Size(host_memory())),
            cpus: lookup.find_up_to(Key::Cpus, cpus, host_cpus),
            accel: lookup
                .find(Key::Accel, accel)
                .unwrap_or(Setting { value: AcceleratorChoice::Auto, origin: Origin::Default }),
            driver: lookup
                .find(Key::Driver, driver)
                .unwrap_or(Setting { value: DriverEntry::usual(), origin: Origin::Default }),
            allow_private_network: lookup.find(Key::AllowPrivateNetwork, yes_or_no),
            allow_weaker_cell: lookup.find(Key::AllowWeakerCell, yes_or_no),
            project,
            consent,
            ignored: lookup.ignored.into_warnings(),
        };
        let mut errors = lookup.errors;
        if settings.store.value.as_os_str().is_empty() {
            errors.push(
                Diagnostic::new(codes::NO_STORE_FOLDER, "nothing says where the store is: `HOME` is not set")
                    .help("set `HOME`, or name a folder of your own: `IMGFILE_STORE=/var/lib/imgfile`"),
            );
        }
        errors.sort_by_key(Diagnostic::span);
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// Whether programs may run where this host lacks walls that would hold them: the user says so, or trusts the
    /// project.
    #[must_use]
    pub fn allows_weaker_cell(&self) -> bool {
        let said = self.allow_weaker_cell.as_ref().is_some_and(|allowed| allowed.value);
        said || matches!(self.project, Some((_, Trust::Trusted)))
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
            row(Key::Accel, Some(&self.accel), |accel| accel.as_str().to_owned()),
            row(Key::Driver, Some(&self.driver), |driver| driver.name().to_owned()),
            row(Key::AllowPrivateNetwork, self.allow_private_network.as_ref(), bool::to_string),
            row(Key::AllowWeakerCell, self.allow_weaker_cell.as_ref(), bool::to_string),
        ]
    }
}

/// A value as found, before it has a type.
struct Raw {
    text: String,
    origin: Origin,
    /// Where it is, if that is a file.
    entry: Option<Entry>,
}

/// Gives a value its type, or says what was expected.
type Parse<T> = fn(&Raw, &dyn Fn(&str) -> Option<OsString>) -> Result<T, &'static str>;

impl File {
    fn find(&self, key: Key) -> Option<Raw> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let origin = Origin::File(self.path.clone());
        Some(Raw { text: entry.text.clone(), origin, entry: Some(entry.clone()) })
    }
}

struct Lookup<'a, E> {
    flags: &'a Flags,
    around: &'a Surroundings<'a, E>,
    /// The project's, if it has one, then the user's.
    files: &'a [File],
    ignored: Ignored,
    errors: Vec<Diagnostic>,
}

impl<E: Fn(&str) -> Option<OsString>> Lookup<'_, E> {
    fn raw(&self, key: Key) -> Option<Raw> {
        if let Some((_, text)) = self.flags.0.iter().find(|(flag, _)| *flag == key) {
            return Some(Raw { text: text.clone(), origin: Origin::Flag(key.flag()), entry: None });
        }
        // An empty variable counts as unset, as it does elsewhere.
        if let Some(text) = (self.around.env)(key.env()).filter(|text| !text.is_empty()) {
            let text = text.to_string_lossy().into_owned();
            return Some(Raw { text, origin: Origin::Env(key.env()), entry: None });
        }
        self.files.iter().find_map(|file| file.find(key))
    }

    fn find<T>(&mut self, key: Key, parse: Parse<T>) -> Option<Setting<T>> {
        let raw = self.raw(key)?;
        self.typed(key, raw, parse)
    }

    /// A setting that a project which is not trusted may make smaller than the user's own value, or than
    /// `otherwise` where the user sets none.
    fn find_up_to<T: PartialOrd + Copy + fmt::Display>(
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
        match parse(&raw, &self.around.env) {
            Ok(value) => Some(Setting { value, origin: raw.origin }),
            Err(expected) => {
                let message = format!("`{}` is not a value of the setting `{}`", raw.text, key.name());
                let mut diagnostic = Diagnostic::new(codes::SETTING, message);
                if let Some(span) = raw.entry.map(|entry| entry.span) {
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

fn cpus(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<u32, &'static str> {
    match raw.text.parse() {
        Ok(0) | Err(_) => Err("a number of processors, such as `2`"),
        Ok(cpus) => Ok(cpus),
    }
}

/// Bytes that machines may have together unless a setting says otherwise: three quarters of what is free now.
#[must_use]
pub fn host_memory() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.map_or(2 << 30, |kib| kib * 1024 / 4 * 3)
}

/// Every processor of the host.
#[must_use]
pub fn host_cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1))
}

fn yes_or_no(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<bool, &'static str> {
    raw.text.parse().map_err(|_| "`true` or `false`")
}

fn accel(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<AcceleratorChoice, &'static str> {
    let named = AcceleratorChoice::ALL.into_iter().find(|choice| choice.as_str() == raw.text);
    named.ok_or("one of `auto`, `kvm` and `tcg`")
}

fn driver(raw: &Raw, _: &dyn Fn(&str) -> Option<OsString>) -> Result<&'static DriverEntry, &'static str> {
    DriverEntry::named(&raw.text).ok_or("the name of a driver")
}

/// The user's own cache folder, whatever settings say of the store: `$XDG_CACHE_HOME/imgfile`. None if
/// the user has no home.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    cache.map(|cache| cache.join("imgfile"))
}

/// `$XDG_CACHE_HOME/imgfile`, by the XDG base directory rules.
fn default_store<E: Fn(&str) -> Option<OsString>>(around: &Surroundings<'_, E>) -> Option<PathBuf> {
    Some(xdg(&around.env, "XDG_CACHE_HOME", ".cache")?.join("imgfile"))
}

fn user_file<E: Fn(&str) -> Option<OsString>>(around: &Surroundings<'_, E>) -> PathBuf {
    config_folder(&around.env).join("config.toml")
}

/// A folder that no system has: Debian's policy gives it to accounts without a home.
const NOWHERE: &str = "/nonexistent";

/// Where the user's own configuration is, and which projects are trusted. Without a home there is neither: the
/// folder is then the one that systems promise not to have.
fn config_folder(env: &impl Fn(&str) -> Option<OsString>) -> PathBuf {
    xdg(env, "XDG_CONFIG_HOME", ".config").unwrap_or_else(|| NOWHERE.into()).join("imgfile")
}

/// A folder of the user; none if nothing says where theirs are. One that all users share would not do.
fn xdg(env: &impl Fn(&str) -> Option<OsString>, name: &str, below_home: &str) -> Option<PathBuf> {
    // The rules say that a relative path in these variables is to be ignored.
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(name).or_else(|| Some(absolute("HOME")?.join(below_home)))
}

#[cfg(test)]
mod tests;
