//! A journal that cannot be written midway: jobs go on, the user is told, and nothing is lost that
//! still fits when the trouble is over.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use paceline_journal::{Journal, JournalError, RunState, Writer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{
    Scratch, args_of, child, child_path, done, end, new_run, spawn, start, try_spawn,
};

/// Waits for what the writer's thread will do in any case.
fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::sleep(Duration::from_millis(1));
    }
}

fn record(writer: &Writer, seqs: std::ops::Range<u64>) {
    for seq in seqs {
        writer.record(done(seq, seq.to_string()));
    }
}

/// A process that outlives going over its file size limit: the write fails with an error.
const WITH_FILE_SIZE_ERRORS: [&str; 4] = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];

fn limit_files(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    let current = bytes.or(maximum);
    setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
}

fn output_of(command: &mut Command) -> Output {
    let child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    child.wait_with_output().unwrap()
}

fn run_child(test: &str) {
    let scratch = Scratch::new();
    let mut command = child(&WITH_FILE_SIZE_ERRORS, test, &scratch.path());
    let output = output_of(&mut command);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{output:?}");
}

#[test]
fn failed_writes_are_made_good_later() {
    run_child("trouble::child_recovers");
}

#[test]
#[ignore = "run by another test as a child"]
fn child_recovers() {
    let Some(path) = child_path() else { return };
    let journal = Journal::open(&path).unwrap();
    let (run, _lock, writer) = start(&journal, &new_run());
    record(&writer, 0..100);
    until(|| writer.committed() == 100);
    assert_eq!(writer.trouble(), None);
    limit_files(Some(4096));
    record(&writer, 100..200);
    until(|| writer.trouble().is_some());
    let trouble = writer.trouble().unwrap();
    assert!(trouble.contains(path.to_str().unwrap()), "{trouble}");
    // Senders are not held up.
    record(&writer, 200..5_000);
    assert_eq!(writer.committed(), 100);
    limit_files(None);
    // It tries again by itself.
    until(|| writer.committed() == 5_000);
    record(&writer, 5_000..5_001);
    let report = writer.finish(end());
    assert_eq!(report.unrecorded, 0);
    assert_eq!(report.trouble, Some(trouble));
    let expected: Vec<Vec<u8>> = (0..5_001).map(|seq: u64| seq.to_string().into()).collect();
    assert_eq!(args_of(&journal, run), expected);
    let state = journal.overview(run).unwrap().state;
    assert_eq!(state, RunState::Ended { exit_code: 0 });
}

#[test]
fn what_never_could_be_written_is_counted() {
    run_child("trouble::child_gives_up");
}

#[test]
#[ignore = "run by another test as a child"]
fn child_gives_up() {
    let Some(path) = child_path() else { return };
    let journal = Journal::open(&path).unwrap();
    let (run, _lock, writer) = start(&journal, &new_run());
    record(&writer, 0..100);
    until(|| writer.committed() == 100);
    limit_files(Some(4096));
    record(&writer, 100..101);
    until(|| writer.trouble().is_some());
    // Far more than are kept.
    record(&writer, 101..20_100);
    let report = writer.finish(end());
    assert_eq!(report.unrecorded, 20_000);
    assert!(report.trouble.is_some());
    limit_files(None);
    let expected: Vec<Vec<u8>> = (0..100).map(|seq: u64| seq.to_string().into()).collect();
    assert_eq!(args_of(&journal, run), expected);
}

/// Runs a command in a mount namespace of its own, with a file system of one mebibyte at `$1`.
const ON_A_SMALL_DISK: &str =
    "mount -t tmpfs -o size=1m none \"$1\" || exit 77; shift; exec \"$@\"";

#[test]
fn a_full_disk_is_told_and_overcome() {
    let scratch = Scratch::new();
    let directory = scratch.directory().to_str().unwrap();
    let namespace = ["unshare", "--mount", "--map-root-user"];
    let mut attempt = Command::new(namespace[0]);
    attempt
        .args(&namespace[1..])
        .args(["sh", "-c", ON_A_SMALL_DISK, "sh", directory, "true"])
        .stderr(Stdio::null());
    let may = try_spawn(&mut attempt).and_then(|mut child| child.wait());
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    let wrapper = [
        &namespace[..],
        &["sh", "-c", ON_A_SMALL_DISK, "sh", directory],
    ]
    .concat();
    let mut command = child(&wrapper, "trouble::child_fills_the_disk", &scratch.path());
    let output = output_of(&mut command);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{output:?}");
}

/// Writes until nothing goes in any more.
fn fill(path: &Path) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
}

#[test]
#[ignore = "run by another test as a child"]
fn child_fills_the_disk() {
    let Some(path) = child_path() else { return };
    let journal = Journal::open(&path).unwrap();
    let (run, _lock, writer) = start(&journal, &new_run());
    record(&writer, 0..100);
    until(|| writer.committed() == 100);
    let ballast = path.with_file_name("ballast");
    fill(&ballast);
    record(&writer, 100..300);
    until(|| writer.trouble().is_some());
    let expected = format!("no space is left for the journal {}", path.display());
    assert_eq!(writer.trouble().as_deref(), Some(&expected[..]));
    // A new journal, or the same for a next session, is refused before work starts.
    for path in [path.with_file_name("new.db"), path.clone()] {
        let error = Journal::open(path).unwrap_err();
        assert!(matches!(error, JournalError::DiskFull { .. }), "{error:?}");
    }
    fs::remove_file(ballast).unwrap();
    until(|| writer.committed() == 300);
    let report = writer.finish(end());
    assert_eq!(report.unrecorded, 0);
    assert_eq!(report.trouble, Some(expected));
    assert_eq!(journal.counts(run).unwrap().done, 300);
}
