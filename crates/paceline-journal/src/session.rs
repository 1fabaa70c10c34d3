//! A session: one invocation's work on a run.

use std::time::{Duration, SystemTime};

/// The number of a session, unique in its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i64);

/// What the caller says of a session that it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSession {
    /// The process.
    pub pid: u32,
    /// When it started.
    pub started_at: SystemTime,
    /// Whether inputs that failed in earlier sessions run again. Then a new result supersedes
    /// one older failure of the same input, so that each input counts once.
    pub rerun_failed: bool,
}

/// What the caller says of a session at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEnd {
    /// When it ended.
    pub ended_at: SystemTime,
    /// What the process exits with.
    pub exit_code: i32,
    /// How long it took.
    pub wall: Duration,
    /// How many jobs were allowed in flight at the end; zero if that was not found out.
    pub final_level: u32,
    /// How many jobs were allowed in flight at most.
    pub max_level: u32,
    /// Why the level was what it was: JSON that the journal does not look into.
    pub decisions: String,
    /// How many inputs there were, skipped ones included.
    pub total: u64,
    /// How many of them were finished in earlier sessions.
    pub skipped: u64,
}

/// A session as the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// The process.
    pub pid: u32,
    /// When it started.
    pub started_at: SystemTime,
    /// What it recorded at its end; nothing if it still runs or has died.
    pub end: Option<SessionEnd>,
}
