//! Where artifacts were published. What counts is their content: a copy of a file is where the file is.

use std::collections::HashMap;

use rusqlite::params;

use super::{ArtifactRecord, Publication, Records, Tried, now_ms};
use crate::store::{Digest, Result};

/// A place, and what an artifact is called there.
#[derive(Debug, Clone, Copy)]
pub struct PublishedAt<'a> {
    /// As the user's configuration names it.
    pub target: &'a str,
    /// Where the service has regions.
    pub region: Option<&'a str>,
    /// What it is called there.
    pub name: &'a str,
}

impl Records {
    /// A content is at a place; `id` is what the service calls it.
    pub fn published(&self, sha256: &Digest, at: PublishedAt<'_>, id: &str) -> Result<()> {
        self.write(
            "INSERT INTO publication (sha256, target, region, name, id, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET id = excluded.id, at = excluded.at, failure = NULL, failed = NULL",
            params![sha256.to_string(), at.target, at.region.unwrap_or_default(), at.name, id, now_ms()],
        )
    }

    /// A content could not be brought to a place. What is known of an earlier time stays.
    pub fn not_published(&self, sha256: &Digest, at: PublishedAt<'_>, why: &str) -> Result<()> {
        self.write(
            "INSERT INTO publication (sha256, target, region, name, failure, failed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET failure = excluded.failure, failed = excluded.failed",
            params![sha256.to_string(), at.target, at.region.unwrap_or_default(), at.name, why, now_ms()],
        )
    }

    /// Every place, by content.
    pub(super) fn publications(&self) -> Result<HashMap<String, Vec<Publication>>> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(
                "SELECT sha256, target, region, name, id, at, failure, failed FROM publication
                 ORDER BY target, region, name",
            )
            .tried("read")?;
        let rows = statement.query_map([], |row| {
            let region: String = row.get(2)?;
            let publication = Publication {
                target: row.get(1)?,
                region: Some(region).filter(|region| !region.is_empty()),
                name: row.get(3)?,
                id: row.get(4)?,
                at_ms: row.get(5)?,
                failure: row.get(6)?,
                failed_ms: row.get(7)?,
            };
            Ok((row.get::<_, String>(0)?, publication))
        });
        let mut found: HashMap<String, Vec<Publication>> = HashMap::new();
        for row in rows.tried("read")? {
            let (sha256, publication) = row.tried("read")?;
            found.entry(sha256).or_default().push(publication);
        }
        Ok(found)
    }
}

/// Says of each artifact where it was published.
pub(super) fn placed(artifacts: &mut [ArtifactRecord], publications: &HashMap<String, Vec<Publication>>) {
    for artifact in artifacts {
        artifact.published = publications.get(&artifact.sha256.to_string()).cloned().unwrap_or_default();
    }
}
