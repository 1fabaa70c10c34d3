//! The jobs that are not running: ready, resting after they were refused, or yet to come.

use std::collections::VecDeque;

use crate::controller::Left;
use crate::simulator::scenario::Arrivals;

/// The longest rest of a refused job, in seconds.
const LONGEST_REST: f64 = 2.0;

pub(super) struct Backlog {
    ready: VecDeque<usize>,
    resting: usize,
    /// The first job that has not arrived.
    arrived: usize,
    total: usize,
    arrivals: Option<Arrivals>,
    /// How often each job was refused; empty until one is.
    refusals: Vec<u8>,
}

impl Backlog {
    pub(super) fn new(total: usize, arrivals: Option<Arrivals>) -> Self {
        let arrived = arrivals.map_or(total, |arrivals| arrivals.at_start.min(total));
        Self {
            ready: (0..arrived).collect(),
            resting: 0,
            arrived,
            total,
            arrivals,
            refusals: Vec::new(),
        }
    }

    /// What a controller is told when `starting` jobs are on their way to be started.
    pub(super) fn left(&self, starting: usize) -> Left {
        let waiting = (self.ready.len() + self.resting + starting) as u64;
        if self.arrived < self.total {
            Left::AtLeast(waiting)
        } else {
            Left::Exactly(waiting)
        }
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn take(&mut self) -> Option<usize> {
        self.ready.pop_front()
    }

    /// To be started before all others.
    pub(super) fn put_in_front(&mut self, job: usize) {
        self.ready.push_front(job);
    }

    /// To be started after all others.
    pub(super) fn put_at_end(&mut self, job: usize) {
        self.ready.push_back(job);
    }

    /// Sends a refused job to rest, and says for how many seconds.
    pub(super) fn rest(&mut self, job: usize, first: f64) -> f64 {
        self.refusals.resize(self.total, 0);
        self.resting += 1;
        let before = self.refusals[job];
        self.refusals[job] = before.saturating_add(1);
        (first * 2f64.powi(before.into())).min(LONGEST_REST)
    }

    /// A job has rested.
    pub(super) fn rested(&mut self, job: usize) {
        self.resting -= 1;
        self.put_in_front(job);
    }

    /// Seconds until the next jobs arrive.
    pub(super) fn next_arrival(&self) -> Option<f64> {
        let arrivals = self.arrivals.as_ref()?;
        let coming = arrivals.chunk.min(self.total - self.arrived);
        (coming > 0).then(|| coming as f64 / arrivals.per_second)
    }

    /// The next jobs are here.
    pub(super) fn arrive(&mut self) {
        let chunk = self.arrivals.map_or(0, |arrivals| arrivals.chunk);
        let until = (self.arrived + chunk).min(self.total);
        self.ready.extend(self.arrived..until);
        self.arrived = until;
    }
}
