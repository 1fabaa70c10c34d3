//! `kill -9` at any moment: what was reported as committed is there, and nothing is there by half.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

use paceline_journal::{
    Exit, IncludeFailed, JobRecord, JobState, Journal, JournalError, RunId, RunState,
};

use crate::support::{
    Scratch, assert_sound, at, child, child_path, end, new_run, no_process_starts, session, spawn,
    start,
};

const ROUNDS: u64 = 12;

/// A record all of whose parts follow from its number.
fn telling(seq: u64) -> JobRecord {
    let is_failure = seq.is_multiple_of(7);
    JobRecord {
        seq,
        args: format!("input {seq}").repeat(1 + seq as usize % 50).into(),
        state: if is_failure {
            JobState::Failed
        } else {
            JobState::Done
        },
        exit: Exit::Code(i32::from(is_failure)),
        timed_out: false,
        started_at: at(seq),
        wall: Duration::from_micros(seq),
        user: Duration::from_micros(seq + 1),
        system: Duration::from_micros(seq + 2),
        peak_rss_bytes: seq + 3,
        attempts: seq as u32,
        bytes_out: seq + 4,
        stderr_tail: is_failure.then(|| vec![b'e'; 3_000]),
        note: is_failure.then(|| seq.to_string()),
    }
}

#[test]
fn what_was_committed_stays_whole() {
    for round in 0..ROUNDS {
        let scratch = Scratch::new();
        let mut child = spawn_child(&scratch);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut committed = 0;
        let mut note = |line: String| {
            if let Some(count) = line.strip_prefix("committed ") {
                committed = count.parse().unwrap();
            }
        };
        // Every other round something is committed for sure; the rest may die before that.
        if round % 2 == 0 {
            let nothing = |line: &String| !line.starts_with("committed ") || line == "committed 0";
            note(
                lines
                    .by_ref()
                    .map(Result::unwrap)
                    .find(|line| !nothing(line))
                    .unwrap(),
            );
        }
        let moment = fastrand::Rng::with_seed(round).usize(5..400);
        for line in lines.by_ref().take(moment) {
            note(line.unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died. Its last line may be cut off, and then does not count.
        let mut rest: Vec<String> = lines.map_while(Result::ok).collect();
        rest.pop();
        rest.into_iter().for_each(note);
        assert!(committed > 0 || round % 2 == 1);
        check(&scratch, committed);
    }
}

fn spawn_child(scratch: &Scratch) -> Child {
    let mut command = child(&[], "killed::child_records_for_ever", &scratch.path());
    spawn(command.stdout(Stdio::piped()))
}

fn check(scratch: &Scratch, committed: u64) {
    let _quiet = no_process_starts();
    let journal = scratch.open();
    let run = RunId(1);
    let mut rows = 0;
    journal
        .jobs(run, |row| {
            assert_eq!(row.record, telling(rows));
            rows += 1;
        })
        .unwrap();
    assert!(rows >= committed, "{rows} rows, {committed} committed");
    let counts = journal.counts(run).unwrap();
    assert_eq!(counts.done + counts.failed, rows);
    assert_eq!(counts.failed, rows.div_ceil(7));
    assert_eq!(journal.overview(run).unwrap().state, RunState::Died);
    assert_sound(&scratch.path());

    // And it goes on where it stopped.
    let lock = journal.try_lock_run(run).unwrap();
    let mut finished = journal.finished_inputs(run, IncludeFailed::Yes).unwrap();
    let rest: Vec<JobRecord> = (0..rows + 10)
        .map(telling)
        .filter(|record| !finished.take(&record.args).unwrap())
        .collect();
    assert_eq!(rest.len(), 10);
    session(&journal, &lock, false, rest);
    let counts = journal.counts(run).unwrap();
    assert_eq!(counts.done + counts.failed, rows + 10);
    assert_eq!(journal.overview(run).unwrap().sessions, 2);
}

#[test]
#[ignore = "run by another test as a child"]
fn child_records_for_ever() {
    let Some(path) = child_path() else { return };
    let journal = Journal::open(path).unwrap();
    let (_, _lock, writer) = start(&journal, &new_run());
    let mut out = std::io::stdout().lock();
    for seq in 0.. {
        writer.record(telling(seq));
        if seq % 16 == 0 {
            writeln!(out, "\ncommitted {}", writer.committed()).unwrap();
        }
    }
    let _ = writer.finish(end());
}

#[test]
fn the_lock_dies_with_the_process() {
    let scratch = Scratch::new();
    let mut child = spawn_child(&scratch);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines
        .find(|line| line.as_ref().unwrap().starts_with("committed"))
        .unwrap()
        .unwrap();
    let _quiet = no_process_starts();
    let journal = scratch.open();
    let run = journal.latest_run().unwrap().unwrap().id;
    let pid = Some(child.id());
    assert_eq!(
        journal.overview(run).unwrap().state,
        RunState::Running { pid }
    );
    let busy = journal.try_lock_run(run).unwrap_err();
    assert!(matches!(busy, JournalError::RunBusy { pid: holder, .. } if holder == pid));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(journal.overview(run).unwrap().state, RunState::Died);
    journal.try_lock_run(run).unwrap();
}
