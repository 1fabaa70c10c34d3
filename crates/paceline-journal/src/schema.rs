//! The tables, and how a file is recognised as ours.
//!
//! ```text
//! runs ──1:n── sessions ──1:n── jobs
//!   └──────1:n── open_failures ──n:1── jobs
//! ```
//!
//! `jobs` is only ever appended to, and rows that succeed touch no index but the one by run, in
//! which they are appended too: that keeps the cost of a row low and flat however large the file
//! is. What needs finding by input's key is rare (failures that may be superseded), and has the
//! table `open_failures` to itself: one row for each input of a failed job until that input has
//! run again. A failed job without such rows is superseded.
//!
//! The counts in `runs` change in the same transaction as the jobs that they count, so a listing
//! never scans jobs.
//!
//! `levels` stands alone: what was learned about a command outlives its runs.
//!
//! `doomed` holds runs that pruning has taken out of `runs` and whose jobs are still being
//! deleted, piece by piece; after a crash the next pruning goes on with them.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::{JournalError, connection};

/// The format this version writes, in `PRAGMA user_version`.
pub(crate) const VERSION: i64 = 2;

/// `PRAGMA application_id` of a journal: "pace".
const APPLICATION: i64 = 0x7061_6365;

/// How long to wait before the switch to write-ahead mode is tried again.
const AGAIN: Duration = Duration::from_millis(2);

/// The values of `jobs.state`.
pub(crate) mod state {
    /// Succeeded.
    pub(crate) const DONE: i64 = 0;
    /// Failed, and at least one of its inputs has not run again.
    pub(crate) const FAILED: i64 = 1;
    /// Failed, and all its inputs have run again in a later session.
    pub(crate) const SUPERSEDED: i64 = 2;
}

/// The tables of format 1; all later ones are made by the steps below.
const TABLES: &str = "
CREATE TABLE runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    template_key  BLOB    NOT NULL,
    template      TEXT    NOT NULL,
    directory     BLOB    NOT NULL,
    host          TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    touched_at    INTEGER NOT NULL,
    packed        INTEGER NOT NULL,
    done          INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    inputs_done   INTEGER NOT NULL DEFAULT 0,
    inputs_failed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX runs_by_template ON runs (template_key);
CREATE INDEX runs_by_touch    ON runs (touched_at);

CREATE TABLE sessions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    run         INTEGER NOT NULL,
    pid         INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    exit_code   INTEGER,
    wall_us     INTEGER,
    final_level INTEGER,
    max_level   INTEGER,
    decisions   TEXT,
    total       INTEGER,
    skipped     INTEGER
);
CREATE INDEX sessions_by_run ON sessions (run);

CREATE TABLE jobs (
    id             INTEGER PRIMARY KEY,
    run            INTEGER NOT NULL,
    session        INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    key            BLOB,
    args           BLOB    NOT NULL,
    state          INTEGER NOT NULL,
    exit           INTEGER,
    signal         INTEGER,
    timed_out      INTEGER NOT NULL,
    started_at     INTEGER NOT NULL,
    wall_us        INTEGER NOT NULL,
    user_us        INTEGER NOT NULL,
    sys_us         INTEGER NOT NULL,
    peak_rss_bytes INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    bytes_out      INTEGER NOT NULL,
    stderr_tail    BLOB,
    note           TEXT
);
CREATE INDEX jobs_by_run  ON jobs (run);
CREATE INDEX failed_by_run ON jobs (run) WHERE state = 1;

CREATE TABLE open_failures (
    run     INTEGER NOT NULL,
    key     BLOB    NOT NULL,
    job     INTEGER NOT NULL,
    place   INTEGER NOT NULL,
    session INTEGER NOT NULL,
    PRIMARY KEY (run, key, job, place)
) WITHOUT ROWID;
CREATE INDEX open_failures_by_job ON open_failures (job);

CREATE TABLE doomed (run INTEGER PRIMARY KEY);
";

/// What a file of format N lacks of format N + 1, from N = 1 on.
const STEPS: [&str; 1] = ["
CREATE TABLE levels (
    template_key BLOB    NOT NULL,
    host         TEXT    NOT NULL,
    template     TEXT    NOT NULL,
    level        INTEGER NOT NULL,
    limited_by   TEXT    NOT NULL,
    learned      TEXT    NOT NULL,
    cores        REAL    NOT NULL,
    memory_bytes INTEGER NOT NULL,
    runs         INTEGER NOT NULL,
    source       TEXT    NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (template_key, host)
) WITHOUT ROWID;
CREATE INDEX levels_by_update ON levels (updated_at);
"];

/// Makes the tables if the file is empty, brings an older format up to date, and refuses a file
/// that is not ours. Writes in any case, so that a file that cannot be written is found out before
/// work starts.
pub(crate) fn prepare(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let sql = |source| JournalError::from_sqlite(path, source);
    // Looked at before anything is written: a foreign file must stay as it is.
    let fresh = is_empty(connection, path)?;
    if fresh {
        // Takes effect only before the first table exists.
        connection
            .pragma_update(None, "auto_vacuum", "INCREMENTAL")
            .map_err(sql)?;
    }
    to_write_ahead_mode(connection).map_err(sql)?;
    let transaction =
        Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(sql)?;
    // Another process may have made the tables in the meantime.
    let format = if let Some(format) = check(&transaction, path)? {
        format
    } else {
        transaction.execute_batch(TABLES).map_err(sql)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION)
            .map_err(sql)?;
        1
    };
    let made = usize::try_from(format - 1).unwrap_or(0);
    for step in STEPS.iter().skip(made) {
        transaction.execute_batch(step).map_err(sql)?;
    }
    // Writes the first page even if the value stays the same.
    transaction
        .pragma_update(None, "user_version", VERSION)
        .map_err(sql)?;
    transaction.commit().map_err(sql)
}

/// Whether the database is empty. An error if it is not empty and not a journal we can use.
pub(crate) fn is_empty(connection: &Connection, path: &Path) -> Result<bool, JournalError> {
    // Looked at as of one moment: another process may be making the tables.
    let sql = |source| JournalError::from_sqlite(path, source);
    let moment =
        Transaction::new_unchecked(connection, TransactionBehavior::Deferred).map_err(sql)?;
    let format = check(&moment, path)?;
    moment.commit().map_err(sql)?;
    Ok(format.is_none())
}

/// The file's format; `None` if it is empty.
fn check(transaction: &Transaction<'_>, path: &Path) -> Result<Option<i64>, JournalError> {
    let number = |sql: &str| {
        transaction
            .query_row(sql, (), |row| row.get::<_, i64>(0))
            .map_err(|source| JournalError::from_sqlite(path, source))
    };
    let application = number("PRAGMA application_id")?;
    let found = number("PRAGMA user_version")?;
    if application == 0 && found == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(None);
    }
    if application != APPLICATION {
        return Err(JournalError::Foreign { path: path.into() });
    }
    if found > VERSION {
        return Err(JournalError::NewerSchema {
            path: path.into(),
            found,
            supported: VERSION,
        });
    }
    Ok(Some(found))
}

/// Turns write-ahead mode on. File systems without shared memory keep the rollback journal, which
/// is slower but as safe.
///
/// The switch needs the file for itself and, unlike other statements, does not always wait for
/// that: when several processes open a file that nobody has made yet, all but one may be turned
/// away. One of them succeeds, and then the others see that nothing is left to do.
fn to_write_ahead_mode(connection: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + connection::BUSY_TIMEOUT;
    loop {
        let mode: String = connection.query_row("PRAGMA journal_mode", (), |row| row.get(0))?;
        if mode == "wal" {
            return Ok(());
        }
        match connection.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(())) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                thread::sleep(AGAIN);
            }
            done => return done,
        }
    }
}
