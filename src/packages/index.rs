//! What archives publish of their packages, and who vouches for it.

use std::sync::Arc;

use crate::text::Digest;

/// What is said of one package in an index, at most, in bytes; Debian's longest have some 100 KB.
pub const STANZA_LIMIT: u64 = 1 << 20;

/// Why a text is no index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The stanza of this number, from 0, lacks this field, or has it empty, with blanks or with a part `..`.
    #[error("stanza {0} has no `{1}` field")]
    Incomplete(usize, &'static str),
    /// This field of the stanza has another form than it must have, such as a size that is no number.
    #[error("stanza {0} has a malformed `{1}` field")]
    Malformed(usize, &'static str),
    /// The stanza of this number, from 0, does not end within the limit.
    #[error("stanza {0} has more than {STANZA_LIMIT} bytes")]
    Endless(usize),
    /// A stanza has other bytes than UTF-8.
    #[error("not UTF-8 text")]
    NotUtf8,
    /// The compression is damaged or its end is missing; the decoder's words.
    #[error("cannot be unpacked: {0}")]
    Unpack(String),
    /// The text is of another format of the cache, or no cached index.
    #[error("not a cached index of this version")]
    Stale,
}

/// One index of an archive, reduced by its manager to what decides, as one text that the store caches.
#[derive(Debug, Clone)]
pub struct Index {
    /// Thirty megabytes for a whole distribution: shared, and never copied on the way here.
    text: Arc<String>,
    /// Where its head ends, in bytes.
    head: usize,
}

impl Index {
    /// A text whose first `head` bytes are about the whole; what it means is the manager's own.
    #[must_use]
    pub fn new(text: String, head: usize) -> Self {
        Self { text: Arc::new(text), head }
    }

    /// The text to cache.
    #[must_use]
    pub fn encode(&self) -> &str {
        &self.text
    }

    /// The whole text, shared.
    #[must_use]
    pub const fn text(&self) -> &Arc<String> {
        &self.text
    }

    /// Where the head of the text ends, in bytes.
    #[must_use]
    pub const fn head(&self) -> usize {
        self.head
    }
}

/// One index and where it is from.
#[derive(Debug, Clone)]
pub struct IndexSource {
    /// The archive's name as it goes into [`Origin::archive`](super::Origin::archive).
    pub archive: String,
    /// Of several archives that have a package, those of the highest priority are asked first: 500 usually, 100 for those
    /// that are only taken when asked for.
    pub priority: u16,
    /// The signed file that vouches for the index, if it is one that was verified.
    pub release: Option<Arc<SignedRelease>>,
    /// The packages that it offers.
    pub index: Index,
}

/// A suite's signed table of contents, whole: what vouches for packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRelease {
    /// Of `bytes`: what a package's record names it by.
    pub digest: Digest,
    /// As [`Signed::encode`](super::Signed::encode) gives it.
    pub bytes: Vec<u8>,
}

impl SignedRelease {
    /// Takes the digest of `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { digest: Digest::of(&bytes), bytes }
    }
}

/// What the indexes say of a package that somebody else names with a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Testimony {
    /// It is in an index that this file signs.
    Signed(Arc<SignedRelease>),
    /// They have the package, with another digest.
    OtherDigest(Digest),
    /// They do not know it in that version.
    Unknown,
}
