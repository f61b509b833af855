//! Images that nobody is to use any more, and all that were made from them.

use std::collections::HashMap;

use rusqlite::params;

use super::{ArtifactRecord, Records, Revocation, Tried, now_ms};
use crate::store::Result;

impl Records {
    /// Says that an image of this content is not to be used any more. Said again, the newer words hold.
    pub fn revoke(&self, artifact: &ArtifactRecord, why: Option<&str>) -> Result<()> {
        self.write(
            "INSERT INTO revocation (plan_key, image, at, why) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (plan_key) DO UPDATE SET at = excluded.at, why = excluded.why",
            params![artifact.plan_key, artifact.image, now_ms(), why],
        )
    }

    /// Takes that back; false if it was not said of this image itself.
    pub fn reinstate(&self, artifact: &ArtifactRecord) -> Result<bool> {
        self.forget_revocations("plan_key", &artifact.plan_key)
    }

    /// Takes back what was said of images of this name, whether their files are there or not; false if nothing was.
    pub fn reinstate_all(&self, image: &str) -> Result<bool> {
        self.forget_revocations("image", image)
    }

    fn forget_revocations(&self, column: &'static str, value: &str) -> Result<bool> {
        let statement = format!("DELETE FROM revocation WHERE {column} = ?1");
        let changed = self.connection().execute(&statement, [value]).tried("change")?;
        Ok(changed > 0)
    }

    /// What was revoked, and what was made from it as far as is known, by the key of the content.
    pub fn revocations(&self) -> Result<HashMap<String, Revocation>> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(
                "WITH RECURSIVE tainted (key, image, at, why, far) AS (
                   SELECT plan_key, image, at, why, 0 FROM revocation
                   UNION
                   SELECT made.plan_key, tainted.image, tainted.at, tainted.why, tainted.far + 1
                   FROM artifact AS made JOIN tainted ON made.base_key = tainted.key
                   WHERE made.parent IS NOT NULL AND made.plan_key <> tainted.key AND tainted.far < 100
                 )
                 SELECT key, image, at, why FROM tainted ORDER BY far DESC, at DESC",
            )
            .tried("read")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get(0)?, Revocation { image: row.get(1)?, at_ms: row.get(2)?, why: row.get(3)? }))
        });
        // The nearest comes last, and takes the place of the others: what was said of an image itself, then of its parent.
        rows.and_then(Iterator::collect).tried("read")
    }
}
