//! What a profile means: why the program is not faster, and what to do.
//!
//! Pure functions of a [`Profile`]: `facts` works out numbers, `rules` holds the causes in the order
//! in which they are tried, each with its borders and its words, `plan` says what would help and by
//! how much. The reasons are in `docs/design/diagnosis.md`.

mod bound;
mod facts;
mod plan;
mod rule;
mod rules;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;

use serde::Serialize;

use crate::profile::{Profile, Source};
use facts::{Facts, ratio};

pub use bound::CPU_BOUND;

/// Compute, or input and output, for less than this share of the wall: what of it overlapped, and how
/// much of it was in flight at once, would be chance.
const TOO_LITTLE: f64 = 0.01;

/// Says what limits the program that was watched, and what would help.
pub fn judge(profile: &Profile) -> Verdict {
    let facts = Facts::of(profile);
    // The last rule has no borders, so that one always matches.
    let rule = rules::RULES
        .iter()
        .find(|rule| rule.matches(&facts))
        .unwrap_or(&rules::LAST);
    Verdict {
        bound: bound::of(&facts, rule.cause),
        cause: rule.cause,
        sentence: (rule.sentence)(&facts),
        evidence: rule.evidence(&facts),
        confidence: rule.confidence(&facts) * evidence_weight(profile),
        shares: bound::shares(&facts),
        overlap: facts
            .overlap
            .filter(|_| facts.compute.min(facts.io) >= TOO_LITTLE),
        concurrency: if facts.io >= TOO_LITTLE {
            facts.concurrency
        } else {
            0.0
        },
        utilisation: facts.utilisation,
        prescription: (rule.prescribe)(&facts),
    }
}

/// How much the evidence weighs, from 0 to 1.
fn evidence_weight(profile: &Profile) -> f64 {
    /// With so many looks, half of what could be known is known.
    const HALF: f64 = 10.0;
    /// Without the state of threads, only what counters say is left.
    const BLIND: f64 = 0.5;
    let looks = profile.observer.looks as f64;
    let looked = ratio(looks, looks + HALF);
    // Context switches are exact, however seldom one looks.
    let seen = if profile.sources.switches == Source::Used {
        looked.max(0.9)
    } else {
        looked
    };
    if matches!(profile.sources.proc, Source::Missing(_)) {
        seen * BLIND
    } else {
        seen
    }
}

/// What limits a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Others, or a quota, have the cores.
    OutsideContention,
    /// The thread of an event loop waits in a call that is not its poll.
    BlockingCallInLoop,
    /// The thread of an event loop computes, and the other cores rest.
    CpuInLoop,
    /// Python's threads wait for the interpreter.
    Gil,
    /// Threads wait for a lock.
    Lock,
    /// More threads want to run than there are cores.
    Oversubscribed,
    /// All cores are busy with its work.
    Saturated,
    /// The kernel copies what is in memory already.
    PageCache,
    /// Its waits hide behind compute: the cores are the limit.
    OverlappedCpu,
    /// Threads wait for the slowest of them.
    Imbalance,
    /// One thread computes.
    SerialCpu,
    /// It waits for data to be safe on disk.
    CommitLatency,
    /// One wait comes after another.
    SerialWaits,
    /// All workers wait, and there is more to do.
    TooFewWorkers,
    /// Many requests are in flight: whoever answers is the limit.
    Peer,
    /// It waits for time to pass.
    Timer,
    /// It waits for a child process.
    Child,
    /// The evidence is too thin.
    Undetermined,
}

impl Cause {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 18] = [
        Self::OutsideContention,
        Self::BlockingCallInLoop,
        Self::CpuInLoop,
        Self::Gil,
        Self::Lock,
        Self::Oversubscribed,
        Self::Saturated,
        Self::PageCache,
        Self::OverlappedCpu,
        Self::Imbalance,
        Self::SerialCpu,
        Self::CommitLatency,
        Self::SerialWaits,
        Self::TooFewWorkers,
        Self::Peer,
        Self::Timer,
        Self::Child,
        Self::Undetermined,
    ];

    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutsideContention => "outside-contention",
            Self::BlockingCallInLoop => "blocking-call-in-loop",
            Self::CpuInLoop => "cpu-in-loop",
            Self::Gil => "gil",
            Self::Lock => "lock",
            Self::Oversubscribed => "oversubscribed",
            Self::Saturated => "saturated",
            Self::PageCache => "page-cache",
            Self::OverlappedCpu => "overlapped-cpu",
            Self::Imbalance => "imbalance",
            Self::SerialCpu => "serial-cpu",
            Self::CommitLatency => "commit-latency",
            Self::SerialWaits => "serial-waits",
            Self::TooFewWorkers => "too-few-workers",
            Self::Peer => "peer",
            Self::Timer => "timer",
            Self::Child => "child",
            Self::Undetermined => "undetermined",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which resource bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Mostly compute.
    Cpu,
    /// Mostly waits.
    Io,
    /// Both, neither small.
    Mixed,
}

/// What limits a program and what would help.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Compute, waits, or both.
    pub bound: Bound,
    /// What limits it.
    pub cause: Cause,
    /// In one sentence for people.
    pub sentence: String,
    /// The numbers that it rests on, each a short sentence.
    pub evidence: Vec<String>,
    /// From 0 to 1: how far the evidence is from the borders of the rule, and how much there is.
    pub confidence: f64,
    /// The ratios that the rules looked at.
    pub shares: Shares,
    /// |C ∩ I| / min(C, I), from 0 to 1; `None` if there was hardly any compute or hardly any
    /// input or output: less than a hundredth of the wall.
    pub overlap: Option<f64>,
    /// Inputs and outputs in flight while there was at least one; 0 if there was hardly any.
    pub concurrency: f64,
    /// CPU seconds / (wall · cores), from 0 to 1.
    pub utilisation: f64,
    /// What would help.
    pub prescription: Prescription,
}

/// Shares of the thread-seconds that were not spent standing by (joins, idle pools). They sum to 1,
/// or all are 0 if nothing was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Shares {
    /// On a core.
    pub cpu: f64,
    /// Ready to run.
    pub run_queue: f64,
    /// Disks, with the page faults that needed one.
    pub disk: f64,
    /// Peers.
    pub network: f64,
    /// Locks, condition variables, barriers.
    pub lock: f64,
    /// Timers.
    pub sleep: f64,
    /// Child processes.
    pub child: f64,
    /// The global interpreter lock.
    pub gil: f64,
    /// Event polls.
    pub poll: f64,
    /// Pipes and the rest.
    pub other: f64,
}

/// How to run work at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Threads that wait.
    Threads,
    /// Tasks of an event loop.
    Async,
    /// Processes that compute, since threads cannot.
    Processes,
    /// Threads that compute, as many as cores.
    CpuPool,
    /// As it is.
    AsIs,
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Prescription {
    /// The concurrency model.
    pub model: Model,
    /// How many at once.
    pub level: usize,
    /// What to do, in a sentence.
    pub advice: String,
    /// What to expect of it.
    pub speedup: Speedup,
    /// What it would take in memory.
    pub memory: MemoryNeed,
}

/// By what factor the work would be done faster.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Speedup {
    /// What can be counted on.
    pub low: f64,
    /// The best guess.
    pub point: f64,
    /// What the bounds allow.
    pub high: f64,
    /// The law it comes from.
    pub law: Law,
}

impl fmt::Display for Speedup {
    /// "4.6×, between 1.8× and 5×".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, point, high] = [self.low, self.point, self.high].map(words::number);
        if low == high {
            write!(f, "{point}×")
        } else {
            write!(f, "{point}×, between {low}× and {high}×")
        }
    }
}

/// A law of performance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// Nothing to gain.
    None,
    /// Amdahl's law, for compute.
    Amdahl,
    /// The utilisation law and Little's law, with exact mean-value analysis for the point.
    MeanValueAnalysis,
    /// Prefetching: (C + I) / max(C, I).
    Prefetch,
}

/// What each model would take in memory at the level, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryNeed {
    /// The stack that threads touch.
    pub threads: u64,
    /// The state of tasks.
    pub r#async: u64,
    /// The private part of a process, for each.
    pub processes: u64,
}

impl fmt::Display for MemoryNeed {
    /// "5 MiB as threads, 800 KiB as async tasks, 300 MiB as processes".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [threads, tasks, processes] =
            [self.threads, self.r#async, self.processes].map(words::bytes);
        write!(
            f,
            "{threads} as threads, {tasks} as async tasks, {processes} as processes"
        )
    }
}
