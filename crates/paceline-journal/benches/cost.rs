//! What the journal costs those who run jobs. `cargo bench -p paceline-journal` prints a table;
//! a number as argument sets how many jobs there are (a million without).
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use paceline_journal::{
    Exit, IncludeFailed, JobRecord, JobState, Journal, NewRun, NewSession, PruneLimits, SessionEnd,
    TemplateKey, Writer,
};

fn record(seq: u64) -> JobRecord {
    JobRecord {
        seq,
        args: format!("data/2024/file-{seq:08}.csv").into(),
        state: JobState::Done,
        exit: Exit::Code(0),
        timed_out: false,
        started_at: SystemTime::now(),
        wall: Duration::from_micros(1_234),
        user: Duration::from_micros(800),
        system: Duration::from_micros(400),
        peak_rss_bytes: 3 << 20,
        attempts: 1,
        bytes_out: 100,
        stderr_tail: None,
        note: None,
    }
}

/// The peak of this process's resident set, in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn show(what: &str, took: Duration, times: u64) {
    let each = took / u32::try_from(times).unwrap();
    println!("{what:<44} {each:>12.2?}   peak {:>6} KiB", peak_kib());
}

fn finish(writer: Writer) {
    let report = writer.finish(SessionEnd {
        ended_at: SystemTime::now(),
        exit_code: 0,
        wall: Duration::ZERO,
        final_level: 0,
        max_level: 0,
        decisions: String::new(),
        total: 0,
        skipped: 0,
    });
    assert_eq!(report.unrecorded, 0);
}

fn main() {
    let jobs = std::env::args().find_map(|argument| argument.parse().ok());
    let jobs: u64 = jobs.unwrap_or(1_000_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");

    let start = Instant::now();
    let journal = Journal::open(&path).unwrap();
    show("make a journal", start.elapsed(), 1);
    drop(journal);
    let start = Instant::now();
    let journal = Journal::open(&path).unwrap();
    show("open it", start.elapsed(), 1);

    let new_run = NewRun {
        template_key: TemplateKey::of(b"t"),
        template: "t".into(),
        directory: "/".into(),
        host: "h".into(),
        created_at: SystemTime::now(),
        packed: false,
    };
    let session = NewSession {
        pid: 1,
        started_at: SystemTime::now(),
        rerun_failed: false,
    };
    let start = Instant::now();
    let (run, lock) = journal.start_run(&new_run).unwrap();
    let writer = journal.start_session(&lock, &session).unwrap();
    show("start a run and its writer", start.elapsed(), 1);

    // At the pace of a fast dispatcher: three jobs a millisecond, each record timed by itself.
    let mut taken = Vec::new();
    for seq in 0..9_000 {
        let record = record(seq);
        let start = Instant::now();
        writer.record(black_box(record));
        taken.push(start.elapsed());
        if seq % 3 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    show("record(), 3 jobs per ms, mean", taken.iter().sum(), 9_000);
    taken.sort_unstable();
    show("record(), 3 jobs per ms, median", taken[4_500], 1);
    show("record(), 3 jobs per ms, 99 %", taken[8_910], 1);

    // As fast as it goes: the queue is full, so this is the cost of a row in its batch.
    let start = Instant::now();
    for seq in 0..jobs {
        writer.record(record(seq));
    }
    finish(writer);
    show("insert, per row", start.elapsed(), jobs);
    let size = fs::metadata(&path).unwrap().len();
    println!("{:<44} {:>8} bytes", "file, per row", size / jobs);

    let start = Instant::now();
    let mut finished = journal.finished_inputs(run, IncludeFailed::Yes).unwrap();
    show("gather finished inputs, per input", start.elapsed(), jobs);
    let inputs: Vec<u64> = (0..jobs.min(200_000)).collect();
    let start = Instant::now();
    for seq in &inputs {
        assert!(finished.take(&record(*seq).args).unwrap());
    }
    show(
        "take a finished input",
        start.elapsed(),
        inputs.len() as u64,
    );
    let start = Instant::now();
    for seq in &inputs {
        let other = format!("new {seq}");
        assert!(!finished.take(other.as_bytes()).unwrap());
    }
    show(
        "take an unfinished input",
        start.elapsed(),
        inputs.len() as u64,
    );

    let limits = PruneLimits::default();
    journal.prune(limits, SystemTime::now()).unwrap();
    let start = Instant::now();
    journal.prune(limits, SystemTime::now()).unwrap();
    show("prune nothing", start.elapsed(), 1);
    let start = Instant::now();
    black_box(journal.runs(20).unwrap());
    show("list the runs", start.elapsed(), 1);
    let start = Instant::now();
    black_box(journal.stats(run).unwrap());
    show("stats, per job", start.elapsed(), jobs);
    drop(lock);
    let none = PruneLimits {
        max_age: Duration::MAX,
        max_bytes: 0,
        max_level_age: Duration::MAX,
    };
    let start = Instant::now();
    journal.prune(none, SystemTime::now()).unwrap();
    show("prune, per job", start.elapsed(), jobs);
    println!(
        "{:<44} {:>8} bytes",
        "file after that",
        fs::metadata(&path).unwrap().len()
    );
}
