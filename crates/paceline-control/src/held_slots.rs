//! Slots that stay empty for a moment after a refusal.
//!
//! A refusal takes hardly any time. Were its slot filled again at once, twenty slots would ask a peer
//! that lets in so many a second a thousand times a second, and be refused nearly each time: what is let
//! in then is chance, and says nothing of how many may ask. So a refusal takes a slot as long as an
//! answer would have.

use std::time::Duration;

use crate::controller::{Attempt, Decision, Outcome};
use crate::smooth::Mean;

/// Answers that the mean is made of.
const WINDOW: f64 = 64.0;
/// No slot stays empty for longer: a job of minutes that is refused says nothing of the next minutes.
const LONGEST: Duration = Duration::from_secs(1);

/// Counts the slots that are not to be filled yet. An engine starts a job only while those in flight and
/// these are fewer than the limit.
#[derive(Clone, Debug, Default)]
pub struct HeldSlots {
    /// Seconds from start to end of attempts that succeeded.
    served: Mean,
    until: Vec<Duration>,
}

impl HeldSlots {
    /// An attempt ended at `now`, since the run began.
    pub fn ended(&mut self, now: Duration, attempt: &Attempt) {
        match attempt.outcome {
            Outcome::Done => self.served.add(attempt.wall.as_secs_f64(), WINDOW),
            Outcome::Busy => {
                let as_long = Duration::from_secs_f64(self.served.mean().clamp(0.0, 1e6));
                let rest = as_long.saturating_sub(attempt.wall).min(LONGEST);
                if !rest.is_zero() {
                    self.until.push(now.saturating_add(rest));
                }
            }
            _ => {}
        }
    }

    /// The limit has changed. Where it came down, as many slots are gone for good, and need not be held
    /// as well.
    pub fn decided(&mut self, decision: &Decision) {
        let gone = decision.was.saturating_sub(decision.limit);
        let left = self.until.len().saturating_sub(gone);
        self.until.truncate(left);
    }

    /// Slots that are not to be filled at `now`.
    pub fn count(&mut self, now: Duration) -> usize {
        self.until.retain(|until| *until > now);
        self.until.len()
    }

    /// When the next of them may be filled.
    pub fn next(&self) -> Option<Duration> {
        self.until.iter().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn end(held: &mut HeldSlots, at: u64, outcome: Outcome, wall: u64) {
        let attempt = Attempt {
            outcome,
            wall: ms(wall),
            cpu: ms(1),
            run_queue_delay: None,
            peak_rss_bytes: 0,
        };
        held.ended(ms(at), &attempt);
    }

    #[test]
    fn a_refusal_takes_as_long_as_an_answer() {
        let mut held = HeldSlots::default();
        end(&mut held, 10, Outcome::Busy, 5);
        assert_eq!(held.count(ms(10)), 0, "no answer yet to go by");
        end(&mut held, 100, Outcome::Done, 80);
        end(&mut held, 100, Outcome::Done, 120);
        end(&mut held, 110, Outcome::Failed, 5000);
        end(&mut held, 110, Outcome::Busy, 10);
        end(&mut held, 150, Outcome::Busy, 100);
        assert_eq!((held.count(ms(199)), held.next()), (1, Some(ms(200))));
        assert_eq!((held.count(ms(200)), held.next()), (0, None));
    }

    #[test]
    fn it_never_takes_longer_than_a_second() {
        let mut held = HeldSlots::default();
        end(&mut held, 0, Outcome::Done, 60_000);
        end(&mut held, 100, Outcome::Busy, 10);
        assert_eq!(held.next(), Some(ms(1100)));
    }

    #[test]
    fn slots_that_a_lower_limit_has_taken_are_not_held_as_well() {
        let mut held = HeldSlots::default();
        end(&mut held, 0, Outcome::Done, 500);
        (0..10).for_each(|_| end(&mut held, 100, Outcome::Busy, 0));
        let change = |was, limit| Decision {
            at: ms(100),
            was,
            limit,
            reason: Reason::RampingUp,
        };
        held.decided(&change(30, 26));
        assert_eq!(held.count(ms(101)), 6);
        held.decided(&change(26, 40));
        assert_eq!(held.count(ms(101)), 6);
        held.decided(&change(40, 1));
        assert_eq!(held.count(ms(101)), 0);
    }
}
