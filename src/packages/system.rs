//! Files of a system that package managers read, as an inspection brings them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What of a system a package manager reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// One file, of at most so many bytes.
    File {
        /// Absolute path in the system.
        path: String,
        /// In bytes.
        limit: u64,
    },
    /// The files of a folder whose names have one of these ends.
    Folder {
        /// Absolute path in the system.
        path: &'static str,
        /// Such as `.list`; of file names, not of paths.
        ends: &'static [&'static str],
        /// Of each file, in bytes.
        limit: u64,
    },
}

/// Files of a system, by path. Those that it does not have are not among them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemFiles(BTreeMap<String, Content>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Content(Vec<u8>);

impl SystemFiles {
    /// Adds a file, or puts other content in its place.
    pub fn insert(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.0.insert(path.into(), Content(content.into()));
    }

    /// Whether the system has a file of this path.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// A file's content as text; what is no UTF-8 in it is replaced.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<Cow<'_, str>> {
        self.0.get(path).map(|content| String::from_utf8_lossy(&content.0))
    }

    /// All files, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(path, content)| (path.as_str(), content.0.as_slice()))
    }
}

/// Text as it is; anything else as `hex:` and its bytes.
impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) if !text.starts_with(HEX) => serializer.serialize_str(text),
            _ => serializer.serialize_str(&format!("{HEX}{}", hex::encode(&self.0))),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix(HEX) {
            Some(digits) => hex::decode(digits).map(Self).map_err(serde::de::Error::custom),
            None => Ok(Self(text.into_bytes())),
        }
    }
}

const HEX: &str = "hex:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_content_comes_back_as_it_was() {
        let mut files = SystemFiles::default();
        files.insert("/text", "Package: a\n");
        files.insert("/binary", vec![0x99, 0, 255]);
        files.insert("/like hex", "hex:no");
        let json = serde_json::to_string(&files).unwrap();
        assert!(json.contains("Package: a") && json.contains("hex:9900ff"), "{json}");
        assert_eq!(serde_json::from_str::<SystemFiles>(&json).unwrap(), files);
        assert_eq!(files.text("/binary").unwrap(), "\u{fffd}\0\u{fffd}");
    }
}
