//! Old runs go, and so does their space; runs in work stay.

use std::fs;
use std::time::Duration;

use paceline_journal::{
    IncludeFailed, Journal, NewRun, NewSession, PruneLimits, Pruned, RunId, SessionEnd,
};

use crate::support::{
    Scratch, assert_fine, assert_sound, at, done, end, failed, new_run, no_process_starts,
};

const DAY: u64 = 24 * 60 * 60;

const NO_LIMIT: PruneLimits = PruneLimits {
    max_age: Duration::MAX,
    max_bytes: u64::MAX,
    max_level_age: Duration::MAX,
};

/// A run of so many jobs that was created and ended on that day.
fn run_on(journal: &Journal, day: u64, jobs: u64) -> RunId {
    let when = at(day * DAY);
    let run = NewRun {
        created_at: when,
        ..new_run()
    };
    let (id, lock) = journal.start_run(&run).unwrap();
    let started = NewSession {
        pid: 1,
        started_at: when,
        rerun_failed: false,
    };
    let writer = journal.start_session(&lock, &started).unwrap();
    for seq in 0..jobs {
        let args = format!("{seq} {}", "x".repeat(200));
        let mut record = if seq % 5 == 0 {
            failed(seq, args)
        } else {
            done(seq, args)
        };
        record.started_at = when;
        writer.record(record);
    }
    assert_fine(&writer.finish(SessionEnd {
        ended_at: when,
        ..end()
    }));
    id
}

fn ids(journal: &Journal) -> Vec<RunId> {
    let runs = journal.runs(usize::MAX).unwrap();
    runs.iter().rev().map(|overview| overview.run.id).collect()
}

fn rows(scratch: &Scratch, table: &str) -> i64 {
    let connection = rusqlite::Connection::open(scratch.path()).unwrap();
    let sql = format!("SELECT count(*) FROM {table}");
    connection.query_row(&sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn by_default_90_days_and_a_gibibyte_stay_and_levels_for_over_a_year() {
    let limits = PruneLimits::default();
    assert_eq!(limits.max_age, Duration::from_secs(90 * DAY));
    assert_eq!(limits.max_bytes, 1 << 30);
    assert_eq!(limits.max_level_age, Duration::from_secs(400 * DAY));
}

#[test]
fn runs_older_than_the_limit_go_with_all_they_had() {
    let _quiet = no_process_starts();
    let scratch = Scratch::new();
    let journal = scratch.open();
    let days = [0, 9, 10, 11, 20];
    let all: Vec<RunId> = days.map(|day| run_on(&journal, day, 20)).into();
    let limits = PruneLimits {
        max_age: Duration::from_secs(10 * DAY),
        ..NO_LIMIT
    };
    let nothing = journal.prune(limits, at(0)).unwrap();
    assert_eq!(nothing, Pruned::default());
    let pruned = journal.prune(limits, at(20 * DAY)).unwrap();
    assert_eq!(pruned.runs, 2);
    assert_eq!(ids(&journal), all[2..]);
    for table in ["jobs", "open_failures"] {
        let per_run = if table == "jobs" { 20 } else { 4 };
        assert_eq!(rows(&scratch, table), 3 * per_run, "{table}");
    }
    assert_eq!(rows(&scratch, "sessions"), 3);
    assert_eq!(rows(&scratch, "doomed"), 0);
    let locks = scratch.directory().join("journal.db.locks");
    assert!(!locks.join(all[0].to_string()).exists());
    assert!(locks.join(all[2].to_string()).exists());
    assert_sound(&scratch.path());
}

#[test]
fn a_resumed_run_is_as_young_as_its_last_session() {
    let _quiet = no_process_starts();
    let scratch = Scratch::new();
    let journal = scratch.open();
    let old = run_on(&journal, 0, 1);
    let lock = journal.lock_run(old).unwrap();
    let resumed = NewSession {
        pid: 1,
        started_at: at(50 * DAY),
        rerun_failed: false,
    };
    drop(journal.start_session(&lock, &resumed).unwrap());
    drop(lock);
    let limits = PruneLimits {
        max_age: Duration::from_secs(10 * DAY),
        ..NO_LIMIT
    };
    let pruned = journal.prune(limits, at(55 * DAY)).unwrap();
    assert_eq!(pruned.runs, 0);
}

#[test]
fn the_oldest_go_until_the_rest_is_small_enough() {
    let _quiet = no_process_starts();
    let scratch = Scratch::new();
    let journal = scratch.open();
    let all: Vec<RunId> = (0..4).map(|day| run_on(&journal, day, 15_000)).collect();
    let size = || fs::metadata(scratch.path()).unwrap().len();
    // Carried over from the write-ahead log, so that the file has its size.
    journal.prune(NO_LIMIT, at(4 * DAY)).unwrap();
    let limits = PruneLimits {
        max_bytes: 10 << 20,
        ..NO_LIMIT
    };
    let pruned = journal.prune(limits, at(4 * DAY)).unwrap();
    assert_eq!(pruned.runs, 2);
    assert_eq!(ids(&journal), all[2..]);
    assert!(pruned.bytes > 5 << 20, "{pruned:?}");
    assert!(size() < 15 << 20, "{}", size());
    assert_eq!(rows(&scratch, "jobs"), 30_000);
    // What is left is whole.
    let mut finished = journal.finished_inputs(all[2], IncludeFailed::Yes).unwrap();
    assert_eq!(finished.remaining(), 15_000);
    let input = format!("{} {}", 14_999, "x".repeat(200));
    assert!(finished.take(input.as_bytes()).unwrap());
    assert_sound(&scratch.path());
}

#[test]
fn runs_in_work_stay_however_old_and_large() {
    let _quiet = no_process_starts();
    let scratch = Scratch::new();
    let journal = scratch.open();
    let all: Vec<RunId> = (0..3).map(|day| run_on(&journal, day, 10)).collect();
    let held = Journal::open(scratch.path()).unwrap();
    let _lock = held.try_lock_run(all[1]).unwrap();
    let nothing_stays = PruneLimits {
        max_age: Duration::ZERO,
        max_bytes: 0,
        ..NO_LIMIT
    };
    let pruned = journal.prune(nothing_stays, at(100 * DAY)).unwrap();
    assert_eq!(pruned.runs, 2);
    assert_eq!(ids(&journal), [all[1]]);
    // Not even the newest number is given out again.
    assert!(run_on(&journal, 3, 1) > all[2]);
}

#[test]
fn pruning_that_was_interrupted_is_finished_by_the_next() {
    let _quiet = no_process_starts();
    let scratch = Scratch::new();
    let journal = scratch.open();
    let run = run_on(&journal, 0, 100);
    let other = run_on(&journal, 1, 10);
    // As it is after the first step, when the process dies.
    let connection = rusqlite::Connection::open(scratch.path()).unwrap();
    connection
        .execute_batch(&format!(
            "DELETE FROM runs WHERE id = {run}; DELETE FROM sessions WHERE run = {run};
             INSERT INTO doomed VALUES ({run});"
        ))
        .unwrap();
    assert_eq!(ids(&journal), [other]);
    journal.prune(NO_LIMIT, at(0)).unwrap();
    assert_eq!(rows(&scratch, "jobs"), 10);
    assert_eq!(rows(&scratch, "open_failures"), 2);
    assert_eq!(rows(&scratch, "doomed"), 0);
}

#[test]
fn only_one_process_prunes_at_a_time() {
    let _quiet = no_process_starts();
    let scratch = Scratch::new();
    let journal = scratch.open();
    run_on(&journal, 0, 1);
    let lock = fs::File::create(scratch.directory().join("journal.db.locks/prune")).unwrap();
    lock.lock().unwrap();
    let nothing_stays = PruneLimits {
        max_age: Duration::ZERO,
        max_bytes: 0,
        ..NO_LIMIT
    };
    let prune = || journal.prune(nothing_stays, at(DAY)).unwrap().runs;
    assert_eq!(prune(), 0);
    drop(lock);
    assert_eq!(prune(), 1);
}
