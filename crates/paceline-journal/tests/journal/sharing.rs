//! Several processes and threads work on one file.

use std::process::Stdio;
use std::sync::{Arc, Barrier};
use std::thread;

use paceline_journal::{Journal, RunState};

use crate::support::{
    Scratch, args_of, assert_fine, assert_sound, child, child_path, done, end, failed, new_run,
    spawn, start,
};

const JOBS: u64 = 3_000;

fn work(journal: &Journal, name: &str) {
    let (_, _lock, writer) = start(journal, &new_run());
    for seq in 0..JOBS {
        let args = format!("{name}-{seq}");
        writer.record(if seq % 10 == 0 {
            failed(seq, args)
        } else {
            done(seq, args)
        });
    }
    assert_fine(&writer.finish(end()));
}

fn check(journal: &Journal, runs: usize) {
    let overviews = journal.runs(usize::MAX).unwrap();
    assert_eq!(overviews.len(), runs);
    for overview in overviews {
        assert_eq!(overview.state, RunState::Ended { exit_code: 0 });
        assert_eq!(overview.counts.done, JOBS / 10 * 9);
        assert_eq!(overview.counts.failed, JOBS / 10);
        let args = args_of(journal, overview.run.id);
        let name = String::from_utf8(args[0].clone()).unwrap();
        let name = name.split('-').next().unwrap();
        let expected: Vec<Vec<u8>> = (0..JOBS)
            .map(|seq| format!("{name}-{seq}").into_bytes())
            .collect();
        assert_eq!(args, expected);
    }
}

#[test]
fn processes_write_at_once() {
    let scratch = Scratch::new();
    // None of them has made the file: they race for that, too.
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = child(&[], "sharing::child_writes", &scratch.path());
            spawn(command.stdout(Stdio::null()))
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    check(&scratch.open(), 4);
    assert_sound(&scratch.path());
}

#[test]
#[ignore = "run by another test as a child"]
fn child_writes() {
    let Some(path) = child_path() else { return };
    work(
        &Journal::open(path).unwrap(),
        &std::process::id().to_string(),
    );
}

#[test]
fn a_file_that_nobody_has_made_yet_is_opened_by_all_at_once() {
    for _ in 0..20 {
        let scratch = Scratch::new();
        let barrier = Barrier::new(6);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    barrier.wait();
                    drop(scratch.open().start_run(&new_run()).unwrap());
                });
            }
        });
        assert_eq!(scratch.open().runs(usize::MAX).unwrap().len(), 6);
    }
}

#[test]
fn threads_write_at_once_while_others_list() {
    let scratch = Scratch::new();
    let barrier = Arc::new(Barrier::new(3));
    let threads: Vec<_> = (0..2)
        .map(|name| {
            let barrier = Arc::clone(&barrier);
            let path = scratch.path();
            thread::spawn(move || {
                barrier.wait();
                work(&Journal::open(path).unwrap(), &name.to_string());
            })
        })
        .collect();
    barrier.wait();
    let journal = scratch.open();
    while !threads.iter().all(thread::JoinHandle::is_finished) {
        for overview in journal.runs(10).unwrap() {
            let mut jobs = 0;
            journal.jobs(overview.run.id, |_| jobs += 1).unwrap();
            // Counts and jobs change together; more may have come since.
            assert!(jobs >= overview.counts.done + overview.counts.failed);
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
    check(&journal, 2);
}

#[test]
fn a_writer_is_shared_by_threads() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, _lock, writer) = start(&journal, &new_run());
    thread::scope(|scope| {
        for thread in 0..4 {
            let writer = &writer;
            scope.spawn(move || {
                for seq in 0..JOBS {
                    writer.record(done(seq, format!("{thread}-{seq}")));
                }
            });
        }
    });
    assert_fine(&writer.finish(end()));
    assert_eq!(journal.counts(run).unwrap().done, 4 * JOBS);
}
