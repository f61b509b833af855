//! What a build writes about itself.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::{Kind, Records, State, Tried, now_ms};
use crate::store::{Context, ProcessName, Result};

/// A step's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepId(i64);

/// How a step, an image or a build ended.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// What becomes of it; never [`State::Running`].
    pub state: State,
    /// In milliseconds.
    pub elapsed_ms: u64,
    /// Why it failed; for a step, how its command ended.
    pub message: Option<&'a str>,
}

/// Milliseconds as SQLite keeps them.
fn ms(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Records {
    /// A new build of the project in `project`, run by this process; returns its number.
    pub fn begin(&self, project: &Path, version: &str) -> Result<i64> {
        self.begin_kind(Kind::Build, project, version)
    }

    /// As [`begin`](Self::begin), of what is recorded.
    pub fn begin_kind(&self, kind: Kind, project: &Path, version: &str) -> Result<i64> {
        self.begin_as(kind, project, version, &ProcessName::own())
    }

    /// The commit that the project has checked out.
    pub fn built_from(&self, build: i64, commit: &str) -> Result<()> {
        self.write("UPDATE build SET commit_id = ?2 WHERE id = ?1", &[&build, &commit])
    }

    /// What was shown to the person when a build failed.
    pub fn diagnosed(&self, build: i64, text: &str) -> Result<()> {
        self.write("UPDATE build SET diagnosis = ?2 WHERE id = ?1", &[&build, &text])
    }

    pub(super) fn begin_as(
        &self,
        kind: Kind,
        project: &Path,
        version: &str,
        process: &ProcessName,
    ) -> Result<i64> {
        let mut connection = self.connection();
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).tried("add to")?;
        transaction
            .execute(
                "INSERT INTO build (project, version, state, began, pid, pid_started, host_boot, kind)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    project.to_string_lossy(),
                    version,
                    State::Running,
                    now_ms(),
                    process.pid,
                    ms(process.started),
                    process.boot,
                    kind
                ],
            )
            .tried("add to")?;
        let id = transaction.last_insert_rowid();
        transaction.commit().tried("add to")?;
        Ok(id)
    }

    /// An image of the build begins; said twice, the first holds.
    pub fn image_began(&self, build: i64, image: &str, at_ms: u64) -> Result<()> {
        self.write(
            "INSERT INTO image (build, name, state, began) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (build, name) DO NOTHING",
            params![build, image, State::Running, ms(at_ms)],
        )
    }

    /// What the image's plan says, as JSON.
    pub fn image_planned(&self, build: i64, image: &str, plan: &str) -> Result<()> {
        self.write("UPDATE image SET plan = ?3 WHERE build = ?1 AND name = ?2", params![build, image, plan])
    }

    /// An image of the build ended; one that never began is not recorded.
    ///
    /// # Errors
    /// [`StoreError::Records`](crate::store::StoreError::Records) if the database refuses.
    pub fn image_ended(&self, build: i64, image: &str, ending: Ending<'_>) -> Result<()> {
        self.write(
            "UPDATE image SET state = ?3, elapsed = ?4, message = ?5 WHERE build = ?1 AND name = ?2",
            params![build, image, ending.state, ms(ending.elapsed_ms), ending.message],
        )
    }

    /// A step begins; `image` is empty for a step of the whole build.
    pub fn step_began(&self, build: i64, image: &str, name: &str, at_ms: u64) -> Result<StepId> {
        let connection = self.connection();
        connection
            .execute(
                "INSERT INTO step (build, image, name, state, began) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![build, image, name, State::Running, ms(at_ms)],
            )
            .tried("add to")?;
        Ok(StepId(connection.last_insert_rowid()))
    }

    /// A step ended, after it printed `output` bytes, the last lines of which are `tail`.
    pub fn step_ended(&self, step: StepId, ending: Ending<'_>, output: u64, tail: &str) -> Result<()> {
        self.write(
            "UPDATE step SET state = ?2, elapsed = ?3, exit = ?4, output = ?5, tail = ?6 WHERE id = ?1",
            params![step.0, ending.state, ms(ending.elapsed_ms), ending.message, ms(output), tail],
        )
    }

    /// The build ended; what had not ended by then ends the same way.
    pub fn end(&self, build: i64, ending: Ending<'_>) -> Result<()> {
        let mut connection = self.connection();
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).tried("add to")?;
        transaction
            .execute(
                "UPDATE build SET state = ?2, elapsed = ?3, message = ?4 WHERE id = ?1",
                params![build, ending.state, ms(ending.elapsed_ms), ending.message],
            )
            .tried("add to")?;
        end_parts(&transaction, build, ending.state, Some(ms(ending.elapsed_ms)))?;
        transaction.commit().tried("add to")
    }

    /// Notes that somebody wants the build to stop, and names its process; none if it does not run.
    pub fn ask_to_cancel(&self, build: i64) -> Result<Option<ProcessName>> {
        let connection = self.connection();
        connection
            .query_row(
                "UPDATE build SET cancel_asked = 1 WHERE id = ?1 AND state = 'running'
                 RETURNING pid, pid_started, host_boot",
                [build],
                |row| {
                    let started: i64 = row.get(1)?;
                    let started = u64::try_from(started).unwrap_or(0);
                    Ok(ProcessName { pid: row.get(0)?, started, boot: row.get(2)? })
                },
            )
            .optional()
            .tried("change")
    }

    /// Gives builds whose process is gone the end nobody wrote: cancelled if that was asked for, else
    /// interrupted. Returns their numbers.
    pub fn mark_ended(&self) -> Result<Vec<i64>> {
        let mut connection = self.connection();
        let running: Vec<(i64, ProcessName, bool)> = {
            let mut statement = connection
                .prepare(
                    "SELECT id, pid, pid_started, host_boot, cancel_asked FROM build WHERE state = 'running'",
                )
                .tried("read")?;
            let rows = statement.query_map([], |row| {
                let started: i64 = row.get(2)?;
                let started = u64::try_from(started).unwrap_or(0);
                Ok((row.get(0)?, ProcessName { pid: row.get(1)?, started, boot: row.get(3)? }, row.get(4)?))
            });
            rows.and_then(Iterator::collect).tried("read")?
        };
        let mut ended = Vec::new();
        for (build, _, cancelled) in running.into_iter().filter(|(_, process, _)| !process.is_alive()) {
            let state = if cancelled { State::Cancelled } else { State::Interrupted };
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate).tried("change")?;
            // Its own last words, written between our two looks, win.
            let changed = transaction
                .execute(
                    "UPDATE build SET state = ?2 WHERE id = ?1 AND state = 'running'",
                    params![build, state],
                )
                .tried("change")?;
            if changed > 0 {
                end_parts(&transaction, build, state, None)?;
                ended.push(build);
            }
            transaction.commit().tried("change")?;
        }
        Ok(ended)
    }

    /// Forgets all but the newest `keep` ended builds, with their logs; returns how many went. What they
    /// made stays known.
    pub fn forget_old(&self, keep: u32) -> Result<Vec<i64>> {
        let old: Vec<i64> = {
            let connection = self.connection();
            let mut statement = connection
                .prepare(
                    "DELETE FROM build WHERE state <> 'running' AND id NOT IN
                       (SELECT id FROM build ORDER BY id DESC LIMIT ?1) RETURNING id",
                )
                .tried("change")?;
            let rows = statement.query_map([keep], |row| row.get(0));
            rows.and_then(Iterator::collect).tried("change")?
        };
        for build in &old {
            let log = self.log(*build);
            match std::fs::remove_file(&log) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).context("remove", &log);
                }
                _ => {}
            }
        }
        Ok(old)
    }

    pub(super) fn write(&self, statement: &str, values: &[&dyn rusqlite::ToSql]) -> Result<()> {
        self.connection().execute(statement, values).map(|_| ()).tried("add to")
    }
}

/// Ends the images and steps of a build that still run, `at` milliseconds after it began if known.
fn end_parts(connection: &Connection, build: i64, state: State, at: Option<i64>) -> Result<()> {
    for table in ["image", "step"] {
        let statement = format!(
            "UPDATE {table} SET state = ?2, elapsed = max(?3 - began, 0) WHERE build = ?1 AND state = 'running'"
        );
        connection.execute(&statement, params![build, state, at]).tried("change")?;
    }
    Ok(())
}
