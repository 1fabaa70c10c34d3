//! The journal itself: opening it, starting runs and sessions, and their locks.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::column::from_time;
use crate::lock::{Locks, Wait};
use crate::{
    JournalError, NewRun, NewSession, RunId, RunLock, SessionId, Writer, connection, schema,
};

/// An open journal. Its methods are those that a front end calls now and then; what runs while
/// jobs do has connections of its own: [`Writer`] and [`Finished`](crate::Finished).
#[derive(Debug)]
pub struct Journal {
    pub(crate) connection: Connection,
    /// As the user gave it, for messages.
    pub(crate) path: PathBuf,
    pub(crate) locks: Locks,
}

impl Journal {
    /// Opens the journal at `path`; makes it, and the directories above it, if there is none.
    ///
    /// A transaction is really written, so that a full disk, a read-only file or a directory that
    /// may not be written is found out now and not when the first result is due.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref();
        connection::create_file(path)?;
        let journal = Self::connect(path)?;
        schema::prepare(&journal.connection, path)?;
        Ok(journal)
    }

    /// Opens the journal at `path` to look into it; [`JournalError::Missing`] if there is none.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref();
        let missing = || JournalError::Missing { path: path.into() };
        if !path.exists() {
            return Err(missing());
        }
        let journal = Self::connect(path)?;
        if schema::is_empty(&journal.connection, path)? {
            return Err(missing());
        }
        Ok(journal)
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records a new run and takes its lock, both before anyone else sees the run.
    pub fn start_run(&self, run: &NewRun) -> Result<(RunId, RunLock), JournalError> {
        let sql = |source| self.error(source);
        let transaction = self.write()?;
        let created_at = from_time(run.created_at);
        loop {
            transaction
                .execute(
                    "INSERT INTO runs
                         (template_key, template, directory, host, created_at, touched_at, packed)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
                    params![
                        run.template_key.as_bytes(),
                        run.template,
                        run.directory.as_os_str().as_bytes(),
                        run.host,
                        created_at,
                        run.packed,
                    ],
                )
                .map_err(sql)?;
            let id = RunId(transaction.last_insert_rowid());
            if let Some(lock) = self.locks.take(id, Wait::Briefly)? {
                transaction.commit().map_err(sql)?;
                return Ok((id, lock));
            }
            // The user has deleted the journal beneath a live session of an older run with this
            // number. The next number is as good.
            transaction
                .execute("DELETE FROM runs WHERE id = ?1", [id.0])
                .map_err(sql)?;
        }
    }

    /// Takes the lock of a run; waits for as long as another holds it.
    ///
    /// Signals do not end the wait. [`Self::try_lock_run`] is for callers that handle them.
    pub fn lock_run(&self, run: RunId) -> Result<RunLock, JournalError> {
        self.lock_existing(run, Wait::Forever)
    }

    /// Takes the lock of a run; [`JournalError::RunBusy`] if another holds it.
    pub fn try_lock_run(&self, run: RunId) -> Result<RunLock, JournalError> {
        self.lock_existing(run, Wait::Briefly)
    }

    /// Records a new session of the locked run and starts the thread that writes its jobs.
    ///
    /// Keep the lock for as long as the writer.
    pub fn start_session(
        &self,
        lock: &RunLock,
        session: &NewSession,
    ) -> Result<Writer, JournalError> {
        let sql = |source| self.error(source);
        let run = lock.run();
        let packed = self.run(run)?.packed;
        let transaction = self.write()?;
        let started_at = from_time(session.started_at);
        transaction
            .execute(
                "INSERT INTO sessions (run, pid, started_at) VALUES (?1, ?2, ?3)",
                params![run.0, session.pid, started_at],
            )
            .map_err(sql)?;
        let id = SessionId(transaction.last_insert_rowid());
        transaction
            .execute(
                "UPDATE runs SET touched_at = max(touched_at, ?2) WHERE id = ?1",
                params![run.0, started_at],
            )
            .map_err(sql)?;
        let open_failures: i64 = transaction
            .query_row(
                "SELECT count(*) FROM open_failures WHERE run = ?1",
                [run.0],
                |row| row.get(0),
            )
            .map_err(sql)?;
        transaction.commit().map_err(sql)?;
        let supersedable = if session.rerun_failed {
            open_failures
        } else {
            0
        };
        Writer::start(self, run, id, packed, supersedable)
    }

    fn connect(path: &Path) -> Result<Self, JournalError> {
        let connection = connection::open(path)?;
        // All names of the file must lead to the same locks.
        let canonical = path.canonicalize().map_err(|source| JournalError::Open {
            path: path.into(),
            detail: source.to_string(),
        })?;
        Ok(Self {
            connection,
            path: path.into(),
            locks: Locks::of(&canonical),
        })
    }

    fn lock_existing(&self, run: RunId, wait: Wait) -> Result<RunLock, JournalError> {
        // Before, so that no file is made for a run that never was; and after, because pruning may
        // have taken it away while we waited.
        self.run(run)?;
        let Some(lock) = self.locks.take(run, wait)? else {
            let pid = self.open_session_pid(run)?;
            return Err(JournalError::RunBusy { run, pid });
        };
        match self.run(run) {
            Ok(_) => Ok(lock),
            Err(error) => {
                lock.remove();
                Err(error)
            }
        }
    }

    /// The process of the run's last session, if that has recorded no end.
    pub(crate) fn open_session_pid(&self, run: RunId) -> Result<Option<u32>, JournalError> {
        self.connection
            .query_row(
                "SELECT pid FROM sessions WHERE run = ?1 AND ended_at IS NULL
                     AND id = (SELECT max(id) FROM sessions WHERE run = ?1)",
                [run.0],
                |row| row.get(0),
            )
            .optional()
            .map_err(|source| self.error(source))
    }

    /// A transaction that may write from its start: one that upgrades later can fail at once
    /// instead of waiting for its turn.
    pub(crate) fn write(&self) -> Result<Transaction<'_>, JournalError> {
        Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
            .map_err(|source| self.error(source))
    }

    pub(crate) fn error(&self, source: rusqlite::Error) -> JournalError {
        JournalError::from_sqlite(&self.path, source)
    }
}
