//! Where an image goes when somebody publishes it.

use serde::{Deserialize, Serialize};

use super::KeyValue;
use crate::check::Size;
use crate::model::OutputFormat;
use crate::text::{Span, Spanned};

/// `publish to "TARGET" { … }`: what is asked of a target that the user's own configuration describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishSpec {
    /// The whole statement.
    pub span: Span,
    /// A name of the user's configuration: addresses and credentials are theirs alone.
    pub target: Spanned<String>,
    /// What it is called there; absent: the output's name.
    pub name: Option<Spanned<String>>,
    /// Which output is sent; absent: the first that the target takes.
    pub format: Option<Spanned<OutputFormat>>,
    /// Absent: the region of the target's configuration.
    pub regions: Vec<Spanned<String>>,
    /// Ids of projects that may use it.
    pub share: Vec<Spanned<String>>,
    /// It cannot be deleted there.
    pub protect: bool,
    /// Absent: private, or shared where `share` names somebody.
    pub visibility: Option<Spanned<Visibility>>,
    /// `auto` if the file does not say.
    pub min_disk: MinDisk,
    /// What else the service is told, in the order written.
    pub properties: Vec<KeyValue>,
    /// In the order written.
    pub tags: Vec<Spanned<String>>,
}

/// Who sees a published image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// The project that it is published to.
    Private,
    /// And projects that it is shared with.
    Shared,
    /// Everybody who knows its id.
    Community,
    /// Everybody.
    Public,
}

impl Visibility {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Private, Self::Shared, Self::Community, Self::Public];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Community => "community",
            Self::Public => "public",
        }
    }
}

/// The smallest disk that an instance may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinDisk {
    /// As large as the image's own.
    #[default]
    Auto,
    /// So large.
    Size(Size),
}
