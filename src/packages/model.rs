//! What goes into a solve and what comes out, as plain data.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::version::Version;
use super::wanted::VersionWanted;
use crate::text::Digest;

/// Where a package file comes from, without naming a mirror: two hosts with two mirrors write the
/// same lock.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Origin {
    /// The archive by name: `debian`, `debian-security`, or the URL of a third-party repository
    /// as its catalogue entry writes it.
    pub archive: String,
    /// Path below the archive's root, such as `pool/main/j/jq/jq_1.7.1-6_amd64.deb`.
    pub path: String,
}

/// A package that a system has, as its package manager knows it, reduced to what decides about other packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Such as `libc6`.
    pub name: String,
    /// The one that is unpacked.
    pub version: Version,
    /// What it is built for; `all` where that does not matter.
    pub arch: String,
    /// Pulled in by another package, as the package manager remembers.
    pub auto: bool,
    /// On hold: never upgraded.
    pub hold: bool,
    /// What it says of itself and of others (relations, priority…), as the manager's own records have it. Empty when
    /// only name and version are known; then it is taken from the archive's entry of the same version, if there is one.
    pub control: String,
}

/// One package asked for, with or without an exact version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Want {
    /// Name, with what the manager takes behind it, such as `:arch`.
    pub name: String,
    /// Which versions will do, if not just the one that the manager takes.
    pub version: Option<VersionWanted>,
}

/// What happens to the packages that the base already has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Upgrade {
    /// They stay, unless a wanted package needs a newer one.
    #[default]
    No,
    /// All go to their candidate version first, and no package is removed for it (`base { upgrade = true }`).
    All,
}

/// One solve's question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// In the order written; the manager works through them in this order.
    pub install: Vec<Want>,
    /// Names to remove. A package that others need takes them along only if they are named too.
    pub remove: Vec<String>,
    /// Wanted packages whose recommendations come along, and those of what comes with them.
    pub recommending: Vec<String>,
    /// Which packages of the base go to a newer version.
    pub upgrade: Upgrade,
}

/// One package to install or upgrade, exactly; one line of the lock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Selected {
    /// Such as `jq`.
    pub name: String,
    /// The whole of it, epoch and revision included: `1.7.1-6`.
    pub version: Version,
    /// As the package manager calls it: `amd64`, or `all`.
    pub arch: String,
    /// Of the package file.
    pub sha256: Digest,
    /// Of the package file, in bytes.
    pub size: u64,
    /// What it takes unpacked, in KiB, as the package says.
    pub installed_size: u64,
    /// Where its file is fetched.
    #[serde(flatten)]
    pub origin: Origin,
    /// Which call of the package manager installs it: 0 is the first. A package that others of the same transaction have
    /// to be set up for before it is unpacked comes in a later one.
    #[serde(default, skip_serializing_if = "is_first")]
    pub stage: u16,
    /// Wanted by a package, not by a person: gets the auto-installed mark.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_first(stage: &u16) -> bool {
    *stage == 0
}

/// One solve's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Solution {
    /// New and upgraded packages, by name and architecture.
    pub install: Arc<[Selected]>,
    /// Names of the packages to remove, by name.
    pub remove: Vec<String>,
    /// Packages that were there, marked auto-installed, and are now asked for by name: they lose
    /// the mark.
    pub now_manual: Vec<String>,
}

/// The installed packages after a solution was carried out on `before`.
#[must_use]
pub fn after(before: &[InstalledPackage], solution: &Solution) -> Vec<InstalledPackage> {
    let mut all: Vec<_> = before
        .iter()
        .filter(|package| !solution.remove.contains(&package.name))
        .filter(|package| !solution.install.iter().any(|new| new.name == package.name))
        .cloned()
        .map(|package| InstalledPackage {
            auto: package.auto && !solution.now_manual.contains(&package.name),
            ..package
        })
        .collect();
    all.extend(solution.install.iter().map(|new| InstalledPackage {
        name: new.name.clone(),
        version: new.version.clone(),
        arch: new.arch.clone(),
        auto: new.auto,
        hold: false,
        control: String::new(),
    }));
    all.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
    all
}
