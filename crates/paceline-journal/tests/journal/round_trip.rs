//! What is recorded is read back as it was.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use paceline_journal::{
    Exit, JobRecord, JobState, JournalError, NewRun, RunCounts, RunId, RunState, SessionEnd,
    TemplateKey, WallQuantiles,
};

use crate::support::{
    Scratch, assert_fine, at, done, end, failed, new_run, new_session, no_process_starts, session,
    start,
};

#[test]
fn a_job_comes_back_with_all_it_had() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, _lock, writer) = start(&journal, &new_run());
    let records = [
        JobRecord {
            seq: u64::MAX,
            args: b"plain\0\xff\xfe not UTF-8\0\n'\"$(x)\0".to_vec(),
            state: JobState::Failed,
            exit: Exit::Signal(9),
            timed_out: true,
            started_at: at(3) + Duration::from_micros(123_456),
            wall: Duration::from_micros(u64::from(u32::MAX) * 1000),
            user: Duration::from_micros(1),
            system: Duration::ZERO,
            peak_rss_bytes: u64::MAX,
            attempts: u32::MAX,
            bytes_out: 1 << 50,
            stderr_tail: Some(b"\0\xffoops\n".to_vec()),
            note: Some("took too long — stopped".into()),
        },
        JobRecord {
            exit: Exit::NotStarted,
            note: Some("argument list too long".into()),
            ..failed(2, "")
        },
        JobRecord {
            exit: Exit::Code(-1),
            stderr_tail: Some(Vec::new()),
            ..done(3, "a")
        },
    ];
    for record in records.clone() {
        writer.record(record);
    }
    let id = writer.session();
    assert_fine(&writer.finish(end()));

    let mut rows = Vec::new();
    journal.jobs(run, |row| rows.push(row)).unwrap();
    assert!(rows.iter().all(|row| row.session == id));
    let read: Vec<_> = rows.into_iter().map(|row| row.record).collect();
    assert_eq!(read, records);
    let failures: Vec<_> = journal.failures(run, usize::MAX).unwrap();
    let failures: Vec<_> = failures.into_iter().map(|row| row.record).collect();
    assert_eq!(failures, records[..2]);
    assert_eq!(journal.failures(run, 1).unwrap()[0].record, records[0]);
    assert_eq!(journal.failure_count(run).unwrap(), 2);
}

#[test]
fn a_run_and_its_sessions_come_back() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let run = NewRun {
        directory: Path::new(OsStr::from_bytes(b"/d\xff")).into(),
        packed: true,
        ..new_run()
    };
    let (id, lock) = journal.start_run(&run).unwrap();
    let read = journal.run(id).unwrap();
    assert_eq!(
        NewRun {
            template_key: read.template_key,
            template: read.template.clone(),
            directory: read.directory.clone(),
            host: read.host.clone(),
            created_at: read.created_at,
            packed: read.packed,
        },
        run
    );
    assert_eq!(read.id, id);

    let whole = SessionEnd {
        ended_at: at(50),
        exit_code: 101,
        wall: Duration::from_micros(49_000_001),
        final_level: 12,
        max_level: 64,
        decisions: r#"[{"limit":12,"reason":"naïve"}]"#.into(),
        total: 1_000_000,
        skipped: 999_999,
    };
    let writer = journal.start_session(&lock, &new_session()).unwrap();
    assert_fine(&writer.finish(whole.clone()));
    drop(journal.start_session(&lock, &new_session()).unwrap());
    let sessions = journal.sessions(id).unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0].end, Some(whole));
    assert_eq!(sessions[0].pid, std::process::id());
    assert_eq!(sessions[0].started_at, at(1));
    // Dropped without an end.
    assert_eq!(sessions[1].end, None);
}

#[test]
fn runs_are_found_by_number_template_and_directory() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    assert_eq!(journal.latest_run().unwrap(), None);
    let other = NewRun {
        template_key: TemplateKey::of(b"other"),
        ..new_run()
    };
    let elsewhere = NewRun {
        directory: "/elsewhere".into(),
        ..new_run()
    };
    let ids: Vec<RunId> = [new_run(), new_run(), elsewhere, other]
        .iter()
        .map(|run| journal.start_run(run).unwrap().0)
        .collect();
    let newest = |key: &[u8], directory| {
        let key = TemplateKey::of(key);
        let run = journal.newest_run(key, Path::new(directory)).unwrap();
        run.map(|run| run.id)
    };
    assert_eq!(newest(b"convert {}", "/data"), Some(ids[1]));
    assert_eq!(newest(b"convert {}", "/elsewhere"), Some(ids[2]));
    assert_eq!(newest(b"other", "/data"), Some(ids[3]));
    assert_eq!(newest(b"other", "/elsewhere"), None);
    assert_eq!(
        journal.latest_run().unwrap().map(|run| run.id),
        Some(ids[3])
    );
    let listed: Vec<_> = journal.runs(3).unwrap().iter().map(|o| o.run.id).collect();
    assert_eq!(listed, [ids[3], ids[2], ids[1]]);

    let unknown = RunId(99);
    for error in [
        journal.run(unknown).unwrap_err(),
        journal.counts(unknown).unwrap_err(),
        journal.stats(unknown).unwrap_err(),
        journal.try_lock_run(unknown).unwrap_err(),
    ] {
        assert!(matches!(error, JournalError::NoSuchRun { run } if run == unknown));
        assert_eq!(error.to_string(), "there is no run 99");
    }
}

#[test]
fn the_listing_counts_jobs_and_tells_what_became_of_them() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, lock, writer) = start(&journal, &new_run());
    for seq in 0..7 {
        writer.record(done(seq, seq.to_string()));
    }
    writer.record(failed(7, "7"));
    let ended = SessionEnd {
        exit_code: 1,
        total: 8,
        ..end()
    };
    assert_fine(&writer.finish(ended));
    drop(lock);
    let overview = journal.overview(run).unwrap();
    assert_eq!(
        overview.counts,
        RunCounts {
            done: 7,
            failed: 1,
            inputs_done: 7,
            inputs_failed: 1
        }
    );
    assert_eq!(overview.state, RunState::Ended { exit_code: 1 });
    assert_eq!(overview.sessions, 1);
    let total = overview.last_session.unwrap().end.unwrap().total;
    assert_eq!(total, 8);
}

#[test]
fn stats_add_up_and_their_quantiles_are_real_times() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, _lock, writer) = start(&journal, &new_run());
    assert_eq!(journal.stats(run).unwrap().wall_quantiles, None);
    for seq in (1..=100).rev() {
        writer.record(JobRecord {
            wall: Duration::from_millis(seq),
            peak_rss_bytes: seq,
            timed_out: seq > 98,
            ..done(seq, seq.to_string())
        });
    }
    assert_fine(&writer.finish(end()));
    let stats = journal.stats(run).unwrap();
    assert_eq!((stats.done, stats.failed, stats.timed_out), (100, 0, 2));
    assert_eq!(stats.wall, Duration::from_millis(5050));
    assert_eq!(stats.user, Duration::from_millis(70));
    assert_eq!(stats.system, Duration::from_millis(30));
    assert_eq!(stats.bytes_out, 1_200);
    assert_eq!(stats.peak_rss_bytes, 100);
    assert_eq!(
        stats.wall_quantiles,
        Some(WallQuantiles {
            min: Duration::from_millis(1),
            p50: Duration::from_millis(50),
            p90: Duration::from_millis(90),
            p99: Duration::from_millis(99),
            max: Duration::from_millis(100),
        })
    );
}

#[test]
fn a_dropped_writer_still_records_its_jobs() {
    let _quiet = no_process_starts();
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, lock, writer) = start(&journal, &new_run());
    writer.record(done(1, "a"));
    drop(writer);
    drop(lock);
    let overview = journal.overview(run).unwrap();
    assert_eq!(overview.counts.done, 1);
    assert_eq!(overview.state, RunState::Died);
}

#[test]
fn a_session_without_jobs_ends_in_order() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, lock) = journal.start_run(&new_run()).unwrap();
    session(&journal, &lock, false, []);
    let state = journal.overview(run).unwrap().state;
    assert_eq!(state, RunState::Ended { exit_code: 0 });
}

#[test]
fn run_numbers_are_read_as_they_are_shown() {
    assert_eq!(RunId(42).to_string().parse(), Ok(RunId(42)));
    for wrong in ["", "0", "-1", "1x", "99999999999999999999"] {
        let error = wrong.parse::<RunId>().unwrap_err();
        assert_eq!(error.to_string(), "not the number of a run");
    }
}
