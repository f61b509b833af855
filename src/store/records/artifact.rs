//! The artifacts that builds made and that are still there.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Row, TransactionBehavior, params};

use super::publication::placed;
use super::{ArtifactRecord, NewArtifact, Records, Revocation, Tried, now_ms};
use crate::store::{Digest, Result};

const COLUMNS: &str =
    "SELECT id, build, image, path, sha256, size, plan_key, lock, labels, made, protected, project,
    lock_path, description, base, base_key, parent, appliance, deprecated,
    (SELECT json_group_array(name) FROM (SELECT name FROM tag WHERE artifact = artifact_row.id ORDER BY name)),
    captured
    FROM artifact AS artifact_row";

fn artifact(row: &Row<'_>) -> rusqlite::Result<ArtifactRecord> {
    let digest = |column: usize, text: &str| {
        text.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
        })
    };
    let (sha256, lock, labels): (String, Option<String>, String) = (row.get(4)?, row.get(7)?, row.get(8)?);
    let (appliance, tags): (Option<String>, String) = (row.get(17)?, row.get(19)?);
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
        lock_path: row.get(12)?,
        labels: serde_json::from_str(&labels).unwrap_or_default(),
        made_ms: row.get(9)?,
        protected: row.get(10)?,
        description: row.get(13)?,
        base: row.get(14)?,
        base_key: row.get(15)?,
        parent: row.get(16)?,
        appliance: appliance.and_then(|json| serde_json::from_str(&json).ok()),
        captured: row.get(20)?,
        deprecated_ms: row.get(18)?,
        tags: serde_json::from_str(&tags).unwrap_or_default(),
        revoked: None,
        published: Vec::new(),
    })
}

/// Says of each artifact whether it, or what it was made from, was revoked.
fn revoked(artifacts: &mut [ArtifactRecord], revocations: &HashMap<String, Revocation>) {
    for artifact in artifacts {
        artifact.revoked = revocations.get(&artifact.plan_key).cloned();
    }
}

impl Records {
    /// Adds an artifact; the one that was at its path before is gone.
    pub fn add_artifact(&self, new: &NewArtifact<'_>) -> Result<()> {
        let labels = serde_json::to_string(new.labels).unwrap_or_default();
        let appliance = new.appliance.and_then(|appliance| serde_json::to_string(appliance).ok());
        let mut connection = self.connection();
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).tried("add to")?;
        let before: Option<i64> = transaction
            .query_row(
                "UPDATE artifact SET gone = 1 WHERE path = ?1 AND gone = 0 RETURNING id",
                [new.path],
                |row| row.get(0),
            )
            .optional()
            .tried("add to")?;
        transaction.execute("DELETE FROM tag WHERE artifact = ?1", [before]).tried("add to")?;
        transaction
            .execute(
                "INSERT INTO artifact (build, image, path, sha256, size, plan_key, lock, labels, made, project,
                   lock_path, description, base, base_key, parent, appliance, captured)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
                   coalesce((SELECT project FROM build WHERE id = ?1), ''), ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
                params![
                    new.build,
                    new.image,
                    new.path,
                    new.sha256.to_string(),
                    i64::try_from(new.size).unwrap_or(i64::MAX),
                    new.plan_key,
                    new.lock.map(|lock| lock.to_string()),
                    labels,
                    now_ms(),
                    new.lock_path,
                    new.description,
                    new.base,
                    new.base_key,
                    new.parent,
                    appliance,
                    new.captured,
                ],
            )
            .tried("add to")?;
        transaction.commit().tried("add to")
    }

    /// Notes a copy of an artifact's file at `path` (absolute): of the same content and the same origin, neither protected
    /// nor tagged. False if a file of this path is known already.
    pub fn copied(&self, artifact: i64, path: &str) -> Result<bool> {
        let changed = self
            .connection()
            .execute(
                "INSERT INTO artifact (build, image, path, sha256, size, plan_key, lock, labels, made, project,
                   lock_path, description, base, base_key, parent, appliance, captured)
                 SELECT build, image, ?2, sha256, size, plan_key, lock, labels, made, project,
                   lock_path, description, base, base_key, parent, appliance, captured
                 FROM artifact WHERE id = ?1
                 ON CONFLICT DO NOTHING",
                params![artifact, path],
            )
            .tried("add to")?;
        Ok(changed > 0)
    }

    /// The artifacts that are there as far as imgfile knows, newest first. Somebody else may have removed
    /// the files.
    pub fn artifacts(&self) -> Result<Vec<ArtifactRecord>> {
        let (revocations, publications) = (self.revocations()?, self.publications()?);
        let connection = self.connection();
        let mut statement =
            connection.prepare(&format!("{COLUMNS} WHERE gone = 0 ORDER BY id DESC")).tried("read")?;
        let rows = statement.query_map([], artifact);
        let mut found: Vec<ArtifactRecord> = rows.and_then(Iterator::collect).tried("read")?;
        revoked(&mut found, &revocations);
        placed(&mut found, &publications);
        Ok(found)
    }

    /// What one image of a build made, replaced since or not.
    pub(super) fn artifacts_of(&self, build: i64, image: &str) -> Result<Vec<ArtifactRecord>> {
        let (revocations, publications) = (self.revocations()?, self.publications()?);
        let connection = self.connection();
        let mut statement = connection
            .prepare(&format!("{COLUMNS} WHERE build = ?1 AND image = ?2 ORDER BY id"))
            .tried("read")?;
        let rows = statement.query_map(params![build, image], artifact);
        let mut found: Vec<ArtifactRecord> = rows.and_then(Iterator::collect).tried("read")?;
        revoked(&mut found, &revocations);
        placed(&mut found, &publications);
        Ok(found)
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

    /// What keeps the artifact at `path` (absolute) from being replaced, if there is one: that it is protected, or its
    /// tags.
    pub fn keeps(&self, path: &str) -> Result<Option<Keeps>> {
        let connection = self.connection();
        let found: Option<(bool, String)> = connection
            .query_row(
                "SELECT protected, (SELECT json_group_array(name) FROM tag WHERE artifact = artifact_row.id)
                 FROM artifact AS artifact_row WHERE path = ?1 AND gone = 0",
                [path],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .tried("read")?;
        Ok(match found {
            Some((true, _)) => Some(Keeps::Protected),
            Some((false, tags)) => {
                let tags: Vec<String> = serde_json::from_str(&tags).unwrap_or_default();
                (!tags.is_empty()).then_some(Keeps::Tagged(tags))
            }
            None => None,
        })
    }

    /// Takes the protection of an artifact on or off.
    pub fn protect(&self, artifact: i64, protected: bool) -> Result<()> {
        self.write("UPDATE artifact SET protected = ?2 WHERE id = ?1", params![artifact, protected])
    }

    /// Gives an artifact another description, or none.
    pub fn describe(&self, artifact: i64, description: Option<&str>) -> Result<()> {
        self.write("UPDATE artifact SET description = ?2 WHERE id = ?1", params![artifact, description])
    }

    /// The rules of its project let an artifact go from now on, or not any more. Said again, the first time holds.
    pub fn deprecate(&self, artifact: i64, deprecated: bool) -> Result<()> {
        if deprecated {
            let statement = "UPDATE artifact SET deprecated = coalesce(deprecated, ?2) WHERE id = ?1";
            return self.write(statement, params![artifact, now_ms()]);
        }
        self.write("UPDATE artifact SET deprecated = NULL WHERE id = ?1", params![artifact])
    }

    /// An artifact's file is at another path now.
    pub fn moved(&self, artifact: i64, path: &str) -> Result<()> {
        self.write("UPDATE artifact SET path = ?2 WHERE id = ?1", params![artifact, path])
    }

    /// An artifact is gone; false if it is protected or tagged and so must stay.
    pub fn remove_artifact(&self, artifact: i64) -> Result<bool> {
        let changed = self
            .connection()
            .execute(
                "UPDATE artifact SET gone = 1 WHERE id = ?1 AND protected = 0
                   AND NOT EXISTS (SELECT 1 FROM tag WHERE artifact = ?1)",
                [artifact],
            )
            .tried("change")?;
        Ok(changed > 0)
    }
}

/// What keeps an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeps {
    /// `image protect`.
    Protected,
    /// Its tags.
    Tagged(Vec<String>),
}
