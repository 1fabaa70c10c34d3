//! A run: its identity, and what a listing says of it.

use std::fmt;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use crate::{Session, TemplateKey};

/// The number of a run, counted from 1 and never given out twice in one journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not the number of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the number of a run")]
pub struct ParseRunIdError {
    source: Option<ParseIntError>,
}

impl FromStr for RunId {
    type Err = ParseRunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<i64>() {
            Ok(id) if id > 0 => Ok(Self(id)),
            Ok(_) => Err(ParseRunIdError { source: None }),
            Err(source) => Err(ParseRunIdError {
                source: Some(source),
            }),
        }
    }
}

/// What the caller says of a run that it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// The command template's key.
    pub template_key: TemplateKey,
    /// The command template, to be shown.
    pub template: String,
    /// Where the run was started.
    pub directory: PathBuf,
    /// The machine's name.
    pub host: String,
    /// When it was started.
    pub created_at: SystemTime,
    /// Whether jobs pack several inputs: then each argument of a job is an input of its own.
    pub packed: bool,
}

/// A run as the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The command template's key.
    pub template_key: TemplateKey,
    /// The command template, to be shown.
    pub template: String,
    /// Where the run was started.
    pub directory: PathBuf,
    /// The machine's name.
    pub host: String,
    /// When it was started.
    pub created_at: SystemTime,
    /// Whether jobs pack several inputs.
    pub packed: bool,
}

/// How many jobs and inputs of a run are recorded. Where jobs are not packed, a job is an input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// Jobs that succeeded.
    pub done: u64,
    /// Jobs that failed and have not run again since.
    pub failed: u64,
    /// Inputs of the jobs that succeeded.
    pub inputs_done: u64,
    /// Inputs that failed and have not run again since.
    pub inputs_failed: u64,
}

/// What has become of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// A session holds the run's lock, or its guardian does.
    Running {
        /// The session's process, unless it has recorded no start yet.
        pid: Option<u32>,
    },
    /// The last session recorded its end.
    Ended {
        /// What it exited with.
        exit_code: i32,
    },
    /// The last session recorded no end, and nobody holds the lock.
    Died,
}

/// A run with what a listing shows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOverview {
    /// The run.
    pub run: Run,
    /// What is recorded of it.
    pub counts: RunCounts,
    /// What has become of it.
    pub state: RunState,
    /// How many sessions worked on it.
    pub sessions: u64,
    /// The newest of them.
    pub last_session: Option<Session>,
}
