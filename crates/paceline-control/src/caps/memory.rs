//! How many jobs fit in memory.
//!
//! The expectation for one job lies somewhat below the mean peak, because jobs seldom peak
//! together, and rises with the spread of the peaks. What jobs hold right now counts as
//! available to jobs: it returns when they end.

use super::Cap;
use crate::controller::Signals;
use crate::reason::Reason;
use crate::smooth::Mean;

/// Peaks of this many finished jobs are trusted over the present size of the running ones.
const ENOUGH_PEAKS: u64 = 3;
/// Peaks older than about this many jobs have faded.
const PEAK_WINDOW: f64 = 64.0;
/// The share of the memory that is planned for; the rest absorbs surprises.
const PLANNED: f64 = 0.97;
/// The cap stays while the evidence moves it by less than this share.
const STEADY: f64 = 0.1;

/// The memory cap.
#[derive(Clone, Debug)]
pub(crate) struct MemoryCap {
    /// Bytes that jobs may take in all, whatever is available at the moment.
    total: f64,
    /// Bytes that jobs may take at this moment.
    budget: f64,
    /// Finished jobs' peaks, in bytes.
    peaks: Mean,
    /// Mean resident bytes of one running job.
    live: f64,
    published: Option<Published>,
}

#[derive(Clone, Copy, Debug)]
struct Published {
    jobs: usize,
    per_job: f64,
    budget: f64,
}

impl MemoryCap {
    /// `total` in bytes; 0 stands for unknown.
    pub(crate) fn new(total: u64) -> Self {
        let total = if total == 0 {
            f64::INFINITY
        } else {
            total as f64
        };
        Self {
            total,
            budget: total,
            peaks: Mean::default(),
            live: 0.0,
            published: None,
        }
    }

    /// A job ended having held `peak` bytes at most; 0 stands for unknown.
    pub(crate) fn finished(&mut self, peak: u64, in_flight: usize) {
        if peak > 0 {
            self.peaks.add(peak as f64, PEAK_WINDOW);
            self.publish(in_flight);
        }
    }

    pub(crate) fn tick(&mut self, signals: &Signals, in_flight: usize) {
        if signals.sampled == 0 {
            // Nothing was looked at; what the jobs hold is unknown, so is what they may take.
            return;
        }
        self.live = signals.rss_bytes as f64 / signals.sampled as f64;
        if signals.memory_available_bytes > 0 {
            let held = self.live * signals.in_flight.max(signals.sampled) as f64;
            self.budget = self.total.min(signals.memory_available_bytes as f64 + held);
        }
        self.publish(in_flight);
    }

    /// `None` while nothing is known of the jobs' size.
    pub(crate) fn cap(&self) -> Option<Cap> {
        self.published.map(|now| Cap {
            jobs: now.jobs,
            reason: Reason::Memory {
                jobs: now.jobs,
                per_job_bytes: now.per_job as u64,
                memory_bytes: now.budget as u64,
            },
        })
    }

    /// What one more job is expected to need, in bytes.
    fn per_job(&self) -> f64 {
        if self.peaks.count() < ENOUGH_PEAKS {
            return self.live;
        }
        let expected = 0.9 * self.peaks.mean() + 0.5 * self.peaks.deviation();
        // The largest jobs end last: those still running may outgrow all that finished.
        expected.max(self.live)
    }

    fn publish(&mut self, in_flight: usize) {
        let per_job = self.per_job();
        if per_job < 1.0 || self.budget.is_infinite() {
            return;
        }
        let fit = PLANNED * self.budget / per_job;
        let jobs = (fit as usize).max(1);
        let moved = self.published.is_none_or(|old| {
            let old = old.jobs as f64;
            let much = (fit - old).abs() >= STEADY * old;
            // A small cap moves in whole jobs: half a job to spare must be there to go up again.
            let up = fit >= old + 1.5;
            if jobs as f64 > old {
                much && up
            } else {
                much && (jobs as f64) < old
            }
        });
        let crowded = self
            .published
            .is_some_and(|old| jobs < old.jobs && jobs < in_flight);
        if moved || crowded {
            self.published = Some(Published {
                jobs,
                per_job,
                budget: self.budget,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn signals(in_flight: usize, sampled: usize, rss: u64, available: u64) -> Signals {
        Signals {
            in_flight,
            sampled,
            rss_bytes: rss,
            memory_available_bytes: available,
            ..Signals::default()
        }
    }

    fn jobs(cap: &MemoryCap) -> Option<usize> {
        cap.cap().map(|cap| cap.jobs)
    }

    #[test]
    fn nothing_known_nothing_capped() {
        let mut cap = MemoryCap::new(1000 * MIB);
        assert_eq!(cap.cap(), None);
        cap.finished(0, 4);
        cap.tick(&Signals::default(), 4);
        assert_eq!(cap.cap(), None);
    }

    #[test]
    fn live_size_first_then_peaks() {
        let mut cap = MemoryCap::new(1000 * MIB);
        cap.tick(&signals(2, 2, 100 * MIB, 1900 * MIB), 2);
        assert_eq!(jobs(&cap), Some(19));
        for _ in 0..3 {
            cap.finished(200 * MIB, 2);
        }
        // 970 MiB / (0.9 × 200 MiB)
        assert_eq!(jobs(&cap), Some(5));
    }

    #[test]
    fn what_jobs_hold_is_theirs_and_is_scaled_up() {
        let mut cap = MemoryCap::new(10_000 * MIB);
        // 8 jobs, 4 looked at: 800 MiB held in all, 200 more to be had.
        cap.tick(&signals(8, 4, 400 * MIB, 200 * MIB), 8);
        assert_eq!(jobs(&cap), Some(9));
    }

    #[test]
    fn small_moves_are_ignored_unless_too_many_run() {
        let mut cap = MemoryCap::new(10_000 * MIB);
        cap.tick(&signals(10, 10, 1000 * MIB, 9000 * MIB), 10);
        assert_eq!(jobs(&cap), Some(97));
        cap.tick(&signals(10, 10, 1000 * MIB, 8500 * MIB), 10);
        assert_eq!(jobs(&cap), Some(97));
        cap.tick(&signals(92, 92, 9200 * MIB, 0), 92);
        assert_eq!(jobs(&cap), Some(97), "0 available means unknown");
        cap.tick(&signals(96, 96, 9600 * MIB, 1), 96);
        assert_eq!(jobs(&cap), Some(93));
    }

    #[test]
    fn one_job_may_always_run() {
        let mut cap = MemoryCap::new(MIB);
        cap.tick(&signals(1, 1, 100 * MIB, MIB), 1);
        assert_eq!(jobs(&cap), Some(1));
    }

    #[test]
    fn running_jobs_may_outgrow_the_finished() {
        let mut cap = MemoryCap::new(1000 * MIB);
        for _ in 0..3 {
            cap.finished(10 * MIB, 3);
        }
        assert_eq!(jobs(&cap), Some(107));
        cap.tick(&signals(4, 4, 400 * MIB, 600 * MIB), 4);
        assert_eq!(jobs(&cap), Some(9));
    }
}
