//! Finding runs, and looking into them.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{OptionalExtension, Params, Row, params};

use crate::column::{to_count, to_duration, to_path, to_time};
use crate::{
    Exit, JobRecord, JobRow, JobState, Journal, JournalError, Run, RunCounts, RunId, RunOverview,
    RunState, Session, SessionEnd, SessionId, TemplateKey, schema,
};

const RUN: &str = "id, template_key, template, directory, host, created_at, packed";
const SESSION: &str = "id, pid, started_at, ended_at, exit_code, wall_us, final_level, max_level,
    decisions, total, skipped";
const JOB: &str =
    "session, seq, args, state, exit, signal, timed_out, started_at, wall_us, user_us,
    sys_us, peak_rss_bytes, attempts, bytes_out, stderr_tail, note";

impl Journal {
    /// The run of this number; [`JournalError::NoSuchRun`] if there is none.
    pub fn run(&self, run: RunId) -> Result<Run, JournalError> {
        self.one_run("WHERE id = ?1", [run.0])?
            .ok_or(JournalError::NoSuchRun { run })
    }

    /// The newest run of all.
    pub fn latest_run(&self) -> Result<Option<Run>, JournalError> {
        self.one_run("ORDER BY id DESC LIMIT 1", ())
    }

    /// The newest run of a template in a directory.
    pub fn newest_run(
        &self,
        template_key: TemplateKey,
        directory: &Path,
    ) -> Result<Option<Run>, JournalError> {
        self.one_run(
            "WHERE template_key = ?1 AND directory = ?2 ORDER BY id DESC LIMIT 1",
            params![template_key.as_bytes(), directory.as_os_str().as_bytes()],
        )
    }

    /// The newest `limit` runs, newest first.
    pub fn runs(&self, limit: usize) -> Result<Vec<RunOverview>, JournalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = format!("SELECT {RUN} FROM runs ORDER BY id DESC LIMIT ?1");
        let runs: Vec<Run> = self.list(&sql, [limit], read_run)?;
        runs.into_iter().map(|run| self.overview_of(run)).collect()
    }

    /// One run as a listing shows it.
    pub fn overview(&self, run: RunId) -> Result<RunOverview, JournalError> {
        self.overview_of(self.run(run)?)
    }

    /// How many jobs and inputs of a run are recorded. Cheap: no job is looked at.
    pub fn counts(&self, run: RunId) -> Result<RunCounts, JournalError> {
        self.connection
            .query_row(
                "SELECT done, failed, inputs_done, inputs_failed FROM runs WHERE id = ?1",
                [run.0],
                |row| {
                    Ok(RunCounts {
                        done: to_count(row.get(0)?),
                        failed: to_count(row.get(1)?),
                        inputs_done: to_count(row.get(2)?),
                        inputs_failed: to_count(row.get(3)?),
                    })
                },
            )
            .optional()
            .map_err(|source| self.error(source))?
            .ok_or(JournalError::NoSuchRun { run })
    }

    /// The sessions of a run, oldest first.
    pub fn sessions(&self, run: RunId) -> Result<Vec<Session>, JournalError> {
        let sql = format!("SELECT {SESSION} FROM sessions WHERE run = ?1 ORDER BY id");
        self.list(&sql, [run.0], read_session)
    }

    /// The first `limit` jobs of a run that failed and have not run again since, in the order in
    /// which they were recorded.
    pub fn failures(&self, run: RunId, limit: usize) -> Result<Vec<JobRow>, JournalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // The state stands in the text, not in a parameter: only so does SQLite see that the
        // partial index serves.
        let sql = format!(
            "SELECT {JOB} FROM jobs INDEXED BY failed_by_run
             WHERE run = ?1 AND state = {} ORDER BY id LIMIT ?2",
            schema::state::FAILED
        );
        self.list(&sql, [run.0, limit], read_job)
    }

    /// How many jobs of a run failed and have not run again since.
    pub fn failure_count(&self, run: RunId) -> Result<u64, JournalError> {
        Ok(self.counts(run)?.failed)
    }

    /// Hands out the jobs of a run one by one, in the order in which they were recorded, without
    /// the failures that later results have superseded.
    pub fn jobs(&self, run: RunId, mut each: impl FnMut(JobRow)) -> Result<(), JournalError> {
        let sql = format!(
            "SELECT {JOB} FROM jobs INDEXED BY jobs_by_run
             WHERE run = ?1 AND state <> {} ORDER BY id",
            schema::state::SUPERSEDED
        );
        self.each(&sql, [run.0], |row| {
            each(read_job(row)?);
            Ok(())
        })
    }

    fn overview_of(&self, run: Run) -> Result<RunOverview, JournalError> {
        let counts = self.counts(run.id)?;
        // The lock before the session: a session that ends in between is then shown as ended, and
        // not as one that died.
        let held = self.locks.is_held(run.id)?;
        let sql = format!("SELECT {SESSION} FROM sessions WHERE run = ?1 ORDER BY id DESC LIMIT 1");
        let last_session = self.list(&sql, [run.id.0], read_session)?.pop();
        let sessions = self
            .connection
            .query_row(
                "SELECT count(*) FROM sessions WHERE run = ?1",
                [run.id.0],
                |row| row.get(0).map(to_count),
            )
            .map_err(|source| self.error(source))?;
        let end = last_session.as_ref().map(|session| session.end.as_ref());
        let state = match (end, held) {
            (Some(Some(end)), _) => RunState::Ended {
                exit_code: end.exit_code,
            },
            (_, true) => RunState::Running {
                pid: last_session.as_ref().map(|session| session.pid),
            },
            (_, false) => RunState::Died,
        };
        Ok(RunOverview {
            run,
            counts,
            state,
            sessions,
            last_session,
        })
    }

    fn one_run(&self, which: &str, params: impl Params) -> Result<Option<Run>, JournalError> {
        let sql = format!("SELECT {RUN} FROM runs {which}");
        self.connection
            .query_row(&sql, params, read_run)
            .optional()
            .map_err(|source| self.error(source))
    }

    fn list<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, JournalError> {
        let mut list = Vec::new();
        self.each(sql, params, |row| {
            list.push(read(row)?);
            Ok(())
        })?;
        Ok(list)
    }

    fn each(
        &self,
        sql: &str,
        params: impl Params,
        mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), JournalError> {
        let go = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params)?;
            while let Some(row) = rows.next()? {
                each(row)?;
            }
            Ok(())
        };
        go().map_err(|source| self.error(source))
    }
}

fn read_run(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: RunId(row.get(0)?),
        template_key: TemplateKey::from_bytes(row.get(1)?),
        template: row.get(2)?,
        directory: to_path(row.get(3)?),
        host: row.get(4)?,
        created_at: to_time(row.get(5)?),
        packed: row.get(6)?,
    })
}

fn read_session(row: &Row<'_>) -> rusqlite::Result<Session> {
    let ended_at: Option<i64> = row.get(3)?;
    let end = match ended_at {
        Some(ended_at) => Some(SessionEnd {
            ended_at: to_time(ended_at),
            exit_code: row.get(4)?,
            wall: to_duration(row.get(5)?),
            final_level: row.get(6)?,
            max_level: row.get(7)?,
            decisions: row.get(8)?,
            total: to_count(row.get(9)?),
            skipped: to_count(row.get(10)?),
        }),
        None => None,
    };
    Ok(Session {
        id: SessionId(row.get(0)?),
        pid: row.get(1)?,
        started_at: to_time(row.get(2)?),
        end,
    })
}

fn read_job(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let state = match row.get::<_, i64>(3)? {
        schema::state::DONE => JobState::Done,
        _ => JobState::Failed,
    };
    let exit = match (row.get(4)?, row.get(5)?) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::NotStarted,
    };
    Ok(JobRow {
        session: SessionId(row.get(0)?),
        record: JobRecord {
            seq: to_count(row.get(1)?),
            args: row.get(2)?,
            state,
            exit,
            timed_out: row.get(6)?,
            started_at: to_time(row.get(7)?),
            wall: to_duration(row.get(8)?),
            user: to_duration(row.get(9)?),
            system: to_duration(row.get(10)?),
            peak_rss_bytes: to_count(row.get(11)?),
            attempts: row.get(12)?,
            bytes_out: to_count(row.get(13)?),
            stderr_tail: row.get(14)?,
            note: row.get(15)?,
        },
    })
}
