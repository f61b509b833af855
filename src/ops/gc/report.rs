//! What was cleared, or would be, for programs.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Cleared, Error, WouldClear};
use crate::{
    ops::lifecycle::{Fate, Verdict},
    store::Usage,
};

/// What `gc --format json` prints.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Cleared")]
pub struct GcReport {
    /// Whether it only looked (`--dry-run`).
    pub dry_run: bool,
    /// How many old builds are forgotten.
    pub old_builds: usize,
    /// Images with which the rules of their projects do something.
    pub images: Vec<ClearedImage>,
    /// Everything else that would go, in that order; empty unless it only looked.
    pub entries: Vec<ClearedEntry>,
    /// Bytes in the store that are freed, or would be.
    pub freed: u64,
    /// What the store takes afterwards; none if it only looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<StoreUsage>,
}

/// An image, and what a rule does with it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ClearedImage {
    /// Path of its file.
    pub path: String,
    /// Bytes of the file.
    pub size: i64,
    /// What is done.
    pub fate: ClearedFate,
    /// Seconds until it is removed, of one that waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_seconds: Option<u64>,
    /// Which rule says so, such as `keep = 5`; empty if none does any more.
    pub rule: String,
    /// Why it could not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// What is done with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClearedFate {
    /// It is called deprecated from now on.
    Deprecated,
    /// It is deprecated, and will be removed.
    Waits,
    /// It is removed.
    Removed,
    /// It is called deprecated no more.
    Reinstated,
}

/// Something in the store.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ClearedEntry {
    /// Such as `layer 0123456789ab`, or a path in the store.
    pub what: String,
    /// Bytes on disk.
    pub size: u64,
}

/// Bytes on disk, by kind.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StoreUsage {
    /// States of build disks after steps.
    pub layers: u64,
    /// Bases that were made here.
    pub bases: u64,
    /// Package files and downloads.
    pub blobs: u64,
    /// Archive indexes.
    pub indexes: u64,
    /// Memory of machines that have just come up.
    pub machines: u64,
}

impl From<Usage> for StoreUsage {
    fn from(Usage { layers, bases, blobs, indexes, machines }: Usage) -> Self {
        Self { layers, bases, blobs, indexes, machines }
    }
}

impl ClearedImage {
    fn of(verdict: Verdict, failed: Option<&Error>) -> Self {
        let (fate, in_seconds) = match verdict.fate {
            Fate::Deprecate => (ClearedFate::Deprecated, None),
            Fate::Wait(left) => (ClearedFate::Waits, Some(left.as_secs())),
            Fate::Remove => (ClearedFate::Removed, None),
            Fate::Reinstate => (ClearedFate::Reinstated, None),
        };
        let (path, size) = (verdict.artifact.path, verdict.artifact.size);
        Self { path, size, fate, in_seconds, rule: verdict.rule, failed: failed.map(ToString::to_string) }
    }
}

impl From<WouldClear> for GcReport {
    fn from(would: WouldClear) -> Self {
        let entries: Vec<_> =
            would.all.into_iter().map(|one| ClearedEntry { what: one.what, size: one.size }).collect();
        Self {
            dry_run: true,
            old_builds: would.old_builds,
            images: would.images.into_iter().map(|verdict| ClearedImage::of(verdict, None)).collect(),
            freed: entries.iter().map(|entry| entry.size).sum(),
            entries,
            usage: None,
        }
    }
}

impl GcReport {
    /// Takes note of something that was cleared.
    pub fn note(&mut self, what: Cleared) {
        match what {
            Cleared::Image(verdict, done) => {
                self.images.push(ClearedImage::of(verdict, done.err().as_ref()));
            }
            Cleared::Builds(builds) => self.old_builds += builds,
            Cleared::KeptDisks(_, freed) | Cleared::Unused(freed) | Cleared::Beyond(freed) => {
                self.freed += freed;
            }
        }
    }
}
