//! Settings, each with where it came from: flags, then `IMGFILE_*` variables, then the project's
//! `.imgfile.toml`, then the user's configuration file, then what this host or we suggest.
//!
//! A project comes from somebody else: unless the user trusts it, only what makes its own images smaller
//! counts, see [`Key::of_project`].

mod file;
mod ignored;
mod key;
mod lifecycle;
mod lookup;
mod place;
mod projects;
mod targets;
mod trusted_projects;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::{
    check::Size,
    diagnostic::{Diagnostic, codes},
    driver::{AcceleratorChoice, DriverEntry},
    exec::{Consent, Outside},
    oci::Repository,
    publish::TargetConfig,
    store::project_root,
    text::Sources,
};

pub use file::of_project;
use file::{Entry, File, Owner};
use ignored::Ignored;
pub use key::Key;
pub use lifecycle::Lifecycle;
pub use lookup::{FileOrUrl, Repositories};
use lookup::{
    Lookup, accel, cpus, driver, file_or_url, path, repositories, repository, size, size_or_none, url,
    yes_or_no,
};
pub use trusted_projects::{Record, Trust, TrustedProjects, is_trusted};

/// The project's file, in its root: beside the ImageFile, unless a folder above says `root = true`.
pub const PROJECT_FILE: &str = ".imgfile.toml";

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Such as `--accel`.
    Flag(&'static str),
    /// Such as `IMGFILE_ACCEL`.
    Env(&'static str),
    /// A configuration file, by its path.
    File(PathBuf),
    /// Nobody: what holds unless somebody says otherwise.
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
    /// What holds for this run.
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
    /// URL of the proxy that all requests go through, such as `http://proxy:3128`; without it, what the environment says.
    pub proxy: Option<Setting<String>>,
    /// A file of more certificate authorities to trust (PEM).
    pub ca: Option<Setting<PathBuf>>,
    /// The store's folder.
    pub store: Setting<PathBuf>,
    /// Bytes the store may grow to before the least recently used goes.
    pub store_size: Option<Setting<Size>>,
    /// Bytes that machines saved just after they booted may take together; 0 saves none, and goes on from none.
    pub saved_boots: Setting<Size>,
    /// Memory all machines that run at once may have together.
    pub memory: Option<Setting<Size>>,
    /// Processors all machines that run at once may have together.
    pub cpus: Option<Setting<u32>>,
    /// What runs the code of guests: KVM, an emulator, or whichever is there.
    pub accel: Setting<AcceleratorChoice>,
    /// What runs the machines.
    pub driver: Setting<&'static DriverEntry>,
    /// The project these are for, and what the user says of it.
    pub project: Option<(PathBuf, Trust)>,
    /// What the user's configuration, and trust, let the project read outside its folder.
    pub consent: Consent,
    /// How long images of projects stay, by the folder of the project: the user's word, whatever project these are for.
    pub lifecycles: Vec<(PathBuf, Lifecycle)>,
    /// Where images may be published: the user's word alone.
    pub targets: Vec<TargetConfig>,
    /// The lines of the project's file that do not count, as warnings.
    pub ignored: Vec<Diagnostic>,
    /// A private key in PEM that signs what is said of images.
    pub sign_key: Option<Setting<PathBuf>>,
    /// A file, or an address, of advisories about packages.
    pub advisories: Option<Setting<FileOrUrl>>,
    /// Guests reach private networks too.
    pub allow_private_network: Option<Setting<bool>>,
    /// Registries whose layers and bases are used.
    pub cache_from: Option<Setting<Repositories>>,
    /// The registry that layers and bases are sent to.
    pub cache_to: Option<Setting<Repository>>,
    /// A file of public keys in PEM: whose layers and bases are used.
    pub cache_trust: Option<Setting<PathBuf>>,
    /// Those registries are asked by HTTP without TLS.
    pub cache_plain_http: Option<Setting<bool>>,
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

/// Where settings are looked up.
#[derive(Debug, Clone, Copy)]
pub struct LookupContext<'a, E> {
    /// The folder of the ImageFile, if there is a project.
    pub project: Option<&'a Path>,
    /// Looks up an environment variable.
    pub env: E,
}

/// What the user's own words allow a project beyond what lies in it.
fn consent(
    (root, trust): &(PathBuf, Trust),
    of_user: Option<&File>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Consent {
    let mut consent = Consent::default();
    let home = env("HOME").map(PathBuf::from);
    for entry in of_user.iter().flat_map(|file| &file.projects) {
        entry.allow(root, home.as_deref(), &mut consent);
    }
    if *trust == Trust::Trusted
        && let Some(record) = TrustedProjects::of_user(&env).record(root)
    {
        consent.sources.extend(record.sources.iter().filter_map(|text| text.parse::<Outside>().ok()));
    }
    consent
}

impl Settings {
    /// Looks every setting up. Files that are read are added to `sources`, for the diagnostics.
    pub fn load<E: Fn(&str) -> Option<OsString>>(
        flags: &Flags,
        context: &LookupContext<'_, E>,
        sources: &mut Sources,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let unreadable = |path: &Path, reason: String| {
            let message = format!("cannot read the settings in {}: {reason}", path.display());
            Diagnostic::new(codes::SETTING, message)
        };
        let mut project = None;
        let mut of_project = None;
        if let Some(folder) = context.project {
            // Absolute, as what it sets may be shown elsewhere.
            let root = project_root(&folder.canonicalize().unwrap_or_else(|_| folder.to_owned()));
            let file_of_project = root.join(PROJECT_FILE);
            match file::of_project(&root) {
                Ok(text) => {
                    let text = text.unwrap_or_default();
                    let trust = TrustedProjects::of_user(&context.env).trust(&root, &text);
                    project = Some((root, trust));
                    if !text.is_empty() {
                        of_project = File::parse(file_of_project, Owner::Project, text, sources, &mut errors);
                    }
                }
                Err(reason) => errors.push(unreadable(&file_of_project, reason)),
            }
        }
        let file_of_user = user_file(context);
        let of_user = match file::of_user(&file_of_user) {
            Ok(Some(text)) => {
                let home = (context.env)("HOME").map(PathBuf::from);
                File::parse(file_of_user, Owner::User(home), text, sources, &mut errors)
            }
            Ok(None) => None,
            Err(reason) => {
                errors.push(unreadable(&file_of_user, reason));
                None
            }
        };
        let home = (context.env)("HOME").map(PathBuf::from);
        let entries = || of_user.iter().flat_map(|file: &File| &file.projects);
        let lifecycles = entries().filter_map(|entry| entry.lifecycle(home.as_deref())).collect();
        let targets =
            of_user.iter().flat_map(|file| &file.targets).map(|entry| entry.config.clone()).collect();
        let consent = project.as_ref().map(|project| consent(project, of_user.as_ref(), &context.env));
        let mut ignored = Ignored::new(context, project.as_ref().map(|(_, trust)| *trust));
        if let Some(file) = &mut of_project {
            file.entries.retain(|entry| ignored.keeps(entry));
        }
        let files: Vec<File> = of_project.into_iter().chain(of_user).collect();
        let mut lookup = Lookup { flags, context, files: &files, ignored, errors };
        let settings = Self {
            mirror: lookup.find(Key::Mirror, url),
            security_mirror: lookup.find(Key::SecurityMirror, url),
            disk_mirror: lookup.find(Key::DiskMirror, url),
            proxy: lookup.find(Key::Proxy, url),
            ca: lookup.find(Key::Ca, path),
            store: lookup.find(Key::Store, path).unwrap_or_else(|| Setting {
                value: default_store(context).unwrap_or_default(),
                origin: Origin::Default,
            }),
            store_size: lookup.find(Key::StoreSize, size),
            saved_boots: lookup
                .find(Key::SavedBoots, size_or_none)
                .unwrap_or(Setting { value: SAVED_BOOTS, origin: Origin::Default }),
            memory: lookup.find_up_to(Key::Memory, size, || Size(host_memory())),
            cpus: lookup.find_up_to(Key::Cpus, cpus, host_cpus),
            accel: lookup
                .find(Key::Accel, accel)
                .unwrap_or(Setting { value: AcceleratorChoice::Auto, origin: Origin::Default }),
            driver: lookup
                .find(Key::Driver, driver)
                .unwrap_or(Setting { value: DriverEntry::usual(), origin: Origin::Default }),
            sign_key: lookup.find(Key::SignKey, path),
            advisories: lookup.find(Key::Advisories, file_or_url),
            allow_private_network: lookup.find(Key::AllowPrivateNetwork, yes_or_no),
            cache_from: lookup.find(Key::CacheFrom, repositories),
            cache_to: lookup.find(Key::CacheTo, repository),
            cache_trust: lookup.find(Key::CacheTrust, path),
            cache_plain_http: lookup.find(Key::CachePlainHttp, yes_or_no),
            allow_weaker_cell: lookup.find(Key::AllowWeakerCell, yes_or_no),
            project,
            consent: consent.unwrap_or_default(),
            lifecycles,
            targets,
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
            row(Key::SavedBoots, Some(&self.saved_boots), Size::to_string),
            row(Key::Memory, self.memory.as_ref(), Size::to_string),
            row(Key::Cpus, self.cpus.as_ref(), u32::to_string),
            row(Key::Accel, Some(&self.accel), |accel| accel.as_str().to_owned()),
            row(Key::Driver, Some(&self.driver), |driver| driver.name().to_owned()),
            row(Key::SignKey, self.sign_key.as_ref(), show_path),
            row(Key::Advisories, self.advisories.as_ref(), FileOrUrl::to_string),
            row(Key::AllowPrivateNetwork, self.allow_private_network.as_ref(), bool::to_string),
            row(Key::CacheFrom, self.cache_from.as_ref(), Repositories::to_string),
            row(Key::CacheTo, self.cache_to.as_ref(), Repository::to_string),
            row(Key::CacheTrust, self.cache_trust.as_ref(), show_path),
            row(Key::CachePlainHttp, self.cache_plain_http.as_ref(), bool::to_string),
            row(Key::AllowWeakerCell, self.allow_weaker_cell.as_ref(), bool::to_string),
        ]
    }
}

/// Bytes that saved boots may take unless a setting says otherwise: some eight of them.
const SAVED_BOOTS: Size = Size(2 << 30);

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

/// The user's own cache folder, whatever settings say of the store: `$XDG_CACHE_HOME/imgfile`. None if
/// the user has no home.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    cache.map(|cache| cache.join("imgfile"))
}

/// `$XDG_CACHE_HOME/imgfile`, by the XDG base directory rules.
fn default_store<E: Fn(&str) -> Option<OsString>>(context: &LookupContext<'_, E>) -> Option<PathBuf> {
    Some(xdg(&context.env, "XDG_CACHE_HOME", ".cache")?.join("imgfile"))
}

fn user_file<E: Fn(&str) -> Option<OsString>>(context: &LookupContext<'_, E>) -> PathBuf {
    config_folder(&context.env).join("config.toml")
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
