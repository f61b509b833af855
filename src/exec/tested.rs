//! Whether an artifact passed its tests: what is asked before others are to start instances from it. Remembered by the
//! digest of its content, since tests may run long after a build (`imgfile test`).

use serde::{Deserialize, Serialize};

use super::{BuildError, Tests, describe::Description};
use crate::{plan::ImagePlan, store::Store, text::Digest};

/// Changes with the meaning of [`TestState`].
const KIND: &str = "tested-v1";

/// How the tests of an artifact ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TestState {
    /// Well.
    Passed,
    /// It has none.
    Without,
    /// They did not run (`--no-test`).
    Skipped,
    /// One of them failed since it was built.
    Failed,
}

impl TestState {
    /// What the store knows of an artifact; none of one that an older version built.
    #[must_use]
    pub fn of(store: &Store, sha256: &Digest) -> Option<Self> {
        let known = store.facts().get(KIND, sha256);
        // Manifests said it before there was a fact of it.
        let described =
            || Description::of(store, sha256).filter(|of| of.manifest.tested).map(|_| Self::Passed);
        known.or_else(described)
    }

    /// After a build with these tests.
    pub(super) fn of_build(tests: Tests, image: &ImagePlan) -> Self {
        if tests.are_run_on(image) {
            Self::Passed
        } else if image.tests.is_empty() {
            Self::Without
        } else {
            Self::Skipped
        }
    }

    /// Remembers it. That tests did not run says nothing against those that ran before.
    pub fn remember(self, store: &Store, sha256: &Digest) -> Result<(), BuildError> {
        let known = Self::of(store, sha256);
        let says_nothing = matches!(self, Self::Skipped | Self::Without) && known.is_some();
        if known == Some(self) || says_nothing {
            return Ok(());
        }
        Ok(store.facts().put(KIND, sha256, &self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_last_counts_and_what_did_not_run_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of("disk");
        assert_eq!(TestState::of(&store, &digest), None);
        for (now, then) in [
            (TestState::Skipped, TestState::Skipped),
            (TestState::Passed, TestState::Passed),
            (TestState::Skipped, TestState::Passed),
            (TestState::Failed, TestState::Failed),
            (TestState::Without, TestState::Failed),
            (TestState::Passed, TestState::Passed),
        ] {
            now.remember(&store, &digest).unwrap();
            assert_eq!(TestState::of(&store, &digest), Some(then), "{now:?}");
        }
    }
}
