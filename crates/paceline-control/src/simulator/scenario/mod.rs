//! What is run: jobs, the machine, and what changes on the way.

mod check;
mod file;
mod load;

use crate::controller::Resources;
use crate::simulator::stations::{Change, Law, Station};

pub use load::ScenarioError;

/// Cores that the scenario files are written for.
pub(super) const WRITTEN_FOR: f64 = 8.0;

/// One scenario, as read from its file.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without `.toml`.
    pub name: String,
    /// What it is a picture of.
    pub why: String,
    /// Whether controllers may be tuned on it.
    pub split: Split,
    /// What limits it.
    pub kind: Kind,
    /// Jobs when run on 8 cores.
    pub(super) jobs: usize,
    pub(super) scale_jobs_with_cores: bool,
    /// Cores that may be used for each core of the machine; less than 1 is a quota.
    pub(super) cores_factor: f64,
    pub(super) memory_bytes: f64,
    pub(super) dispatch: Dispatch,
    pub(super) stations: Vec<Station>,
    pub(super) mix: Vec<JobKind>,
    pub(super) changes: Vec<Change>,
    pub(super) arrivals: Option<Arrivals>,
    pub(super) signal_noise: f64,
}

/// What a scenario is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Controllers may be fitted to it.
    Tune,
    /// Only for judging them.
    Score,
}

/// What limits a scenario.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Cores.
    Cpu,
    /// Nothing but the number of jobs.
    Wait,
    /// A peer that gets slower the more ask it.
    Remote,
    /// A disk.
    Disk,
    /// Memory.
    Memory,
    /// Any of these, with few jobs that take very long.
    Tail,
    /// What limits changes on the way.
    Change,
    /// A peer that says "busy".
    Reject,
    /// Several of these.
    Mixed,
}

/// What it costs the engine to start a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dispatch {
    pub(super) seconds: f64,
    pub(super) takes_core: bool,
}

/// A kind of job in the mix.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct JobKind {
    pub(super) share: f64,
    /// The part of the list in which this kind occurs, as fractions.
    pub(super) from: f64,
    pub(super) to: f64,
    /// Peak resident memory in bytes.
    pub(super) memory: Amount,
    pub(super) phases: Vec<PhaseKind>,
}

/// What a job does at one station.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PhaseKind {
    pub(super) station: usize,
    pub(super) amount: Amount,
    pub(super) threads: f64,
    /// So many machines stand behind the station; each job talks to one of them.
    pub(super) peers: usize,
}

/// How much of something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Amount {
    Constant(f64),
    LogNormal { mean: f64, cv: f64 },
    Uniform { low: f64, high: f64 },
}

/// Inputs that are not all there at the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arrivals {
    pub(super) per_second: f64,
    pub(super) at_start: usize,
    /// So many come at once.
    pub(super) chunk: usize,
}

impl Scenario {
    /// Jobs when run on a machine with this many cores.
    pub fn jobs(&self, cores: f64) -> usize {
        if self.scale_jobs_with_cores {
            ((self.jobs as f64 * cores / WRITTEN_FOR).round() as usize).max(1)
        } else {
            self.jobs
        }
    }

    /// What a controller is told of the machine.
    pub fn resources(&self, cores: f64) -> Resources {
        Resources {
            cores: cores * self.cores_factor,
            memory_bytes: self.memory_bytes as u64,
            descriptor_jobs: 5000,
            process_jobs: 5000,
        }
    }

    /// The stations as they are at the start, on a machine with this many cores.
    pub(super) fn stations(&self, cores: f64) -> Vec<Station> {
        let mut stations = self.stations.clone();
        for station in &mut stations {
            if let Law::Cpu { cores: own } = &mut station.law {
                *own = cores * self.cores_factor;
            }
        }
        stations
    }

    /// Jobs differ in memory, or take enough that it matters.
    pub(super) fn memory_matters(&self) -> bool {
        self.mix
            .iter()
            .any(|kind| kind.memory != Amount::Constant(BASE_BYTES))
    }
}

/// What the smallest process takes.
pub(super) const BASE_BYTES: f64 = 2.0 * 1024.0 * 1024.0;
