//! The artifacts that builds made and that are still there.

use rusqlite::{OptionalExtension, Row, TransactionBehavior, params};

use super::{ArtifactRecord, NewArtifact, Records, Tried, now_ms};
use crate::store::{Digest, Result};

const COLUMNS: &str = "SELECT id, build, image, path, sha256, size, plan_key, lock, labels, made, protected, project FROM artifact";

fn artifact(row: &Row<'_>) -> rusqlite::Result<ArtifactRecord> {
    let digest = |column: usize, text: &str| {
        text.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
        })
    };
    let (sha256, lock, labels): (String, Option<String>, String) = (row.get(4)?, row.get(7)?, row.get(8)?);
    Ok(ArtifactRecord {
        id: row.get(0)?,
        build: row.get(1)?,
        project: row.get(11)?,
        image: row.get(2)?,
        path: row.get(3)?,
        sha256: digest(4, &sha256)?,
        size: row.get(5)?,
        plan_key: row.get(6)?,
        lock: lock.map(|lock| digest(7, &lock)).transpose()?,
        labels: serde_json::from_str(&labels).unwrap_or_default(),
        made_ms: row.get(9)?,
        protected: row.get(10)?,
    })
}

impl Records {
    /// Adds an artifact; the one that was at its path before is gone.
    pub fn add_artifact(&self, new: &NewArtifact<'_>) -> Result<()> {
        let labels = serde_json::to_string(new.labels).unwrap_or_default();
        let mut connection = self.connection();
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).tried("add to")?;
        transaction
            .execute("UPDATE artifact SET gone = 1 WHERE path = ?1 AND gone = 0", [new.path])
            .tried("add to")?;
        transaction
            .execute(
                "INSERT INTO artifact (build, image, path, sha256, size, plan_key, lock, labels, made, project)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
                   coalesce((SELECT project FROM build WHERE id = ?1), ''))",
                params![
                    new.build,
                    new.image,
                    new.path,
                    new.sha256.to_string(),
                    i64::try_from(new.size).unwrap_or(i64::MAX),
                    new.plan_key,
                    new.lock.map(|lock| lock.to_string()),
                    labels,
                    now_ms()
                ],
            )
            .tried("add to")?;
        transaction.commit().tried("add to")
    }

    /// The artifacts that are there as far as imgfile knows, newest first. Somebody else may have removed
    /// the files.
    pub fn artifacts(&self) -> Result<Vec<ArtifactRecord>> {
        let connection = self.connection();
        let mut statement =
            connection.prepare(&format!("{COLUMNS} WHERE gone = 0 ORDER BY id DESC")).tried("read")?;
        let rows = statement.query_map([], artifact);
        rows.and_then(Iterator::collect).tried("read")
    }

    /// What one image of a build made, replaced since or not.
    pub(super) fn artifacts_of(&self, build: i64, image: &str) -> Result<Vec<ArtifactRecord>> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(&format!("{COLUMNS} WHERE build = ?1 AND image = ?2 ORDER BY id"))
            .tried("read")?;
        let rows = statement.query_map(params![build, image], artifact);
        rows.and_then(Iterator::collect).tried("read")
    }

    /// Whether some build made a file of this content.
    pub fn has_artifact(&self, sha256: &Digest) -> Result<bool> {
        let found = self.connection().query_row(
            "SELECT EXISTS (SELECT 1 FROM artifact WHERE sha256 = ?1)",
            [sha256.to_string()],
            |row| row.get(0),
        );
        found.tried("read")
    }

    /// Whether what lies at `path` (absolute) is an artifact that may not be touched.
    pub fn is_protected(&self, path: &str) -> Result<bool> {
        let found = self
            .connection()
            .query_row("SELECT protected FROM artifact WHERE path = ?1 AND gone = 0", [path], |row| {
                row.get(0)
            })
            .optional()
            .tried("read")?;
        Ok(found.unwrap_or(false))
    }

    /// Takes the protection of an artifact on or off.
    pub fn protect(&self, artifact: i64, protected: bool) -> Result<()> {
        self.write("UPDATE artifact SET protected = ?2 WHERE id = ?1", params![artifact, protected])
    }

    /// An artifact's file is at another path now.
    pub fn moved(&self, artifact: i64, path: &str) -> Result<()> {
        self.write("UPDATE artifact SET path = ?2 WHERE id = ?1", params![artifact, path])
    }

    /// An artifact is gone; false if it is protected and so must stay.
    pub fn remove_artifact(&self, artifact: i64) -> Result<bool> {
        let changed = self
            .connection()
            .execute("UPDATE artifact SET gone = 1 WHERE id = ?1 AND protected = 0", [artifact])
            .tried("change")?;
        Ok(changed > 0)
    }
}
