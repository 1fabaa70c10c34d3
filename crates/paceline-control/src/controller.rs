//! The language between a controller and the engine that it steers: events and a clock reading
//! in, decisions out. No clock, thread or channel lives on this side.

use std::time::Duration;

use crate::learned::Learned;
use crate::reason::Reason;

/// Sets how many jobs may be in flight at once.
///
/// The engine reports what happens through [`Controller::on`], with the time since the run began,
/// and starts jobs only while fewer than [`Controller::limit`] are in flight. Lowering the limit
/// never stops a running job: the engine just starts no new one until enough have ended.
pub trait Controller: Send {
    /// The concurrency limit now in force; at least 1.
    fn limit(&self) -> usize;

    /// Takes one event at `now` (time since the run began, never decreasing) and says what changed.
    fn on(&mut self, now: Duration, event: Event) -> Option<Decision>;

    /// How long after the last tick the next one is wanted; `None` if no signals are needed.
    fn tick_every(&self) -> Option<Duration>;

    /// Whether the next [`Signals`] should say whom the jobs talk to, which is dearer to find out than
    /// the rest.
    fn wants_peers(&self) -> bool {
        false
    }

    /// An attempt that must be ended at once, because memory runs out; its job is to be started
    /// again later. To be asked after each tick until it says `None`; each attempt is named once,
    /// and its [`Event::Finished`] is still due, with [`Outcome::Shed`] unless it ended by itself
    /// first.
    fn shed(&mut self) -> Option<JobId> {
        None
    }

    /// What the run has found out so far, for the next one like it; `None` if nothing.
    fn learned(&self) -> Option<Learned> {
        None
    }
}

/// Something that happened to the jobs under control.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An attempt of a job was started.
    Started {
        /// Names the attempt until its [`Event::Finished`].
        job: JobId,
    },
    /// An attempt of a job ended; follows each [`Event::Started`] exactly once.
    Finished {
        /// As given at the start.
        job: JobId,
        /// What it took and how it ended.
        attempt: Attempt,
    },
    /// How many jobs wait to be started. Each [`Event::Started`] takes one off by itself, so this
    /// is needed only when inputs arrive, become known in full, or are put back.
    Queue(Left),
    /// What the kernel says of the jobs in flight.
    Tick(Signals),
    /// The kernel refused to make another process (`EAGAIN`, `ENOMEM`) with this many in flight.
    SpawnRefused {
        /// Jobs in flight when it refused.
        in_flight: usize,
    },
}

/// Names one attempt in flight.
pub type JobId = u64;

/// The jobs that are waiting to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// All inputs are known: exactly this many wait.
    Exactly(u64),
    /// Inputs are still arriving: at least this many wait.
    AtLeast(u64),
}

impl Left {
    /// The jobs known to be waiting.
    pub fn known(self) -> u64 {
        match self {
            Self::Exactly(n) | Self::AtLeast(n) => n,
        }
    }

    /// The same after one of them was started.
    pub(crate) fn without_one(self) -> Self {
        match self {
            Self::Exactly(n) => Self::Exactly(n.saturating_sub(1)),
            Self::AtLeast(n) => Self::AtLeast(n.saturating_sub(1)),
        }
    }
}

/// What one attempt took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempt {
    /// How it ended.
    pub outcome: Outcome,
    /// From start to end.
    pub wall: Duration,
    /// User and system time of the process and of the children it waited for.
    pub cpu: Duration,
    /// Time spent runnable without a core, where it was read before the process was reaped.
    pub run_queue_delay: Option<Duration>,
    /// The largest resident set of the process or any child it waited for; 0 if unknown.
    pub peak_rss_bytes: u64,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Success.
    Done,
    /// A non-zero exit or a signal.
    Failed,
    /// Its time limit passed.
    TimedOut,
    /// The user or a halt condition ended it; says nothing about the work.
    Cancelled,
    /// It said that what it depends on is busy (an exit code, HTTP 429 or 503) and is to be
    /// started again later.
    Busy,
    /// It was ended because [`Controller::shed`] named it, and is to be started again later.
    Shed,
}

/// What the kernel says of the jobs in flight, since the previous tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signals {
    /// Jobs in flight.
    pub in_flight: usize,
    /// Jobs of these that were looked at; the other figures speak of them alone.
    pub sampled: usize,
    /// Time their threads ran on a core since the last tick.
    pub ran: Duration,
    /// Time their threads were runnable but had no core since the last tick.
    pub run_queue_delay: Duration,
    /// The time since the last tick, summed over the sampled jobs.
    pub observed: Duration,
    /// Threads running or runnable at this moment.
    pub runnable_threads: usize,
    /// Threads in uninterruptible sleep (mostly disk) at this moment.
    pub disk_threads: usize,
    /// Jobs of which every thread waits on a timer alone: no socket, pipe, file, lock, or CPU.
    pub timer_only: usize,
    /// Resident memory of the sampled jobs' process trees, in bytes.
    pub rss_bytes: u64,
    /// By how much that has grown since the last tick in those jobs that were looked at then too,
    /// in bytes; those that shrank count as they are.
    pub grown_bytes: u64,
    /// Time since the last tick in which cores that the jobs may use had nothing to do, summed over the
    /// cores; `None` if unknown.
    pub idle: Option<Duration>,
    /// Memory that new jobs could still take, in bytes: the least of the machine's and the cgroup's.
    /// 0 if unknown.
    pub memory_available_bytes: u64,
    /// Whom they talk to, if [`Controller::wants_peers`] asked for it and it could be found out.
    pub peers: Option<PeerLoad>,
}

/// How some jobs are spread over the peers that they are connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerLoad {
    /// Jobs that are connected to a peer, or are about to be.
    pub jobs: usize,
    /// The most of these that share a peer.
    pub heaviest: usize,
}

/// A change of the concurrency limit, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When, since the run began.
    pub at: Duration,
    /// The limit before.
    pub was: usize,
    /// The limit from now on.
    pub limit: usize,
    /// Why; its `Display` is a sentence for people.
    pub reason: Reason,
}

/// What the machine can give, fixed for a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resources {
    /// Cores that this process may use: affinity and cgroup quota, not the host's count.
    pub cores: f64,
    /// Memory that jobs may take in all, in bytes: the cgroup's limit or the machine's memory.
    /// 0 if unknown.
    pub memory_bytes: u64,
    /// Jobs that the open-file limit allows at once.
    pub descriptor_jobs: usize,
    /// Jobs that the process limits (`RLIMIT_NPROC`, `pid_max`, `pids.max`) allow at once.
    pub process_jobs: usize,
}

/// A number of cores to reckon with: a broken reading must not stop a run.
pub(crate) fn believable(cores: f64) -> f64 {
    if cores.is_finite() {
        cores.max(0.1)
    } else {
        1.0
    }
}
