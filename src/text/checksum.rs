//! How a file from elsewhere is pinned: by one of the two checksums that publishers give.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha512};

use super::Digest;

/// What somebody says the checksum of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// `sha256 "…"`, 32 bytes.
    Sha256(Digest),
    /// `sha512 "…"`, for publishers who give that one only.
    Sha512(
        #[serde(with = "hex::serde")]
        #[schemars(with = "String")]
        [u8; 64],
    ),
}

impl Checksum {
    /// A checksum by its hexadecimal form; which one it is, its length says.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        match hex.len() {
            64 => hex.parse().ok().map(Self::Sha256),
            128 => {
                let mut bytes = [0; 64];
                hex::decode_to_slice(hex, &mut bytes).ok()?;
                Some(Self::Sha512(bytes))
            }
            _ => None,
        }
    }

    /// `sha256` or `sha512`, as the ImageFile says it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        }
    }

    /// The digits alone, in lower case.
    #[must_use]
    pub fn hex(&self) -> String {
        match self {
            Self::Sha256(digest) => digest.to_string(),
            Self::Sha512(bytes) => hex::encode(bytes),
        }
    }

    /// The kind and the first 12 digits: enough to tell things apart on a screen.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{} {}", self.kind(), &self.hex()[..12])
    }

    /// What names the file before its SHA-256 is known: that, or the digest of the SHA-512.
    #[must_use]
    pub fn id(&self) -> Digest {
        match self {
            Self::Sha256(digest) => *digest,
            Self::Sha512(bytes) => Digest::of(bytes),
        }
    }

    /// Whether a content has it.
    #[must_use]
    pub fn is_of(&self, content: &[u8]) -> bool {
        match self {
            Self::Sha256(digest) => Digest::of(content) == *digest,
            Self::Sha512(bytes) => Sha512::digest(content)[..] == bytes[..],
        }
    }
}

impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind(), self.hex())
    }
}
