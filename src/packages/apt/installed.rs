//! What a system has: dpkg's status file and apt's marks, read and brought into a [`Universe`].

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::relation::groups;
use super::universe::{Universe, VerId};
use super::{InstalledPackage, Solution, Version};
use crate::packages::deb822::{Stanza, stanzas};

impl InstalledPackage {
    /// Reads `/var/lib/dpkg/status` and `/var/lib/apt/extended_states` (empty where there is
    /// none). Packages that are not wholly installed are left out.
    #[must_use]
    pub fn read_status(status: &str, extended_states: &str) -> Vec<Self> {
        let auto: BTreeSet<(&str, &str)> = stanzas(extended_states)
            .filter(|stanza| stanza.get("Auto-Installed") == Some("1"))
            .filter_map(|stanza| Some((stanza.get("Package")?, stanza.get("Architecture")?)))
            .collect();
        stanzas(status)
            .filter_map(|stanza| {
                let mut words = stanza.get("Status")?.split_whitespace();
                let (want, _, now) = (words.next()?, words.next()?, words.next()?);
                if now != "installed" {
                    return None;
                }
                let (name, arch) = (stanza.get("Package")?, stanza.get("Architecture")?);
                Some(Self {
                    name: name.to_owned(),
                    version: Version::trusted(stanza.get("Version")?),
                    arch: arch.to_owned(),
                    auto: auto.iter().any(|(known, of)| *known == name && (*of == arch || arch == "all")),
                    hold: want == "hold",
                    control: stanza.text().to_owned(),
                })
            })
            .collect()
    }
}

/// Bytes that a solution takes on the disk beyond what it replaces or removes of `before`, as the
/// packages' own `Installed-Size` says.
#[must_use]
pub fn growth(before: &[InstalledPackage], solution: &Solution) -> u64 {
    let goes = |package: &&InstalledPackage| {
        let new = |new: &super::Selected| new.name == package.name && new.arch == package.arch;
        solution.remove.contains(&package.name) || solution.install.iter().any(new)
    };
    let size = |package: &InstalledPackage| -> Option<u64> {
        stanzas(&package.control).next()?.get("Installed-Size")?.trim().parse().ok()
    };
    let freed: u64 = before.iter().filter(goes).filter_map(size).sum();
    let taken: u64 = solution.install.iter().map(|new| new.installed_size).sum();
    taken.saturating_sub(freed).saturating_mul(1024)
}

/// Apt's memory of what nobody asked for: the content of `/var/lib/apt/extended_states`.
/// `native` is the architecture of the system; apt notes packages of architecture `all` under it.
#[must_use]
pub fn extended_states(installed: &[InstalledPackage], native: &str) -> String {
    let mut text = String::new();
    for package in installed.iter().filter(|package| package.auto) {
        let arch = if package.arch == "all" { native } else { &package.arch };
        let _ = write!(text, "Package: {}\nArchitecture: {arch}\nAuto-Installed: 1\n\n", package.name);
    }
    text
}

/// The universe with the installed versions in it, and their numbers with auto and hold marks.
/// Where the archives still have all of them nothing is copied.
pub(super) fn overlay<'u>(
    universe: &'u Universe,
    installed: &[InstalledPackage],
) -> (Cow<'u, Universe>, Vec<(VerId, bool, bool)>) {
    let mut universe = Cow::Borrowed(universe);
    let mut current = Vec::with_capacity(installed.len());
    for package in installed {
        let known = universe.id(&package.name).and_then(|id| {
            let versions = &universe.package(id).versions;
            versions.iter().copied().find(|version| universe.version(*version) == package.version)
        });
        let version = known.or_else(|| add(universe.to_mut(), package));
        current.extend(version.map(|version| (version, package.auto, package.hold)));
    }
    (universe, current)
}

/// The number of the archive that the status file stands for.
const NO_ARCHIVE: u16 = u16::MAX;
/// apt's pin for what only the system itself has.
const INSTALLED_PIN: u16 = 100;

fn add(universe: &mut Universe, package: &InstalledPackage) -> Option<VerId> {
    let mut text = format!("P{}\nV{}\nA{}\n", package.name, package.version, package.arch);
    let stanza = Stanza::new(&package.control);
    for (key, field) in [
        ('S', "Source"),
        ('p', "Priority"),
        ('M', "Multi-Arch"),
        ('E', "Essential"),
        ('Y', "Protected"),
        ('I', "Installed-Size"),
        ('d', "Pre-Depends"),
        ('D', "Depends"),
        ('C', "Conflicts"),
        ('B', "Breaks"),
        ('R', "Recommends"),
        ('X', "Provides"),
    ] {
        let Some(value) = stanza.get(field) else { continue };
        for alternative in groups(value).flatten().filter(|_| "dDCBRX".contains(key)) {
            universe.intern(alternative.name);
        }
        let value: Vec<&str> = value.lines().map(str::trim).collect();
        let _ = writeln!(text, "{key}{}", value.join(" "));
    }
    let text: Arc<String> = Arc::new(text);
    universe.add(&text, 0, text.len(), NO_ARCHIVE, INSTALLED_PIN)
}
