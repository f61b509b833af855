//! What the records tell, as `builds --format json` and `images --format json` print it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::Digest;

/// How far a build, an image or a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Running,
    Done,
    /// A step whose result was there.
    Reused,
    Failed,
    /// Stopped because somebody wanted it.
    Cancelled,
    /// Its process ended without a word: killed, or the host went down.
    Interrupted,
}

impl State {
    /// The word people and the database read.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Reused => "reused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    const ALL: [Self; 6] =
        [Self::Running, Self::Done, Self::Reused, Self::Failed, Self::Cancelled, Self::Interrupted];

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

impl rusqlite::ToSql for State {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(self.word().into())
    }
}

impl rusqlite::types::FromSql for State {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        Self::from_word(value.as_str()?).ok_or(rusqlite::types::FromSqlError::InvalidType)
    }
}

/// What a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Build,
    /// The tests of what was built, again.
    Test,
}

impl Kind {
    /// The word people and the database read.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Test => "test",
        }
    }
}

impl rusqlite::ToSql for Kind {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(self.word().into())
    }
}

impl rusqlite::types::FromSql for Kind {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        let word = value.as_str()?;
        let known = [Self::Build, Self::Test].into_iter().find(|kind| kind.word() == word);
        known.ok_or(rusqlite::types::FromSqlError::InvalidType)
    }
}

/// One line of `builds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuildSummary {
    pub id: i64,
    pub kind: Kind,
    pub state: State,
    /// Folder of the ImageFile.
    pub project: String,
    /// Names of its images.
    pub images: Vec<String>,
    /// Milliseconds since 1970.
    pub began_ms: i64,
    /// Milliseconds; none while it runs, or when nobody saw its end.
    pub elapsed_ms: Option<i64>,
    /// Steps that ended well, the reused ones among them.
    pub steps_done: u32,
    pub steps_reused: u32,
    /// Why it failed.
    pub message: Option<String>,
    /// Version of imgfile that ran it.
    pub version: String,
    /// The commit that was checked out; the files may have differed from it.
    pub commit: Option<String>,
}

/// One build with all that is known about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuildRecord {
    #[serde(flatten)]
    pub summary: BuildSummary,
    /// What was shown when it failed: each diagnostic with its place and the way out.
    pub diagnosis: Option<String>,
    pub details: Vec<ImageRecord>,
    /// Steps of no image, such as the making of a base several images stand on.
    pub steps: Vec<StepRecord>,
}

/// One image of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageRecord {
    pub name: String,
    pub state: State,
    /// Milliseconds since the build began.
    pub began_ms: i64,
    pub elapsed_ms: Option<i64>,
    pub message: Option<String>,
    /// What the plan said, see the `Planned` event.
    pub plan: Option<serde_json::Value>,
    pub steps: Vec<StepRecord>,
    pub artifacts: Vec<ArtifactRecord>,
}

/// One step of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepRecord {
    pub name: String,
    pub state: State,
    /// Milliseconds since the build began.
    pub began_ms: i64,
    pub elapsed_ms: Option<i64>,
    /// How its command ended, such as `exit status 1`.
    pub exit: Option<String>,
    /// Bytes it printed; all lines are in the build's log.
    pub output_bytes: i64,
    /// The last lines it printed.
    pub tail: String,
}

/// A disk image that a build made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactRecord {
    pub id: i64,
    /// The build that made it, while its record is kept.
    pub build: Option<i64>,
    /// Folder of the ImageFile it was built from; empty if that was never recorded.
    pub project: String,
    /// Name in the ImageFile.
    pub image: String,
    pub path: String,
    pub sha256: Digest,
    /// In bytes.
    pub size: i64,
    /// Key of the plan's last step: what decides the content.
    pub plan_key: String,
    /// sha256 of the lock it was built by.
    pub lock: Option<Digest>,
    pub labels: BTreeMap<String, String>,
    /// Milliseconds since 1970.
    pub made_ms: i64,
    /// May be neither removed nor replaced.
    pub protected: bool,
}

impl ArtifactRecord {
    /// File name without its extension: what `images` lists and commands take.
    #[must_use]
    pub fn name(&self) -> &str {
        std::path::Path::new(&self.path).file_stem().and_then(|name| name.to_str()).unwrap_or(&self.path)
    }
}

/// An artifact as its build reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewArtifact<'a> {
    pub build: i64,
    pub image: &'a str,
    /// Absolute.
    pub path: &'a str,
    pub sha256: Digest,
    pub size: u64,
    pub plan_key: &'a str,
    pub lock: Option<Digest>,
    pub labels: &'a BTreeMap<String, String>,
}
