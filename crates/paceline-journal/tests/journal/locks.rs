//! Who works on a run, as others see it.

use std::os::fd::AsFd;

use paceline_journal::{JournalError, RunState};

use crate::support::{Scratch, assert_fine, end, new_run, no_process_starts, start};

#[test]
fn a_run_is_running_until_the_last_holder_of_its_lock_is_gone() {
    let _quiet = no_process_starts();
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, lock, writer) = start(&journal, &new_run());
    let pid = Some(std::process::id());
    let state = || journal.overview(run).unwrap().state;
    assert_eq!(state(), RunState::Running { pid });
    let guardian = lock.as_fd().try_clone_to_owned().unwrap();
    drop(writer);
    drop(lock);
    assert_eq!(state(), RunState::Running { pid });
    let busy = journal.try_lock_run(run).unwrap_err();
    assert_eq!(
        busy.to_string(),
        format!("run 1 is in use by process {}", std::process::id())
    );
    drop(guardian);
    assert_eq!(state(), RunState::Died);
    assert_eq!(journal.try_lock_run(run).unwrap().run(), run);
}

#[test]
fn a_run_whose_session_has_not_begun_is_running_all_the_same() {
    let _quiet = no_process_starts();
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, lock) = journal.start_run(&new_run()).unwrap();
    let state = || journal.overview(run).unwrap().state;
    assert_eq!(state(), RunState::Running { pid: None });
    let busy = journal.try_lock_run(run).unwrap_err();
    assert!(matches!(busy, JournalError::RunBusy { pid: None, .. }));
    assert_eq!(busy.to_string(), "run 1 is in use");
    drop(lock);
    assert_eq!(state(), RunState::Died);
}

#[test]
fn waiting_for_a_lock_ends_when_it_is_given_free() {
    let _quiet = no_process_starts();
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, lock, writer) = start(&journal, &new_run());
    let path = scratch.path();
    let waiter = std::thread::spawn(move || {
        let journal = paceline_journal::Journal::open(path).unwrap();
        journal.lock_run(run).map(|lock| lock.run()).unwrap()
    });
    assert_fine(&writer.finish(end()));
    lock.remove();
    assert_eq!(waiter.join().unwrap(), run);
}

#[test]
fn a_lock_file_left_from_a_deleted_journal_does_no_harm() {
    let _quiet = no_process_starts();
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (first, _lock, _writer) = start(&journal, &new_run());
    for file in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        std::fs::remove_file(scratch.directory().join(file)).unwrap();
    }
    let (second, _lock) = scratch.open().start_run(&new_run()).unwrap();
    assert!(second > first);
}
