//! What a catalogue file looks like, for its schema: editors complete and check by it.
//!
//! Files are read by `app` and `base`, which keep the place of everything and go on behind a mistake; no
//! derived reader can. A test holds the two to the same keys, and reads the built-in files by both.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::{Arch, Firmware};

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
    pub packages: Option<PackagesEntry>,
    /// Written after the packages are installed, before `install` runs.
    #[serde(default)]
    pub files: Vec<FileEntry>,
    /// A shell script, rendered with the options; runs offline, as root.
    pub install: Option<String>,
    /// A shell script that must exit with 0 in the booted artifact.
    pub verify: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub enum AppFormat {
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
    Text(String),
    Number(f64),
    Boolean(bool),
    List(Vec<Text>),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ConflictEntry {
    /// `NAME` or `NAME REQ`
    Name(String),
    Because(ConflictBecause),
}

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
    #[serde(rename = "type")]
    pub kind: OptionType,
    pub default: Option<Text>,
    pub required: Option<bool>,
    /// Of an `integer`.
    pub min: Option<i64>,
    /// Of an `integer`.
    pub max: Option<i64>,
    /// Of an `enum`.
    pub values: Option<Vec<String>>,
    pub summary: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptionType {
    String,
    /// A text that the shell needs no quotes for.
    Word,
    Integer,
    Port,
    Boolean,
    Size,
    Duration,
    Enum,
    List,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepositoryEntry {
    pub url: String,
    pub suite: String,
    #[serde(default)]
    pub components: Vec<String>,
    /// The armoured public key.
    pub key: String,
    /// Of that key: 40 or 64 hexadecimal digits.
    pub fingerprint: String,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackagesEntry {
    /// `NAME` or `NAME=VERSION`
    #[serde(default)]
    pub apt: Vec<String>,
    /// Packages of the base that go.
    #[serde(default)]
    pub remove: Vec<String>,
    /// The package whose version is the application's.
    pub version_of: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Absolute.
    pub path: String,
    /// Rendered with the options.
    pub content: String,
    pub owner: Option<String>,
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
    pub arch: Arch,
    #[schemars(length(min = 1))]
    pub firmware: Vec<Firmware>,
    pub source: SourceEntry,
    /// Of its disk, such as `4GiB`.
    pub virtual_size: String,
    /// What its files take, such as `900MiB`.
    pub used: Option<String>,
    /// The account that scripts run as.
    pub user: String,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub enum BaseFormat {
    #[serde(rename = "imgfile/base/v1")]
    V1,
}

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
    pub bootstrap: Option<BootstrapEntry>,
    pub url: Option<String>,
    /// URL of the file with the checksum of `url`.
    pub checksums: Option<String>,
    /// URL of the signature of `checksums`; without it, and with a `key`, that file is a signed message.
    pub signature: Option<String>,
    /// The armored OpenPGP key that signs `checksums`.
    pub key: Option<String>,
    /// Fingerprint of that key.
    pub fingerprint: Option<String>,
    pub file: Option<String>,
    /// Of `file`: 64 hexadecimal digits.
    pub sha256: Option<String>,
}

/// How a disk is made from an archive.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BootstrapEntry {
    pub suite: String,
    /// Further suites, such as `trixie-updates`.
    #[serde(default)]
    pub updates: Vec<String>,
    /// `main` if there are none.
    #[serde(default)]
    pub components: Vec<String>,
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
        assert_eq!(keys::<PackagesEntry>(), set(&app::PACKAGES_KEYS));
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
