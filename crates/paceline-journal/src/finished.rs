//! Which inputs of a run need not run again.
//!
//! The finished inputs are a multiset of keys: an input that stands in the list twice and was
//! finished once is skipped once. It is laid out as a temporary table in a file of `SQLite`'s own,
//! sorted by key, so that millions of inputs cost disk instead of memory; taking an input counts
//! its row down.

use std::path::PathBuf;

use rusqlite::{Connection, params};

use crate::column::to_count;
use crate::{InputKey, Journal, JournalError, RunId, connection, input_key, key, schema};

/// Whether inputs that failed count as finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncludeFailed {
    /// They do: only what has no result yet runs.
    Yes,
    /// They do not: they run again.
    No,
}

/// The inputs of a run that were finished when it was made. It has a connection of its own and may
/// move to another thread.
#[derive(Debug)]
pub struct Finished {
    connection: Connection,
    path: PathBuf,
    remaining: u64,
}

impl Finished {
    /// Whether this input was finished and has not been taken yet; it then counts as taken.
    ///
    /// `args_blob` is the input's arguments joined by NUL. In a packed run each argument is an
    /// input of its own and is taken by itself.
    pub fn take(&mut self, args_blob: &[u8]) -> Result<bool, JournalError> {
        if self.remaining == 0 {
            return Ok(false);
        }
        let taken = self
            .count_down(input_key(args_blob))
            .map_err(|source| JournalError::from_sqlite(&self.path, source))?;
        self.remaining -= u64::from(taken);
        Ok(taken)
    }

    /// How many finished inputs have not been taken.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    fn count_down(&self, key: InputKey) -> rusqlite::Result<bool> {
        let rows = self
            .connection
            .prepare_cached("UPDATE temp.finished SET n = n - 1 WHERE key = ?1 AND n > 0")?
            .execute(params![key.as_bytes()])?;
        Ok(rows > 0)
    }
}

impl Journal {
    /// The inputs of a run that are finished as of now.
    ///
    /// Take the run's lock first: otherwise another session may finish more.
    pub fn finished_inputs(
        &self,
        run: RunId,
        failed: IncludeFailed,
    ) -> Result<Finished, JournalError> {
        let packed = self.run(run)?.packed;
        let connection = connection::open(&self.path)?;
        let remaining = gather(&connection, run, packed, failed)
            .map_err(|source| JournalError::from_sqlite(&self.path, source))?;
        Ok(Finished {
            connection,
            path: self.path.clone(),
            remaining,
        })
    }
}

/// Fills `temp.finished` and tells how many inputs are in it.
fn gather(
    connection: &Connection,
    run: RunId,
    packed: bool,
    failed: IncludeFailed,
) -> rusqlite::Result<u64> {
    connection.execute_batch(
        "PRAGMA temp.cache_size = -2048;
         CREATE TEMP TABLE finished (key BLOB PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;",
    )?;
    // One transaction, so that done and failed inputs are seen as of the same moment. The rows go
    // in by key: the sort runs through a file, and the table is appended to instead of being
    // written to all over.
    let transaction = connection.unchecked_transaction()?;
    let done = if packed {
        unpack(&transaction, run)?;
        "SELECT key FROM temp.unpacked".to_owned()
    } else {
        let state = schema::state::DONE;
        format!("SELECT key FROM jobs INDEXED BY jobs_by_run WHERE run = ?1 AND state = {state}")
    };
    let open = "UNION ALL SELECT key FROM open_failures WHERE run = ?1";
    let all = match failed {
        IncludeFailed::Yes => format!("{done} {open}"),
        IncludeFailed::No => format!("{done} {open} AND 0"),
    };
    transaction.execute(
        &format!(
            "INSERT INTO temp.finished SELECT key, count(*) FROM ({all}) GROUP BY key ORDER BY key"
        ),
        [run.0],
    )?;
    if packed {
        transaction.execute_batch("DROP TABLE temp.unpacked")?;
    }
    let remaining =
        transaction.query_row("SELECT ifnull(sum(n), 0) FROM temp.finished", (), |row| {
            row.get(0).map(to_count)
        })?;
    transaction.commit()?;
    Ok(remaining)
}

/// Fills `temp.unpacked` with the keys of the inputs in the jobs that are done.
fn unpack(connection: &Connection, run: RunId) -> rusqlite::Result<()> {
    connection.execute_batch("CREATE TEMP TABLE unpacked (key BLOB NOT NULL)")?;
    let mut insert = connection.prepare("INSERT INTO temp.unpacked VALUES (?1)")?;
    let mut jobs = connection.prepare(&format!(
        "SELECT args FROM jobs INDEXED BY jobs_by_run WHERE run = ?1 AND state = {}",
        schema::state::DONE
    ))?;
    let mut rows = jobs.query([run.0])?;
    while let Some(row) = rows.next()? {
        let args = row.get_ref(0)?.as_blob()?;
        for key in key::keys_of(args, true) {
            insert.execute([key.as_bytes()])?;
        }
    }
    Ok(())
}
