//! The attempts in flight: since when, and beside how many others.

use std::collections::HashMap;

use crate::controller::JobId;

/// How an attempt began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Began {
    /// Seconds since the run began.
    pub(crate) at: f64,
    /// Attempts in flight then, itself included.
    pub(crate) beside: usize,
    order: u64,
}

/// All attempts that have started and not ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight {
    jobs: HashMap<JobId, Began>,
    started: u64,
}

impl InFlight {
    pub(crate) fn start(&mut self, job: JobId, at: f64) {
        self.started += 1;
        let beside = self.jobs.len() + usize::from(!self.jobs.contains_key(&job));
        let order = self.started;
        self.jobs.insert(job, Began { at, beside, order });
    }

    pub(crate) fn end(&mut self, job: JobId) -> Option<Began> {
        self.jobs.remove(&job)
    }

    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Ages at `now` of those that began at `since` or later, in seconds.
    pub(crate) fn ages(&self, now: f64, since: f64) -> Vec<f64> {
        let young = self.jobs.values().filter(|began| began.at >= since);
        young.map(|began| (now - began.at).max(0.0)).collect()
    }

    /// The mean age at `now`, in seconds; 0 if there are none.
    pub(crate) fn mean_age(&self, now: f64) -> f64 {
        let sum: f64 = self.jobs.values().map(|began| now - began.at).sum();
        (sum / self.jobs.len().max(1) as f64).max(0.0)
    }

    /// How many began at `until` or earlier.
    pub(crate) fn older(&self, until: f64) -> usize {
        self.jobs.values().filter(|began| began.at <= until).count()
    }

    /// The one that began last, of those for which `eligible` holds.
    pub(crate) fn youngest(&self, eligible: impl Fn(JobId) -> bool) -> Option<JobId> {
        let candidates = self.jobs.iter().filter(|(job, _)| eligible(**job));
        candidates
            .max_by_key(|(_, began)| began.order)
            .map(|(job, _)| *job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_since_when_and_beside_whom() {
        let mut jobs = InFlight::default();
        jobs.start(7, 1.0);
        jobs.start(8, 2.0);
        jobs.start(9, 2.0);
        assert_eq!(jobs.ages(4.0, 1.5), [2.0, 2.0]);
        assert_eq!(jobs.youngest(|_| true), Some(9));
        assert_eq!(jobs.youngest(|job| job != 9), Some(8));
        let began = jobs.end(8).expect("it is in flight");
        assert_eq!((began.beside, jobs.len()), (2, 2));
        assert_eq!(jobs.end(8), None);
    }

    #[test]
    fn the_same_name_twice_is_one_job() {
        let mut jobs = InFlight::default();
        jobs.start(7, 1.0);
        jobs.start(7, 2.0);
        assert_eq!(jobs.len(), 1);
        assert_eq!(jobs.end(7).map(|began| began.beside), Some(1));
    }
}
