//! The way up from the first two jobs: doubling by time, not by completions.
//!
//! Long jobs must not wait for each other's end before more are started, so the clock paces the
//! steps. Each needs fresh evidence, full slots, and room under the ceiling; the ceiling is
//! what may be run on trust, as long as nobody measures whether more is worth it.

use std::time::Duration;

use crate::caps::Cap;
use crate::reason::Reason;
use crate::sharing::Verdict;
use crate::smooth::Mean;

/// Jobs that any run starts with, if it may.
pub(crate) const FIRST_LEVEL: usize = 2;
/// The shortest and the longest time between two steps.
const STEP: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(10));
/// Jobs that are trusted not to overload what they share, if there are many to do.
const TRUSTED: usize = 32;
/// The same for each of several peers.
const PER_PEER: f64 = 16.0;
/// Jobs of several peers, per core: what answers come to needs the cores, all at once.
const APART_PER_CORE: usize = 64;
/// The same if most wait for a disk: few suffice to keep one busy, and many make it seek.
const DISK: usize = 6;
/// Cores that one job keeps busy from which it counts as computing in between.
const COMPUTING: f64 = 0.1;
/// Computing jobs that are trusted, per core.
const PER_CORE: usize = 4;

/// When to step, and how far up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ramp {
    /// Seconds from start to end of attempts.
    latency: Mean,
    /// The most in flight since the last tick.
    fullest: usize,
    stepped: Duration,
    ticks_since: u32,
    finished_since: usize,
}

impl Ramp {
    pub(crate) fn started(&mut self, in_flight: usize) {
        self.fullest = self.fullest.max(in_flight);
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
    pub(crate) fn may_step(&self, now: Duration, limit: usize, verdict: Verdict) -> bool {
        let fresh = self.ticks_since > 0 || self.finished_since >= limit;
        self.is_full(limit) && fresh && now.saturating_sub(self.stepped) >= self.pace(now, verdict)
    }

    /// The most that may run on trust, or `None` if jobs share nothing that could be overloaded.
    /// `busy` is what one job uses of a core, `fill` how many would fill all of them, and `spread` how
    /// many jobs there are for each at the peer that has the most.
    pub(crate) fn ceiling(
        verdict: Verdict,
        whole_cores: usize,
        busy: Option<f64>,
        fill: usize,
        spread: Option<f64>,
    ) -> Option<Cap> {
        match verdict {
            Verdict::Nothing => None,
            Verdict::Disk => Some(Cap {
                jobs: DISK,
                reason: Reason::Disk { jobs: DISK },
            }),
            Verdict::Unknown => {
                // Jobs that compute in between share the cores at least, and need this many.
                let fill = match busy {
                    Some(busy) if busy >= COMPUTING => {
                        fill.min(PER_CORE.saturating_mul(whole_cores))
                    }
                    _ => 0,
                };
                let jobs = TRUSTED.max(whole_cores).max(fill);
                let spread = (PER_PEER * spread.unwrap_or(0.0)) as usize;
                let spread = spread.min(APART_PER_CORE.saturating_mul(whole_cores));
                Some(if spread > jobs {
                    Cap {
                        jobs: spread,
                        reason: Reason::ManyPeers { jobs: spread },
                    }
                } else {
                    Cap {
                        jobs,
                        reason: Reason::Unproven { jobs },
                    }
                })
            }
        }
    }

    /// Half a mean job, so that a step's effect is in sight before the next; before any has ended,
    /// the longer the later it is. Where nothing can be overloaded, steps come twice as fast.
    fn pace(&self, now: Duration, verdict: Verdict) -> Duration {
        let free = verdict == Verdict::Nothing;
        let pace = if self.latency.count() == 0 {
            if free { now / 2 } else { now }
        } else {
            // A mean of durations: finite, not negative, and far from overflow.
            Duration::from_secs_f64(self.latency.mean().clamp(0.0, 1.0)) / 2
        };
        pace.clamp(STEP.0, if free { STEP.1 } else { 2 * STEP.1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn ceiling(verdict: Verdict, cores: usize, busy: Option<f64>, fill: usize) -> Option<usize> {
        Ramp::ceiling(verdict, cores, busy, fill, None).map(|cap| cap.jobs)
    }

    #[test]
    fn so_many_are_trusted_and_no_more() {
        assert_eq!(ceiling(Verdict::Unknown, 2, None, 2), Some(TRUSTED));
        assert_eq!(ceiling(Verdict::Unknown, 128, None, 128), Some(128));
        assert_eq!(ceiling(Verdict::Nothing, 2, Some(0.01), 500), None);
        assert_eq!(ceiling(Verdict::Disk, 2, Some(0.01), 500), Some(DISK));
        assert_eq!(ceiling(Verdict::Disk, 32, Some(0.01), 500), Some(DISK));
    }

    #[test]
    fn computing_jobs_may_fill_the_cores_but_not_crowd_them() {
        assert_eq!(ceiling(Verdict::Unknown, 16, Some(0.3), 70), Some(64));
        assert_eq!(ceiling(Verdict::Unknown, 16, Some(0.4), 52), Some(52));
        assert_eq!(
            ceiling(Verdict::Unknown, 16, Some(0.05), 400),
            Some(TRUSTED)
        );
    }

    #[test]
    fn jobs_for_many_peers_are_trusted_by_the_peer_that_has_the_most() {
        let ceiling = |spread| Ramp::ceiling(Verdict::Unknown, 4, None, 4, spread);
        let many = |jobs| Reason::ManyPeers { jobs };
        let of = |spread| ceiling(Some(spread)).map(|cap| cap.reason);
        assert_eq!(of(1.0), Some(Reason::Unproven { jobs: TRUSTED }));
        assert_eq!(of(4.0), Some(many(64)));
        assert_eq!(of(12.0), Some(many(192)));
        assert_eq!(of(32.0), Some(many(256)), "64 per core");
        assert_eq!(ceiling(None), ceiling(Some(1.0)));
        let disk = Ramp::ceiling(Verdict::Disk, 2, None, 2, Some(32.0));
        assert_eq!(disk.map(|cap| cap.jobs), Some(DISK));
    }

    #[test]
    fn a_ceiling_says_what_it_trusts() {
        let reason = |verdict| Ramp::ceiling(verdict, 2, None, 2, None).map(|cap| cap.reason);
        assert_eq!(reason(Verdict::Disk), Some(Reason::Disk { jobs: DISK }));
        let unproven = Reason::Unproven { jobs: TRUSTED };
        assert_eq!(reason(Verdict::Unknown), Some(unproven));
    }

    #[test]
    fn steps_need_time_fullness_and_evidence() {
        let mut ramp = Ramp::default();
        let may = |ramp: &Ramp, at, limit| ramp.may_step(ms(at), limit, Verdict::Unknown);
        ramp.stepped(ms(0), 0);
        ramp.ticked();
        assert!(!may(&ramp, 20, 2), "not full");
        ramp.started(2);
        assert!(may(&ramp, 20, 2));
        ramp.stepped(ms(20), 2);
        ramp.started(4);
        assert!(!may(&ramp, 60, 4), "no evidence since");
        ramp.ticked();
        assert!(!may(&ramp, 39, 4), "too early");
        assert!(may(&ramp, 40, 4));
    }

    #[test]
    fn before_any_job_has_ended_steps_wait_the_longer_the_later_it_is() {
        let mut ramp = Ramp::default();
        ramp.started(2);
        ramp.ticked();
        let first = |verdict| (0..100).find(|at| ramp.may_step(ms(*at), 2, verdict));
        assert_eq!(first(Verdict::Unknown), Some(2));
        ramp.stepped(ms(12), 2);
        ramp.ticked();
        let next = |ramp: &Ramp, verdict| (12..100).find(|at| ramp.may_step(ms(*at), 2, verdict));
        assert_eq!(next(&ramp, Verdict::Unknown), Some(32), "20 ms at most");
        assert_eq!(next(&ramp, Verdict::Nothing), Some(22), "10 ms at most");
    }

    #[test]
    fn long_jobs_do_not_hold_it_up() {
        let mut ramp = Ramp::default();
        ramp.started(2);
        for _ in 0..4 {
            ramp.finished(Duration::from_secs(60), 2);
        }
        assert!(!ramp.may_step(ms(19), 2, Verdict::Unknown));
        assert!(ramp.may_step(ms(20), 2, Verdict::Unknown));
    }

    #[test]
    fn short_jobs_step_faster_and_their_ends_are_evidence() {
        let mut ramp = Ramp::default();
        ramp.started(2);
        ramp.finished(ms(1), 2);
        ramp.finished(ms(1), 2);
        assert!(!ramp.may_step(ms(1), 2, Verdict::Unknown));
        assert!(ramp.may_step(ms(2), 2, Verdict::Unknown));
    }

    #[test]
    fn fullness_is_of_any_moment_since_the_last_tick() {
        let mut ramp = Ramp::default();
        ramp.started(4);
        assert!(ramp.is_full(4));
        ramp.after_tick(1);
        assert!(!ramp.is_full(4));
    }
}
