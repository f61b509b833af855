//! Advisories about package vulnerabilities: read in the formats in which they are published, and held against the
//! packages of an image.
//!
//! Two formats are known: the Debian security tracker's JSON (`tracker`) and OSV's (`osv`). Both speak of source
//! packages; a [`Component`] is a binary package with what is known of its source. Not done here: nothing is fetched
//! (`ops::advisories`), and nothing is decided about a build (`exec::describe`).

mod cvss;
mod osv;
mod tracker;
mod vex;

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    lock::LockedImage,
    packages::{Selected, Version},
};

pub use vex::document as vex;

/// How bad something is, by the scale of CVSS and Debian's urgencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nobody has said yet.
    Unknown,
    /// Debian's `unimportant`: it does not concern packages as they are built.
    Negligible,
    /// CVSS 0.1 to 3.9.
    Low,
    /// CVSS 4.0 to 6.9.
    Medium,
    /// CVSS 7.0 to 8.9.
    High,
    /// CVSS 9.0 and above.
    Critical,
}

impl Severity {
    /// Every one, from the least to the worst.
    pub const ALL: [Self; 6] =
        [Self::Unknown, Self::Negligible, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// As the command line calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// What publishers call it, in whatever case, with what they add.
    fn named(text: &str) -> Option<Self> {
        let word = text.trim().trim_end_matches('*').to_ascii_lowercase();
        match word.as_str() {
            "unimportant" => Some(Self::Negligible),
            "moderate" => Some(Self::Medium),
            "important" => Some(Self::High),
            "not yet assigned" | "end-of-life" | "" => None,
            word => word.parse().ok(),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no severity; they are unknown, negligible, low, medium, high and critical")]
pub struct UnknownSeverity(String);

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Self, UnknownSeverity> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| UnknownSeverity(text.to_owned()))
    }
}

/// Why a text has no advisories that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdvisoryError {
    /// It is neither of the two formats.
    #[error("it is neither the Debian security tracker's JSON nor OSV's: {0}")]
    Format(String),
}

/// Which versions of a package something is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Affected {
    /// All of them; nothing is fixed yet.
    All,
    /// From one version (none: from the first) to before another (none: to the last).
    Range { from: Option<Version>, fixed: Option<Version> },
    /// From one version to another, both included.
    Until { from: Option<Version>, last: Version },
    /// This one.
    Exactly(Version),
    /// Nobody knows yet.
    Undetermined,
}

/// One advisory about one source package of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    id: String,
    aliases: Vec<String>,
    summary: Option<String>,
    severity: Severity,
    affected: Vec<Affected>,
}

/// The advisories about one system, by source package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advisories(BTreeMap<String, Vec<Entry>>);

/// The system that advisories are looked up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct System<'a> {
    /// Such as `debian`.
    pub os: &'a str,
    /// Such as `13`.
    pub version: &'a str,
    /// Such as `trixie`.
    pub codename: Option<&'a str>,
}

/// A binary package, with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Such as `libssl3t64`.
    pub name: String,
    /// Of the binary package.
    pub version: String,
    /// Its package URL, where that is known.
    pub purl: Option<String>,
    /// Such as `openssl`.
    pub source: String,
    /// Of the source package.
    pub source_version: String,
    /// Whether the source's version is only taken to be that of the binary package.
    pub is_assumed: bool,
}

/// What an advisory means for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The version that is there has the flaw.
    Affected,
    /// Whoever publishes the advisories has not found out yet.
    UnderInvestigation,
    /// The version that is there has the fix.
    Fixed,
}

/// An advisory that concerns packages of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Such as `CVE-2026-0001`.
    pub id: String,
    /// Other names of the same flaw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// How bad it is.
    pub severity: Severity,
    /// Whether the image has it.
    pub status: Status,
    /// The source package.
    pub source: String,
    /// The binary packages of it that are in the image, with their versions.
    pub packages: Vec<FoundPackage>,
    /// The version of the source package in which it is fixed; none where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// One line about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// A package that an advisory is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundPackage {
    /// Such as `libssl3t64`.
    pub name: String,
    /// The one that is there.
    pub version: String,
    /// Its package URL, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
}

impl Advisories {
    /// Reads what is about one system out of a published file, whichever of the formats it has.
    ///
    /// # Errors
    /// If it has neither.
    pub fn read(bytes: &[u8], system: System<'_>) -> Result<Self, AdvisoryError> {
        // An OSV file says of itself what it is; of the tracker's, every key is a package.
        match osv::read(bytes, system) {
            Ok(found) => Ok(Self(found)),
            Err(osv_error) => match tracker::read(bytes, system) {
                Ok(found) => Ok(Self(found)),
                Err(error) if error.to_string() == osv_error.to_string() => {
                    Err(AdvisoryError::Format(error.to_string()))
                }
                Err(error) => Err(AdvisoryError::Format(format!("{error}; {osv_error}"))),
            },
        }
    }

    /// What they mean for these packages: the worst first.
    #[must_use]
    pub fn findings(&self, components: &[Component]) -> Vec<Finding> {
        let mut by_source: BTreeMap<&str, Vec<&Component>> = BTreeMap::new();
        for component in components {
            by_source.entry(&component.source).or_default().push(component);
        }
        let mut findings = Vec::new();
        for (source, components) in by_source {
            for entry in self.0.get(source).into_iter().flatten() {
                let judged = components.iter().map(|component| (entry.judge(component), *component));
                let judged: Vec<_> = judged.filter_map(|(status, one)| Some((status?, one))).collect();
                // Binary packages of one source can be there in several versions: each status is told by itself.
                for status in [Status::Affected, Status::UnderInvestigation, Status::Fixed] {
                    let same: Vec<_> =
                        judged.iter().filter(|(of, _)| *of == status).map(|(_, one)| found(one)).collect();
                    if !same.is_empty() {
                        findings.push(entry.finding(source, status, same));
                    }
                }
            }
        }
        findings.sort_by(|a, b| {
            let key = |one: &Finding| {
                (one.status, std::cmp::Reverse(one.severity), one.id.clone(), one.source.clone())
            };
            key(a).cmp(&key(b))
        });
        findings
    }
}

fn found(component: &Component) -> FoundPackage {
    FoundPackage {
        name: component.name.clone(),
        version: component.version.clone(),
        purl: component.purl.clone(),
    }
}

impl Entry {
    /// What it means for a package; none where it is about other versions.
    fn judge(&self, component: &Component) -> Option<Status> {
        let version: Version = component.source_version.parse().ok()?;
        let below = |limit: &Version| compare(&version, limit, component.is_assumed).is_lt();
        let mut fixed = None;
        for affected in &self.affected {
            match affected {
                Affected::All => return Some(Status::Affected),
                Affected::Undetermined => return Some(Status::UnderInvestigation),
                Affected::Exactly(one) if *one == version => return Some(Status::Affected),
                Affected::Exactly(_) => {}
                Affected::Range { from, fixed: limit } => {
                    let begun = from.as_ref().is_none_or(|from| !below(from));
                    match limit {
                        _ if !begun => {}
                        None => return Some(Status::Affected),
                        Some(limit) if below(limit) => return Some(Status::Affected),
                        Some(_) => fixed = Some(Status::Fixed),
                    }
                }
                Affected::Until { from, last } => {
                    let begun = from.as_ref().is_none_or(|from| !below(from));
                    if begun && (below(last) || *last == version) {
                        return Some(Status::Affected);
                    }
                }
            }
        }
        fixed
    }

    fn finding(&self, source: &str, status: Status, packages: Vec<FoundPackage>) -> Finding {
        let fixed = self.affected.iter().filter_map(|affected| match affected {
            Affected::Range { fixed, .. } => fixed.as_ref(),
            _ => None,
        });
        Finding {
            id: self.id.clone(),
            aliases: self.aliases.clone(),
            severity: self.severity,
            status,
            source: source.to_owned(),
            packages,
            fixed: fixed.max().map(ToString::to_string),
            summary: self.summary.clone(),
        }
    }
}

/// The order of a package's version and one of an advisory. Binary packages may have an epoch that their source has
/// not: where the source's version is only assumed, an epoch that one side alone has does not count.
fn compare(version: &Version, limit: &Version, is_assumed: bool) -> std::cmp::Ordering {
    let parts = |version: &Version| {
        let text = version.as_str();
        text.split_once(':').map_or((false, text.to_owned()), |(_, rest)| (true, rest.to_owned()))
    };
    let ((one, own), (other, theirs)) = (parts(version), parts(limit));
    match (own.parse::<Version>(), theirs.parse::<Version>()) {
        (Ok(own), Ok(theirs)) if is_assumed && one != other => own.cmp(&theirs),
        _ => version.cmp(limit),
    }
}

/// The packages that a locked image installs, and those its base is made of. A lock knows no source packages: their
/// names are those of the archive's folders, and their versions those of the binary packages without a rebuild's mark.
#[must_use]
pub fn locked_components(image: &LockedImage) -> Vec<Component> {
    let changed: BTreeMap<(&str, &str), &Selected> = image
        .packages
        .iter()
        .map(|package| ((package.name.as_str(), package.arch.as_str()), package))
        .collect();
    let of_base = image.base.packages().iter().filter(|package| {
        !image.removed.contains(&package.name)
            && !changed.contains_key(&(package.name.as_str(), package.arch.as_str()))
    });
    let here = image.packages.iter().filter(|package| !image.temporary.contains(&package.name));
    of_base.chain(here).map(component).collect()
}

fn component(package: &Selected) -> Component {
    let version = package.version.to_string();
    let source_version = match version.rsplit_once("+b") {
        Some((before, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            before.to_owned()
        }
        _ => version.clone(),
    };
    let mut folders = package.origin.path.rsplit('/').skip(1);
    let folder = folders.next().filter(|_| package.origin.path.starts_with("pool/"));
    let source = folder.filter(|folder| !folder.is_empty()).unwrap_or(&package.name).to_owned();
    Component { name: package.name.clone(), version, purl: None, source, source_version, is_assumed: true }
}

/// One line of a publisher's text, of a bounded length.
fn line(text: &str) -> Option<String> {
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    Some(first.trim().chars().filter(|c| !c.is_control()).take(200).collect())
}

#[cfg(test)]
mod tests;
