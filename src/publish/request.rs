//! What is asked of a target, and what it answers.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    check::Visibility,
    model::{Arch, Firmware, OutputFormat},
    text::Digest,
};

/// One artifact, and how it is to be at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Request {
    /// Name in the ImageFile.
    pub image: String,
    /// What it is to be called there.
    pub name: String,
    /// The region that was asked for; none: the target's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The artifact, absolute.
    pub file: PathBuf,
    /// What the file is.
    pub format: OutputFormat,
    /// Digest of the whole file.
    pub sha256: Digest,
    /// Bytes of the file.
    pub size: u64,
    /// What is known of the system in it; none of a file that an older version built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<ImageFacts>,
    /// Bytes of the smallest disk of an instance; none where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_disk: Option<u64>,
    /// Who is to see it.
    pub visibility: Visibility,
    /// It is not to be deleted there.
    pub protect: bool,
    /// Ids of projects that may use it.
    pub share: Vec<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What else the service is told.
    pub properties: BTreeMap<String, String>,
    /// The id that an earlier publication of the same content under this name got here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
}

/// What is known of the system in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageFacts {
    /// Distribution, such as `debian`.
    pub os: String,
    /// Of the distribution, such as `13`.
    pub os_version: String,
    /// Of the system.
    pub arch: Arch,
    /// What the disk boots under.
    pub firmware: Vec<Firmware>,
    /// Virtual size of the disk in bytes.
    pub disk_size: u64,
}

/// Where an artifact is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What the service calls it.
    pub id: String,
    /// The region it is in, where the service has regions.
    pub region: Option<String>,
    /// What had to be done for it.
    pub sent: Sent,
    /// What there is to know besides, each a sentence without a full stop.
    pub notes: Vec<String>,
}

/// What had to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sent {
    /// The file was sent.
    Sent,
    /// The same content was there already; what is said of it was changed.
    Updated,
    /// All was there as it is asked for.
    There,
}
