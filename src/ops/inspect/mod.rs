//! Looking into a disk, imgfile's own or anybody's: which system it holds, how large what is, and what the rules for
//! finished disks say of it. The file does not change.

mod open;
mod sizes;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

pub(in crate::ops) use self::open::open;
use self::sizes::largest;
pub(in crate::ops) use self::sizes::used_below;
use super::{
    describing::{advisory_text, denying_needs_advisories},
    error::{Class, Error},
    host_driver,
    run::Target,
    settings::Settings,
    workspace::fetcher,
};
use crate::{
    advisory::{self, Status},
    describe::Inventory,
    diagnostic::{Diagnostic, codes},
    driver::{DiskFormat, DriverError, Machine, RootSource, inspect::Facts},
    exec::{self, BuildError, DiskView, Reporter, instance},
    hygiene::{Finding, Severity},
    model::{CleanupPreset, DiskLayout, Firmware, Init, VolumeContent},
    packages::Manager,
    store::{Records, Store},
    text::Sources,
};

const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// Most bytes of one.
const OS_RELEASE_BYTES: u64 = 64 * 1024;

/// What is looked at, and how.
#[derive(Debug, Clone, Default)]
pub struct InspectOptions {
    /// What `imgfile images` lists, or the path of a disk; without it the one image of the project here.
    pub disk: Option<String>,
    /// What is asked of the disk.
    pub preset: CleanupPreset,
    /// The volume with the system, such as `vda2`; without it the first that holds one.
    pub root: Option<String>,
    /// Whether packages are listed, not only counted.
    pub packages: bool,
    /// The least severity of an advisory that the disk is not to have; it takes the setting `advisories`.
    pub deny: Option<advisory::Severity>,
}

/// A disk that was looked into, as `--format json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Inspection")]
pub struct Inspection {
    /// The disk's name: of an image, or its file's without the extension.
    pub name: String,
    /// Path of the file.
    pub path: String,
    /// Format of the file.
    pub format: DiskFormat,
    /// Bytes of the disk.
    pub size: u64,
    /// Bytes of the file.
    pub file_size: u64,
    /// What the disk holds.
    pub system: SystemSummary,
    /// Other systems on the same disk, which were not looked at.
    pub others: Vec<OtherSystem>,
    /// Folders that take the most room, the largest first, each with all that is below it.
    pub folders: Vec<FolderSize>,
    /// What was asked of the disk.
    pub preset: CleanupPreset,
    /// What breaks a rule, in the order of the rules.
    pub findings: Vec<JudgedFinding>,
    /// Advisories about its packages that are not fixed in the versions that are there, the worst first; empty where no
    /// advisories were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advisories: Vec<advisory::Finding>,
    /// Whether one of them is as bad as what was denied, or worse.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_denied: bool,
}

/// The system of a disk.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SystemSummary {
    /// `ID` of its os-release, such as `debian`.
    pub os: String,
    /// `VERSION_ID` of its os-release; empty where it has none.
    pub version: String,
    /// For people: `Debian GNU/Linux 13 (trixie)`.
    pub title: String,
    /// Of its own programs, such as `x86_64`.
    pub arch: String,
    /// What it boots with.
    pub init: Init,
    /// Boot loaders that were found.
    pub firmware: Vec<Firmware>,
    /// Releases of its kernels, the one that is started first.
    pub kernels: Vec<String>,
    /// The account that cloud-init makes or scripts run as; none if nothing names one.
    pub user: Option<String>,
    /// Its file systems.
    pub mounts: Vec<Mounted>,
    /// How many packages it has; none where nobody here reads its package manager's database.
    pub package_count: Option<usize>,
    /// The packages, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<Vec<FoundPackage>>,
}

/// A file system of the system.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Mounted {
    /// Its volume: `vda1`.
    pub volume: String,
    /// Where it is mounted.
    pub target: String,
    /// As the kernel calls it.
    pub fs_type: String,
    /// Bytes of the file system.
    pub size: u64,
    /// Bytes that root may still write.
    pub free: u64,
}

/// A package.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FoundPackage {
    /// Such as `libc6`.
    pub name: String,
    /// The one that is installed.
    pub version: String,
    /// What it is built for; `all` or `noarch` where that does not matter.
    pub arch: String,
}

/// Another system on the disk.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OtherSystem {
    /// Its volume, as `--root` takes it.
    pub volume: String,
    /// For people.
    pub title: String,
}

/// A folder with what it takes on the disk.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FolderSize {
    /// Path in the system, control characters escaped.
    pub path: String,
    /// Bytes on the disk, those of files with several names once.
    pub used: u64,
}

/// A breach of a rule that counts for the preset.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct JudgedFinding {
    /// Such as `H0001`; `imgfile explain` tells more.
    pub rule: String,
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// The file it is about, a path in the system with control characters escaped; none where it is the disk as a whole.
    pub path: Option<String>,
    /// One line: lower case, no full stop.
    pub message: String,
    /// What the rule says, whatever the disk.
    pub title: String,
}

impl From<JudgedFinding> for Finding {
    fn from(judged: JudgedFinding) -> Self {
        Self { rule: judged.rule, path: judged.path, message: judged.message }
    }
}

impl Inspection {
    /// How many findings of a severity there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity.as_str()).count()
    }
}

/// Looks into a disk, in a machine that sees a throw-away overlay of it.
///
/// # Errors
/// `Usage` where it is not clear which disk is meant; `Files` where it holds no system that can be looked at; `Host` for
/// what this host lacks.
pub async fn inspect(
    options: &InspectOptions,
    (settings, store): (&Settings, &Arc<Store>),
    records: &Records,
    reporter: &Reporter,
) -> Result<Inspection, Error> {
    denying_needs_advisories(options.deny, settings.advisories.is_some())?;
    let advisories = advisory_text(settings, &fetcher(settings, false)?).await?;
    let target = Target::find(records, options.disk.as_deref())?;
    let disks = (settings.driver.value.disks)();
    let file_size = std::fs::metadata(&target.path).map_or(0, |file| file.len());
    let driver = host_driver::open(settings, store, reporter).await?;
    let work = store.begin_build(&instance::folder_name(&super::run::unique()))?;
    let folder = work.path().join("inspect");
    let opened = open(&target, (driver.as_ref(), disks.as_ref()), &folder, reporter).await;
    let mut disk = opened.map_err(|failure| unreadable(failure, &target.name))?;
    let looking = async {
        let seen = see(disk.machine.as_mut(), options).await?;
        disk.machine.power_off().await?;
        Ok::<_, BuildError>(seen)
    };
    let seen = reporter.step(&format!("look into {}", target.name), looking).await;
    let (view, facts, others) = seen.map_err(|failure| unreadable(failure, &target.name))?;
    let advisories = advisories.map(|text| concerning(&text, &facts)).unwrap_or_default();
    let is_bad = |one: &advisory::Finding| {
        one.status == Status::Affected && options.deny.is_some_and(|deny| one.severity >= deny)
    };
    Ok(Inspection {
        is_denied: advisories.iter().any(is_bad),
        advisories,
        name: target.name,
        path: target.path.to_string_lossy().into_owned(),
        format: disk.format,
        size: disk.size,
        file_size,
        system: summary(&facts, &view, options.packages),
        others,
        folders: largest(&view.tree),
        preset: options.preset,
        findings: view.findings.iter().filter_map(|finding| judged(finding, options.preset)).collect(),
    })
}

/// Everything that a machine shows of a disk.
async fn see(
    machine: &mut dyn Machine,
    options: &InspectOptions,
) -> Result<(DiskView, Facts, Vec<OtherSystem>), DriverError> {
    let root = options.root.clone().map_or(RootSource::Find, RootSource::Device);
    let view = exec::look(machine, root).await?;
    let facts = machine.inspect().await?;
    let others = other_systems(machine, &view.layout).await?;
    Ok((view, facts, others))
}

/// The systems on a disk beside the one that is viewed, each viewed in turn.
pub(in crate::ops) async fn other_systems(
    machine: &mut dyn Machine,
    layout: &DiskLayout,
) -> Result<Vec<OtherSystem>, DriverError> {
    let mut others = Vec::new();
    let is_mounted = |name: &str| layout.mounts.iter().any(|mount| mount.volume == name);
    let is_root =
        |content: &VolumeContent| matches!(content, VolumeContent::Fs(fs_type) if fs_type != "vfat");
    for volume in layout.volumes.iter().filter(|one| is_root(&one.content) && !is_mounted(&one.name)) {
        machine.unmount().await?;
        match machine.view(RootSource::Device(volume.name.clone())).await {
            Ok(_) => {}
            // Whatever it is, it is no system that could be started.
            Err(
                DriverError::Refused { .. } | DriverError::Unsupported { .. } | DriverError::Windows { .. },
            ) => continue,
            Err(fault) => return Err(fault),
        }
        let paths = OS_RELEASE.map(|path| path.as_bytes().to_vec());
        let read = machine.read_files(&paths, OS_RELEASE_BYTES, 2 * OS_RELEASE_BYTES).await?;
        if let Some(text) = read.iter().find_map(|content| content.bytes()) {
            let text = String::from_utf8_lossy(text);
            let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
            let title = harmless(name.trim_matches('"'));
            others.push(OtherSystem { volume: volume.name.clone(), title });
        }
    }
    Ok(others)
}

fn summary(facts: &Facts, view: &DiskView, list: bool) -> SystemSummary {
    let field = |name: &str| facts.os_release.get(name).map(|text| harmless(text)).unwrap_or_default();
    let (os, version) = (field("ID"), field("VERSION_ID"));
    let title = Some(field("PRETTY_NAME")).filter(|title| !title.is_empty());
    let found = Manager::of_system(&facts.files).map(|(_, packages)| {
        let found = packages.into_iter().map(|package| FoundPackage {
            name: harmless(&package.name),
            version: harmless(&package.version.to_string()),
            arch: harmless(&package.arch),
        });
        found.collect::<Vec<_>>()
    });
    SystemSummary {
        title: title.unwrap_or_else(|| format!("{os} {version}").trim().to_owned()),
        os,
        version,
        arch: facts.arch.clone(),
        init: facts.init,
        firmware: facts.firmware.clone(),
        kernels: facts.kernels.iter().map(|kernel| harmless(&kernel.release)).collect(),
        user: facts.default_user.as_ref().map(|user| user.name.clone()),
        mounts: view
            .layout
            .mounts
            .iter()
            .map(|mount| Mounted {
                volume: mount.volume.clone(),
                target: harmless(&mount.target),
                fs_type: mount.fs_type.clone(),
                size: mount.size,
                free: mount.free,
            })
            .collect(),
        package_count: found.as_ref().map(Vec::len),
        packages: found.filter(|_| list),
    }
}

/// The advisories that concern a system, but for what is fixed.
fn concerning(text: &[u8], facts: &Facts) -> Vec<advisory::Finding> {
    let inventory = Inventory { os_release: facts.os_release.clone(), ..Inventory::read(&facts.files, 0) };
    // That it can be read was seen when it was fetched.
    let mut findings = exec::held_against(text, &inventory, ("", "")).unwrap_or_default();
    findings.retain(|finding| finding.status != Status::Fixed);
    findings
}

fn judged(finding: &Finding, preset: CleanupPreset) -> Option<JudgedFinding> {
    let rule = finding.rule().filter(|rule| rule.is_of(preset))?;
    Some(JudgedFinding {
        rule: rule.id.to_owned(),
        severity: rule.severity.as_str().to_owned(),
        path: finding.path.clone(),
        message: finding.message.clone(),
        title: rule.title.to_owned(),
    })
}

/// A stranger's text on one line.
pub(in crate::ops) fn harmless(text: &str) -> String {
    let shown = |c: char| if c.is_control() || crate::text::is_hidden(c) { '\u{FFFD}' } else { c };
    text.chars().take(200).map(shown).collect()
}

pub(in crate::ops) fn failed(failure: BuildError) -> Error {
    Error::of_build(vec![failure], &Sources::default())
}

/// What the disk holds is at fault, not the machine that was to look at it.
pub(in crate::ops) fn unreadable(failure: BuildError, name: &str) -> Error {
    let reason = match failure {
        BuildError::Machine(fault @ DriverError::Windows { .. }) => {
            return Error::diagnosed(Class::Files, vec![fault.diagnostic()], Sources::default());
        }
        BuildError::Machine(DriverError::Unsupported { what }) => what,
        BuildError::Machine(DriverError::Refused { reason, .. }) => reason,
        failure => return failed(failure),
    };
    let diagnostic = Diagnostic::new(codes::IMAGE_UNSUPPORTED, format!("`{name}` cannot be looked into"))
        .note(harmless(&reason))
        .help("a Linux system on a plain ext4, xfs or btrfs partition can; `--root vda2` names another partition");
    Error::diagnosed(Class::Files, vec![diagnostic], Sources::default())
}
