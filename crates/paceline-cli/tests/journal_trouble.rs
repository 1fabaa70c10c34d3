//! The journal fails while jobs run: they go on, the user is told once, a resume repeats the rest.
#![allow(clippy::unwrap_used)]

mod support;

use rusqlite::Connection;
use support::{Output, Scratch};

const JOBS: usize = 300;

/// Inputs so long that the journal of a run outgrows the limit midway.
fn inputs() -> String {
    (0..JOBS)
        .map(|n| format!("{n:03} {}\n", "x".repeat(1500)))
        .collect()
}

const JOB: &str = "'x={}; echo ${x%% *} >> ran'";

/// The limit is in blocks of 512 bytes.
fn run_with_limit(scratch: &Scratch, blocks: usize, flags: &str) -> Output {
    let script = format!("ulimit -f {blocks}; exec \"$PACELINE\" run -j 4 {flags} {JOB}");
    scratch.shell(&script).input(inputs()).end()
}

fn all_numbers() -> Vec<String> {
    (0..JOBS).map(|n| format!("{n:03}")).collect()
}

#[test]
fn a_journal_that_cannot_grow_does_not_stop_the_jobs() {
    let scratch = Scratch::new();
    let output = run_with_limit(&scratch, 400, "");
    assert_eq!(output.signal, None, "{output:?}");
    assert_eq!(output.code, Some(111), "{output:?}");
    assert_eq!(scratch.sorted_lines("ran"), all_numbers());
    assert_eq!(
        output
            .stderr
            .matches("the journal cannot be written")
            .count(),
        1,
        "{output:?}"
    );
    assert!(
        output
            .stderr
            .contains("finished jobs are not in the journal"),
        "{output:?}"
    );
    assert!(
        output.stderr.contains(&format!("{JOBS} done")),
        "{output:?}"
    );

    let recorded = scratch.records().len();
    assert!(recorded < JOBS, "the limit was never met");
    std::fs::remove_file(scratch.path("ran")).unwrap();
    let script = format!("exec \"$PACELINE\" run --resume -q {JOB}");
    scratch.shell(&script).input(inputs()).end().with_code(0);
    assert_eq!(scratch.lines("ran").len(), JOBS - recorded);
    let mut done: Vec<String> = scratch
        .records()
        .iter()
        .map(|r| r.args[0][..3].to_owned())
        .collect();
    done.sort();
    assert_eq!(done, all_numbers());
}

#[test]
fn failures_outweigh_an_incomplete_journal() {
    let scratch = Scratch::new();
    let script = "ulimit -f 400; exec \"$PACELINE\" run -j 4 'x={}; test ${x%% *} != 007'";
    let output = scratch.shell(script).input(inputs()).end().with_code(1);
    assert!(
        output
            .stderr
            .contains("finished jobs are not in the journal"),
        "{output:?}"
    );
}

/// Jobs do not inherit what we do about that signal.
#[test]
fn a_job_that_writes_too_much_is_ended_by_the_system() {
    let scratch = Scratch::new();
    let script = "ulimit -f 4000; exec \"$PACELINE\" run -j 1 'head -c {} /dev/zero > out.{}' ::: 1000 9000000";
    let output = scratch.shell(script).end().with_code(1);
    assert!(output.stderr.contains("9000000"), "{output:?}");
    assert_eq!(
        std::fs::metadata(scratch.path("out.1000")).unwrap().len(),
        1000
    );
    let record = &scratch.records()[1];
    assert_eq!(
        (record.exit_code, record.signal),
        (Some(153), None),
        "{record:?}"
    );
}

#[test]
fn a_journal_too_small_to_begin_with_is_refused() {
    let scratch = Scratch::new();
    let output = run_with_limit(&scratch, 2, "");
    assert_eq!(output.signal, None, "{output:?}");
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("journal.db"), "{output:?}");
    assert!(output.stderr.contains("--no-journal"), "{output:?}");
    assert!(!scratch.exists("ran"));
    let output = run_with_limit(&scratch, 100, "--no-journal");
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(scratch.sorted_lines("ran"), all_numbers());
}

/// Another process that writes for long holds up the journal, not the jobs, and nothing is lost.
#[test]
fn a_journal_that_others_hold_for_a_while_is_written_afterwards() {
    let scratch = Scratch::new();
    let job = "touch begun; until test -e go; do sleep 0.005; done; echo {} >> ran";
    let run = scratch.run().args(["-j", "2", job, ":::"]);
    let mut running = run.args((0..40).map(|n| n.to_string())).start();
    running.wait_until("jobs run", || scratch.exists("begun"));
    let other = Connection::open(scratch.journal()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    scratch.write("go", "");
    running.wait_until("all jobs have run", || scratch.lines("ran").len() == 40);
    other.execute_batch("ROLLBACK").unwrap();
    let output = running.end().with_code(0);
    assert!(!output.stderr.contains("not in the journal"), "{output:?}");
    assert_eq!(scratch.records().len(), 40);
}

/// Two runs at once share a journal.
#[test]
fn runs_at_the_same_time_share_the_journal() {
    let scratch = Scratch::new();
    let start = |n: usize| {
        let run = scratch
            .run()
            .args(["-q", "-j", "2", &format!("echo {n} {{}}"), ":::"]);
        run.args((0..50).map(|n| n.to_string())).start()
    };
    let running: Vec<_> = (0..6).map(start).collect();
    for run in running {
        assert_eq!(run.end().with_code(0).lines().len(), 50);
    }
    for run in 1..=6 {
        let shown = scratch.shown(&run.to_string());
        assert_eq!(support::records_of(&shown).len(), 50);
    }
}
