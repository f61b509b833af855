//! What this host has, what it lacks, and the command that installs it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use super::{
    error::{Class, Error},
    listener::Listener,
    settings::{Flags, LookupContext, Settings, Trust},
    workspace::mirrors,
};
use crate::{
    driver::{AcceleratorState, HostNeed, NeedKind, is_fedora},
    exec::base,
    model::install_words,
    text::Sources,
};

/// How a thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is there, and good for building.
    Ok,
    /// Worth knowing; builds work without it.
    Note,
    /// It is not there, or no good; some builds fail for that.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// What was looked at: a program such as `qemu-img`, or such as `KVM` or `wall: files`.
    pub name: String,
    /// How it was found.
    pub state: State,
    /// What was found, or what is wrong.
    pub detail: String,
    /// The package that would bring it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<&'static str>,
    /// What to do about it, where no package helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Finding {
    /// A thing of this name that was looked at.
    pub fn new(name: &str, state: State, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state, detail: detail.into(), package: None, help: None }
    }
}

/// The report, as `--format json` prints it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Report")]
pub struct HostReport {
    /// In the order in which they were looked at.
    pub findings: Vec<Finding>,
    /// The command that installs everything that is missing and comes in packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
    /// None if the working folder is in no project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectRow>,
    /// Every setting, those that nobody set among them.
    pub settings: Vec<SettingRow>,
}

/// The project that the settings are for.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ProjectRow {
    /// Its folder, absolute.
    pub path: PathBuf,
    /// Whether its settings count.
    pub trust: Trust,
}

/// A setting, and where its value comes from.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SettingRow {
    /// As in a configuration file, such as `store-size`.
    pub name: &'static str,
    /// In words, such as `8GiB`; none if it is not set.
    pub value: Option<String>,
    /// A flag, a variable or a file, such as `IMGFILE_STORE`, or `default`.
    pub origin: String,
}

/// Connects guests with the network.
const NETWORK: HostNeed = HostNeed {
    name: "pasta",
    purpose: "connects guests with the network",
    kind: NeedKind::Program { tells_version: false },
    debian: "passt",
    fedora: "passt",
};

/// Needed by whoever is not root, to make bases in a user namespace.
const ID_MAPPERS: [HostNeed; 2] =
    [HostNeed { name: "newuidmap", ..ID_MAPPER }, HostNeed { name: "newgidmap", ..ID_MAPPER }];
const ID_MAPPER: HostNeed =
    HostNeed { purpose: "makes bases without root", debian: "uidmap", fedora: "shadow-utils", ..NETWORK };

/// Bytes below which a build is likely to fill the store's file system.
const LITTLE_SPACE: u64 = 5 << 30;

impl HostReport {
    /// Whether something is missing that builds need.
    #[must_use]
    pub fn is_lacking(&self) -> bool {
        self.findings.iter().any(|finding| finding.state == State::Missing)
    }
}

/// Looks at this host, with the settings that hold for the project at a path: of an ImageFile, or of a folder.
///
/// # Errors
/// `Files` or `Host` if the settings are wrong; what the host lacks is in the answer.
pub fn doctor(path: &Path, flags: &Flags, listener: &dyn Listener) -> Result<HostReport, Error> {
    let folder = if path.is_file() { path.parent() } else { Some(path) };
    let around = LookupContext { project: folder, env: |name: &str| env::var_os(name) };
    let mut sources = Sources::default();
    let settings = Settings::load(flags, &around, &mut sources).map_err(|errors| {
        Error::diagnosed(Class::of_settings(&errors), errors, std::mem::take(&mut sources))
    })?;
    listener.found(&settings.ignored, &sources);
    let findings = look(&settings);
    let missing: Vec<&str> =
        findings.iter().filter(|f| f.state == State::Missing).filter_map(|f| f.package).collect();
    Ok(HostReport {
        install: install_command(&missing),
        findings,
        project: settings
            .project
            .as_ref()
            .map(|(path, trust)| ProjectRow { path: path.clone(), trust: *trust }),
        settings: settings
            .rows()
            .into_iter()
            .map(|(key, value, origin)| SettingRow { name: key.name(), value, origin: origin.to_string() })
            .collect(),
    })
}

fn look(settings: &Settings) -> Vec<Finding> {
    let driver = settings.driver.value;
    let base = base::needs();
    let needs = driver.needs.iter().chain([&NETWORK]).chain(&base);
    let mut findings: Vec<Finding> = needs.map(needed).collect();
    if !nix::unistd::geteuid().is_root() {
        findings.extend(ID_MAPPERS.iter().map(needed));
        findings.extend([subordinate_ids("/etc/subuid"), subordinate_ids("/etc/subgid")]);
        findings.extend(user_namespaces());
    }
    findings.push(accelerator((driver.accelerator)(&settings.store.value.join("machines"))));
    findings.extend(walls());
    findings.push(store(&settings.store.value));
    findings.push(mirror(settings));
    findings
}

fn mirror(settings: &Settings) -> Finding {
    let from = if settings.mirror.is_some() { "the setting `mirror`" } else { "this host's package sources" };
    match mirrors(settings) {
        Some(mirrors) => Finding::new("Debian mirror", State::Ok, format!("{}, from {from}", mirrors.debian)),
        None => Finding {
            help: Some(
                "export IMGFILE_MIRROR=https://…/debian (or set `mirror` in a configuration file)".to_owned(),
            ),
            ..Finding::new(
                "Debian mirror",
                State::Missing,
                "neither a setting nor this host's package sources name one",
            )
        },
    }
}

fn needed(need: &HostNeed) -> Finding {
    match need.find() {
        Some(path) => {
            let version = version(need, &path).map(|version| format!(", {version}")).unwrap_or_default();
            Finding::new(need.name, State::Ok, format!("{}{version}", path.display()))
        }
        None => Finding {
            package: Some(need.package()),
            ..Finding::new(need.name, State::Missing, format!("not installed; it {}", need.purpose))
        },
    }
}

/// The first line of `--version`, for those that have one.
fn version(need: &HostNeed, program: &Path) -> Option<String> {
    if need.kind != (NeedKind::Program { tells_version: true }) {
        return None;
    }
    let output = Command::new(program).arg("--version").env_clear().stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().next()?.chars().filter(|c| !c.is_control()).take(100).collect())
}

/// One command for all packages, in the host's own package manager's words.
fn install_command(packages: &[&str]) -> Option<String> {
    if packages.is_empty() {
        return None;
    }
    let mut packages = packages.to_vec();
    packages.sort_unstable();
    packages.dedup();
    let sudo = if nix::unistd::geteuid().is_root() { "" } else { "sudo " };
    Some(format!("{sudo}{} {}", install_words(is_fedora()), packages.join(" ")))
}

/// Whether the user has enough subordinate ids for a system's own users: subuid(5).
fn subordinate_ids(file: &str) -> Finding {
    let uid = nix::unistd::getuid();
    let name = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name).unwrap_or_default();
    let text = std::fs::read_to_string(file).unwrap_or_default();
    if has_range(&text, &name, uid.as_raw()) {
        return Finding::new(file, State::Ok, format!("{name} has subordinate ids"));
    }
    Finding {
        help: Some(format!("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}")),
        ..Finding::new(
            file,
            State::Missing,
            format!("{name} has no 65536 subordinate ids; bases are made with them"),
        )
    }
}

fn has_range(text: &str, name: &str, uid: u32) -> bool {
    text.lines().any(|line| {
        let mut fields = line.split(':');
        let owner = fields.next().unwrap_or_default();
        let count = fields.nth(1).and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
        (owner == name || owner.parse() == Ok(uid)) && count >= 65536
    })
}

/// Hosts where ordinary users may not make user namespaces.
fn user_namespaces() -> Option<Finding> {
    const SWITCHES: [(&str, &str, &str); 2] = [
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
    ];
    let (_, _, switch) = SWITCHES
        .iter()
        .find(|(path, bad, _)| std::fs::read_to_string(path).is_ok_and(|value| value.trim() == *bad))?;
    Some(Finding {
        help: Some(format!("sudo sysctl -w {switch}")),
        ..Finding::new(
            "user namespaces",
            State::Missing,
            "this host does not let ordinary users make them; bases are made in one",
        )
    })
}

/// What holds a stranger's project on this host.
fn walls() -> impl Iterator<Item = Finding> {
    crate::cell::walls().all().into_iter().map(|wall| {
        let name = format!("wall: {}", wall.name);
        match &wall.missing {
            None => Finding::new(&name, State::Ok, wall.what),
            Some(missing) => Finding {
                package: missing.package,
                help: missing.help.clone(),
                ..Finding::new(
                    &name,
                    if wall.is_optional { State::Note } else { State::Missing },
                    format!("{}: {}", wall.lacking, missing.reason),
                )
            },
        }
    })
}

fn accelerator(state: AcceleratorState) -> Finding {
    let (state, detail) = match state {
        AcceleratorState::Works => (State::Ok, "machines run under it".to_owned()),
        AcceleratorState::Untried => {
            (State::Ok, "it is there; the first build tries whether machines run under it".to_owned())
        }
        AcceleratorState::Emulated(reason) => {
            (State::Note, format!("{reason}; machines are emulated, which is slower"))
        }
    };
    Finding::new("KVM", state, detail)
}

fn store(root: &Path) -> Finding {
    // The store may not be there yet: its nearest existing parent decides.
    let existing = root.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    let writable = nix::unistd::access(existing, nix::unistd::AccessFlags::W_OK).is_ok();
    let free =
        nix::sys::statvfs::statvfs(existing).map_or(0, |stat| stat.blocks_available() * stat.fragment_size());
    let detail = format!("{}, {} GiB free", root.display(), free >> 30);
    match (writable, free < LITTLE_SPACE) {
        (false, _) => Finding {
            help: Some("choose another with the setting `store`".to_owned()),
            ..Finding::new("store", State::Missing, format!("{detail}, not writable"))
        },
        (true, true) => Finding::new("store", State::Note, format!("{detail}: little for building images")),
        (true, false) => Finding::new("store", State::Ok, detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ids_count_by_name_or_number_and_only_if_enough() {
        let text = "alice:100000:65536\n1001:165536:65536\nbob:1:10\nbroken\n";
        assert!(has_range(text, "alice", 1000));
        assert!(has_range(text, "carol", 1001));
        assert!(!has_range(text, "bob", 1002));
        assert!(!has_range(text, "broken", 1003));
    }

    #[test]
    fn a_host_that_delegates_no_control_groups_lacks_nothing() {
        let limits = walls().find(|finding| finding.name == "wall: limits").unwrap();
        let delegated = crate::cell::walls().limits.missing.is_none();
        assert_eq!(limits.state, if delegated { State::Ok } else { State::Note });
    }

    #[test]
    fn what_is_missing_comes_with_one_command() {
        assert_eq!(install_command(&[]), None);
        assert!(
            install_command(&["uidmap", "uidmap"])
                .is_some_and(|command| command.matches("uidmap").count() == 1)
        );
    }
}
