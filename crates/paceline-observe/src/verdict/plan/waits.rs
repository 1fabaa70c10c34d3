//! More waits at once: the level, and what it gains.
//!
//! A job needs D seconds of a core and waits Z seconds. The bounds are the utilisation law and
//! Little's law, X(n) ≤ min(n / (D + Z), servers / D); the point comes from exact mean-value analysis.
//! There is a finite number of jobs, so that the time for all of them counts, with the first one's wait
//! before any compute and the last round that may be half empty.

use super::super::facts::{Facts, ratio};
use super::super::{Law, Model, Speedup};
use super::Plan;
use super::mva::{self, Station};

/// Up to here threads are the simplest that works; beyond, tasks of an event loop.
const MOST_THREADS: usize = 64;
/// No more than this at once is asked of a peer that nobody has measured.
const MOST: usize = 1024;
/// A level is good enough if its time is within this factor of the best.
const GOOD_ENOUGH: f64 = 1.03;
/// A disk that nobody has measured gains from about this many requests in its queue.
const DISK_QUEUE: usize = 4;
/// Requests may take longer when there are more of them; what can be counted on has this in it.
const SLOWER: f64 = 1.1;
/// Compute at least this large a part of the waits: fetching ahead is all there is to gain.
const AHEAD: f64 = 0.8;

/// Waits that could be had at once.
pub(in crate::verdict) struct Waits {
    /// How many there are.
    pub(in crate::verdict) count: f64,
    /// How long all of them take, one after the other, in seconds.
    pub(in crate::verdict) time: f64,
    /// What of that is a disk's.
    pub(in crate::verdict) disk: f64,
    /// The time that neither they nor compute explain, and that stays, in seconds.
    pub(in crate::verdict) rest: f64,
    /// How many are had at once now.
    pub(in crate::verdict) now: f64,
    /// What to do them with, if that is settled.
    pub(in crate::verdict) model: Option<Model>,
}

impl Waits {
    /// All inputs and outputs.
    pub(in crate::verdict) fn of_io(facts: &Facts<'_>) -> Self {
        // A socket that is new for each request is often met late: while a loop only polls, as much is in
        // flight as when its sockets were known.
        let polling = facts.polling_alone();
        let unmet = 1.0 + ratio(polling, facts.io);
        let busy = facts.compute + facts.io - facts.both + polling;
        Self {
            count: facts.told.in_all(facts.requests.count) * unmet,
            time: facts.io_in_flight() * unmet,
            disk: facts.requests.disk,
            rest: facts.wall * (1.0 - busy).max(0.0),
            now: facts.concurrency.max(1.0),
            model: None,
        }
    }
}

/// The best level for these waits and what it gains.
pub(in crate::verdict) fn at_once(facts: &Facts<'_>, waits: &Waits) -> Plan {
    let model = waits
        .model
        .or_else(|| facts.event_loop.map(|_| Model::Async))
        .or_else(|| {
            (facts.children.io_waiters as f64 >= 0.5 * waits.count.min(3.0)
                && facts.children.io_waiters >= 2)
                .then_some(Model::Processes)
        });
    let jobs = Jobs::of(facts, waits, model);
    let most = (jobs.count.round() as usize).clamp(1, MOST);
    let throughputs = mva::throughputs(&jobs.stations(), jobs.wait, most);
    let times: Vec<f64> = (1..=most)
        .map(|n| jobs.time(n, throughputs[n - 1]))
        .collect();
    let best = times.iter().copied().fold(f64::INFINITY, f64::min);
    let level = times
        .iter()
        .position(|time| *time <= best * GOOD_ENOUGH)
        .map_or(1, |index| index + 1);
    let level = level.max((waits.now.round() as usize).clamp(1, most));

    let gain = |time: f64| ratio(facts.wall, time + waits.rest);
    let half = level.div_ceil(2);
    let low = gain(times[half - 1] * SLOWER);
    let high = gain(jobs.least(level));
    let law = if jobs.servers == 1 && jobs.cpu >= AHEAD * jobs.wait && waits.now < 1.5 {
        Law::Prefetch
    } else {
        Law::MeanValueAnalysis
    };
    let point = if law == Law::Prefetch {
        // (C + I) / max(C, I); the first wait has no compute to hide behind.
        gain((jobs.count * jobs.cpu).max(jobs.count * jobs.wait / level.max(1) as f64) + jobs.wait)
    } else {
        gain(times[level - 1])
    };
    let model = model.unwrap_or(if level <= MOST_THREADS {
        Model::Threads
    } else {
        Model::Async
    });
    Plan {
        model,
        level,
        speedup: Speedup::ordered(low, point, high, law),
    }
}

/// Equal jobs of some compute and one wait.
struct Jobs {
    count: f64,
    /// Seconds of a core for each.
    cpu: f64,
    /// Cores that compute for them at once.
    servers: usize,
    /// Seconds of waiting for each, without the disk's.
    wait: f64,
    /// Seconds of the disk for each.
    disk: f64,
}

impl Jobs {
    fn of(facts: &Facts<'_>, waits: &Waits, model: Option<Model>) -> Self {
        // Whole jobs: a hundredth more than five would take another round.
        let count = waits.count.round().max(1.0);
        let one_loop = model == Some(Model::Async) && facts.event_loop.is_some_and(|l| !l.shared);
        let one_at_a_time = one_loop || (facts.python && model != Some(Model::Processes));
        let time = waits.time / count;
        Self {
            count,
            cpu: facts.run * facts.wall / count,
            servers: if one_at_a_time {
                1
            } else {
                facts.whole_cores().min(MOST)
            },
            wait: time * (1.0 - waits.disk),
            disk: time * waits.disk,
        }
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

    /// How long all of them take, `n` at once.
    fn time(&self, n: usize, throughput: f64) -> f64 {
        // The lanes start one after the other, as each computes first; the last round may not be full.
        let starts = (n as f64 - 1.0) * self.cpu / self.servers as f64;
        let rounds = (self.count / n as f64 - 1e-6).ceil() * self.alone() + starts;
        (self.count / throughput).max(rounds).max(self.least(n))
    }

    /// What the bounds allow at best.
    fn least(&self, n: usize) -> f64 {
        let cores = self.count * self.cpu / self.servers as f64;
        let disk = self.count * self.disk / DISK_QUEUE as f64;
        (self.count * self.alone() / n as f64).max(cores).max(disk)
    }
}
