//! The lock as data.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Arch;
use crate::packages::{Manager, Selected};

/// The name of the lock of an ImageFile, beside which it lies: `ImageFile.lock`, `web.imagefile.lock`.
#[must_use]
pub fn file_name(image_file: &str) -> String {
    format!("{image_file}.lock")
}

/// The format version this program writes.
pub const FORMAT: u32 = 2;
/// The oldest format version that it reads.
pub const OLDEST_FORMAT: u32 = 1;

/// A whole lock, as format 1 has it: each image with all that it is made of. Format 2 says of many images at once
/// what they share (`format_2.rs`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The format version that it was read from, or [`FORMAT`].
    pub version: u32,
    /// By image name.
    #[serde(default)]
    pub images: BTreeMap<String, LockedImage>,
}

/// What one image is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedImage {
    /// Distribution, such as `debian`.
    pub os: String,
    /// Version of the system, such as `13`.
    pub os_version: String,
    /// Architecture as the ImageFile names it, such as `x86_64`.
    pub arch: Arch,
    /// What the image starts from.
    pub base: LockedBase,
    /// By application name. The order of installation follows from the catalogue, not from here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub apps: BTreeMap<String, LockedApp>,
    /// Scripts, copied files and trees: what the statement reads, such as `script provision.sh` or
    /// `copy site/`, and the digest (lower-case hexadecimal SHA-256) of content, modes and links.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// Archives that applications bring, with their pinned keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<LockedRepository>,
    /// Whose packages it has. Format 1 knew one manager only; format 2 has it as the key that they stand under.
    #[serde(skip)]
    pub manager: Manager,
    /// The packages that the ImageFile and its applications ask for by name, as their manager takes them
    /// (`jq`, `kubelet=1.36.1-1.1`), sorted; a removal is written `name-`. What is asked for besides stands in brackets behind it: `gcc (temporary)`, `vim (recommends)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requested: Vec<String>,
    /// Whether the base's packages were upgraded (`base { upgrade = true }`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub upgrade: bool,
    /// Everything installed or upgraded on top of the base, by name.
    /// Images with the same ones share them.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub packages: Arc<[Selected]>,
    /// Packages of the base that go, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Packages of the base that lose their auto-installed mark, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub now_manual: Vec<String>,
    /// Packages that are there for the scripts only, and what came only for them, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub temporary: Vec<String>,
    /// Digest (lower-case hexadecimal SHA-256) of the artifact, where the build is reproducible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
}

/// The base an image starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedBase {
    /// Catalogue name; for files and downloads the name as written; for images the image's name.
    pub name: String,
    /// Version of the catalogue entry, or of the system found in it.
    pub version: String,
    /// Digests and packages that pin it.
    pub source: LockedSource,
}

impl LockedBase {
    /// The packages of a base that is made from them.
    #[must_use]
    pub fn packages(&self) -> &[Selected] {
        match &self.source {
            LockedSource::Bootstrap { packages, .. } => packages,
            _ => &[],
        }
    }
}

/// What exactly the base is, by where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum LockedSource {
    /// Made here from an archive: the same recipe and packages make an equivalent disk anywhere.
    Bootstrap {
        /// Digest of everything but the packages that decides how the disk is made.
        recipe: String,
        /// All that the recipe installs, by name.
        packages: Arc<[Selected]>,
    },
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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    /// Another image of the project, by the key of its plan.
    Image {
        /// The key of its last step, lower-case hexadecimal.
        plan: String,
    },
}

/// One application as chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedApp {
    /// One of the catalogue entry's versions, such as `1.26`.
    pub version: String,
    /// Digest (lower-case hexadecimal SHA-256) of the catalogue entry.
    pub definition: String,
    /// All options with their values, defaults included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, OptionValue>,
}

/// The value of an application's option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OptionValue {
    /// `true`, `false`
    Bool(bool),
    /// `8080`; also sizes in bytes and durations in seconds.
    Integer(i64),
    /// `"shop.example"`
    Text(String),
    /// `["a", "b"]`
    List(Vec<OptionValue>),
}

/// An archive outside the distribution, with the key that must have signed its indexes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedRepository {
    /// Such as `https://nginx.org/packages/debian`; `debian` stands for more of the distribution's own archive.
    pub url: String,
    /// Such as `trixie`, or for a flat archive a path that ends in `/`. Of the distribution's own archive several may
    /// stand here, with blanks between them, or none.
    pub suite: String,
    /// Such as `main`; none for a flat archive.
    #[serde(default)]
    pub components: Vec<String>,
    /// Fingerprint of the pinned key, upper-case hexadecimal.
    pub fingerprint: String,
}
