//! A journal that cannot be used says so before work starts, and says why.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use paceline_journal::{Journal, JournalError};

use crate::support::{Scratch, child, child_path, new_run, try_spawn};

fn error(path: &Path) -> JournalError {
    Journal::open(path).unwrap_err()
}

fn change(path: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[test]
fn directories_are_made_and_nobody_else_may_look() {
    let scratch = Scratch::new();
    let path = scratch.directory().join("a/b/journal.db");
    let journal = Journal::open(&path).unwrap();
    assert_eq!(journal.path(), path);
    let (_, _lock) = journal.start_run(&new_run()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&scratch.directory().join("a/b")), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(
        mode(&scratch.directory().join("a/b/journal.db.locks")),
        0o700
    );
}

#[test]
fn it_is_set_up_as_promised_and_opens_again() {
    let scratch = Scratch::new();
    let (run, _) = scratch.open().start_run(&new_run()).unwrap();
    assert_eq!(scratch.open().latest_run().unwrap().unwrap().id, run);
    let connection = rusqlite::Connection::open(scratch.path()).unwrap();
    let text = |sql: &str| {
        let value = connection.query_row(sql, (), |row| row.get::<_, rusqlite::types::Value>(0));
        format!("{:?}", value.unwrap())
    };
    assert_eq!(text("PRAGMA journal_mode"), r#"Text("wal")"#);
    assert_eq!(text("PRAGMA auto_vacuum"), "Integer(2)");
    assert_eq!(text("PRAGMA user_version"), "Integer(2)");
}

#[test]
fn an_existing_one_is_asked_for() {
    let scratch = Scratch::new();
    let missing = || Journal::open_existing(scratch.path()).unwrap_err();
    assert!(matches!(missing(), JournalError::Missing { .. }));
    assert!(!scratch.path().exists());
    fs::write(scratch.path(), "").unwrap();
    assert!(matches!(missing(), JournalError::Missing { .. }));
    // An empty file may become a journal.
    scratch.open();
    Journal::open_existing(scratch.path()).unwrap();
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    scratch.open();
    change(&scratch.path(), "PRAGMA user_version = 7");
    let error = error(&scratch.path());
    assert!(matches!(error, JournalError::NewerSchema { found: 7, .. }));
    let text = error.to_string();
    assert!(
        text.contains("newer paceline (format 7, this one knows up to 2)"),
        "{text}"
    );
    assert!(text.contains(scratch.path().to_str().unwrap()), "{text}");
    let existing = Journal::open_existing(scratch.path()).unwrap_err();
    assert!(matches!(existing, JournalError::NewerSchema { .. }));
}

#[test]
fn what_is_not_a_database_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    let text = "a text that somebody needs\n".repeat(100);
    fs::write(scratch.path(), &text).unwrap();
    let error = error(&scratch.path());
    assert!(
        matches!(error, JournalError::NotADatabase { .. }),
        "{error:?}"
    );
    assert_eq!(fs::read_to_string(scratch.path()).unwrap(), text);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    change(&scratch.path(), "CREATE TABLE bookmarks (url TEXT)");
    let before = fs::read(scratch.path()).unwrap();
    let error = error(&scratch.path());
    assert!(matches!(error, JournalError::Foreign { .. }), "{error:?}");
    assert_eq!(fs::read(scratch.path()).unwrap(), before);
}

#[test]
fn a_damaged_file_is_told_as_such() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    drop(journal.start_run(&new_run()).unwrap());
    // The last connection to close carries the write-ahead log over.
    drop(journal);
    let mut bytes = fs::read(scratch.path()).unwrap();
    let header = 100;
    bytes[header..4096].fill(0xa5);
    fs::write(scratch.path(), bytes).unwrap();
    let error = error(&scratch.path());
    assert!(matches!(error, JournalError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[test]
fn a_path_under_a_file_is_told_as_such() {
    let scratch = Scratch::new();
    let file = scratch.directory().join("file");
    fs::write(&file, "x").unwrap();
    let error = error(&file.join("state/journal.db"));
    let JournalError::CreateDirectory { path, source } = error else {
        panic!("{error:?}");
    };
    assert_eq!(path, file.join("state"));
    assert_eq!(source.kind(), ErrorKind::NotADirectory);
}

#[test]
fn a_directory_is_not_a_journal() {
    let scratch = Scratch::new();
    let error = error(scratch.directory());
    assert!(matches!(error, JournalError::Open { .. }), "{error:?}");
}

#[test]
fn the_path_is_never_read_as_a_uri() {
    let scratch = Scratch::new();
    let path = scratch.directory().join("file:x?mode=ro");
    Journal::open(&path).unwrap();
    assert!(path.exists());
}

#[test]
fn all_names_of_a_journal_lead_to_the_same_locks() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let (run, _lock) = journal.start_run(&new_run()).unwrap();
    let link = scratch.directory().join("link.db");
    symlink(scratch.path(), &link).unwrap();
    let error = Journal::open(&link).unwrap().try_lock_run(run).unwrap_err();
    assert!(matches!(error, JournalError::RunBusy { .. }), "{error:?}");
}

#[test]
fn a_read_only_file_or_directory_is_told_as_such() {
    let scratch = Scratch::new();
    drop(scratch.open());
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&scratch.path(), 0o444);
    let mut command = child(&[], "opening::child_without_rights", &scratch.path());
    if rustix::process::geteuid().is_root() {
        // Root may write anything; nobody may not.
        command.uid(65534).gid(65534);
    }
    set(scratch.directory(), 0o555);
    match try_spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())) {
        Ok(child) => {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{said}{output:?}");
        }
        // The test program lies where nobody may go.
        Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied),
    }
    set(scratch.directory(), 0o755);
}

#[test]
#[ignore = "run by another test as a child"]
fn child_without_rights() {
    let Some(path) = child_path() else { return };
    let read_only = error(&path);
    assert!(
        matches!(read_only, JournalError::ReadOnly { .. }),
        "{read_only:?}"
    );
    let cannot_create = error(&path.with_file_name("new.db"));
    assert!(
        matches!(&cannot_create, JournalError::Create { source, .. }
            if source.kind() == ErrorKind::PermissionDenied),
        "{cannot_create:?}"
    );
    let no_directory = error(&path.with_file_name("new").join("new.db"));
    assert!(
        matches!(no_directory, JournalError::CreateDirectory { .. }),
        "{no_directory:?}"
    );
}
