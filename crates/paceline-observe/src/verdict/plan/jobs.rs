//! How long a number of jobs takes, so many at once.
//!
//! A job needs D seconds of a core and waits Z seconds. The bounds are the utilisation law and
//! Little's law, X(n) ≤ min(n / (D + Z), servers / D); in between lies exact mean-value analysis.
//! There is a finite number of jobs, so that the time for all of them counts, with the first one's wait
//! before any compute and the last round that may be half empty. What is computed before the first wait or
//! after the last one belongs to no job, and hides behind none (Amdahl's law).

use super::super::Model;
use super::super::facts::{Facts, ratio, serial_compute};
use super::mva::{self, Station};
use super::waits::Waits;

/// A disk that nobody has measured gains from about this many requests in its queue.
const DISK_QUEUE: usize = 4;
/// No more servers than this make a difference.
const MOST_SERVERS: usize = 1024;

/// CPU time of one more lane, in seconds: a thread is made, faults in its stack, opens its connection and ends …
const THREAD: f64 = 50e-6;
/// … under an interpreter, of which it needs the lock for each step …
const PYTHON_THREAD: f64 = 100e-6;
/// … or a task of an event loop. What a process takes is in the compute of the jobs.
const TASK: f64 = 5e-6;
const PYTHON_TASK: f64 = 50e-6;

/// Of the CPU time of a job that is waited for alone, this is what it takes to come back from a core at rest …
const WAKING: f64 = 150e-6;
/// … and at most this part of it. One poll of an event loop tells of many that end together.
const WAKING_AT_MOST: f64 = 0.5;
/// Fewer than this at once are mostly waited for alone.
const ALONE: f64 = 4.0;

/// Equal jobs of some compute and one wait.
pub(super) struct Jobs {
    pub(super) count: f64,
    /// Seconds of a core for each.
    pub(super) cpu: f64,
    /// Cores that compute for them at once.
    pub(super) servers: usize,
    /// Seconds of waiting for each, without the disk's.
    pub(super) wait: f64,
    /// Seconds of the disk for each.
    disk: f64,
    /// Seconds of compute that are no job's.
    serial: f64,
    /// Seconds of compute for each lane.
    lane: f64,
}

impl Jobs {
    pub(super) fn of(facts: &Facts<'_>, waits: &Waits, model: Option<Model>) -> Self {
        // Whole jobs: a hundredth more than five would take another round.
        let count = waits.count.round().max(1.0);
        let one_loop = model == Some(Model::Async) && facts.event_loop.is_some_and(|l| !l.shared);
        let one_at_a_time = one_loop || (facts.python && model != Some(Model::Processes));
        let time = waits.time / count;
        let cpu = facts.run * facts.wall;
        let async_tasks = model == Some(Model::Async);
        let serial = serial_compute(facts.profile, cpu, count, time, waits.disk >= 0.5);
        let each = (cpu - serial) / count;
        let waking = if async_tasks && waits.now < ALONE {
            WAKING.min(WAKING_AT_MOST * each)
        } else {
            0.0
        };
        Self {
            count,
            cpu: each - waking,
            servers: if one_at_a_time {
                1
            } else {
                facts.whole_cores().min(MOST_SERVERS)
            },
            wait: time * (1.0 - waits.disk),
            disk: time * waits.disk,
            serial,
            lane: match model {
                Some(Model::Processes) => 0.0,
                Some(Model::Async) if facts.python => PYTHON_TASK,
                Some(Model::Async) => TASK,
                _ if facts.python => PYTHON_THREAD,
                _ => THREAD,
            },
        }
    }

    /// The times for all of them with 1, 2, … `most` at once.
    pub(super) fn times(&self, most: usize) -> Vec<f64> {
        let throughputs = mva::throughputs(&self.stations(), self.wait, most);
        let lanes = throughputs.into_iter().zip(1..);
        lanes.map(|(x, n)| self.time(n, x)).collect()
    }

    fn stations(&self) -> Vec<Station> {
        let mut stations = vec![Station {
            demand: self.cpu,
            servers: self.servers,
        }];
        if self.disk > 0.0 {
            stations.push(Station {
                demand: self.disk,
                servers: DISK_QUEUE,
            });
        }
        stations
    }

    /// What one job takes alone.
    fn alone(&self) -> f64 {
        self.cpu + self.wait + self.disk
    }

    /// How many rounds they come to, `n` at once.
    pub(super) fn rounds(&self, n: usize) -> f64 {
        (self.count / n as f64 - 1e-6).ceil().max(1.0)
    }

    /// How long all of them take, `n` at once.
    fn time(&self, n: usize, throughput: f64) -> f64 {
        let servers = self.servers as f64;
        let lanes = n as f64;
        // The lanes start one after the other, as each computes first; the last round may not be full.
        let starts = (lanes - 1.0) * self.cpu / servers;
        let rounds = self.rounds(n) * self.alone() + starts;
        let making = if n > 1 {
            lanes * self.lane / servers
        } else {
            0.0
        };
        let together = ratio(self.count, throughput);
        self.serial + making + together.max(rounds).max(self.least(n))
    }

    /// What the bounds allow at best, with what goes before and after.
    pub(super) fn at_best(&self, n: usize) -> f64 {
        self.serial + self.least(n)
    }

    fn least(&self, n: usize) -> f64 {
        let cores = self.count * self.cpu / self.servers as f64;
        let disk = self.count * self.disk / DISK_QUEUE as f64;
        (self.count * self.alone() / n as f64).max(cores).max(disk)
    }

    /// (C + I) / max(C, I), as a time: one is fetched ahead, and the first wait has no compute to hide behind.
    pub(super) fn fetched_ahead(&self, n: usize) -> f64 {
        let waits = self.count * self.wait / n.max(1) as f64;
        self.serial + (self.count * self.cpu).max(waits) + self.wait
    }
}
