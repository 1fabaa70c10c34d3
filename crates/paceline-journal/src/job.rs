//! One finished job, as it is recorded and as it is read back.

use std::time::{Duration, SystemTime};

use crate::SessionId;

/// How a finished job counts. Cancelled jobs are not recorded; they run again on resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// It succeeded.
    Done,
    /// It failed, and no attempt is left.
    Failed,
}

/// How the last attempt of a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// The command could not be started; [`JobRecord::note`] says why.
    NotStarted,
}

/// A finished job. Times are kept to the microsecond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// The job's number in its session, from 1.
    pub seq: u64,
    /// The job's input arguments, joined by NUL.
    pub args: Vec<u8>,
    /// Whether it succeeded.
    pub state: JobState,
    /// How its last attempt ended.
    pub exit: Exit,
    /// Whether its last attempt was stopped because it took too long.
    pub timed_out: bool,
    /// When its first attempt started.
    pub started_at: SystemTime,
    /// From the start of the first attempt to the end of the last.
    pub wall: Duration,
    /// CPU time in user mode, over all attempts.
    pub user: Duration,
    /// CPU time in the kernel, over all attempts.
    pub system: Duration,
    /// The largest resident set of any attempt, in bytes.
    pub peak_rss_bytes: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// How much it wrote to its standard output, in bytes.
    pub bytes_out: u64,
    /// The end of what it wrote to its standard error, if that is worth keeping.
    pub stderr_tail: Option<Vec<u8>>,
    /// What else there is to say, such as "argument list too long".
    pub note: Option<String>,
}

/// A job as the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// The session that ran it.
    pub session: SessionId,
    /// What was recorded.
    pub record: JobRecord,
}
