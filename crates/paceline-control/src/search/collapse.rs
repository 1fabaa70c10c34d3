//! Whether the work has changed so much for the worse that no window need be full to see it.
//!
//! How long jobs live says so only once most of those that will live long have ended. How many end
//! says it at once.

use super::epoch::Epoch;
use super::hold::Hold;
use super::{Direction, LEAST_STEP, Mode, Move, QUEUE, Search, View};
use crate::in_flight::InFlight;
use crate::reason::Reason;
use crate::survival::Survival;

/// Ended jobs of a reference that are enough to tell a change from chance.
const KNOWN: f64 = 16.0;
/// Mean lives that must have passed: jobs that began together end together.
const LIVES: f64 = 1.5;
/// So many times as many jobs must have ended before in such a time.
const FEWER: f64 = 2.0;
/// And so many standard errors more.
const SURE: f64 = 4.0;
/// So many times the median is a long life.
const LONG: f64 = 2.5;
/// Jobs that live that long may hold this part of the slots, if jobs are alike.
const HELD: f64 = 0.125;
/// If this part of the jobs in flight has lived for so long, none of them need have ended.
const STUCK: f64 = 0.875;
/// And so many times the median is a mean that a few very long jobs make.
const WIDE: f64 = 1.5;
/// So many fewer jobs end, so many fewer are served at once. A few more than those may be tried, but
/// the level goes down to no less than the second part of what it was.
const SERVED: (f64, f64) = (1.5, 0.25);

impl Search {
    /// By what factor fewer jobs end than did at this level, if that is beyond doubt and enough are
    /// left to care.
    pub(super) fn collapse(&self, view: &View<'_>) -> Option<f64> {
        let reference = self.reference.as_ref()?;
        let survival = &reference.survival;
        // A level so near is no other one.
        let step = self.level as f64 / reference.level as f64;
        let near = step.max(step.recip()) < LEAST_STEP;
        let comparable = near && survival.ended() >= KNOWN;
        if self.mode == Mode::Probe || !comparable || view.still || !view.ticked {
            return None;
        }
        let lives = self.epoch.waited(view.now) / survival.mean();
        let (usual, gone) = (lives * reference.level as f64, self.epoch.gone() as f64);
        let factor = usual / gone.max(0.5);
        let clear = lives >= LIVES && factor >= FEWER && usual - gone > SURE * usual.sqrt();
        // Slots that nobody fills end nothing.
        let full = view.jobs.len() >= self.level && view.waiting >= 1.0;
        let worth = view.waiting * factor > QUEUE.2 * self.level as f64;
        let long = LONG * survival.median();
        // Where a peer serves all at once, none ends for long, and to wait for one would bring in as
        // many again.
        let stuck = view.jobs.older(view.now - long) as f64 >= STUCK * view.jobs.len() as f64;
        let longer = self.epoch.lately_above(long) || stuck;
        let fewer = view.within(self.level.saturating_sub(1)) < self.level;
        (clear && full && worth && reference.alike && longer && fewer).then_some(factor)
    }

    /// How long jobs will live at this level is not known yet, so it is no measure for others: the
    /// search begins anew, at as many as may be served at once.
    pub(super) fn collapsed(&mut self, view: &View<'_>, factor: f64) -> Move {
        self.forget_bracket();
        self.curve.outdate();
        self.slower = factor;
        self.direction = Direction::Down;
        self.hold = Hold::default();
        let part = (SERVED.0 / factor).clamp(SERVED.1, 0.5);
        let known = self.alternative.take().filter(|to| *to < self.level);
        let level = known.unwrap_or((part * self.level as f64).round() as usize);
        self.level = view.within(level.max(1).min(self.level));
        self.mode = Mode::Reference;
        self.capped_at = None;
        self.epoch = Epoch::new(view.now);
        Move {
            level: self.level,
            reason: Reason::Shifted { factor },
        }
    }
}

/// Whether jobs live about as long as one another. Where a few live very long, they take most slots
/// at times, and the others live as ever. Such jobs seldom end, but are there to be seen.
pub(super) fn alike(survival: &Survival, jobs: &InFlight, now: f64) -> bool {
    let old = jobs.older(now - LONG * survival.median()) as f64;
    survival.mean() <= WIDE * survival.median() && old <= HELD * jobs.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thirty-two jobs in flight at 10 s, of which so many began long ago and the others just now.
    fn in_flight(old: u64) -> InFlight {
        let mut jobs = InFlight::default();
        for job in 0..32 {
            jobs.start(job, if job < old { 2.0 } else { 9.95 });
        }
        jobs
    }

    #[test]
    fn long_jobs_that_hold_slots_make_jobs_unlike() {
        let lives: Vec<f64> = (0..40).map(|n| 0.08 + 0.001 * f64::from(n)).collect();
        let survival = Survival::of(&lives, &[]).expect("some have ended");
        assert!(alike(&survival, &in_flight(0), 10.0));
        assert!(alike(&survival, &in_flight(4), 10.0), "a few stragglers");
        assert!(!alike(&survival, &in_flight(5), 10.0));
    }

    #[test]
    fn long_jobs_that_ended_do_so_too() {
        let lives: Vec<f64> = (0..40)
            .map(|n| if n % 4 == 0 { 4.0 } else { 0.1 })
            .collect();
        let survival = Survival::of(&lives, &[]).expect("some have ended");
        assert!(!alike(&survival, &in_flight(0), 10.0));
    }
}
