//! What a run tells whoever watches it.

use std::time::{Duration, SystemTime};

use paceline_control::Decision;

/// Watches a run. Called from the thread that runs it: be quick.
pub trait Observer {
    /// Something happened, `at` after the start of the run.
    fn event(&mut self, at: Duration, event: &RunEvent<'_>);

    /// How often [`RunEvent::Beat`] is wanted.
    fn beat_every(&self) -> Option<Duration> {
        None
    }
}

/// Something that happened in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunEvent<'a> {
    /// A job has ended for good.
    Finished(&'a Finished<'a>),
    /// An attempt failed, and the job will be tried again.
    Retrying {
        /// The job's inputs, joined by NUL bytes.
        joined: &'a [u8],
        /// Attempts so far.
        attempts: u32,
        /// How the last one ended.
        ending: Ending,
        /// How long it rests.
        rest: Duration,
    },
    /// An attempt ended with the word that what it depends on is busy; the job will be tried again.
    Busy {
        /// The job's inputs, joined by NUL bytes.
        joined: &'a [u8],
        /// Such answers of this job in a row.
        in_a_row: u32,
        /// How long it rests.
        rest: Duration,
    },
    /// An attempt was killed to free memory; the job will be started again.
    Shed {
        /// The job's inputs, joined by NUL bytes.
        joined: &'a [u8],
    },
    /// The limit was changed.
    Decided(&'a Decision),
    /// The user or a halt condition ends the run early.
    Stopping {
        /// Why.
        cause: StopCause,
        /// Running jobs are not waited for.
        now: bool,
        /// How many are running.
        running: usize,
    },
    /// The journal cannot be written; the jobs go on.
    JournalTrouble(&'a str),
    /// The guardian was killed: if we are killed too, jobs would go on.
    GuardianLost,
    /// Time has passed.
    Beat(&'a Status),
    /// The terminal is about to be given back (Ctrl-Z), or was given back to us.
    Suspended,
}

/// A job that has ended for good.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished<'a> {
    /// The position of its input.
    pub seq: u64,
    /// Its inputs, joined by NUL bytes.
    pub joined: &'a [u8],
    /// How it ended.
    pub ending: Ending,
    /// Attempts, without those that were turned away as busy or killed to free memory.
    pub attempts: u32,
    /// When its first attempt was started.
    pub started_at: SystemTime,
    /// From there to its end.
    pub wall: Duration,
    /// Bytes of standard output.
    pub bytes_out: u64,
    /// Why it could not be started, or what else there is to say.
    pub note: Option<&'a str>,
    /// The end of its standard error, if it failed.
    pub stderr_tail: &'a [u8],
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this exit code; 0 is success.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// Its time limit passed.
    TimedOut,
    /// It never ran.
    NotStarted,
}

impl Ending {
    /// Whether the job did what it was to do.
    pub fn is_success(self) -> bool {
        self == Self::Exit(0)
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => match signal_hook::low_level::signal_name(*signal) {
                Some(name) => write!(f, "{name}"),
                None => write!(f, "signal {signal}"),
            },
            Self::TimedOut => f.write_str("timed out"),
            Self::NotStarted => f.write_str("not started"),
        }
    }
}

/// Counts of a run at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Jobs that succeeded.
    pub done: u64,
    /// Jobs that failed for good.
    pub failed: u64,
    /// Inputs left out because an earlier session had finished them.
    pub skipped: u64,
    /// Attempts that were made because one before had failed.
    pub retried: u64,
    /// Attempts that ended with the word that what they depend on is busy, to be made again.
    pub busy: u64,
    /// Attempts that were killed to free memory, to be made again.
    pub shed: u64,
    /// Jobs in flight.
    pub running: usize,
    /// Inputs waiting, jobs resting before another attempt included.
    pub waiting: u64,
    /// Jobs in all, if known: skipped inputs count.
    pub total: Option<u64>,
    /// The concurrency limit.
    pub limit: usize,
}

/// Why a run ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopCause {
    /// The user interrupted it (Ctrl-C), or a signal asked it to end.
    Signal(i32),
    /// A halt condition was met by a job that ended like this.
    Halt(Ending),
    /// Whoever read the output has gone.
    ReaderGone,
    /// The output could not be written.
    OutputFailed,
    /// The inputs could not be read on.
    InputFailed,
}
