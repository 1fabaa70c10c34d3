//! What was seen of a program: the facts that a verdict is made from.
//!
//! A profile holds measured amounts and no judgement. "Thread-seconds" add up over threads; the time
//! *of the wall* that something took is the time in which at least one thread did it.

mod class;

use std::time::Duration;

use serde::Serialize;

pub use class::{ByClass, Class};

/// A program, as it was seen over some time.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// How long it was watched.
    pub wall: Duration,
    /// How the watching ended.
    pub ending: Ending,
    /// Cores that the program may use: its affinity and the quotas of its control groups.
    pub cores: f64,
    /// Thread-seconds in each class. `Cpu` and `RunQueue` come from exact counters.
    pub time: ByClass<Duration>,
    /// Time of the wall in each class.
    pub of_wall: ByClass<Duration>,
    /// The wall, each moment given to one class: of all that threads did at that moment, the one that
    /// comes first in [`Class::PRECEDENCE`]. Sums to `wall`. It tells whether a wait was all there was,
    /// or only stood by while others worked: a shell that waits for a child that computes leaves
    /// nothing in `Child` here. All zeros if it was not taken; judges then go by `of_wall`.
    pub foremost: ByClass<Duration>,
    /// How compute and input/output lie over each other.
    pub overlap: Overlap,
    /// How both came about over time, from the first point to the last; empty if it was not taken.
    pub course: Vec<Progress>,
    /// CPU time in user mode and in the kernel.
    pub cpu: CpuTime,
    /// Bytes through read and write calls, and what of them reached a disk.
    pub file_bytes: FileBytes,
    /// The threads, also those that have ended, the busiest first; at most [`MOST_THREADS`], the
    /// rest is in the sums alone. Of such that came and went between two looks only the times in
    /// `Cpu` and `RunQueue` are known, and those only where every context switch is.
    pub threads: Vec<ThreadProfile>,
    /// How many threads there were in all.
    pub threads_seen: usize,
    /// How many processes there were in all, also those that have ended.
    ///
    /// Those that lived and died between two looks count too, where something tells of them: fork
    /// records of perf, or the process's own count of children that it waited for.
    pub processes_seen: usize,
    /// Processes that came and went between two looks. Their CPU time is in the sums.
    pub short_lived: ShortLived,
    /// What was waited for, the longest first.
    pub waits: Vec<Wait>,
    /// Requests in flight over sockets.
    pub network: NetworkUse,
    /// What the program did not cause itself.
    pub outside: Outside,
    /// Its memory.
    pub memory: MemoryUse,
    /// Where the facts come from.
    pub sources: Sources,
    /// What watching cost.
    pub observer: ObserverCost,
}

/// How many threads a [`Profile`] describes one by one.
pub const MOST_THREADS: usize = 2048;

/// How watching a program ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The program ended: the profile is of the whole of it, from where watching began.
    ProgramEnded,
    /// The time for watching was up, the program goes on.
    #[default]
    TimeUp,
    /// The user stopped watching.
    Interrupted,
}

/// How compute and input/output lie over each other, as time of the wall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// At least one thread ran or was ready to.
    pub compute: Duration,
    /// At least one input or output was in flight: a thread waited for a disk or a peer, or a peer
    /// owed an answer while a thread polled.
    pub io: Duration,
    /// Both.
    pub both: Duration,
    /// Inputs and outputs in flight, integrated over time: thread-seconds of waits for disks and
    /// peers, and request-seconds of polled requests.
    pub io_in_flight: Duration,
}

/// How far a program had come at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The moment, from the beginning of watching.
    pub at: Duration,
    /// Time of the wall until then in which it computed, as in [`Overlap::compute`].
    pub compute: Duration,
    /// Time of the wall until then with an input or output in flight, as in [`Overlap::io`].
    pub io: Duration,
    /// What of that a disk took while nothing computed: [`Profile::foremost`] in `Disk` and `PageFault`.
    pub disk: Duration,
}

/// CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In user mode.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
}

/// Processes that ended before a look found them, told by what their parents were charged for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShortLived {
    /// How many there were at least, as far as the kernel told; 0 if it did not.
    pub processes: u64,
    /// Their CPU time.
    pub cpu: Duration,
}

/// Bytes read and written, from `/proc/PID/io`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileBytes {
    /// Through read calls, whatever they read from.
    pub read_calls: u64,
    /// Through write calls.
    pub write_calls: u64,
    /// Fetched from a disk.
    pub from_disk: u64,
    /// Sent towards a disk.
    pub to_disk: u64,
    /// How many read calls (`syscr`).
    pub read_count: u64,
    /// How many write calls (`syscw`).
    pub write_count: u64,
}

/// One thread.
#[derive(Clone, Debug, Default)]
pub struct ThreadProfile {
    /// Its process.
    pub pid: i32,
    /// The process that started its process; 0 if that is not one of those watched.
    pub parent: i32,
    /// Its own number.
    pub tid: i32,
    /// Its name, as the kernel has it; any bytes, made readable.
    pub name: String,
    /// When it was first seen, from the beginning of watching.
    pub began: Duration,
    /// From when it was first seen until it was last seen.
    pub alive: Duration,
    /// Its time in each class.
    pub time: ByClass<Duration>,
    /// Core-seconds of the cores that the program may use for which none of it wanted them while this thread
    /// ran or was ready. What several computed through is shared out among them.
    pub spare: Duration,
    /// How often it was put on a core.
    pub slices: u64,
    /// The event loop that it runs, if it does.
    pub event_loop: Option<EventLoop>,
    /// What of its time in `Sleep` it spent in the poll of its loop, for a timer of the loop.
    pub slept_in_poll: Duration,
    /// The call outside of its poll that held the loop longest.
    pub loop_blocked_by: Option<usize>,
    /// It was created as a copy of others for the same work: threads with the same number belong to
    /// one pool. `None` for the main thread of a process.
    pub pool: Option<usize>,
}

/// Which event loop a thread runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventLoop {
    /// Seen in its Python stack: "asyncio", "trio", …
    Python(String),
    /// A worker of a runtime that is known by its threads' names: "tokio".
    Runtime(String),
    /// It waits in epoll again and again.
    Epoll,
    /// It was hardly ever seen to poll, though sockets wait for it in an epoll set.
    SeldomPolls,
}

/// A kind of wait for one target.
#[derive(Clone, Debug)]
pub struct Wait {
    /// What was waited for.
    pub class: Class,
    /// Which one.
    pub target: Target,
    /// The kernel call it waited in, such as "fsync" or "recvfrom"; empty if that is not known.
    pub call: &'static str,
    /// The line of source that waited, where it is known.
    pub line: Option<SourceLine>,
    /// It waits for data to be safe on disk: fsync, fdatasync, sync, syncfs, msync, or a write to a
    /// file that was opened with `O_SYNC` or `O_DSYNC`. Such waits have an entry apart from other waits
    /// for the same file.
    pub syncs: bool,
    /// Thread-seconds.
    pub time: Duration,
    /// What of `time` was in calls with a time limit: a poll with a timeout that is neither 0 nor
    /// infinite, a timed futex. All of it for sleeps.
    pub timed: Duration,
    /// Time of the wall in which at least one thread waited for it.
    pub of_wall: Duration,
    /// How many waits there were, each weighted by its length: (Σ d)² / Σ d². Five waits of a second
    /// are five, whatever short ones come with them.
    pub effective_count: f64,
    /// The longest single wait.
    pub longest: Duration,
    /// How many threads waited for it.
    pub threads: usize,
    /// Slices that those threads got on a core meanwhile: a pool at rest has none.
    pub slices: u64,
    /// For locks: what kind, from the call and its arguments.
    pub futex: Option<Futex>,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A socket's other end: "tcp 10.0.0.7:5432", "unix /run/x.sock".
    Peer(String),
    /// A file.
    File(String),
    /// A pipe, and the process at its other end where that is known; or a unix socket to a process that is watched.
    Pipe {
        /// Its name in `/proc`.
        name: String,
        /// Who reads or writes at the other end.
        other: Option<String>,
    },
    /// A lock by its address in a process.
    Lock {
        /// The process; none if it lies in memory that processes share, at one address in each of those that
        /// come from one.
        pid: Option<i32>,
        /// The address of the futex.
        address: u64,
    },
    /// A child process, by its name.
    Child(String),
    /// The name of the call, where nothing better is known.
    Call(String),
}

/// What a futex was used for, as far as its call tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Futex {
    /// A mutex: the value says "locked, with waiters".
    Mutex,
    /// Another wait, bounded in time.
    Timed,
    /// Another wait.
    Untimed,
}

/// A line of source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct SourceLine {
    /// The file, as the interpreter names it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The function.
    pub function: String,
}

/// Requests in flight over sockets, from `sock_diag`.
#[derive(Clone, Debug, Default)]
pub struct NetworkUse {
    /// By peer, the most time first.
    pub peers: Vec<PeerUse>,
    /// The most requests that were in flight at once.
    pub most_in_flight: usize,
    /// Time of the wall with at least one request in flight.
    pub of_wall: Duration,
}

/// Requests in flight to one peer.
#[derive(Clone, Debug, Default)]
pub struct PeerUse {
    /// Address and port.
    pub address: String,
    /// In flight, integrated over time: request-seconds.
    pub in_flight: Duration,
    /// How many requests there were, weighted by their length as in [`Wait::effective_count`]; 0 if
    /// they were too short to be told apart.
    pub effective_count: f64,
    /// The most at once.
    pub most_in_flight: usize,
    /// Time for which threads waited for it, each by itself, with nothing sent to it meanwhile over that connection.
    pub waited_for_answers: Duration,
    /// How many answers that was for, weighted by their length as in [`Wait::effective_count`]: what comes between two
    /// sendings is one, in however many pieces. 0 if none was long enough to be told.
    pub answers: f64,
    /// Round-trip time of the path, smoothed, as the kernel measured it.
    pub round_trip: Option<Duration>,
}

/// What the program did not cause itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outside {
    /// CPU time of the machine that others used meanwhile.
    pub others_cpu: Duration,
    /// Time for which the quota of a control group held it.
    pub throttled: Duration,
}

/// Memory at its largest.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryUse {
    /// Resident, of all processes, in bytes; what they share counts once for each.
    pub rss_bytes: u64,
    /// The private part of the largest process, in bytes.
    pub private_bytes: u64,
    /// Stack that one thread touched, on average, in bytes; 0 if it is not known.
    pub stack_bytes: u64,
}

/// Where facts come from.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sources {
    /// `/proc`, looked at again and again.
    pub proc: Source,
    /// Requests in flight, from the kernel's socket tables.
    pub sockets: Source,
    /// Every context switch, from perf events.
    pub switches: Source,
    /// Lines of Python.
    pub python: Source,
}

/// Whether a source spoke.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// It did.
    Used,
    /// There was nothing for it to say.
    #[default]
    NotNeeded,
    /// It could not, for this reason, written for the user.
    Missing(String),
}

/// What watching cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObserverCost {
    /// Our own CPU time.
    pub cpu: Duration,
    /// Looks at the program.
    pub looks: u64,
    /// Looks a second at the end, if it had to be lowered to stay cheap.
    pub lowered_to: Option<f64>,
    /// Context switches that the kernel could not tell us about.
    pub lost_switches: u64,
}
