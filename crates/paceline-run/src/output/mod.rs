//! What the jobs write: caught per job, kept in bounded memory, passed on whole.
//!
//! ```text
//! job's pipe ─► Capture (64 KiB, then a file) ─► Order (-k) ─► Sink ─► our stdout / stderr
//!                                                              └─► journal: the job is done
//! ```
//!
//! A job is recorded as done only after its output has been written: one that is killed with us
//! between the two runs again, and no output is lost.
//!
//! The whole story: `docs/design/output.md`.

mod capture;
mod order;
mod results;
mod sink;
mod tag;

use std::path::PathBuf;

pub use sink::{Gate, NoGate};

pub(crate) use capture::{Capture, Captured, Fill, READ_BYTES, Spool};
pub(crate) use order::Order;
pub(crate) use sink::{Delivery, Ended, Sink, SinkTrouble};
use tag::Tag;

/// How the output of jobs is passed on.
#[derive(Clone, Debug, Default)]
pub struct OutputOptions {
    /// When.
    pub mode: OutputMode,
    /// In the order of the inputs instead of the order in which jobs end.
    pub keep_order: bool,
    /// Each line with the job's input and a tab before it.
    pub tag: bool,
    /// Where to.
    pub destination: Destination,
    /// Also into files below this directory, one folder per job.
    pub results: Option<PathBuf>,
}

/// When a job's output is passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputMode {
    /// All of it when the job ends.
    #[default]
    Grouped,
    /// Line by line, as lines are completed.
    Lines,
    /// The jobs write to our streams themselves.
    Ungrouped,
}

/// Where the output of jobs goes. Whatever it is, jobs write into pipes: some programs do less when
/// they see that nobody will read what they write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// Our standard output and error.
    #[default]
    Ours,
    /// Both to our standard error.
    StandardError,
    /// Nowhere.
    Nowhere,
}
