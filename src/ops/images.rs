//! The artifacts that were made here and are still there.

use serde::Serialize;

use super::error::Error;
use crate::store::{Records, records::ArtifactRecord};

/// An artifact and what is at its path now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Listed")]
pub struct ListedImage {
    /// Its file's name without the extension.
    pub name: String,
    /// Its file's format, by the extension.
    pub kind: String,
    /// What is at its path now.
    pub file: FileState,
    /// What the records have of it.
    #[serde(flatten)]
    pub artifact: ArtifactRecord,
}

/// What is at an artifact's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// A file of the recorded size; its content was not read.
    Present,
    /// A file of another size: somebody wrote to it.
    Changed,
    /// No file, or one that this user cannot look at.
    Missing,
}

impl FileState {
    /// What is at the path of this artifact now.
    #[must_use]
    pub fn of(artifact: &ArtifactRecord) -> Self {
        match std::fs::metadata(&artifact.path) {
            Ok(file) if i64::try_from(file.len()) == Ok(artifact.size) => Self::Present,
            Ok(_) => Self::Changed,
            Err(_) => Self::Missing,
        }
    }

    /// As people and programs read it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Changed => "changed",
            Self::Missing => "missing",
        }
    }
}

impl From<ArtifactRecord> for ListedImage {
    fn from(artifact: ArtifactRecord) -> Self {
        let extension = std::path::Path::new(&artifact.path).extension();
        let kind = extension.map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
        Self { name: artifact.name().to_owned(), kind, file: FileState::of(&artifact), artifact }
    }
}

/// The artifacts that a project built, newest first, or those of every project; `project` is its folder as
/// [`here`](super::records::here) names it.
pub fn images(records: &Records, project: Option<&str>) -> Result<Vec<ListedImage>, Error> {
    let artifacts = records.artifacts()?.into_iter();
    let ours = artifacts.filter(|artifact| project.is_none_or(|project| *project == artifact.project));
    Ok(ours.map(ListedImage::from).collect())
}
