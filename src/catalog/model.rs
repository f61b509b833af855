//! What catalogue files say, typed, with the place of everything that a later stage may blame.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Template;
use crate::model::{Arch, Firmware, ManagerFacts};
use crate::text::{Digest, Requirement, Span, Spanned, Version};

/// How far a base is trusted to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Resolves and pins; nobody here has built and booted it, so `build` wants `--unproven`.
    Listed,
    /// Built, booted and tested in this project's CI.
    Proven,
}

impl Tier {
    /// The word of the catalogue: `proven` or `listed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Listed => "listed",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An application: `schema: imgfile/app/v1`.
#[derive(Debug, Clone)]
pub struct AppDef {
    /// What `app` names, such as `nginx`; unique in its layer.
    pub name: Spanned<String>,
    /// Which layer of the catalogue it is from, an index into [`Catalog::layers`](super::Catalog::layers).
    pub layer: usize,
    /// One line for `imgfile apps`, such as "containers by a daemon".
    pub summary: String,
    /// Oldest first; at least one.
    pub versions: Vec<AppVersion>,
    /// For every version; a version can ask for more.
    pub requires: Vec<Require>,
    /// Applications that no image can have beside it.
    pub conflicts: Vec<Conflict>,
    /// Exclusive names, such as `tcp/{{ port }}`: two applications with one claim conflict.
    pub claims: Vec<Template>,
    /// Names that `requires` and `conflicts` of others may use for this application too.
    pub provides: Vec<Spanned<String>>,
    /// Names that people look for it by, such as `postgres`: only for suggestions.
    pub also_called: Vec<Spanned<String>>,
    /// In the order of the file; names are unique.
    pub options: Vec<OptionDef>,
    /// Bytes that the application needs beyond its packages.
    pub storage: Option<Spanned<u64>>,
    /// Archives outside the distribution that its packages come from.
    pub repositories: Vec<Repository>,
    /// For the versions that have no packages of their own.
    pub packages: Packages,
    /// Written after the packages are installed, before `install` runs.
    pub files: Vec<FileDef>,
    /// Shell, run as root in the offline image after the packages are there.
    pub install: Option<Template>,
    /// Shell, must exit 0 in the booted artifact.
    pub verify: Option<Template>,
    /// Digest of the file's bytes: what the lock pins.
    pub digest: Digest,
}

/// One version of an application, and where it runs.
#[derive(Debug, Clone)]
pub struct AppVersion {
    /// One to four numbers, such as `1.26`; unique in its application.
    pub version: Spanned<Version>,
    /// Systems it runs on; none written means every system.
    pub os: Vec<OsSupport>,
    /// Architectures; none written means every one.
    pub arch: Vec<Spanned<Arch>>,
    /// Firmware of which the base must have one; none written means any.
    pub firmware: Vec<Spanned<Firmware>>,
    /// On top of what the application requires for every version.
    pub requires: Vec<Require>,
    /// In place of the application's packages, if written.
    pub packages: Option<Packages>,
}

/// What an application asks of the package manager.
#[derive(Debug, Clone, Default)]
pub struct Packages {
    /// What is asked of each, `NAME` or `NAME=VERSION`.
    pub by_manager: Vec<(&'static ManagerFacts, Vec<Template>)>,
    /// Packages of the base that the application takes the place of: they go where they are there.
    pub remove: Vec<Spanned<String>>,
    /// The package whose version is the application's; none if no package carries it.
    pub version_of: Option<Spanned<String>>,
}

impl Packages {
    /// What is asked of one package manager.
    #[must_use]
    pub fn of(&self, manager: &ManagerFacts) -> &[Template] {
        let found = self.by_manager.iter().find(|(known, _)| known.name == manager.name);
        found.map_or(&[], |(_, packages)| packages)
    }
}

/// `debian 13`, or `debian` for each of its versions.
#[derive(Debug, Clone)]
pub struct OsSupport {
    /// In lower case, such as `debian`.
    pub distro: String,
    /// Holds for every version if only the name is written.
    pub requirement: Requirement,
    /// The element of `os`.
    pub span: Span,
}

/// An application, or something provided, that must be in the image too.
#[derive(Debug, Clone)]
pub struct Require {
    /// Of an application, or one that applications provide: `container-engine`.
    pub name: String,
    /// On the application's version; holds for every one if only the name is written.
    pub requirement: Requirement,
    /// The element of `requires`.
    pub span: Span,
}

/// An application, or something provided, that must not be in the image too.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// Of an application, or one that applications provide: `container-engine`.
    pub name: String,
    /// On the other's version; holds for every one if only the name is written.
    pub requirement: Requirement,
    /// Why, in the catalogue author's words.
    pub because: Option<String>,
    /// The element of `conflicts`.
    pub span: Span,
}

/// A package archive outside the distribution.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Rendered, the folder above `dists/`: `https://nginx.org/packages/debian`.
    pub url: Template,
    /// Rendered, such as `trixie`; for a flat archive a path that ends in `/`.
    pub suite: Template,
    /// Such as `main`; none for a flat archive.
    pub components: Vec<String>,
    /// The armored OpenPGP key that signs the archive.
    pub key: Spanned<String>,
    /// Upper-case hexadecimal fingerprint of that key.
    pub fingerprint: Spanned<String>,
}

/// A file that an application or a recipe lays down.
#[derive(Debug, Clone)]
pub struct FileDef {
    /// Absolute, without `.` and `..`, once rendered.
    pub path: Template,
    /// The whole file once rendered.
    pub content: Template,
    /// An account's name; `root` unless the file says.
    pub owner: String,
    /// A group's name; `root` unless the file says.
    pub group: String,
    /// Permission bits; `0o644` unless the file says.
    pub mode: u32,
}

/// A declared option of an application.
#[derive(Debug, Clone)]
pub struct OptionDef {
    /// The key in the braces of `app`, such as `port`; unique in its application.
    pub name: Spanned<String>,
    /// What its values are checked against.
    pub kind: OptionKind,
    /// One line for completion, hover and `imgfile apps NAME`.
    pub summary: Option<String>,
    /// None: the ImageFile must give a value.
    pub default: Option<OptionValue>,
}

/// What values an option takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionKind {
    /// Any text without control characters other than newline and tab.
    String,
    /// Letters, digits and `._:/@+-`: safe in shell and in configuration files without quotes.
    Word,
    /// A whole number within the limits, both included.
    Integer {
        /// The smallest that is taken; `i64::MIN` unless the file says.
        min: i64,
        /// The largest that is taken; `i64::MAX` unless the file says.
        max: i64,
    },
    /// A TCP or UDP port, 1 to 65535.
    Port,
    /// `true` or `false`.
    Boolean,
    /// Bytes, written `512MiB`.
    Size,
    /// Seconds, written `90s`.
    Duration,
    /// One of these words.
    Enum(Vec<String>),
    /// A list of texts.
    List,
}

/// A checked value of an option, as templates see it and as the lock keeps it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OptionValue {
    /// `true` or `false`.
    Boolean(bool),
    /// Also ports, sizes in bytes and durations in seconds.
    Integer(i64),
    /// A string, a word, or one of an enum's.
    Text(String),
    /// In the order written.
    List(Vec<String>),
}

impl From<&OptionValue> for minijinja::Value {
    fn from(value: &OptionValue) -> Self {
        match value {
            OptionValue::Boolean(value) => Self::from(*value),
            OptionValue::Integer(value) => Self::from(*value),
            OptionValue::Text(value) => Self::from(value.as_str()),
            OptionValue::List(values) => Self::from(values.clone()),
        }
    }
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Text(value) => f.write_str(value),
            Self::List(values) => write!(f, "[{}]", values.join(", ")),
        }
    }
}

/// A base: `schema: imgfile/base/v1`.
#[derive(Debug, Clone)]
pub struct BaseDef {
    /// What `base` names, such as `debian-13`.
    pub name: Spanned<String>,
    /// Of the definition, not of the system in it.
    pub version: Spanned<Version>,
    /// An index into [`Catalog::layers`](super::Catalog::layers).
    pub layer: usize,
    /// One line for `imgfile bases`.
    pub summary: String,
    /// How much is known of it: whether the resolver takes it unasked.
    pub tier: Tier,
    /// The system in it.
    pub os: Os,
    /// What its system is built for.
    pub arch: Spanned<Arch>,
    /// What it can boot with; at least one.
    pub firmware: Vec<Firmware>,
    /// Where its disk comes from.
    pub source: BaseSource,
    /// Bytes of the disk as it comes. A bootstrapped base takes any size that its contents fit.
    pub virtual_size: Spanned<u64>,
    /// Bytes its files take, if the definition says.
    pub used: Option<u64>,
    /// The account that scripts run as unless the ImageFile names one.
    pub user: Spanned<String>,
    /// Digest of the file's bytes.
    pub digest: Digest,
}

/// The system in a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Os {
    /// `linux`.
    pub kind: String,
    /// The `ID` of os-release: `debian`.
    pub distro: String,
    /// The `VERSION_ID` of os-release: `13`.
    pub version: Version,
    /// The `VERSION_CODENAME` of os-release, if it has one: `trixie`.
    pub codename: Option<String>,
}

/// Where a base comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BaseSource {
    /// Made here from a distribution's archive.
    Bootstrap(Bootstrap),
    /// A download; the lock pins the digest that the publisher's checksum file gives for it.
    Url {
        /// Of the disk; the publisher may replace what is there.
        url: String,
        /// The publisher's file of checksums.
        checksums: String,
        /// Who has to have signed it, where the publisher signs it.
        signed: Option<ChecksumSignature>,
    },
    /// A disk on this machine, with its digest.
    File {
        /// Absolute, or relative to the project's folder.
        path: String,
        /// Lower-case hexadecimal; `None` if the definition gives none.
        sha256: Option<String>,
    },
}

/// The signature of a file of checksums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecksumSignature {
    /// Its URL; none if the file of checksums is a signed message itself.
    pub url: Option<String>,
    /// The publisher's armored OpenPGP key.
    pub key: String,
    /// Upper-case hexadecimal fingerprint of that key.
    pub fingerprint: String,
}

/// A recipe for a base from a Debian archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// The release, such as `trixie`.
    pub suite: String,
    /// Suites beside it whose newer packages count too, such as `trixie-updates`, in the archive
    /// of the release, and `trixie-security`, in the security archive.
    pub updates: Vec<String>,
    /// Such as `main`.
    pub components: Vec<String>,
    /// What is installed beyond the essential and required packages.
    pub packages: Vec<String>,
    /// Files laid down before the packages are set up: path to content, mode 0644, root.
    pub files: BTreeMap<String, String>,
    /// Shell, run as root in the new system once its packages are set up.
    pub finish: Option<String>,
}
