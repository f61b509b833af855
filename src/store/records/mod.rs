//! Records: what was built, by which builds, step by step.
//!
//! An SQLite database in the store, used by several processes at once: a build writes its own rows, other
//! terminals read them. What the steps printed is in one log file a build beside the database, since rows
//! are no place for it. A record never stops a build: whoever writes one goes on without it.

mod artifact;
mod model;
mod publication;
mod read;
mod revocation;
mod tag;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, TransactionBehavior};

use super::{Context, Result, StoreError, own};

pub use artifact::Keeps;
pub use model::{
    ArtifactRecord, BuildRecord, BuildSummary, ImageRecord, Kind, NewArtifact, Publication, Revocation,
    State, StepRecord,
};
pub use publication::PublishedAt;
pub use write::{Ending, StepId};

/// Statements that bring a database from one version (`user_version`) to the next. Only ever appended to.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("kinds.sql"),
    include_str!("artifacts.sql"),
    include_str!("captured.sql"),
    include_str!("publications.sql"),
];

const DATABASE: &str = "builds.sqlite";

/// Milliseconds to wait for another process that writes.
const BUSY_MS: u64 = 5000;

/// The open records of a store.
#[derive(Debug)]
pub struct Records {
    connection: Mutex<Connection>,
    folder: PathBuf,
}

/// Adds what was tried to an error of the database.
trait Tried<T> {
    fn tried(self, action: &'static str) -> Result<T>;
}

impl<T> Tried<T> for rusqlite::Result<T> {
    fn tried(self, action: &'static str) -> Result<T> {
        self.map_err(|source| StoreError::Records { action, source })
    }
}

impl Records {
    /// Opens the records of the store at `root`, made if absent, and settles builds whose process is gone.
    pub fn open(root: &Path) -> Result<Self> {
        let folder = root.join("records");
        own::folder(&folder.join("logs"))?;
        let path = folder.join(DATABASE);
        // SQLite would make it, and the files beside it, by the umask.
        own::options().create(true).append(true).open(&path).context("open", &path)?;
        let mut connection = Connection::open(&path).tried("open")?;
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS)).tried("open")?;
        {
            // SQLite does not wait for others while a new database becomes one with a log ahead: of two
            // that open it at once, one would be told that it is locked.
            let _turn = take_turn(&folder, "opening")?;
            prepare(&mut connection)?;
        }
        let version = version(&connection)?;
        if version > MIGRATIONS.len() {
            let reason = format!("a newer imgfile wrote it (version {version})");
            return Err(StoreError::Damaged { path, reason });
        }
        let records = Self { connection: Mutex::new(connection), folder };
        records.mark_ended()?;
        Ok(records)
    }

    /// As [`open`](Self::open), but for a build must not fail for its record and nobody wants to go without:
    /// a database that is damaged is set aside, under the path that is returned, and a new one begins.
    /// `thoroughly` looks through all of it, which takes as long as it is large.
    pub fn open_or_renew(root: &Path, thoroughly: bool) -> Result<(Self, Option<PathBuf>)> {
        // POSIX locks belong to a process: its threads would not keep each other from a database that is set aside.
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = Self::open(root).and_then(|records| {
            if thoroughly && !is_whole(&records.connection())? {
                return Err(corrupt());
            }
            Ok(records)
        });
        match opened {
            // An input or output error may mean that another process is setting a damaged one aside just now.
            Err(error) if error.is_corrupt() || error.is_input_output() => renew(root),
            opened => opened.map(|records| (records, None)),
        }
    }

    /// The file with everything a build printed.
    #[must_use]
    pub fn log(&self, build: i64) -> PathBuf {
        self.folder.join("logs").join(format!("{build}.log"))
    }

    /// Begins the log of a build.
    pub fn begin_log(&self, build: i64) -> Result<std::fs::File> {
        let path = self.log(build);
        own::options().create(true).truncate(true).write(true).open(&path).context("create", &path)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic in another thread leaves no half-written transaction behind: SQLite rolls it back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the whole database can be read.
fn is_whole(connection: &Connection) -> Result<bool> {
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).tried("read")?;
    Ok(said == "ok")
}

/// What SQLite says of a damaged database, for damage that a check has found.
fn corrupt() -> StoreError {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    StoreError::Records { action: "read", source: rusqlite::Error::SqliteFailure(code, None) }
}

/// Waits until no other process does what the lock file `name` stands for. It is this one's turn as long as
/// the file is open.
fn take_turn(folder: &Path, name: &str) -> Result<std::fs::File> {
    let path = folder.join(name);
    let file = own::options().create(true).truncate(true).write(true).open(&path).context("create", &path)?;
    file.lock().context("lock", &path)?;
    Ok(file)
}

/// Sets a damaged database aside and begins a new one, in one of the processes that want that.
fn renew(root: &Path) -> Result<(Records, Option<PathBuf>)> {
    let folder = root.join("records");
    let _turn = take_turn(&folder, "renewing")?;
    let path = folder.join(DATABASE);
    match Connection::open(&path).tried("open").and_then(|connection| is_whole(&connection)) {
        Ok(true) => return Ok((Records::open(root)?, None)),
        Err(error) if !error.is_corrupt() => return Err(error),
        Ok(false) | Err(_) => {}
    }
    let aside = folder.join(format!("{DATABASE}.damaged"));
    // What belongs to it goes first: beside the new one it would be nonsense.
    for suffix in ["-wal", "-shm", ""] {
        let part = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        match std::fs::rename(part(&path), part(&aside)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).context("set aside", &path);
            }
            _ => {}
        }
    }
    let records = Records::open(root)?;
    // The logs of before stay, and no build gets the number of one of them.
    let logs = std::fs::read_dir(folder.join("logs")).into_iter().flatten().flatten();
    let last = logs.filter_map(|log| log.path().file_stem()?.to_str()?.parse::<i64>().ok()).max();
    if let Some(last) = last {
        records.write("INSERT INTO sqlite_sequence (name, seq) VALUES ('build', ?1)", &[&last])?;
    }
    Ok((records, Some(aside)))
}

fn prepare(connection: &mut Connection) -> Result<()> {
    // Readers never wait for the build that writes. A power cut may lose the last rows, not the database.
    connection.pragma_update(None, "journal_mode", "wal").tried("open")?;
    connection.pragma_update(None, "synchronous", "normal").tried("open")?;
    connection.pragma_update(None, "foreign_keys", true).tried("open")?;
    while version(connection)? < MIGRATIONS.len() {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).tried("update")?;
        // Another process may have been faster.
        let at = version(&transaction)?;
        if let Some(statements) = MIGRATIONS.get(at) {
            transaction.execute_batch(statements).tried("update")?;
            let next = i64::try_from(at + 1).unwrap_or(i64::MAX);
            transaction.pragma_update(None, "user_version", next).tried("update")?;
        }
        transaction.commit().tried("update")?;
    }
    Ok(())
}

fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).tried("read")?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Milliseconds since 1970, for rows that people read.
#[must_use]
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
