//! One transaction: a batch of jobs, what they supersede, the run's counts, perhaps the session's
//! end.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::column::{from_count, from_duration, from_time};
use crate::key::{InputKey, keys_of};
use crate::schema::state;
use crate::{Exit, JobRecord, JobState, RunId, SessionEnd, SessionId, input_key};

/// Where the jobs belong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) run: RunId,
    pub(super) session: SessionId,
    pub(super) packed: bool,
    /// How many failed inputs of earlier sessions may still be superseded. Zero saves the search.
    pub(super) supersedable: i64,
}

/// By how much a batch changes the run's counts.
#[derive(Debug, Default)]
struct Change {
    done: i64,
    failed: i64,
    inputs_done: i64,
    inputs_failed: i64,
    /// When the last job of the batch ended, in microseconds since 1970.
    last_end: i64,
}

/// Commits the batch, and tells how many failed inputs of earlier sessions are left.
pub(super) fn commit(
    connection: &Connection,
    target: &Target,
    records: &[JobRecord],
    end: Option<&SessionEnd>,
) -> rusqlite::Result<i64> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let mut supersedable = target.supersedable;
    let mut change = Change::default();
    for record in records {
        if supersedable > 0 {
            for key in keys_of(&record.args, target.packed) {
                if supersede(&transaction, target, key, &mut change)? {
                    supersedable -= 1;
                }
            }
        }
        insert(&transaction, target, record, &mut change)?;
    }
    if let Some(end) = end {
        end_session(&transaction, target, end)?;
        change.last_end = change.last_end.max(from_time(end.ended_at));
    }
    apply(&transaction, target, &change)?;
    transaction.commit()?;
    Ok(supersedable)
}

/// Lets the failure of one occurrence of this input, from an earlier session, count no more.
fn supersede(
    transaction: &Transaction<'_>,
    target: &Target,
    key: InputKey,
    change: &mut Change,
) -> rusqlite::Result<bool> {
    let open: Option<(i64, i64)> = transaction
        .prepare_cached(
            "SELECT job, place FROM open_failures
             WHERE run = ?1 AND key = ?2 AND session < ?3 LIMIT 1",
        )?
        .query_row(
            params![target.run.0, key.as_bytes(), target.session.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((job, place)) = open else {
        return Ok(false);
    };
    transaction
        .prepare_cached(
            "DELETE FROM open_failures WHERE run = ?1 AND key = ?2 AND job = ?3 AND place = ?4",
        )?
        .execute(params![target.run.0, key.as_bytes(), job, place])?;
    change.inputs_failed -= 1;
    let superseded = transaction
        .prepare_cached(
            "UPDATE jobs SET state = ?2
             WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM open_failures WHERE job = ?1)",
        )?
        .execute([job, state::SUPERSEDED])?;
    if superseded > 0 {
        change.failed -= 1;
    }
    Ok(true)
}

fn insert(
    transaction: &Transaction<'_>,
    target: &Target,
    record: &JobRecord,
    change: &mut Change,
) -> rusqlite::Result<()> {
    let (exit, signal) = match record.exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(signal) => (None, Some(signal)),
        Exit::NotStarted => (None, None),
    };
    // A packed job is not looked for by the key of all its inputs together.
    let key = (!target.packed).then(|| input_key(&record.args));
    let state = match record.state {
        JobState::Done => state::DONE,
        JobState::Failed => state::FAILED,
    };
    let started_at = from_time(record.started_at);
    let wall = from_duration(record.wall);
    transaction
        .prepare_cached(
            "INSERT INTO jobs
                 (run, session, seq, key, args, state, exit, signal, timed_out, started_at,
                  wall_us, user_us, sys_us, peak_rss_bytes, attempts, bytes_out, stderr_tail, note)
             VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        )?
        .execute(params![
            target.run.0,
            target.session.0,
            from_count(record.seq),
            key.as_ref().map(InputKey::as_bytes),
            record.args,
            state,
            exit,
            signal,
            record.timed_out,
            started_at,
            wall,
            from_duration(record.user),
            from_duration(record.system),
            from_count(record.peak_rss_bytes),
            record.attempts,
            from_count(record.bytes_out),
            record.stderr_tail,
            record.note,
        ])?;
    change.last_end = change.last_end.max(started_at.saturating_add(wall));
    match record.state {
        JobState::Done => {
            change.done += 1;
            change.inputs_done += inputs(record, target.packed);
        }
        JobState::Failed => {
            change.failed += 1;
            change.inputs_failed += inputs(record, target.packed);
            open_failures(transaction, target, record)?;
        }
    }
    Ok(())
}

/// Notes each input of the failed job that was inserted last.
fn open_failures(
    transaction: &Transaction<'_>,
    target: &Target,
    record: &JobRecord,
) -> rusqlite::Result<()> {
    let job = transaction.last_insert_rowid();
    let mut insert = transaction.prepare_cached(
        "INSERT INTO open_failures (run, key, job, place, session) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (place, key) in (0_i64..).zip(keys_of(&record.args, target.packed)) {
        insert.execute(params![
            target.run.0,
            key.as_bytes(),
            job,
            place,
            target.session.0
        ])?;
    }
    Ok(())
}

fn inputs(record: &JobRecord, packed: bool) -> i64 {
    if packed {
        from_count(record.args.split(|&byte| byte == 0).count() as u64)
    } else {
        1
    }
}

fn end_session(
    transaction: &Transaction<'_>,
    target: &Target,
    end: &SessionEnd,
) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE sessions SET ended_at = ?2, exit_code = ?3, wall_us = ?4, final_level = ?5,
             max_level = ?6, decisions = ?7, total = ?8, skipped = ?9
         WHERE id = ?1",
        params![
            target.session.0,
            from_time(end.ended_at),
            end.exit_code,
            from_duration(end.wall),
            end.final_level,
            end.max_level,
            end.decisions,
            from_count(end.total),
            from_count(end.skipped),
        ],
    )?;
    Ok(())
}

fn apply(transaction: &Transaction<'_>, target: &Target, change: &Change) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE runs SET done = done + ?2, failed = failed + ?3,
                 inputs_done = inputs_done + ?4, inputs_failed = inputs_failed + ?5,
                 touched_at = max(touched_at, ?6)
             WHERE id = ?1",
        )?
        .execute([
            target.run.0,
            change.done,
            change.failed,
            change.inputs_done,
            change.inputs_failed,
            change.last_end,
        ])?;
    Ok(())
}
