//! What is said of a layer or base in a registry, signed by who sent it; and the manifest that it is found by.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::chunks::Chunk;
use crate::{
    describe::{Envelope, SigningKey, VerifyingKey},
    oci::{Descriptor, MANIFEST},
    text::Digest,
};

/// The type of what is signed.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.imgfile.cache.entry.v1+json";
const ARTIFACT_TYPE: &str = "application/vnd.imgfile.cache.v1";
const ENVELOPE_TYPE: &str = "application/vnd.imgfile.cache.entry.v1.dsse+json";
const CHUNK_TYPE: &str = "application/vnd.imgfile.cache.chunk.v1+zstd";
const FACTS_TYPE: &str = "application/vnd.imgfile.cache.facts.v1+zstd";
/// Names the content of the disk, so that one who sends need not read on.
const CONTENT: &str = "org.imgfile.cache.content";
/// Bytes of an envelope.
pub(super) const LARGEST: u64 = 16 << 20;
/// Changes when an entry means something else.
const FORMAT: u32 = 1;

/// What an entry is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A base.
    Base,
    /// The state of a disk after a step.
    Layer,
}

impl Kind {
    /// The tag of what has this key.
    pub(super) fn tag(self, key: &Digest) -> String {
        match self {
            Self::Base => format!("base-{key}"),
            Self::Layer => format!("layer-{key}"),
        }
    }
}

/// What a layer stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Below {
    /// Its key.
    pub key: Digest,
    /// What its disk holds: an overlay makes sense on this one only.
    pub content: Digest,
    /// The manifest of its entry.
    pub manifest: Digest,
}

/// A file, in chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileParts {
    /// BLAKE3 of it.
    pub blake3: Digest,
    /// In bytes.
    pub size: u64,
    /// In their order.
    pub chunks: Vec<Chunk>,
}

/// All that is known of a layer or base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    format: u32,
    /// Whether it is a base.
    pub kind: Kind,
    /// Of the recipe, or the step.
    pub key: Digest,
    /// What the disk holds, as a machine sees it.
    pub content: Digest,
    /// Its file.
    pub file: FileParts,
    /// The step, for people; empty of a base.
    pub step: String,
    /// The image that it was made for, for people; empty of a base.
    pub image: String,
    /// Milliseconds that making it took, if that is known.
    pub made_ms: Option<u64>,
    /// The layer that it stands on.
    pub parent: Option<Below>,
    /// The base at the bottom.
    pub base: Option<Below>,
    /// What the maker of a base noted.
    pub meta: Option<serde_json::Value>,
    /// What is known of the finished disk, if it is one.
    pub facts: Option<Chunk>,
}

/// Why an entry is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// No trusted key signed it.
    Untrusted,
    /// It is signed, and not what was asked for, or of another format.
    Other,
}

impl Entry {
    pub(super) const fn new(kind: Kind, key: Digest, content: Digest, file: FileParts) -> Self {
        Self {
            format: FORMAT,
            kind,
            key,
            content,
            file,
            step: String::new(),
            image: String::new(),
            made_ms: None,
            parent: None,
            base: None,
            meta: None,
            facts: None,
        }
    }

    /// Signed, as it lies in the registry; none if the key cannot sign.
    pub(super) fn sign(&self, key: &SigningKey) -> Option<Bytes> {
        // Plain data always has a JSON form.
        let payload = serde_json::to_vec(self).unwrap_or_default();
        Some(Envelope::sign_as(PAYLOAD_TYPE, &payload, key)?.line().into())
    }

    /// What one of the trusted signed, if it is about what was asked for.
    pub(super) fn open(
        envelope: &[u8],
        (kind, key): (Kind, &Digest),
        trusted: &[VerifyingKey],
    ) -> Result<Self, Unusable> {
        let envelope: Envelope = serde_json::from_slice(envelope).map_err(|_| Unusable::Untrusted)?;
        // The type is under the signature: a statement of another kind by the same key is no entry.
        let signed =
            envelope.payload_type == PAYLOAD_TYPE && trusted.iter().any(|key| envelope.is_signed_by(key));
        if !signed {
            return Err(Unusable::Untrusted);
        }
        let payload = envelope.statement().map_err(|_| Unusable::Untrusted)?;
        let entry: Self = serde_json::from_slice(&payload).map_err(|_| Unusable::Other)?;
        let sum = entry.file.chunks.iter().try_fold(0u64, |sum, chunk| sum.checked_add(chunk.raw));
        let is_it = entry.format == FORMAT
            && entry.kind == kind
            && entry.key == *key
            && entry.file.chunks.iter().chain(&entry.facts).all(Chunk::is_bounded)
            && sum == Some(entry.file.size)
            && match kind {
                Kind::Base => {
                    entry.parent.is_none() && entry.base.is_none() && entry.content == entry.file.blake3
                }
                Kind::Layer => entry.base.is_some(),
            };
        if is_it { Ok(entry) } else { Err(Unusable::Other) }
    }

    /// Bytes that have to travel.
    pub(super) fn travels(&self) -> u64 {
        self.file.chunks.iter().chain(&self.facts).map(|chunk| chunk.size).sum()
    }
}

/// A manifest, as far as it is written and read here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    schema_version: u32,
    media_type: String,
    #[serde(default)]
    artifact_type: String,
    /// The envelope.
    pub config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

impl Manifest {
    /// That of an entry, whose envelope is `envelope`.
    pub(super) fn of(entry: &Entry, envelope: &[u8]) -> Self {
        let mut seen = BTreeSet::new();
        let parts = entry.file.chunks.iter().map(|chunk| (CHUNK_TYPE, chunk));
        let layers = parts
            .chain(entry.facts.iter().map(|facts| (FACTS_TYPE, facts)))
            .filter(|(_, chunk)| seen.insert(chunk.digest))
            .map(|(kind, chunk)| Descriptor {
                media_type: kind.to_owned(),
                digest: format!("sha256:{}", chunk.digest),
                size: chunk.size,
            })
            .collect();
        let title = match entry.kind {
            Kind::Base => "base".to_owned(),
            Kind::Layer => format!("{}: {}", entry.image, entry.step),
        };
        let annotations = [
            (CONTENT.to_owned(), entry.content.to_string()),
            ("org.opencontainers.image.title".to_owned(), title),
        ];
        Self {
            schema_version: 2,
            media_type: MANIFEST.to_owned(),
            artifact_type: ARTIFACT_TYPE.to_owned(),
            config: Descriptor::of(ENVELOPE_TYPE, envelope),
            layers,
            annotations: annotations.into(),
        }
    }

    pub(super) fn bytes(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads one of ours: where the envelope is, whose size is bounded.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(bytes).ok()?;
        (manifest.config.media_type == ENVELOPE_TYPE && manifest.config.size <= LARGEST).then_some(manifest)
    }
}
