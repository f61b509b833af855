//! What the user's configuration says of a target.

use std::{collections::BTreeMap, path::Path};

use super::TargetEntry;

/// A key that the table of a target may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigKey {
    /// As it is written.
    pub name: &'static str,
    /// What stands behind the `=`.
    pub kind: KeyKind,
    /// Whether there is no target without it.
    pub required: bool,
    /// One line about it.
    pub about: &'static str,
}

/// What the value of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// `"mycloud"`
    Text,
    /// A path: `~/` is the home folder, and a relative one starts from the configuration's folder.
    Path,
    /// `["python3", "/usr/local/bin/send"]`
    Texts,
}

impl KeyKind {
    /// What is expected, for a message.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Path => "a path",
            Self::Texts => "a list of texts, not empty",
        }
    }
}

/// A value of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigValue {
    /// A text or an absolute path.
    Text(String),
    /// Several texts, one at least.
    Texts(Vec<String>),
}

/// One target of the user: a name, its driver, and what that one wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetConfig {
    /// As `publish to` and `--to` name it.
    pub name: String,
    /// Who speaks to the service.
    pub driver: &'static TargetEntry,
    /// By key; each key is one of the driver's, and has a value of its kind.
    pub values: BTreeMap<String, ConfigValue>,
}

impl TargetConfig {
    /// The text of a key.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key)? {
            ConfigValue::Text(text) => Some(text),
            ConfigValue::Texts(_) => None,
        }
    }

    /// The path of a key.
    #[must_use]
    pub fn path(&self, key: &str) -> Option<&Path> {
        self.text(key).map(Path::new)
    }

    /// The texts of a key; empty without it.
    #[must_use]
    pub fn texts(&self, key: &str) -> &[String] {
        match self.values.get(key) {
            Some(ConfigValue::Texts(texts)) => texts,
            _ => &[],
        }
    }
}
