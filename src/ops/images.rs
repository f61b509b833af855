//! The artifacts that were made here and are still there.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::error::Error;
use crate::{
    model::OutputFormat,
    store::{Records, read_regular, records::ArtifactRecord},
    text::Digest,
};

/// Largest lock that is looked at, in bytes.
const LOCK_LIMIT: u64 = 256 << 20;

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
    /// Whether a build would still go by the lock that it was built by.
    pub lock_state: LockState,
    /// Since it was made, its base was made anew with other content: that is, another image of the project has a newer one.
    pub base_outdated: bool,
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

/// The lock that an artifact was built by, and the one that is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LockState {
    /// They are the same.
    Same,
    /// Something in it changed since, perhaps for another image.
    Changed,
    /// There is none now.
    Missing,
    /// The records do not say by which it was built.
    Unknown,
}

impl LockState {
    /// As people and programs read it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}

/// Which artifacts are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImagesOptions<'a> {
    /// Of the project in this folder, as [`here`](super::records::here) names it; without it of every project.
    pub project: Option<&'a str>,
    /// Made of the image with this name in its ImageFile.
    pub image: Option<&'a str>,
}

/// The artifacts that were made and are still known, those of a project together, newest first.
///
/// # Errors
/// If the records cannot be read.
pub fn images(records: &Records, options: &ImagesOptions<'_>) -> Result<Vec<ListedImage>, Error> {
    let all = records.artifacts()?;
    let mut about = About::new(&all);
    let mut listed: Vec<ListedImage> = all
        .iter()
        .filter(|artifact| options.project.is_none_or(|project| *project == artifact.project))
        .filter(|artifact| options.image.is_none_or(|image| *image == artifact.image))
        .map(|artifact| about.listed(artifact))
        .collect();
    // Stable: within a project they stay as they are.
    listed.sort_by(|one, other| one.artifact.project.cmp(&other.artifact.project));
    Ok(listed)
}

/// One artifact as [`images`] lists it.
///
/// # Errors
/// If the records cannot be read.
pub fn listed(records: &Records, artifact: &ArtifactRecord) -> Result<ListedImage, Error> {
    Ok(About::new(&records.artifacts()?).listed(artifact))
}

/// What artifacts are compared with; each lock is read once.
struct About<'a> {
    all: &'a [ArtifactRecord],
    locks: BTreeMap<String, Option<Digest>>,
}

impl<'a> About<'a> {
    const fn new(all: &'a [ArtifactRecord]) -> Self {
        Self { all, locks: BTreeMap::new() }
    }

    fn listed(&mut self, artifact: &ArtifactRecord) -> ListedImage {
        let file = Path::new(&artifact.path).file_name().unwrap_or_default().to_string_lossy();
        let kind = OutputFormat::of(Path::new(&artifact.path)).map(|format| format.as_str().to_owned());
        let extension = || OutputFormat::split(&file).1.unwrap_or_default().to_owned();
        ListedImage {
            name: artifact.name().to_owned(),
            kind: kind.unwrap_or_else(extension),
            file: FileState::of(artifact),
            lock_state: self.lock_state(artifact),
            base_outdated: self.base_outdated(artifact),
            artifact: artifact.clone(),
        }
    }

    fn lock_state(&mut self, artifact: &ArtifactRecord) -> LockState {
        let (Some(built_by), Some(path)) = (artifact.lock, &artifact.lock_path) else {
            return LockState::Unknown;
        };
        let read = || read_regular(Path::new(path), LOCK_LIMIT).ok().map(Digest::of);
        match self.locks.entry(path.clone()).or_insert_with(read) {
            None => LockState::Missing,
            Some(now) if *now == built_by => LockState::Same,
            Some(_) => LockState::Changed,
        }
    }

    /// Whether something newer of the project stands on a newer state of the same base.
    fn base_outdated(&self, artifact: &ArtifactRecord) -> bool {
        let Some(own) = &artifact.base_key else { return false };
        let mut others = self.all.iter().filter(|other| other.project == artifact.project);
        let newest = match &artifact.parent {
            Some(parent) => others.find(|other| other.image == *parent).map(|other| &other.plan_key),
            None => {
                let same = |other: &&ArtifactRecord| other.parent.is_none() && other.base == artifact.base;
                others.find(same).and_then(|other| other.base_key.as_ref())
            }
        };
        newest.is_some_and(|newest| newest != own)
    }
}
