//! What is finished does not run again, and each input counts once.

use std::collections::BTreeMap;

use paceline_journal::{Finished, IncludeFailed, JobState, Journal, NewRun, RunCounts, RunId};
use proptest::prelude::*;

use crate::support::{Scratch, args_of, done, failed, job, new_run, session};

/// Takes an input until it is not there any more.
fn take_all(finished: &mut Finished, input: &[u8]) -> u64 {
    let mut taken = 0;
    while finished.take(input).unwrap() {
        taken += 1;
    }
    taken
}

fn counts(journal: &Journal, run: RunId) -> (u64, u64, u64, u64) {
    let RunCounts {
        done,
        failed,
        inputs_done,
        inputs_failed,
    } = journal.counts(run).unwrap();
    (done, failed, inputs_done, inputs_failed)
}

#[test]
fn an_input_is_skipped_as_often_as_it_was_finished() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, lock) = journal.start_run(&new_run()).unwrap();
    session(
        &journal,
        &lock,
        false,
        [
            done(1, "a"),
            done(2, "b\0c"),
            done(3, "b\0c"),
            failed(4, "d"),
        ],
    );
    let mut finished = journal.finished_inputs(run, IncludeFailed::Yes).unwrap();
    assert_eq!(finished.remaining(), 4);
    // It goes to the thread that reads the inputs.
    std::thread::spawn(move || {
        assert!(finished.take(b"a").unwrap());
        assert!(!finished.take(b"a").unwrap());
        assert!(!finished.take(b"b").unwrap());
        assert!(finished.take(b"b\0c").unwrap());
        assert!(finished.take(b"b\0c").unwrap());
        assert!(!finished.take(b"b\0c").unwrap());
        assert!(finished.take(b"d").unwrap());
        assert_eq!(finished.remaining(), 0);
        assert!(!finished.take(b"d").unwrap());
    })
    .join()
    .unwrap();
    let mut without_failed = journal.finished_inputs(run, IncludeFailed::No).unwrap();
    assert!(!without_failed.take(b"d").unwrap());
    assert!(without_failed.take(b"a").unwrap());
}

#[test]
fn other_runs_do_not_count() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (_, other) = journal.start_run(&new_run()).unwrap();
    session(&journal, &other, false, [done(1, "a"), failed(2, "b")]);
    let (run, _lock) = journal.start_run(&new_run()).unwrap();
    let mut finished = journal.finished_inputs(run, IncludeFailed::Yes).unwrap();
    assert!(!finished.take(b"a").unwrap());
    assert!(!finished.take(b"b").unwrap());
}

#[test]
fn a_new_result_supersedes_one_older_failure_of_its_input() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, lock) = journal.start_run(&new_run()).unwrap();
    // Two occurrences of "a": the failures of one session do not supersede each other.
    session(
        &journal,
        &lock,
        true,
        [failed(1, "a"), failed(2, "a"), done(3, "b")],
    );
    assert_eq!(counts(&journal, run), (1, 2, 1, 2));
    session(&journal, &lock, true, [done(1, "a"), failed(2, "a")]);
    assert_eq!(counts(&journal, run), (2, 1, 2, 1));
    assert_eq!(args_of(&journal, run), [b"b", b"a", b"a"]);
    let failures = journal.failures(run, 10).unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].record.seq, 2);
    session(&journal, &lock, true, [done(1, "a")]);
    assert_eq!(counts(&journal, run), (3, 0, 3, 0));
    assert_eq!(journal.stats(run).unwrap().done, 3);
    assert!(journal.failures(run, 10).unwrap().is_empty());
}

#[test]
fn without_running_failures_again_nothing_is_superseded() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, lock) = journal.start_run(&new_run()).unwrap();
    session(&journal, &lock, false, [failed(1, "a")]);
    // The list has grown by a second "a"; the first stays failed.
    session(&journal, &lock, false, [done(1, "a")]);
    assert_eq!(counts(&journal, run), (1, 1, 1, 1));
    let mut finished = journal.finished_inputs(run, IncludeFailed::Yes).unwrap();
    assert_eq!(take_all(&mut finished, b"a"), 2);
}

#[test]
fn packed_inputs_are_finished_one_by_one() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let packed = NewRun {
        packed: true,
        ..new_run()
    };
    let (run, lock) = journal.start_run(&packed).unwrap();
    session(
        &journal,
        &lock,
        true,
        [done(1, "a\0b\0a"), failed(2, "c\0d\0e"), failed(3, "d")],
    );
    assert_eq!(counts(&journal, run), (1, 2, 3, 4));
    let mut finished = journal.finished_inputs(run, IncludeFailed::Yes).unwrap();
    assert_eq!(finished.remaining(), 7);
    assert_eq!(take_all(&mut finished, b"a"), 2);
    assert_eq!(take_all(&mut finished, b"a\0b\0a"), 0);
    assert_eq!(take_all(&mut finished, b"d"), 2);

    // Packed anew: the failed job stands as long as one of its inputs does.
    session(&journal, &lock, true, [done(1, "c\0d"), failed(2, "x")]);
    assert_eq!(counts(&journal, run), (2, 3, 5, 3));
    let mut finished = journal.finished_inputs(run, IncludeFailed::Yes).unwrap();
    assert_eq!(take_all(&mut finished, b"c"), 1);
    assert_eq!(take_all(&mut finished, b"d"), 2);
    assert_eq!(take_all(&mut finished, b"e"), 1);
    session(&journal, &lock, true, [done(1, "e\0d\0x")]);
    assert_eq!(counts(&journal, run), (3, 0, 8, 0));
    assert!(journal.failures(run, 10).unwrap().is_empty());
}

/// The inputs of a job, and whether it succeeded.
type Job = (Vec<u8>, bool);

/// Whether failed inputs run again in a session, and its jobs.
type Session = (bool, Vec<Job>);

/// The journal's meaning, as simply as it can be said.
#[derive(Default)]
struct Model {
    done: BTreeMap<u8, u64>,
    failed: BTreeMap<u8, u64>,
}

impl Model {
    fn session(&mut self, rerun_failed: bool, jobs: &[Job]) {
        let mut older = self.failed.clone();
        for (inputs, succeeded) in jobs {
            for &input in inputs {
                let open = older.entry(input).or_default();
                if rerun_failed && *open > 0 {
                    *open -= 1;
                    *self.failed.entry(input).or_default() -= 1;
                }
                let side = if *succeeded {
                    &mut self.done
                } else {
                    &mut self.failed
                };
                *side.entry(input).or_default() += 1;
            }
        }
    }
}

/// Sessions of jobs, each with one to three inputs out of six, so that inputs repeat.
fn sessions(packed: bool) -> impl Strategy<Value = Vec<Session>> {
    let most = if packed { 4 } else { 2 };
    let inputs = prop::collection::vec(b'a'..b'g', 1..most);
    let jobs = prop::collection::vec((inputs, any::<bool>()), 0..12);
    prop::collection::vec((any::<bool>(), jobs), 1..5)
}

fn check(packed: bool, sessions: &[Session]) -> Result<(), TestCaseError> {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let new = NewRun {
        packed,
        ..new_run()
    };
    let (run, lock) = journal.start_run(&new).unwrap();
    let mut model = Model::default();
    for (rerun_failed, jobs) in sessions {
        model.session(*rerun_failed, jobs);
        let records = jobs.iter().zip(1..).map(|((inputs, succeeded), seq)| {
            let args: Vec<&[u8]> = inputs.chunks(1).collect();
            let state = if *succeeded {
                JobState::Done
            } else {
                JobState::Failed
            };
            job(seq, args.join(&0), state)
        });
        session(&journal, &lock, *rerun_failed, records);
    }
    let counts = journal.counts(run).unwrap();
    prop_assert_eq!(counts.inputs_done, model.done.values().sum::<u64>());
    prop_assert_eq!(counts.inputs_failed, model.failed.values().sum::<u64>());
    let mut listed = (0, 0);
    journal
        .jobs(run, |row| match row.record.state {
            JobState::Done => listed.0 += 1,
            JobState::Failed => listed.1 += 1,
        })
        .unwrap();
    prop_assert_eq!((counts.done, counts.failed), listed);
    for which in [IncludeFailed::No, IncludeFailed::Yes] {
        let mut finished = journal.finished_inputs(run, which).unwrap();
        for input in b'a'..=b'g' {
            let done = model.done.get(&input).copied().unwrap_or(0);
            let failed = match which {
                IncludeFailed::Yes => model.failed.get(&input).copied().unwrap_or(0),
                IncludeFailed::No => 0,
            };
            prop_assert_eq!(take_all(&mut finished, &[input]), done + failed);
        }
        prop_assert_eq!(finished.remaining(), 0);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn finished_inputs_are_a_multiset(sessions in sessions(false)) {
        check(false, &sessions)?;
    }

    #[test]
    fn finished_packed_inputs_are_a_multiset(sessions in sessions(true)) {
        check(true, &sessions)?;
    }
}
