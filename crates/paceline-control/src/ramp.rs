//! The way up from the first two jobs: doubling by time, not by completions.
//!
//! Long jobs must not wait for each other's end before more are started, so the clock paces the
//! steps. Each needs fresh evidence, full slots, and room under the ceiling; the ceiling is
//! what may be run on trust, as long as nobody measures whether more is worth it.

use std::time::Duration;

use crate::caps::Cap;
use crate::controller::Left;
use crate::reason::Reason;
use crate::sharing::Verdict;
use crate::smooth::Mean;

/// Jobs that any run starts with, if it may.
pub(crate) const FIRST_LEVEL: usize = 2;
/// The shortest and the longest time between two steps.
const STEP: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(10));
/// Jobs that are trusted not to overload what they share, if there are many to do.
const TRUSTED: u64 = 64;
/// A level above this part of the jobs left has nothing to gain from being found fast.
const PART_OF_LEFT: u64 = 6;

/// When to step, and how far up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ramp {
    /// Seconds from start to end of attempts.
    latency: Mean,
    /// The most jobs ever known to be waiting or in flight.
    most_left: u64,
    /// The most in flight since the last tick.
    fullest: usize,
    stepped: Duration,
    ticks_since: u32,
    finished_since: usize,
}

impl Ramp {
    pub(crate) fn queue(&mut self, left: Left, in_flight: usize) {
        self.most_left = self
            .most_left
            .max(left.known().saturating_add(in_flight as u64));
    }

    pub(crate) fn started(&mut self, in_flight: usize) {
        self.fullest = self.fullest.max(in_flight);
        self.most_left = self.most_left.max(in_flight as u64);
    }

    pub(crate) fn finished(&mut self, wall: Duration, in_flight: usize) {
        self.latency
            .add(wall.as_secs_f64(), (in_flight as f64).max(16.0));
        self.finished_since = self.finished_since.saturating_add(1);
    }

    /// New signals came.
    pub(crate) fn ticked(&mut self) {
        self.ticks_since = self.ticks_since.saturating_add(1);
    }

    /// The decision at a tick is taken; fullness is watched anew.
    pub(crate) fn after_tick(&mut self, in_flight: usize) {
        self.fullest = in_flight;
    }

    /// The limit moved.
    pub(crate) fn stepped(&mut self, now: Duration, in_flight: usize) {
        self.stepped = now;
        self.fullest = in_flight;
        self.ticks_since = 0;
        self.finished_since = 0;
    }

    /// All slots of `limit` were taken at some moment since the last tick.
    pub(crate) fn is_full(&self, limit: usize) -> bool {
        self.fullest >= limit
    }

    /// The limit may be doubled.
    pub(crate) fn may_step(&self, now: Duration, limit: usize) -> bool {
        let fresh = self.ticks_since > 0 || self.finished_since >= limit;
        self.is_full(limit) && fresh && now.saturating_sub(self.stepped) >= self.pace(now)
    }

    /// The most that may run on trust, or `None` if jobs share nothing that could be overloaded.
    pub(crate) fn ceiling(&self, verdict: Verdict, cores: f64, whole_cores: usize) -> Option<Cap> {
        match verdict {
            Verdict::Nothing => None,
            Verdict::Disk => {
                let jobs = ((cores / 2.0) as usize).max(4);
                Some(Cap {
                    jobs,
                    reason: Reason::Disk { jobs },
                })
            }
            Verdict::Unknown => {
                let cores = whole_cores as u64;
                let part = self.most_left / PART_OF_LEFT;
                let jobs =
                    usize::try_from(part.clamp(cores, TRUSTED.max(cores))).unwrap_or(usize::MAX);
                Some(Cap {
                    jobs,
                    reason: Reason::Unproven { jobs },
                })
            }
        }
    }

    /// Half a mean job, so that a step's effect is in sight before the next.
    fn pace(&self, now: Duration) -> Duration {
        let latency = if self.latency.count() == 0 {
            now
        } else {
            // A mean of durations: finite, not negative, and far from overflow.
            Duration::from_secs_f64(self.latency.mean().clamp(0.0, 1.0))
        };
        (latency / 2).clamp(STEP.0, STEP.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn ceiling(left: u64, verdict: Verdict, cores: usize) -> Option<usize> {
        let mut ramp = Ramp::default();
        ramp.queue(Left::AtLeast(left), 0);
        ramp.ceiling(verdict, cores as f64, cores)
            .map(|cap| cap.jobs)
    }

    #[test]
    fn ceilings() {
        assert_eq!(ceiling(50, Verdict::Unknown, 2), Some(8));
        assert_eq!(ceiling(5, Verdict::Unknown, 2), Some(2));
        assert_eq!(ceiling(10_000, Verdict::Unknown, 2), Some(64));
        assert_eq!(ceiling(10_000, Verdict::Unknown, 128), Some(128));
        assert_eq!(ceiling(50, Verdict::Nothing, 2), None);
        assert_eq!(ceiling(10_000, Verdict::Disk, 2), Some(4));
        assert_eq!(ceiling(10_000, Verdict::Disk, 32), Some(16));
    }

    #[test]
    fn ceiling_grows_with_arriving_inputs_and_never_shrinks_with_the_queue() {
        let mut ramp = Ramp::default();
        let jobs = |ramp: &Ramp| ramp.ceiling(Verdict::Unknown, 2.0, 2).map(|cap| cap.jobs);
        ramp.queue(Left::AtLeast(60), 0);
        assert_eq!(jobs(&ramp), Some(10));
        ramp.queue(Left::AtLeast(100), 20);
        assert_eq!(jobs(&ramp), Some(20));
        ramp.queue(Left::Exactly(1), 20);
        assert_eq!(jobs(&ramp), Some(20));
    }

    #[test]
    fn steps_need_time_fullness_and_evidence() {
        let mut ramp = Ramp::default();
        ramp.stepped(ms(0), 0);
        ramp.ticked();
        assert!(!ramp.may_step(ms(20), 2), "not full");
        ramp.started(2);
        assert!(ramp.may_step(ms(20), 2));
        ramp.stepped(ms(20), 2);
        ramp.started(4);
        assert!(!ramp.may_step(ms(40), 4), "no evidence since");
        ramp.ticked();
        assert!(!ramp.may_step(ms(25), 4), "too early");
        assert!(ramp.may_step(ms(30), 4));
    }

    #[test]
    fn short_jobs_step_faster_and_their_ends_are_evidence() {
        let mut ramp = Ramp::default();
        ramp.started(2);
        ramp.finished(ms(1), 2);
        ramp.finished(ms(1), 2);
        assert!(!ramp.may_step(ms(1), 2));
        assert!(ramp.may_step(ms(2), 2));
    }
}
