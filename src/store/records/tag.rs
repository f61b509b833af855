//! Tags: names that move from one artifact of a project to the next, such as `prod`.

use rusqlite::params;

use super::{Records, Tried};
use crate::store::Result;

impl Records {
    /// Gives an artifact a tag; whichever artifact of its project had it has it no more. No reader sees it at two, nor at
    /// none. False if the artifact is gone.
    pub fn tag(&self, artifact: i64, name: &str) -> Result<bool> {
        let changed = self
            .connection()
            .execute(
                "INSERT INTO tag (project, name, artifact)
                 SELECT project, ?2, id FROM artifact WHERE id = ?1 AND gone = 0
                 ON CONFLICT (project, name) DO UPDATE SET artifact = excluded.artifact",
                params![artifact, name],
            )
            .tried("change")?;
        Ok(changed > 0)
    }

    /// Takes a tag off an artifact; false if it does not have it.
    pub fn untag(&self, artifact: i64, name: &str) -> Result<bool> {
        let changed = self
            .connection()
            .execute("DELETE FROM tag WHERE artifact = ?1 AND name = ?2", params![artifact, name])
            .tried("change")?;
        Ok(changed > 0)
    }
}
