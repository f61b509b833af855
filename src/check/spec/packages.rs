//! What an image asks for of software: archives, packages, applications.

use serde::{Deserialize, Serialize};

use crate::text::{Requirement, Span, Spanned};

/// `archive`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveSpec {
    /// The whole statement.
    pub span: Span,
    /// Which archive it is.
    pub source: ArchiveSource,
    /// It stays among the image's own sources.
    pub keep: bool,
}

/// Which archive an `archive` statement adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveSource {
    /// More of the distribution's own.
    Own {
        /// Such as `contrib` and `non-free-firmware`.
        components: Vec<Spanned<String>>,
        /// `backports`, or a suite's whole name.
        suites: Vec<Spanned<String>>,
    },
    /// `archive "URL" { … }`
    Other(Box<OtherArchive>),
}

/// An archive outside the distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherArchive {
    /// `http` or `https`, as written.
    pub url: Spanned<String>,
    /// Such as `stable`; for a flat archive a path that ends in `/`.
    pub suite: Spanned<String>,
    /// `main` if the file does not say; none for a flat archive.
    pub components: Vec<Spanned<String>>,
    /// What must have signed its indexes.
    pub key: ArchiveKey,
    /// Hexadecimal digits of the key's fingerprint; absent: whatever key is given.
    pub fingerprint: Option<Spanned<String>>,
    /// apt's pin.
    pub priority: Option<Spanned<u32>>,
}

impl OtherArchive {
    /// Where it is, as a lock names it.
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.value.trim_end_matches('/')
    }
}

/// The key that signs an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveKey {
    /// The path as written, or the key's text.
    pub span: Span,
    /// Armoured or binary.
    pub content: Vec<u8>,
    /// Where it is in the project, if it is not in the ImageFile.
    pub path: Option<String>,
}

/// `jq`, `kubelet=1.36.1-1.1`, `docker-ce=5:27.*` or `postgresql-17 >= 17.2`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The list element.
    pub span: Span,
    /// As the distribution calls it, such as `jq`.
    pub name: String,
    /// The distribution's own version string, a pattern of it, or comparisons with it.
    pub version: Option<String>,
    /// What it recommends comes along.
    pub recommends: bool,
    /// Whether it stays in the image; else it is there for the scripts alone.
    pub keep: bool,
}

/// `app NAME [REQ] { … }`; options are checked against the catalogue by the resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The whole statement.
    pub span: Span,
    /// Of the catalogue, such as `nginx`.
    pub name: Spanned<String>,
    /// `^1.26`; absent: the newest that suits.
    pub version: Option<Spanned<Requirement>>,
    /// In the order written.
    pub options: Vec<AppOption>,
    /// Something in its options was not understood: more may be given than is known.
    pub doubtful: bool,
}

/// `key = value` in the braces of `app`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppOption {
    /// Such as `port`.
    pub key: Spanned<String>,
    /// Its type is the declaration's business.
    pub value: Spanned<Literal>,
}

/// A value whose type is decided elsewhere; params are already put in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Literal {
    /// The text, quoted or not.
    Text(String),
    /// `["a", "b"]`
    List(Vec<Spanned<Literal>>),
}

impl Literal {
    /// The text, unless it is a list.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(_) => None,
        }
    }
}
