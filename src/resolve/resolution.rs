//! What a solve chose, complete enough to plan from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::{BaseSource, OptionValue, Os, Tier};
use crate::model::{Arch, Firmware};
use crate::text::{Digest, Span, Version};

/// One image's base and applications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The system of its base.
    pub os: Os,
    /// Such as `x86_64`.
    pub arch: Arch,
    /// What it starts from.
    pub base: ResolvedBase,
    /// Dependencies before what needs them, otherwise in the order of the ImageFile.
    pub apps: Vec<ResolvedApp>,
}

impl Resolution {
    /// The applications that are set up here, without those that the base image has already.
    pub fn own_apps(&self) -> impl Iterator<Item = &ResolvedApp> {
        self.apps.iter().filter(|app| !app.inherited)
    }
}

/// The base an image starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedBase {
    /// Catalogue name; for files, downloads and other images the path, URL or name as written.
    pub name: String,
    /// Of the catalogue entry; of the system for bases from outside the catalogue.
    pub version: Version,
    /// Who says that it is this one.
    pub origin: BaseOrigin,
    /// What it can boot with, narrowed by the image's own `firmware`. Empty if unknown as yet.
    pub firmware: Vec<Firmware>,
    /// Bytes; unknown for a disk that nobody has looked into yet.
    pub virtual_size: Option<u64>,
    /// Bytes its files take, if known.
    pub used: Option<u64>,
    /// The account that scripts run as unless the ImageFile names one, if known.
    pub user: Option<String>,
    /// Why this one, in words.
    pub because: String,
}

/// Where the chosen base comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseOrigin {
    /// The catalogue; the digest is of its definition. `built_in`: not a project's own.
    Catalog {
        /// How far the base is trusted.
        tier: Tier,
        /// Where its disk comes from.
        source: BaseSource,
        /// Of its catalogue file.
        definition: Digest,
        /// Whether it is one of imgfile's own.
        built_in: bool,
    },
    /// `base file`, `base url` or `base image`: the ImageFile says which.
    Given,
}

/// One application as chosen, with everything rendered that will run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedApp {
    /// Such as `nginx`.
    pub name: String,
    /// One of its catalogue entry's, such as `1.26`.
    pub version: Version,
    /// The statement that asked for it; none if only other applications need it.
    pub span: Option<Span>,
    /// The base image has it already: nothing is installed for it, and it is verified once more.
    pub inherited: bool,
    /// The applications that need it, by name.
    pub needed_by: Vec<String>,
    /// All options with their values, defaults included.
    pub options: BTreeMap<String, OptionValue>,
    /// Names of the chosen applications that it needs itself.
    pub requires: Vec<String>,
    /// What is installed for it, in the catalogue's order.
    pub packages: Vec<AppPackage>,
    /// Packages of the base that go where they are there.
    pub replaces: Vec<String>,
    /// The package whose version must satisfy `version`, if one carries it.
    pub version_of: Option<String>,
    /// Archives outside the distribution that its packages come from.
    pub repositories: Vec<AppRepository>,
    /// In the order of the catalogue.
    pub files: Vec<RenderedFile>,
    /// Shell, run as root in the offline image once packages and files are there.
    pub install: Option<String>,
    /// Shell, must exit 0 in the booted artifact.
    pub verify: Option<String>,
    /// Such as `tcp/80`.
    pub claims: Vec<String>,
    /// Bytes beyond the packages' own.
    pub storage: u64,
    /// Digest of the catalogue file: what the lock pins.
    pub definition: Digest,
    /// The catalogue's layer it comes from, such as `built-in`.
    pub layer: String,
}

/// A package as a package manager takes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AppPackage {
    /// Such as `kubelet`.
    pub name: String,
    /// The distribution's own version string, if one was asked for.
    pub version: Option<String>,
}

/// A package archive outside the distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AppRepository {
    /// The folder above `dists/`, such as `https://nginx.org/packages/debian`.
    pub url: String,
    /// Such as `trixie`, or for a flat archive a path that ends in `/`.
    pub suite: String,
    /// Such as `main`; none for a flat archive.
    pub components: Vec<String>,
    /// The armored OpenPGP key that signs the archive.
    pub key: String,
    /// Upper-case hexadecimal fingerprint of that key.
    pub fingerprint: String,
}

/// A file of an application, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RenderedFile {
    /// Absolute, without `.` and `..`.
    pub path: String,
    /// The whole file.
    pub content: String,
    /// An account's name, such as `root`.
    pub owner: String,
    /// A group's name, such as `root`.
    pub group: String,
    /// Permission bits, such as `0o644`.
    pub mode: u32,
}

/// A base that was not chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The name of its catalogue entry, such as `debian-12`.
    pub name: String,
    /// Of the catalogue entry, not of the system in it.
    pub version: Version,
    /// How far it is trusted.
    pub tier: Tier,
    /// Whether it could be chosen by name (`--base NAME`).
    pub possible: bool,
    /// In words, at least one, each with the statement it comes from where there is one.
    pub reasons: Vec<Reason>,
}

/// Why a base was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// One line, such as "it holds debian 12, the image is debian 13".
    pub text: String,
    /// The statement that asks for something else; `None` if it is no one statement.
    pub span: Option<Span>,
}
