//! The signed table of contents of an archive's suite, as all managers have it.

use std::collections::BTreeMap;

use super::openpgp::{KeyError, SignatureError};
use crate::text::Checksum;

/// Why a suite's table of contents is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The keyring itself cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No key of the keyring vouches for it.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Nothing weaker than SHA-256 counts.
    #[error("the file lists no SHA-256 or SHA-512 digests")]
    NoDigests,
    /// `Date` is missing or no date, or `Valid-Until` is none.
    #[error("its `{field}` is no date: `{text}`")]
    NoDate {
        /// `Date` or `Valid-Until`.
        field: &'static str,
        /// As the file has it.
        text: String,
    },
    /// A clock is wrong, or somebody keeps a file for later.
    #[error("its `Date` is in the future: `{text}`")]
    FromTheFuture {
        /// Its `Date` as the file has it.
        text: String,
    },
    /// What a man in the middle answers with who has nothing signed for the suite that was asked for.
    #[error("it is of another suite: it calls itself {}", names.join(" and "))]
    OtherSuite {
        /// Its `Suite` and `Codename`, as far as it has them.
        names: Vec<String>,
    },
}

/// What a suite says about itself, and the digests of its files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReleaseFile {
    /// `Suite`, such as `stable`; empty if the file has none.
    pub suite: String,
    /// `Codename`, such as `trixie`; empty if the file has none.
    pub codename: String,
    /// `Components`, such as `main`; empty if the file has none.
    pub components: Vec<String>,
    /// `Date`, in seconds since 1970.
    pub date: u64,
    /// `Valid-Until`, in seconds since 1970; many archives have none.
    pub valid_until: Option<u64>,
    /// Files can be had under their digest too, which a mirror in the middle of an update needs.
    pub by_hash: bool,
    /// What is for every architecture is in an index of its own.
    pub all_apart: bool,
    /// apt's pin: 500, 100 or 1.
    pub priority: u16,
    /// Path below the suite to digest and size in bytes.
    pub files: BTreeMap<String, (Checksum, u64)>,
}

impl ReleaseFile {
    /// Whether it is about the suite that was asked for, by either of its names. A folder that is an
    /// archive by itself has no name, and some archives give their suites none.
    pub fn is_suite(&self, asked: &str) -> Result<(), ReleaseError> {
        let names: Vec<&str> =
            [&*self.suite, &*self.codename].into_iter().filter(|n| !n.is_empty()).collect();
        if asked.ends_with('/') || names.is_empty() || names.contains(&asked) {
            return Ok(());
        }
        let mut names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
        names.dedup();
        Err(ReleaseError::OtherSuite { names })
    }

    /// Whether it is past the day that its archive says it is good for.
    #[must_use]
    pub fn is_expired(&self, now: u64) -> bool {
        self.valid_until.is_some_and(|until| until < now)
    }
}
