//! What the records tell, as `builds --format json` and `images --format json` print it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{model::OutputFormat, plan::Appliance, text::Digest};

/// How far a build, an image or a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its end is not recorded yet.
    Running,
    /// It ended well.
    Done,
    /// A step whose result was there.
    Reused,
    /// It ended with an error.
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
    /// A build, from base to artifact.
    #[default]
    Build,
    /// The tests of what was built, again.
    Test,
    /// An image of a machine that was there.
    Capture,
}

impl Kind {
    /// The word people and the database read.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Test => "test",
            Self::Capture => "capture",
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
        let known = [Self::Build, Self::Test, Self::Capture].into_iter().find(|kind| kind.word() == word);
        known.ok_or(rusqlite::types::FromSqlError::InvalidType)
    }
}

/// One line of `builds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuildSummary {
    /// Its number, which `logs`, `builds show` and `cancel` take.
    pub id: i64,
    /// Whether it built, or only tested.
    pub kind: Kind,
    /// How far it is, or how it ended.
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
    /// Of `steps_done`, those whose result an earlier build left.
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
    /// What `builds` lists of it.
    #[serde(flatten)]
    pub summary: BuildSummary,
    /// What was shown when it failed: each diagnostic with its place and the way out.
    pub diagnosis: Option<String>,
    /// Its images, in the order in which they began.
    pub details: Vec<ImageRecord>,
    /// Steps of no image, such as the making of a base several images stand on.
    pub steps: Vec<StepRecord>,
}

/// One image of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageRecord {
    /// Name in the ImageFile.
    pub name: String,
    /// How far it is, or how it ended.
    pub state: State,
    /// Milliseconds since the build began.
    pub began_ms: i64,
    /// Milliseconds that it took; none while it runs, or when nobody saw its end.
    pub elapsed_ms: Option<i64>,
    /// Why it failed; none unless it did.
    pub message: Option<String>,
    /// What the plan said, see the `Planned` event.
    pub plan: Option<serde_json::Value>,
    /// Its steps, in the order in which they began.
    pub steps: Vec<StepRecord>,
    /// The files it made; empty unless it was built to its end.
    pub artifacts: Vec<ArtifactRecord>,
}

/// One step of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepRecord {
    /// As the plan names it, such as `packages` or `script announce`.
    pub name: String,
    /// How far it is, or how it ended.
    pub state: State,
    /// Milliseconds since the build began.
    pub began_ms: i64,
    /// Milliseconds that it took; none while it runs, or when nobody saw its end.
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
    /// Its number in the records; a path that is written again gets a new one.
    pub id: i64,
    /// The build that made it, while its record is kept.
    pub build: Option<i64>,
    /// Folder of the ImageFile it was built from; empty if that was never recorded.
    pub project: String,
    /// Name in the ImageFile.
    pub image: String,
    /// Where the file was put, absolute, such as `/home/ann/site/out/web.qcow2`.
    pub path: String,
    /// Digest of the whole file.
    pub sha256: Digest,
    /// In bytes.
    pub size: i64,
    /// Key of the plan's last step: what decides the content.
    pub plan_key: String,
    /// sha256 of the lock it was built by.
    pub lock: Option<Digest>,
    /// Where that lock is, absolute; none in records of older versions.
    #[serde(default)]
    pub lock_path: Option<String>,
    /// The image's `label` statements, by key.
    pub labels: BTreeMap<String, String>,
    /// Milliseconds since 1970.
    pub made_ms: i64,
    /// May be neither removed nor replaced.
    pub protected: bool,
    /// What people say of it: the ImageFile's words, unless `image describe` gave others.
    #[serde(default)]
    pub description: Option<String>,
    /// Name of its base, such as `debian-13`; none in records of older versions.
    #[serde(default)]
    pub base: Option<String>,
    /// Key of what its first step stands on; of an image on another one, that one's `plan_key`.
    #[serde(default)]
    pub base_key: Option<String>,
    /// The image of the same project that it is based on.
    #[serde(default)]
    pub parent: Option<String>,
    /// The machine that a package of it, such as an OVA, describes.
    #[serde(default)]
    pub appliance: Option<Appliance>,
    /// The disk that it was captured from; none for an image that was built.
    #[serde(default)]
    pub captured: Option<String>,
    /// Since when the rules of its project let it go, in milliseconds since 1970.
    #[serde(default)]
    pub deprecated_ms: Option<i64>,
    /// Its tags, by name.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Why nobody is to use it any more.
    #[serde(default)]
    pub revoked: Option<Revocation>,
    /// Where its content was published, or was to be.
    #[serde(default)]
    pub published: Vec<Publication>,
}

/// A place where an artifact was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Publication {
    /// As the user's configuration names it.
    pub target: String,
    /// Where the service has regions.
    pub region: Option<String>,
    /// What it is called there.
    pub name: String,
    /// What the service calls it; none if it never got there.
    pub id: Option<String>,
    /// When `publish` saw it there last, in milliseconds since 1970.
    pub at_ms: Option<i64>,
    /// Why the last `publish` failed; none if it did not.
    pub failure: Option<String>,
    /// When that was.
    pub failed_ms: Option<i64>,
}

impl Publication {
    /// The place, as people read it: `prod`, or `prod/RegionOne`.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.region {
            Some(region) => format!("{}/{region}", self.target),
            None => self.target.clone(),
        }
    }
}

impl ArtifactRecord {
    /// File name without its extension: what `images` lists and commands take.
    #[must_use]
    pub fn name(&self) -> &str {
        let file = std::path::Path::new(&self.path).file_name().and_then(|name| name.to_str());
        OutputFormat::split(file.unwrap_or(&self.path)).0
    }
}

/// An image, and with it all that were made from it, that nobody is to use any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Revocation {
    /// Name in its ImageFile of the image that was revoked: this one, or one that it was made from.
    pub image: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What was said of it then.
    pub why: Option<String>,
}

/// An artifact as its build reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewArtifact<'a> {
    /// Number of the build that made it.
    pub build: i64,
    /// Name in the ImageFile.
    pub image: &'a str,
    /// Absolute.
    pub path: &'a str,
    /// Digest of the whole file.
    pub sha256: Digest,
    /// In bytes.
    pub size: u64,
    /// Key of the plan's last step, as hexadecimal digits.
    pub plan_key: &'a str,
    /// sha256 of the lock it was built by; none if there was none.
    pub lock: Option<Digest>,
    /// Where that lock is, absolute.
    pub lock_path: Option<&'a str>,
    /// The image's `label` statements, by key.
    pub labels: &'a BTreeMap<String, String>,
    /// The image's `description`.
    pub description: Option<&'a str>,
    /// Name of its base.
    pub base: Option<&'a str>,
    /// Key of what its first step stands on, as hexadecimal digits.
    pub base_key: Option<&'a str>,
    /// The image of the same project that it is based on.
    pub parent: Option<&'a str>,
    /// The machine that a package of it describes.
    pub appliance: Option<&'a Appliance>,
    /// The disk that it was captured from.
    pub captured: Option<&'a str>,
}
