//! How many jobs whatever they depend on will serve at once, learned from its refusals.
//!
//! A refused attempt says: with so many in flight when I began, it was one too many. The cap
//! goes below the least such number and holds there. It creeps up again, one job at a time, as
//! long as the answers that this costs stay rare; each new refusal makes it more patient.

use std::collections::BTreeMap;

use super::Cap;
use crate::in_flight::Began;
use crate::reason::Reason;

/// Jobs per slot that must succeed before another is tried: at first, when only a burst of
/// refusals was seen, and after a refusal of what the cap allowed.
const PATIENCE: (f64, f64) = (2.0, 12.0);
/// It doubles with each further refusal, up to this.
const MOST_PATIENT: f64 = 768.0;
/// Refusals that may be risked per job.
const RISK: f64 = 0.005;
const MORE_RISK: f64 = 0.002;
/// If the best number tells more than this part of the rarer kind wrongly, none tells them.
const BLURRED: f64 = 0.7;
/// Of those there must be so many.
const RARER: f64 = 6.0;
/// Generations that must be served after the cap was lowered before the next step down is a small
/// one again.
const QUIET: u64 = 2;

/// The cap, if there ever was a refusal.
#[derive(Clone, Debug, Default)]
pub(crate) struct BusyCap {
    cap: Option<Refused>,
    /// Attempts that began before there was a cap: beside how many, and how many of these were
    /// refused and served.
    burst: BTreeMap<usize, (u32, u32)>,
    /// Refusals that a trial or a lowering has cost.
    refusals: u64,
    succeeded: u64,
    /// The highest number in flight beside which an attempt began that was served.
    proven: usize,
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    jobs: usize,
    /// In flight when the attempt began that was refused.
    beside: usize,
    /// Since when the cap is in force, in seconds; older attempts began under another.
    since: f64,
    /// It was raised and nobody has objected yet.
    on_trial: bool,
    /// Attempts that began under this cap.
    successes: u64,
    refusals: u64,
    patience: f64,
    /// By how many jobs it was lowered last.
    step: usize,
}

impl BusyCap {
    /// Known from an earlier run.
    pub(crate) fn recall(&mut self, jobs: usize) {
        self.cap = Some(Refused {
            jobs: jobs.max(1),
            beside: 0,
            since: 0.0,
            on_trial: false,
            successes: 0,
            refusals: 0,
            patience: 2.0 * PATIENCE.1,
            step: 0,
        });
    }

    /// An attempt that began so was refused, and it is `now`. `served` attempts were under way well
    /// before it began and still are, so these are not refused.
    pub(crate) fn refused(&mut self, now: f64, began: Began, served: usize) {
        let fresh = |jobs: usize, patience: f64| Refused {
            jobs: jobs.max(1),
            beside: began.beside,
            since: now,
            on_trial: false,
            successes: 0,
            refusals: 0,
            patience,
            step: 0,
        };
        let Some(old) = &mut self.cap else {
            if began.beside <= self.proven {
                // So many were served before: not a level found, but something that changed.
                self.cap = Some(fresh(began.beside - 1, PATIENCE.1));
            } else {
                self.burst.entry(began.beside).or_default().0 += 1;
                self.cap = Some(fresh(self.served(), PATIENCE.0));
            }
            return;
        };
        if began.at < old.since {
            // One of the same burst, from before the cap: it may show that fewer are served.
            if old.patience <= PATIENCE.0 {
                self.burst.entry(began.beside).or_default().0 += 1;
                let jobs = self.served().max(1);
                self.cap = self.cap.map(|cap| Refused { jobs, ..cap });
            }
            return;
        }
        old.refusals += 1;
        let patience = (old.patience * 2.0).clamp(PATIENCE.1, MOST_PATIENT);
        if old.on_trial {
            self.refusals += 1;
            self.cap = Some(fresh(old.jobs - 1, patience));
            return;
        }
        // Where nobody at all is served, that is an outage and says nothing of a level. And one
        // round of answers is one piece of news.
        let answers = old.successes + old.refusals;
        if old.successes == 0 || answers < old.jobs as u64 / 2 {
            if served < old.jobs && served >= old.jobs.div_ceil(2) {
                self.refusals += 1;
                self.cap = Some(fresh(old.jobs - 1, PATIENCE.1));
            }
            return;
        }
        self.refusals += 1;
        // By one, as far as refusals are news; if they go on, faster and faster.
        let step = if old.successes > QUIET * old.jobs as u64 {
            1
        } else {
            (2 * old.step).max(1)
        };
        self.cap = Some(Refused {
            step,
            ..fresh(old.jobs.saturating_sub(step), patience)
        });
    }

    /// The number in flight that best tells those of the burst who were served from those who were
    /// not. Where others are in other phases of their work, no number tells exactly. Where none tells at
    /// all, it is no number in flight that is limited, but so many in a time, and as large a part of
    /// those in flight was served.
    fn served(&self) -> usize {
        // Refused below the number, and served from there on: those it tells wrongly.
        let mut refused = 0;
        let mut served: u32 = self.burst.values().map(|counts| counts.1).sum();
        let mut best = (u32::MAX, 1);
        let all_served = f64::from(served);
        let all: u32 = self.burst.values().map(|counts| counts.0 + counts.1).sum();
        let all = f64::from(all);
        for (beside, counts) in &self.burst {
            let wrong = refused + served;
            if wrong <= best.0 {
                best = (wrong, beside.saturating_sub(1));
            }
            refused += counts.0;
            served -= counts.1;
        }
        let fewer = all_served.min(all - all_served);
        if fewer >= RARER && f64::from(best.0) > BLURRED * fewer {
            let beside = self.burst.iter();
            let beside: f64 = beside
                .map(|(beside, counts)| *beside as f64 * f64::from(counts.0 + counts.1))
                .sum();
            return (beside / all * all_served / all).ceil() as usize;
        }
        best.1
    }

    /// A job that began so was served, and `waiting` more are left.
    pub(crate) fn succeeded(&mut self, began: Began, waiting: f64) {
        self.succeeded += 1;
        self.proven = self.proven.max(began.beside);
        if let Some(cap) = &self.cap
            && began.at < cap.since
            && cap.patience <= PATIENCE.0
        {
            self.burst.entry(began.beside).or_default().1 += 1;
            let jobs = self.served().max(1);
            self.cap = self.cap.map(|cap| Refused { jobs, ..cap });
            return;
        }
        let all = self.succeeded as f64 + waiting.min(1e6);
        let burst: u32 = self.burst.values().map(|counts| counts.0).sum();
        let risked = self.refusals as f64 + f64::from(burst) + 1.0;
        // A burst that was more than all may cost does not forbid every further step.
        let risk = (RISK * all).max(f64::from(burst) + MORE_RISK * all);
        let proven = self.proven;
        let Some(cap) = &mut self.cap else { return };
        // Those that ran beside fewer say nothing of more.
        if began.beside < cap.jobs && cap.on_trial {
            return;
        }
        cap.successes += 1;
        if cap.jobs < proven / 2 && cap.refusals == 0 {
            // Far below what was once served, the way back is not to take all day.
            cap.patience = cap.patience.min(PATIENCE.0);
        }
        if cap.on_trial && cap.successes > 2 * cap.jobs as u64 {
            cap.on_trial = false;
        }
        let enough = cap.patience * cap.jobs as f64;
        if cap.successes as f64 >= enough && risked <= risk {
            cap.successes = 0;
            cap.refusals = 0;
            cap.on_trial = true;
            cap.jobs = cap.jobs.saturating_add(1);
        }
    }

    /// A number that was served under this cap, for the next run; `None` if nobody was.
    pub(crate) fn learned(&self) -> Option<usize> {
        let cap = self
            .cap
            .filter(|cap| cap.successes > 0 || cap.beside == 0)?;
        Some(if cap.on_trial { cap.jobs - 1 } else { cap.jobs }.max(1))
    }

    pub(crate) fn cap(&self) -> Option<Cap> {
        self.cap.map(|Refused { jobs, beside, .. }| Cap {
            jobs,
            reason: Reason::Busy { beside, jobs },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::in_flight::InFlight;

    fn began(at: f64, beside: usize) -> Began {
        let mut jobs = InFlight::default();
        (0..beside).for_each(|job| jobs.start(job as u64, at));
        jobs.end(beside as u64 - 1).expect("it was started")
    }

    fn jobs(cap: &BusyCap) -> Option<usize> {
        cap.cap().map(|cap| cap.jobs)
    }

    #[test]
    fn goes_below_the_least_refused_of_a_burst() {
        let mut cap = BusyCap::default();
        assert_eq!(cap.cap(), None);
        cap.refused(1.0, began(0.9, 27), 0);
        cap.refused(1.0, began(0.9, 25), 0);
        cap.refused(1.1, began(0.9, 32), 0);
        assert_eq!(jobs(&cap), Some(24));
    }

    #[test]
    fn served_ones_of_the_burst_speak_too() {
        let mut cap = BusyCap::default();
        cap.refused(1.0, began(0.8, 9), 0);
        assert_eq!(jobs(&cap), Some(8));
        for beside in [7, 8, 10, 11, 12, 14] {
            cap.succeeded(began(0.9, beside), 100.0);
        }
        cap.refused(1.0, began(0.8, 16), 0);
        assert_eq!(jobs(&cap), Some(15));
        cap.refused(1.0, began(0.8, 13), 0);
        cap.refused(1.0, began(0.8, 13), 0);
        assert_eq!(jobs(&cap), Some(12));
    }

    /// Sixteen in flight, and every other one of those that came is let in, whatever ran beside it.
    #[test]
    fn where_no_number_tells_a_part_is_allowed() {
        let mut cap = BusyCap::default();
        for n in 0..12 {
            cap.refused(1.0, began(0.8, 14 + n % 4), 0);
            cap.succeeded(began(0.9, 14 + n % 4), 100.0);
        }
        let allowed = jobs(&cap).expect("a cap");
        assert!((7..=9).contains(&allowed), "{allowed}");
    }

    #[test]
    fn refusals_under_the_cap_lower_it_once_a_round() {
        let mut cap = BusyCap::default();
        cap.refused(1.0, began(0.9, 25), 0);
        cap.refused(2.0, began(1.5, 24), 0);
        assert_eq!(jobs(&cap), Some(24), "nobody was served yet");
        (0..100).for_each(|_| cap.succeeded(began(2.1, 24), 1e5));
        cap.refused(3.0, began(2.5, 24), 0);
        assert_eq!(jobs(&cap), Some(24), "on trial, and taken back");
        (0..30).for_each(|_| cap.succeeded(began(3.1, 24), 100.0));
        cap.refused(4.0, began(3.5, 24), 0);
        assert_eq!(jobs(&cap), Some(23));
        cap.refused(4.1, began(4.05, 23), 0);
        assert_eq!(jobs(&cap), Some(23), "the same round");
        for n in 0..40 {
            let at = 4.2 + f64::from(n) / 10.0;
            cap.succeeded(began(at, 23), 100.0);
            cap.refused(at + 0.01, began(at, 23), 0);
        }
        assert!(jobs(&cap) < Some(14), "faster and faster: {:?}", cap.cap());
    }

    #[test]
    fn an_outage_is_no_level() {
        let mut cap = BusyCap::default();
        (0..100).for_each(|_| cap.succeeded(began(0.5, 20), 900.0));
        assert_eq!(cap.cap(), None);
        for n in 0..200 {
            let at = 1.0 + f64::from(n) / 10.0;
            cap.refused(at, began(at - 0.01, 18), 0);
        }
        assert_eq!(jobs(&cap), Some(17));
        assert_eq!(cap.learned(), None, "nobody was served since");
        let mut at = 22.0;
        while jobs(&cap) < Some(20) && at < 600.0 {
            at += 0.1;
            cap.succeeded(began(at, 20), 900.0);
        }
        assert_eq!(jobs(&cap), Some(20), "it comes back");
    }

    #[test]
    fn creeps_up_while_refusals_are_rare() {
        let mut cap = BusyCap::default();
        cap.refused(1.0, began(0.9, 11), 0);
        (0..19).for_each(|_| cap.succeeded(began(1.5, 10), 1e5));
        assert_eq!(jobs(&cap), Some(10));
        cap.succeeded(began(1.5, 10), 1e5);
        assert_eq!(jobs(&cap), Some(11), "a burst proves little");
        cap.refused(2.0, began(1.5, 11), 0);
        assert_eq!(jobs(&cap), Some(10), "back to what was served");
        (0..119).for_each(|_| cap.succeeded(began(2.5, 10), 1e5));
        assert_eq!(jobs(&cap), Some(10), "more patient now");
        cap.succeeded(began(2.5, 10), 1e5);
        assert_eq!(jobs(&cap), Some(11));
    }

    proptest! {
        #[test]
        fn stays_sane_whatever_is_answered(
            recalled in proptest::option::of(any::<usize>()),
            answers in proptest::collection::vec(
                (0.0f64..1.0, 0.0f64..2.0, 1usize..40, any::<bool>(), 0.0f64..1e6),
                0..200,
            ),
        ) {
            let mut cap = BusyCap::default();
            if let Some(jobs) = recalled {
                cap.recall(jobs);
            }
            let mut now = 0.0;
            for (step, age, beside, served, waiting) in answers {
                now += step;
                let before = jobs(&cap);
                if served {
                    cap.succeeded(began(now - age, beside), waiting);
                } else {
                    cap.refused(now, began(now - age, beside), 0);
                    prop_assert!(jobs(&cap).is_some());
                }
                prop_assert!(jobs(&cap) != Some(0));
                prop_assert!(served || before.is_none() || jobs(&cap) <= before.max(Some(39)));
            }
        }
    }
}
