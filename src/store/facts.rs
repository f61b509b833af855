//! What was found out about a content and need not be found out again.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Context, Digest, Result, Store, own};

/// Facts by kind and digest. A kind is a short word with a version, such as `disk-v1`: when the
/// shape of its facts changes, so must the kind.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    store: &'a Store,
}

impl<'a> Facts<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store }
    }

    fn path(self, kind: &str, digest: &Digest) -> PathBuf {
        self.store.root().join("facts").join(kind).join(format!("{digest}.json"))
    }

    /// The fact, if it is known. One that cannot be read is as good as unknown.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, kind: &str, digest: &Digest) -> Option<T> {
        let bytes = std::fs::read(self.path(kind, digest)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Whether something is remembered, without reading it.
    #[must_use]
    pub fn has(&self, kind: &str, digest: &Digest) -> bool {
        self.path(kind, digest).is_file()
    }

    /// Remembers a fact.
    pub fn put<T: Serialize>(&self, kind: &str, digest: &Digest, fact: &T) -> Result<()> {
        let path = self.path(kind, digest);
        let parent = path.parent().unwrap_or(self.store.root());
        own::folder(parent)?;
        let mut file = self.store.temp_file()?;
        serde_json::to_writer(&mut file, fact).map_err(std::io::Error::from).context("write", &path)?;
        file.persist(&path).map_err(|error| error.error).context("write", &path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_known_under_its_kind_and_digest_only() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let digest = Digest::of(b"disk");
        store.facts().put("size-v1", &digest, &42u64).unwrap();
        assert_eq!(store.facts().get("size-v1", &digest), Some(42u64));
        assert_eq!(store.facts().get::<u64>("size-v2", &digest), None);
        assert_eq!(store.facts().get::<u64>("size-v1", &Digest::of(b"other")), None);
        assert_eq!(
            store.facts().get::<String>("size-v1", &digest),
            None,
            "a fact of another shape is unknown"
        );
    }
}
