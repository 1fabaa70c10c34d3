//! Forgetting old runs, so that the journal does not grow for ever.
//!
//! A run goes in two steps. First, in one transaction, it is taken out of the tables of runs and
//! sessions and noted in `doomed`: from then on it does not exist. Then its jobs are deleted piece
//! by piece, so that other processes get their turn to write in between; should this process die,
//! the next pruning finishes that. At the end the space goes back to the file system.

use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension, params};

use crate::column::{from_duration, from_time, to_count};
use crate::lock::Wait;
use crate::{Journal, JournalError, RunId};

/// Jobs deleted in one transaction.
const PIECE_ROWS: i64 = 10_000;

/// Pages given back to the file system in one transaction.
const PIECE_PAGES: i64 = 2_000;

/// Free pages that are left in the file for what is written next.
const SPARE_PAGES: i64 = 1_000;

/// What may stay in a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneLimits {
    /// For how long after its last result, or the start or end of its last session, a run stays.
    pub max_age: Duration,
    /// How large all runs together may be, in bytes.
    pub max_bytes: u64,
    /// For how long after it was last found out a level stays.
    pub max_level_age: Duration,
}

impl Default for PruneLimits {
    /// 90 days and 1 GiB for runs, 400 days for levels: what is run once a year is remembered.
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(90 * 24 * 60 * 60),
            max_bytes: 1 << 30,
            max_level_age: Duration::from_secs(400 * 24 * 60 * 60),
        }
    }
}

/// What pruning removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Runs.
    pub runs: u64,
    /// Levels.
    pub levels: u64,
    /// By how much the database's content shrank, in bytes.
    pub bytes: u64,
}

impl Journal {
    /// Removes runs, those untouched for longest first, until the rest keeps the limits, and levels
    /// that nobody has used for long. Runs whose lock is held stay, and so do all runs while another process prunes.
    ///
    /// Takes well under a millisecond if there is nothing to do.
    pub fn prune(&self, limits: PruneLimits, now: SystemTime) -> Result<Pruned, JournalError> {
        let mut pruned = Pruned::default();
        let earlier = |age| from_time(now).saturating_sub(from_duration(age));
        pruned.levels = self.forget_levels_before(earlier(limits.max_level_age))?;
        let too_old = earlier(limits.max_age);
        if !self.has_doomed()? && self.next_victim(limits, too_old, (i64::MIN, 0))?.is_none() {
            return Ok(pruned);
        }
        let Some(_lock) = self.locks.take_prune()? else {
            return Ok(pruned);
        };
        let before = self.content_bytes()?;
        self.delete_doomed()?;
        // Where the search for victims goes on: locked runs are passed over once.
        let mut position = (i64::MIN, 0);
        while let Some(victim) = self.next_victim(limits, too_old, position)? {
            position = victim;
            let run = RunId(victim.1);
            if let Some(lock) = self.locks.take(run, Wait::No)? {
                let doomed = self.doom(run, victim.0)?;
                // Nobody else can hold this lock, so its file may go in any case.
                lock.remove();
                if doomed {
                    pruned.runs += 1;
                    self.delete_doomed()?;
                }
            }
        }
        pruned.bytes = before.saturating_sub(self.content_bytes()?);
        self.give_back()?;
        Ok(pruned)
    }

    /// The run to remove next: the one touched first after `position`, given as the time of its
    /// touch and its number, if it is too old or the journal too large.
    fn next_victim(
        &self,
        limits: PruneLimits,
        too_old: i64,
        position: (i64, i64),
    ) -> Result<Option<(i64, i64)>, JournalError> {
        let oldest = self
            .connection
            .prepare_cached(
                "SELECT touched_at, id FROM runs WHERE (touched_at, id) > (?1, ?2)
                 ORDER BY touched_at, id LIMIT 1",
            )
            .and_then(|mut statement| {
                statement
                    .query_row([position.0, position.1], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .optional()
            })
            .map_err(|source| self.error(source))?;
        let Some(victim @ (touched_at, _)) = oldest else {
            return Ok(None);
        };
        let due = touched_at < too_old || self.content_bytes()? > limits.max_bytes;
        Ok(due.then_some(victim))
    }

    /// Makes a run cease to exist, unless it was touched or removed since it was chosen.
    fn doom(&self, run: RunId, touched_at: i64) -> Result<bool, JournalError> {
        let sql = |source| self.error(source);
        let transaction = self.write()?;
        let found = transaction
            .execute(
                "DELETE FROM runs WHERE id = ?1 AND touched_at = ?2",
                params![run.0, touched_at],
            )
            .map_err(sql)?;
        if found > 0 {
            transaction
                .execute("DELETE FROM sessions WHERE run = ?1", [run.0])
                .map_err(sql)?;
            transaction
                .execute("INSERT OR IGNORE INTO doomed VALUES (?1)", [run.0])
                .map_err(sql)?;
        }
        transaction.commit().map_err(sql)?;
        Ok(found > 0)
    }

    fn has_doomed(&self) -> Result<bool, JournalError> {
        Ok(self.number("SELECT EXISTS (SELECT 1 FROM doomed)")? != 0)
    }

    /// Deletes what is left of the runs that no longer exist.
    fn delete_doomed(&self) -> Result<(), JournalError> {
        let sql = |source| self.error(source);
        while self.has_doomed()? {
            let transaction = self.write()?;
            let run = "(SELECT min(run) FROM doomed)";
            let jobs = transaction
                .execute(
                    &format!(
                        "DELETE FROM jobs WHERE id IN
                             (SELECT id FROM jobs WHERE run = {run} LIMIT ?1)"
                    ),
                    [PIECE_ROWS],
                )
                .map_err(sql)?;
            if jobs == 0 {
                transaction
                    .execute(&format!("DELETE FROM open_failures WHERE run = {run}"), ())
                    .map_err(sql)?;
                transaction
                    .execute(&format!("DELETE FROM doomed WHERE run = {run}"), ())
                    .map_err(sql)?;
            }
            transaction.commit().map_err(sql)?;
        }
        Ok(())
    }

    /// Gives free pages back to the file system.
    fn give_back(&self) -> Result<(), JournalError> {
        let vacuum = format!("PRAGMA incremental_vacuum({PIECE_PAGES})");
        let mut free = self.number("PRAGMA freelist_count")?;
        while free > SPARE_PAGES {
            // Each step of the statement frees a page.
            let freed = || -> rusqlite::Result<()> {
                let mut statement = self.connection.prepare(&vacuum)?;
                let mut rows = statement.query(())?;
                while rows.next()?.is_some() {}
                Ok(())
            };
            freed().map_err(|source| self.error(source))?;
            let left = self.number("PRAGMA freelist_count")?;
            if left >= free {
                break;
            }
            free = left;
        }
        // The file shrinks when the write-ahead log is carried over. A reader may keep that from
        // happening now; then it happens later.
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()))
            .map_err(|source| self.error(source))
    }

    /// How much of the file is in use, in bytes.
    fn content_bytes(&self) -> Result<u64, JournalError> {
        let pages = self.number("PRAGMA page_count")? - self.number("PRAGMA freelist_count")?;
        Ok(to_count(pages * self.number("PRAGMA page_size")?))
    }

    fn number(&self, sql: &str) -> Result<i64, JournalError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row((), |row| row.get(0)))
            .map_err(|source| self.error(source))
    }
}
