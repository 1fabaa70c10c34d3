//! What the tests have in common: scratch journals, records, and children that run one test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use paceline_journal::{
    Exit, FinishReport, JobRecord, JobState, Journal, NewRun, NewSession, RunId, RunLock,
    SessionEnd, TemplateKey, Writer,
};
use tempfile::TempDir;

/// Tells a child which journal it works on.
const CHILD: &str = "PACELINE_JOURNAL_TEST_CHILD";

/// Written while a process is started, read while no process may be.
static STARTING: RwLock<()> = RwLock::new(());

/// A directory for one journal.
pub(crate) struct Scratch {
    directory: TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("journal.db")
    }

    pub(crate) fn open(&self) -> Journal {
        Journal::open(self.path()).unwrap()
    }
}

/// A moment, in seconds after the one at which all tests begin.
pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

pub(crate) fn new_run() -> NewRun {
    NewRun {
        template_key: TemplateKey::of(b"convert {}"),
        template: "convert {}".into(),
        directory: "/data".into(),
        host: "alpha".into(),
        created_at: at(0),
        packed: false,
    }
}

pub(crate) fn new_session() -> NewSession {
    NewSession {
        pid: std::process::id(),
        started_at: at(1),
        rerun_failed: false,
    }
}

pub(crate) fn end() -> SessionEnd {
    SessionEnd {
        ended_at: at(100),
        exit_code: 0,
        wall: Duration::from_secs(99),
        final_level: 8,
        max_level: 16,
        decisions: "[]".into(),
        total: 0,
        skipped: 0,
    }
}

pub(crate) fn job(seq: u64, args: impl AsRef<[u8]>, state: JobState) -> JobRecord {
    let exit = match state {
        JobState::Done => Exit::Code(0),
        JobState::Failed => Exit::Code(1),
    };
    JobRecord {
        seq,
        args: args.as_ref().to_vec(),
        state,
        exit,
        timed_out: false,
        started_at: at(2),
        wall: Duration::from_micros(1_500),
        user: Duration::from_micros(700),
        system: Duration::from_micros(300),
        peak_rss_bytes: 4 << 20,
        attempts: 1,
        bytes_out: 12,
        stderr_tail: None,
        note: None,
    }
}

pub(crate) fn done(seq: u64, args: impl AsRef<[u8]>) -> JobRecord {
    job(seq, args, JobState::Done)
}

pub(crate) fn failed(seq: u64, args: impl AsRef<[u8]>) -> JobRecord {
    job(seq, args, JobState::Failed)
}

/// A new run with one session.
pub(crate) fn start(journal: &Journal, run: &NewRun) -> (RunId, RunLock, Writer) {
    let (id, lock) = journal.start_run(run).unwrap();
    let writer = journal.start_session(&lock, &new_session()).unwrap();
    (id, lock, writer)
}

/// One whole session of a run.
pub(crate) fn session(
    journal: &Journal,
    lock: &RunLock,
    rerun_failed: bool,
    records: impl IntoIterator<Item = JobRecord>,
) {
    let writer = journal
        .start_session(
            lock,
            &NewSession {
                rerun_failed,
                ..new_session()
            },
        )
        .unwrap();
    for record in records {
        writer.record(record);
    }
    assert_fine(&writer.finish(end()));
}

pub(crate) fn assert_fine(report: &FinishReport) {
    assert_eq!(report.trouble, None);
    assert_eq!(report.unrecorded, 0);
}

/// The inputs of a run's jobs, in the order in which they were recorded.
pub(crate) fn args_of(journal: &Journal, run: RunId) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    journal.jobs(run, |row| all.push(row.record.args)).unwrap();
    all
}

/// Asserts that the database is sound by `SQLite`'s own judgement.
pub(crate) fn assert_sound(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let verdict: String = connection
        .query_row("PRAGMA integrity_check", (), |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
}

/// The arguments by which this program runs one ignored test, named by its full path.
pub(crate) fn child_arguments(test: &str) -> Vec<String> {
    let exe = std::env::current_exe().unwrap();
    [
        exe.to_str().unwrap(),
        test,
        "--exact",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]
    .map(String::from)
    .into()
}

/// This program, running one ignored test on the journal at `path`; `wrapper` goes before it.
pub(crate) fn child(wrapper: &[&str], test: &str, path: &Path) -> Command {
    let mut arguments: Vec<String> = wrapper.iter().map(ToString::to_string).collect();
    arguments.extend(child_arguments(test));
    let mut command = Command::new(&arguments[0]);
    command.args(&arguments[1..]).env(CHILD, path);
    command
}

/// Starts a process.
pub(crate) fn spawn(command: &mut Command) -> Child {
    try_spawn(command).unwrap()
}

pub(crate) fn try_spawn(command: &mut Command) -> std::io::Result<Child> {
    let _starting = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// Keeps other tests from starting processes.
///
/// For tests of which locks are free: between fork and exec, a process that another test starts
/// has the descriptors of this one, and so keeps its locks for a moment longer.
pub(crate) fn no_process_starts() -> RwLockReadGuard<'static, ()> {
    STARTING.read().unwrap_or_else(PoisonError::into_inner)
}

/// In a child: the journal that it works on. Nothing if this is no child, as when someone runs
/// all ignored tests.
pub(crate) fn child_path() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}
