//! The loop that starts jobs, hears of their end, and passes on what they wrote.
//!
//! One thread owns all state and waits in one place (`epoll`) for: the end of a child, output in a
//! pipe, signals, new inputs, room in the output, and the next deadline. `docs/design/run-loop.md`
//! tells it as a story.

mod attempt;
mod dispatcher;
mod dry_run;
mod event;
mod in_flight;
mod observe;
mod pack;
mod poll;
mod signals;
mod stop;
mod timers;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use paceline_control::{Controller, Learned};
use paceline_journal::Writer;

use crate::input::{Feed, InputError};
use crate::output::{Gate, OutputOptions};
use crate::policy::{Busy, Halt, Retry, Timeout};
use crate::spawn::Guardian;
use crate::template::{Insert, Template};

pub use dry_run::{DryRunError, print_commands};
pub use event::{Ending, Finished, Observer, RunEvent, Status, StopCause};

/// How each job is run.
#[derive(Clone, Debug)]
pub struct JobOptions {
    /// Added to, or replacing, our own environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Where jobs run, if not here.
    pub directory: Option<PathBuf>,
    /// Added to our own niceness.
    pub nice: i32,
    /// The soft limit on open files that jobs get, if ours was changed.
    pub open_files: Option<u64>,
    /// How often a failing job is tried.
    pub retry: Retry,
    /// What is done about a job that says that what it depends on is busy.
    pub busy: Busy,
    /// How long an attempt may take.
    pub timeout: Option<Timeout>,
    /// How long a job that was asked to end may take before it is killed.
    pub grace: Duration,
    /// At least this long between two starts.
    pub delay: Duration,
    /// When the run ends early.
    pub halt: Option<Halt>,
    /// As many inputs per job as fit, instead of one item each.
    pub pack: bool,
    /// Jobs of earlier sessions: packed jobs are counted on from there.
    pub jobs_before: u64,
    /// At most this many inputs per packed job.
    pub pack_at_most: Option<usize>,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            environment: Vec::new(),
            directory: None,
            nice: 0,
            open_files: None,
            retry: Retry::default(),
            busy: Busy::default(),
            timeout: None,
            grace: Duration::from_secs(10),
            delay: Duration::ZERO,
            halt: None,
            pack: false,
            jobs_before: 0,
            pack_at_most: None,
        }
    }
}

impl JobOptions {
    /// `PATH` as the jobs have it, where their programs are looked for.
    pub fn search_path(&self) -> Option<OsString> {
        let added = self
            .environment
            .iter()
            .rev()
            .find(|(name, _)| name == "PATH");
        added.map_or_else(|| std::env::var_os("PATH"), |(_, path)| Some(path.clone()))
    }
}

/// All that one run needs.
pub struct Plan {
    /// The command.
    pub template: Template,
    /// The inputs.
    pub feed: Feed,
    /// How each job is run.
    pub jobs: JobOptions,
    /// How output is passed on.
    pub output: OutputOptions,
    /// Steps aside for output.
    pub gate: Arc<dyn Gate>,
    /// What sets the limit.
    pub controller: Box<dyn Controller>,
    /// Where finished jobs are recorded.
    pub journal: Option<Arc<Writer>>,
    /// Kills what we leave behind if we are killed.
    pub guardian: Option<Guardian>,
}

/// What became of a run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The counts at the end.
    pub status: Status,
    /// Why it ended early, if it did.
    pub stopped: Option<StopCause>,
    /// From start to end.
    pub wall: Duration,
    /// User and system time of all attempts.
    pub cpu: Duration,
    /// The largest resident set of any job.
    pub peak_rss_bytes: u64,
    /// The highest limit that was in force.
    pub max_limit: usize,
    /// What the controller has found out, for the next run like this one.
    pub learned: Option<Learned>,
    /// Processes that jobs left running on purpose.
    pub left_running: usize,
    /// What broke the run off, if something did.
    pub broken: Option<RunError>,
}

/// A run that could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The inputs cannot be read on.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Something that every run needs is not to be had.
    #[error("cannot {what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
}

impl RunError {
    fn system(what: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}

/// Runs the jobs to their end. Blocks; call it from the thread that lives longest, for jobs are
/// killed when the thread that started them ends.
pub fn run(plan: Plan, observer: &mut dyn Observer) -> Result<Outcome, RunError> {
    dispatcher::Dispatcher::new(plan, observer)?.run()
}

/// The null device, which jobs read as their standard input.
fn null_device() -> std::io::Result<OwnedFd> {
    std::fs::File::open("/dev/null").map(OwnedFd::from)
}

/// Whether inputs are put in at all.
fn packs(jobs: &JobOptions, insert: Insert) -> bool {
    jobs.pack && insert != Insert::Nothing
}
