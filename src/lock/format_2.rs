//! Format 2 of the lock: everything is said once.
//!
//! ```yaml
//! version: 2
//! images:
//!   "web":
//!     os: debian
//!     os_version: "13"
//!     arch: x86_64
//!     base: debian-13
//!     apt:
//!       requested:
//!         - jq
//!       packages:
//!         - jq
//!         - libjq1 (auto)
//! bases:
//!   "debian-13":
//!     version: "13"
//!     source:
//!       bootstrap:
//!         recipe: "…"
//!         apt:
//!           - bash
//! packages:
//!   apt:
//!     - { name: bash, version: "5.2.37-2+b5", arch: amd64, sha256: "…", … }
//! ```
//!
//! Images name bases and packages. A package is named by as many words as tell it from the others of the file: its
//! name, version, architecture, and the first digits of its digest (`jq`, `jq 1.7.1-6`); so an update of a package is
//! one line, and the line says what changed. An image whose packages are those of another one names that image
//! (`same_as`). What belongs to a package manager stands under its name, so that another has room beside it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::tagged::{ByManager, Found, TagReader, UnknownKey, name_managers};
use super::{LockedApp, LockedRepository};
use crate::model::Arch;
use crate::packages::{Manager, Version};
use crate::text::Digest;

/// A whole lock.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Lock")]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Format version: 2.
    pub version: u32,
    /// By image name.
    #[serde(default)]
    pub images: BTreeMap<String, Image>,
    /// What images start from, by the name they call it.
    #[serde(default)]
    pub bases: BTreeMap<String, Base>,
    /// Every package that an image or a base names.
    #[serde(default)]
    #[schemars(with = "PackagesShape")]
    pub packages: ByManager<Vec<Package>>,
}

/// What one image is made of.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schemars(transform = name_managers)]
pub struct Image {
    /// Distribution, such as `debian`.
    pub os: String,
    /// Version of the system, such as `13`.
    pub os_version: String,
    /// Architecture as the ImageFile names it, such as `x86_64`.
    pub arch: Arch,
    /// A name among the `bases`.
    #[schemars(with = "String")]
    pub base: Spanned<String>,
    /// By application name. The order of installation follows from the catalogue, not from here.
    #[serde(default)]
    pub apps: BTreeMap<String, LockedApp>,
    /// Scripts, copied files and trees: what the statement reads, such as `script provision.sh` or
    /// `copy site/`, and the digest (lower-case hexadecimal SHA-256) of content, modes and links.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// What the package manager of this name is asked for, and what it installs.
    #[serde(default, rename = "@manager")]
    pub packages: ImagePackages,
    /// Under whose name they stand.
    #[serde(skip)]
    pub manager: Option<Manager>,
    /// Keys that mean nothing.
    #[serde(skip)]
    pub unknown: Vec<UnknownKey>,
    /// Digest (lower-case hexadecimal SHA-256) of the artifact, where the build is reproducible.
    #[serde(default)]
    pub artifact: Option<String>,
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Found::default();
        let image = Self::deserialize(TagReader { inner: deserializer, found: &mut found })?;
        Ok(Self { manager: found.manager, unknown: found.unknown, ..image })
    }
}

/// The packages of one image.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImagePackages {
    /// Archives that applications and the image bring, with their pinned keys.
    #[serde(default)]
    pub repositories: Vec<LockedRepository>,
    /// The packages that the ImageFile and its applications ask for by name, as the manager takes them
    /// (`jq`, `kubelet=1.36.1-1.1`), sorted; a removal is written `name-`. What is asked for besides
    /// stands in brackets behind it: `gcc (temporary)`, `vim (recommends)`.
    #[serde(default)]
    pub requested: Vec<String>,
    /// Whether the base's packages were upgraded (`base { upgrade = true }`).
    #[serde(default)]
    pub upgrade: bool,
    /// The image whose `packages`, `removed`, `now_manual` and `temporary` this one has too.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub same_as: Option<Spanned<String>>,
    /// Everything installed or upgraded on top of the base: names among the `packages` of the file, with what the
    /// manager is to know of them in brackets behind: `libjq1 (auto)`, `jq (stage 1)`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub packages: Vec<Spanned<String>>,
    /// Packages of the base that go, by name.
    #[serde(default)]
    pub removed: Vec<String>,
    /// Packages of the base that lose their auto-installed mark, by name.
    #[serde(default)]
    pub now_manual: Vec<String>,
    /// Packages that are there for the scripts only, and what came only for them, by name.
    #[serde(default)]
    pub temporary: Vec<String>,
}

/// Where an image starts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Its own name, where several of the file have it: the catalogue's name; for files and downloads the name as
    /// written; for images the image's name.
    #[serde(default)]
    pub name: Option<String>,
    /// Version of the catalogue entry, or of the system found in it.
    pub version: String,
    /// Digests and packages that pin it.
    pub source: Source,
}

/// What exactly the base is, by where it comes from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// Made here from an archive: the same recipe and packages make an equivalent disk anywhere.
    Bootstrap(Bootstrap),
    /// A disk on this machine, named as in the ImageFile.
    File {
        /// Absolute, or relative to the project's folder.
        path: String,
        /// Of the whole file, lower-case hexadecimal.
        sha256: String,
        /// In bytes.
        size: u64,
    },
    /// A download.
    Url {
        /// As the ImageFile or the catalogue writes it.
        url: String,
        /// Of the downloaded file, lower-case hexadecimal.
        sha256: String,
        /// In bytes, when known.
        #[serde(default)]
        size: Option<u64>,
    },
    /// Another image of the project, by the key of its plan.
    Image {
        /// The key of its last step, lower-case hexadecimal.
        plan: String,
    },
}

/// A base that is made of packages.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schemars(transform = name_managers)]
pub struct Bootstrap {
    /// Digest of everything but the packages that decides how the disk is made.
    pub recipe: String,
    /// Names among the `packages` of the file.
    #[serde(default, rename = "@manager")]
    #[schemars(with = "Vec<String>")]
    pub packages: Vec<Spanned<String>>,
    /// Under whose name they stand.
    #[serde(skip)]
    pub manager: Option<Manager>,
    /// Keys that mean nothing.
    #[serde(skip)]
    pub unknown: Vec<UnknownKey>,
}

impl<'de> Deserialize<'de> for Bootstrap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Found::default();
        let bootstrap = Self::deserialize(TagReader { inner: deserializer, found: &mut found })?;
        Ok(Self { manager: found.manager, unknown: found.unknown, ..bootstrap })
    }
}

/// The packages of a file, by the manager whose they are.
#[derive(JsonSchema)]
#[schemars(rename = "Packages", transform = name_managers)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is the form that `ByManager` reads")]
struct PackagesShape {
    /// Packages of the manager of this name.
    #[serde(default, rename = "@manager")]
    packages: Vec<Package>,
}

/// One package file, exactly.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// As the control file has it, such as `jq`.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// The whole of it, epoch and revision included: `1.7.1-6`.
    pub version: Version,
    /// As the package manager calls it: `amd64`, or `all`.
    pub arch: String,
    /// Of the package file.
    pub sha256: Digest,
    /// Of the package file, in bytes.
    pub size: u64,
    /// What it takes unpacked, in KiB, as the control file says.
    pub installed_size: u64,
    /// The archive by name: `debian`, `debian-security`, or the URL of a third-party repository
    /// as its catalogue entry writes it.
    pub archive: String,
    /// Path below the archive's root, such as `pool/main/j/jq/jq_1.7.1-6_amd64.deb`.
    pub path: String,
}
