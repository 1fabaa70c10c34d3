//! The durable record of runs: which inputs are finished, which failed and why, and what was
//! learned about the level.
//!
//! A *run* is one logical piece of work: a command over a list of inputs. It lives in one
//! `SQLite` file together with all other runs. Each invocation that works on it is a *session*;
//! resuming a run adds a session to it. Every finished job is one row.
//!
//! ```no_run
//! use paceline_journal::{IncludeFailed, Journal, NewRun, NewSession, TemplateKey};
//! use std::time::SystemTime;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let journal = Journal::open("journal.db")?;
//! let (run, lock) = journal.start_run(&NewRun {
//!     template_key: TemplateKey::of(b"convert\0{}"),
//!     template: "convert {}".into(),
//!     directory: std::env::current_dir()?,
//!     host: "alpha".into(),
//!     created_at: SystemTime::now(),
//!     packed: false,
//! })?;
//! let mut finished = journal.finished_inputs(run, IncludeFailed::Yes)?;
//! let writer = journal.start_session(&lock, &NewSession {
//!     pid: std::process::id(),
//!     started_at: SystemTime::now(),
//!     rerun_failed: false,
//! })?;
//! if !finished.take(b"a.png")? {
//!     // run the job, then writer.record(...)
//! }
//! # drop(writer);
//! # Ok(()) }
//! ```
//!
//! # What survives what
//!
//! The file is in write-ahead mode with `synchronous=NORMAL`. A transaction that was committed
//! survives the death of the process, `kill -9` included, because it is then in the kernel's
//! hands. A power cut may cost the transactions since the last checkpoint, never the file's
//! consistency; the inputs whose rows are lost run again on resume. Jobs are committed in
//! batches: a row is there whole or not at all.
//!
//! # Who may do what
//!
//! Any number of processes share one file. A session holds its run's [`RunLock`] for its life,
//! so that no two sessions work on one run at a time and pruning leaves it alone.
#![forbid(unsafe_code)]

mod column;
mod connection;
mod default_path;
mod error;
mod finished;
mod job;
mod journal;
mod key;
mod levels;
mod listing;
mod lock;
mod prune;
mod run;
mod schema;
mod session;
mod stats;
mod writer;

pub use default_path::default_path;
pub use error::JournalError;
pub use finished::{Finished, IncludeFailed};
pub use job::{Exit, JobRecord, JobRow, JobState};
pub use journal::Journal;
pub use key::{InputKey, TemplateKey, input_key};
pub use levels::{Level, LevelSource, NewLevel};
pub use lock::RunLock;
pub use prune::{PruneLimits, Pruned};
pub use run::{NewRun, ParseRunIdError, Run, RunCounts, RunId, RunOverview, RunState};
pub use session::{NewSession, Session, SessionEnd, SessionId};
pub use stats::{RunStats, WallQuantiles};
pub use writer::{FinishReport, Writer};
