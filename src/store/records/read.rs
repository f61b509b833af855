//! What other terminals ask about builds.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Row, params};

use super::{BuildRecord, BuildSummary, ImageRecord, Records, State, StepRecord, Tried};
use crate::store::Result;

const SUMMARY: &str = "SELECT id, state, project, began, elapsed, message, version,
    (SELECT count(*) FROM step WHERE build = build.id AND state IN ('done', 'reused')),
    (SELECT count(*) FROM step WHERE build = build.id AND state = 'reused'),
    (SELECT json_group_array(name) FROM (SELECT name FROM image WHERE build = build.id ORDER BY began, name)), kind, commit_id
    FROM build";

fn summary(row: &Row<'_>) -> rusqlite::Result<BuildSummary> {
    let images: String = row.get(9)?;
    Ok(BuildSummary {
        id: row.get(0)?,
        kind: row.get(10)?,
        state: row.get(1)?,
        project: row.get(2)?,
        images: serde_json::from_str(&images).unwrap_or_default(),
        began_ms: row.get(3)?,
        elapsed_ms: row.get(4)?,
        steps_done: row.get(7)?,
        steps_reused: row.get(8)?,
        message: row.get(5)?,
        version: row.get(6)?,
        commit: row.get(11)?,
    })
}

impl Records {
    /// The newest builds first, at most `limit`; those of one project if it is given.
    pub fn builds(&self, project: Option<&str>, limit: u32) -> Result<Vec<BuildSummary>> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(&format!("{SUMMARY} WHERE ?1 IS NULL OR project = ?1 ORDER BY id DESC LIMIT ?2"))
            .tried("read")?;
        let rows = statement.query_map(params![project, limit], summary);
        rows.and_then(Iterator::collect).tried("read")
    }

    /// How long each step of a project took when it last ran to its end, in milliseconds, by image and step.
    pub fn last_times(&self, project: &str) -> Result<HashMap<(String, String), u64>> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(
                "SELECT image, name, elapsed FROM step
                 WHERE build IN (SELECT id FROM build WHERE project = ?1 ORDER BY id DESC LIMIT 20)
                   AND state = 'done' AND elapsed IS NOT NULL
                 ORDER BY id",
            )
            .tried("read")?;
        let rows = statement.query_map([project], |row| {
            let elapsed: i64 = row.get(2)?;
            Ok(((row.get(0)?, row.get(1)?), u64::try_from(elapsed).unwrap_or(0)))
        });
        // A later one takes the place of an earlier one.
        rows.and_then(Iterator::collect).tried("read")
    }

    /// The state of a build; none if there is no such build.
    pub fn state(&self, build: i64) -> Result<Option<State>> {
        self.connection()
            .query_row("SELECT state FROM build WHERE id = ?1", [build], |row| row.get(0))
            .optional()
            .tried("read")
    }

    /// Everything about one build; none if there is no such build.
    pub fn build(&self, build: i64) -> Result<Option<BuildRecord>> {
        let Some(summary) = self
            .connection()
            .query_row(&format!("{SUMMARY} WHERE id = ?1"), [build], summary)
            .optional()
            .tried("read")?
        else {
            return Ok(None);
        };
        let diagnosis = self
            .connection()
            .query_row("SELECT diagnosis FROM build WHERE id = ?1", [build], |row| row.get(0))
            .tried("read")?;
        let mut steps = self.steps(build)?;
        let mut details = self.images_of(build)?;
        for image in &mut details {
            image.steps = steps.remove(&image.name).unwrap_or_default();
            image.artifacts = self.artifacts_of(build, &image.name)?;
        }
        Ok(Some(BuildRecord { summary, diagnosis, details, steps: steps.remove("").unwrap_or_default() }))
    }

    fn images_of(&self, build: i64) -> Result<Vec<ImageRecord>> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(
                "SELECT name, state, began, elapsed, message, plan FROM image
                 WHERE build = ?1 ORDER BY began, name",
            )
            .tried("read")?;
        let rows = statement.query_map([build], |row| {
            let plan: Option<String> = row.get(5)?;
            Ok(ImageRecord {
                name: row.get(0)?,
                state: row.get(1)?,
                began_ms: row.get(2)?,
                elapsed_ms: row.get(3)?,
                message: row.get(4)?,
                plan: plan.and_then(|plan| serde_json::from_str(&plan).ok()),
                steps: Vec::new(),
                artifacts: Vec::new(),
            })
        });
        rows.and_then(Iterator::collect).tried("read")
    }

    /// Steps by their image, in the order in which they began.
    fn steps(&self, build: i64) -> Result<HashMap<String, Vec<StepRecord>>> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(
                "SELECT image, name, state, began, elapsed, exit, output, tail FROM step
                 WHERE build = ?1 ORDER BY id",
            )
            .tried("read")?;
        let rows = statement.query_map([build], |row| {
            let image: String = row.get(0)?;
            let step = StepRecord {
                name: row.get(1)?,
                state: row.get(2)?,
                began_ms: row.get(3)?,
                elapsed_ms: row.get(4)?,
                exit: row.get(5)?,
                output_bytes: row.get(6)?,
                tail: row.get(7)?,
            };
            Ok((image, step))
        });
        let mut steps: HashMap<String, Vec<StepRecord>> = HashMap::new();
        for row in rows.tried("read")? {
            let (image, step) = row.tried("read")?;
            steps.entry(image).or_default().push(step);
        }
        Ok(steps)
    }
}
