//! What a catalogue file looks like, for its schema: editors complete and check by it.
//!
//! Files are read by `app` and `base`, which keep the place of everything and go on behind a mistake; no
//! derived reader can. A test holds the two to the same keys, and reads the built-in files by both.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::model::{Arch, Firmware, ManagerFacts, PACKAGE_MANAGERS};

/// A file of `catalog/apps/`: an application that images can ask for by `app NAME`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "imgfile/app/v1")]
pub struct AppFile {
    /// `imgfile/app/v1`
    pub schema: AppFormat,
    /// What `app` names: small letters, digits, `.`, `+`, `_` and `-`, at most 64.
    pub name: String,
    /// One line about it.
    pub summary: String,
    /// At least one; each once.
    #[schemars(length(min = 1))]
    pub versions: Vec<AppFileVersion>,
    /// `NAME` or `NAME REQ`: an application, or what applications provide.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Applications that cannot be in one image with it.
    #[serde(default)]
    pub conflicts: Vec<ConflictEntry>,
    /// Exclusive things, such as `tcp/{{ port }}`: two applications with one claim conflict.
    #[serde(default)]
    pub claims: Vec<String>,
    /// Names that other applications may require instead of this one's.
    #[serde(default)]
    pub provides: Vec<String>,
    /// Names that people look for it by, such as `postgres`. Whoever writes one is told the application's own.
    #[serde(default)]
    pub also_called: Vec<String>,
    /// What an image may say in braces, by name.
    #[serde(default)]
    pub options: BTreeMap<String, OptionEntry>,
    /// What it takes on the disk beside its packages, such as `12MiB`.
    pub storage: Option<String>,
    /// Archives outside the distribution that it needs.
    #[serde(default)]
    pub repositories: Vec<RepositoryEntry>,
    /// What it asks of the package manager; a version's own stand in their place.
    pub packages: Option<PackagesEntry>,
    /// Written after the packages are installed, before `install` runs.
    #[serde(default)]
    pub files: Vec<FileEntry>,
    /// A shell script, rendered with the options; runs offline, as root.
    pub install: Option<String>,
    /// A shell script that must exit with 0 in the booted artifact.
    pub verify: Option<String>,
}

/// The format of an application's file.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub enum AppFormat {
    /// The only one so far.
    #[serde(rename = "imgfile/app/v1")]
    V1,
}

/// One version of an application.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppFileVersion {
    /// One to four numbers, such as `1.26`.
    pub version: Text,
    /// Systems it runs on, such as `debian 13`; none: all.
    #[serde(default)]
    pub os: Vec<String>,
    /// `x86_64`, `aarch64`; none: all.
    #[serde(default)]
    pub arch: Vec<String>,
    /// `bios`, `uefi`; none: both.
    #[serde(default)]
    pub firmware: Vec<String>,
    /// As above, for this version only.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Instead of the application's.
    pub packages: Option<PackagesEntry>,
}

/// A value that YAML may take for a number.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Text {
    /// In quotes, or a word: `"26.1"`, `0644` as the file writes it.
    Text(String),
    /// Without quotes: `26.1`.
    Number(f64),
    /// Without quotes: `true`.
    Boolean(bool),
    /// `[a, b]`, for options of the type `list`.
    List(Vec<Text>),
}

/// One of `conflicts`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ConflictEntry {
    /// `NAME` or `NAME REQ`
    Name(String),
    /// With the reason.
    Because(ConflictBecause),
}

/// A conflict and its reason.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConflictBecause {
    /// `NAME` or `NAME REQ`
    pub app: String,
    /// Shown to whoever asks for both.
    pub because: Option<String>,
}

/// An option: with a default, or required.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptionEntry {
    /// What its values are checked against.
    #[serde(rename = "type")]
    pub kind: OptionType,
    /// Its value where the image gives none; in place of `required`.
    pub default: Option<Text>,
    /// `true`: every image that has the application must give a value.
    pub required: Option<bool>,
    /// Of an `integer`.
    pub min: Option<i64>,
    /// Of an `integer`.
    pub max: Option<i64>,
    /// Of an `enum`.
    pub values: Option<Vec<String>>,
    /// One line about it.
    pub summary: Option<String>,
}

/// The type of an option.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptionType {
    /// Any text on one or more lines.
    String,
    /// A text that the shell needs no quotes for.
    Word,
    /// A whole number, within `min` and `max` where they are given.
    Integer,
    /// A TCP or UDP port, 1 to 65535.
    Port,
    /// `true` or `false`.
    Boolean,
    /// Such as `512MiB`; templates see bytes.
    Size,
    /// Such as `90s`; templates see seconds.
    Duration,
    /// One of `values`.
    Enum,
    /// A list of texts.
    List,
}

/// A package archive outside the distribution.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepositoryEntry {
    /// The folder above `dists/`, such as `https://nginx.org/packages/debian`; may hold options.
    pub url: String,
    /// Such as `trixie`, or for a flat archive a path that ends in `/`; may hold options.
    pub suite: String,
    /// Such as `main`; none for a flat archive.
    #[serde(default)]
    pub components: Vec<String>,
    /// The armoured public key.
    pub key: String,
    /// Of that key: 40 or 64 hexadecimal digits.
    pub fingerprint: String,
}

/// What is asked of the package manager.
#[derive(Debug, Clone, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = name_managers)]
pub struct PackagesEntry {
    /// `NAME` or `NAME=VERSION`
    #[serde(default, rename = "@manager")]
    pub by_manager: Vec<String>,
    /// Packages of the base that go.
    #[serde(default)]
    pub remove: Vec<String>,
    /// The package whose version is the application's.
    pub version_of: Option<String>,
}

/// Puts the name of every package manager in the place of the key `@manager`.
fn name_managers(schema: &mut schemars::Schema) {
    let properties = schema.get_mut("properties").and_then(|properties| properties.as_object_mut());
    let Some(properties) = properties else { return };
    if let Some(of_manager) = properties.remove("@manager") {
        for manager in PACKAGE_MANAGERS {
            properties.insert(manager.name.to_owned(), of_manager.clone());
        }
    }
}

impl<'de> Deserialize<'de> for PackagesEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut entry = Self { by_manager: Vec::new(), remove: Vec::new(), version_of: None };
        for (key, value) in BTreeMap::<String, serde_json::Value>::deserialize(deserializer)? {
            let read = match key.as_str() {
                "remove" => serde_json::from_value(value).map(|names| entry.remove = names),
                "version_of" => serde_json::from_value(value).map(|name| entry.version_of = name),
                name if ManagerFacts::named(name).is_some() => {
                    serde_json::from_value::<Vec<String>>(value).map(|names| entry.by_manager.extend(names))
                }
                other => return Err(D::Error::custom(format!("`packages` has no key `{other}`"))),
            };
            read.map_err(D::Error::custom)?;
        }
        Ok(entry)
    }
}

/// A file that is written into the image.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Absolute.
    pub path: String,
    /// Rendered with the options.
    pub content: String,
    /// An account's name; `root` by default.
    pub owner: Option<String>,
    /// A group's name; `root` by default.
    pub group: Option<String>,
    /// Octal with its leading 0; `0644` if it is not said.
    pub mode: Option<Text>,
}

/// A file of `catalog/bases/`: a disk that images can start from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "imgfile/base/v1")]
pub struct BaseFile {
    /// `imgfile/base/v1`
    pub schema: BaseFormat,
    /// What `base` names.
    pub name: String,
    /// Of this definition.
    pub version: Text,
    /// One line about it.
    pub summary: String,
    /// `listed` if it is not said.
    pub tier: Option<BaseTier>,
    /// The system and its version, such as `debian 13`.
    pub os: String,
    /// What its archive calls the version, such as `trixie`.
    pub codename: Option<String>,
    /// `x86_64` or `aarch64`.
    pub arch: Arch,
    /// `bios`, `uefi`: what its disk boots with.
    #[schemars(length(min = 1))]
    pub firmware: Vec<Firmware>,
    /// Where its disk comes from.
    pub source: SourceEntry,
    /// Of its disk, such as `4GiB`.
    pub virtual_size: String,
    /// What its files take, such as `900MiB`.
    pub used: Option<String>,
    /// The account that scripts run as.
    pub user: String,
}

/// The format of a base's file.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub enum BaseFormat {
    /// The only one so far.
    #[serde(rename = "imgfile/base/v1")]
    V1,
}

/// How much is known of a base.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BaseTier {
    /// Built, booted and tested in this project's continuous integration.
    Proven,
    /// Resolves and pins; building on it is asked for by name.
    Listed,
}

/// Where its disk comes from: one of `bootstrap`, `url` and `file`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceEntry {
    /// Made here from a distribution's archive.
    pub bootstrap: Option<BootstrapEntry>,
    /// The address of a qcow2 or raw disk, pinned by `checksums`.
    pub url: Option<String>,
    /// URL of the file with the checksum of `url`.
    pub checksums: Option<String>,
    /// URL of the signature of `checksums`; without it, and with a `key`, that file is a signed message.
    pub signature: Option<String>,
    /// The armored OpenPGP key that signs `checksums`.
    pub key: Option<String>,
    /// Fingerprint of that key.
    pub fingerprint: Option<String>,
    /// The path of a qcow2 or raw disk on this machine.
    pub file: Option<String>,
    /// Of `file`: 64 hexadecimal digits.
    pub sha256: Option<String>,
}

/// How a disk is made from an archive.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BootstrapEntry {
    /// Of the release, such as `trixie`.
    pub suite: String,
    /// Further suites, such as `trixie-updates`.
    #[serde(default)]
    pub updates: Vec<String>,
    /// `main` if there are none.
    #[serde(default)]
    pub components: Vec<String>,
    /// Beyond those that every system of the release has, such as `openssh-server`.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Texts by absolute path.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// A shell script, run last, as root.
    pub finish: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemars::{JsonSchema, schema_for};

    use super::*;
    use crate::catalog::{app, base, builtin, option};
    use crate::text::Sources;

    fn keys<T: JsonSchema>() -> BTreeSet<String> {
        schema_for!(T).as_value()["properties"].as_object().unwrap().keys().cloned().collect()
    }

    fn set(keys: &[&str]) -> BTreeSet<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn the_schema_has_the_keys_that_are_read() {
        assert_eq!(keys::<AppFile>(), set(&app::KEYS));
        assert_eq!(keys::<AppFileVersion>(), set(&app::VERSION_KEYS));
        assert_eq!(keys::<PackagesEntry>(), set(&app::packages_keys()));
        assert_eq!(keys::<ConflictBecause>(), set(&app::CONFLICT_KEYS));
        assert_eq!(keys::<RepositoryEntry>(), set(&app::REPOSITORY_KEYS));
        assert_eq!(keys::<FileEntry>(), set(&app::FILE_KEYS));
        assert_eq!(keys::<OptionEntry>(), set(&option::KEYS));
        assert_eq!(keys::<BaseFile>(), set(&base::KEYS));
        assert_eq!(keys::<SourceEntry>(), set(&base::SOURCE_KEYS));
        assert_eq!(keys::<BootstrapEntry>(), set(&base::BOOTSTRAP_KEYS));
    }

    #[test]
    fn the_built_in_files_are_of_this_shape() {
        let mut sources = Sources::default();
        for id in builtin(&mut sources).files {
            let source = sources.get(id);
            let read = if source.name.starts_with("apps/") {
                serde_yaml::from_str::<AppFile>(&source.text).map(drop)
            } else {
                serde_yaml::from_str::<BaseFile>(&source.text).map(drop)
            };
            assert!(read.is_ok(), "{}: {read:?}", source.name);
        }
    }
}
