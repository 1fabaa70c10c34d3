//! Whether the level that is probed is better.

use super::epoch::Epoch;
use super::{Direction, ELASTIC, MANY, Mode, Move, Search, View};
use crate::reason::Reason;

/// Log gain of throughput that makes a higher level worth keeping, at most, and per log step.
const WORTH: (f64, f64) = (0.05, 0.2);
/// Log loss of throughput up to which a lower level is kept: fewer in flight for as much.
const CHEAPER: f64 = -0.015;
/// Log gain from which a lower level is so much better that a still lower one may be.
const MUCH_BETTER: f64 = 0.05;
/// A verdict is certain from this many standard errors on: where jobs are few, and where many.
const CERTAIN: (f64, f64) = (1.3, 2.0);
/// A higher level may be given up before enough jobs have ended: after this many mean durations,
/// if the log gain is below this.
const GIVE_UP: (f64, f64) = (1.3, -0.15);
/// The same if the cores were full meanwhile: many that start at once crowd them only for a while.
const GIVE_UP_CROWDED: f64 = 3.0;
/// Ended jobs from which a verdict is taken, certain or not: at least, per waiting job, and at most.
/// Levels so close cost little to compare, and a coin would send the search astray.
const FULL: (f64, f64, f64) = (24.0, 0.08, 240.0);
/// Slots of a probed level that have not filled after so many seconds, and mean durations, never
/// will.
const UNFILLED: (f64, f64) = (1.0, 10.0);
/// Additional share of failed jobs that speaks against a level, whatever its throughput.
const FAILING: f64 = 0.1;

impl Search {
    /// Judges the level that is probed.
    pub(super) fn judge(&mut self, view: &View<'_>) -> Option<Move> {
        let reference = self.reference.as_ref()?;
        // Every answer anew would cost more than it tells.
        let news = self.epoch.count() >= self.judged + (self.level / 16).max(1);
        if !view.ticked && !news {
            return None;
        }
        self.judged = self.epoch.count();
        let best = reference.level;
        let ended = self.epoch.count() as f64;
        let mean = reference.survival.mean();
        let up = self.level > best;
        let enough = self.enough();
        let patience = if self.crowded {
            GIVE_UP_CROWDED
        } else {
            GIVE_UP.0
        };
        let patient = !up || self.epoch.measured(view.now) <= patience * mean;
        if ended < enough && patient {
            return None;
        }
        let running = self.running(view);
        let found = reference
            .survival
            .inflation(self.epoch.durations(), &running);
        let failing = self.epoch.failed_share() > reference.failed_share + FAILING;

        let step = (self.level as f64 / best as f64).ln();
        let gain = step - found.log;
        let threshold = if up {
            WORTH.0.min(WORTH.1 * step)
        } else {
            CHEAPER
        };
        let hopeless =
            ended < enough && gain < GIVE_UP.1 && gain - threshold < -CERTAIN.0 * found.error;
        let certain = if view.waiting > MANY * self.level as f64 {
            CERTAIN.1
        } else {
            CERTAIN.0
        };
        let certain = (gain - threshold).abs() > certain * found.error;
        let full = ended
            >= (2.0 * self.level as f64)
                .max(FULL.0)
                .max((FULL.1 * view.waiting).min(FULL.2));
        if !hopeless && (ended < enough || !(certain || full)) {
            return None;
        }

        let known = self.curve.at(best).unwrap_or(best as f64 / mean);
        self.curve.measure(self.level, known * gain.exp(), ended);
        let factor = gain.exp();
        if !hopeless && !failing && gain >= threshold {
            let reason = if up {
                Reason::MoreGained {
                    level: self.level,
                    over: best,
                    factor,
                }
            } else {
                Reason::FewerSuffice {
                    level: self.level,
                    than: best,
                    factor,
                }
            };
            if up {
                self.worse_below = Some(best);
                self.elasticity = gain / step;
                if self.looking {
                    // A neighbour's luck is no reason for a leap.
                    self.elasticity = self.elasticity.min(ELASTIC.1);
                }
                // So few jobs have ended that chance alone may have made the gain look small.
                let at_most = self.elasticity + found.error / step;
                self.farther = false;
                self.direction = if at_most < ELASTIC.2 {
                    Direction::Stop
                } else {
                    Direction::Up
                };
            } else {
                self.no_better_above = Some(best);
                // Whatever cap stood above, this is lower by choice.
                self.capped_at = None;
                self.direction = if gain > MUCH_BETTER {
                    Direction::Down
                } else {
                    Direction::Stop
                };
            }
            self.refer(view);
            return self.next(view, Some(reason));
        }
        let tried = self.level;
        let reason = if failing {
            Reason::MoreFailed { tried }
        } else {
            Reason::NotBetter { tried, factor }
        };
        let undecided = !hopeless && !failing && !certain && gain > 0.0;
        if up && undecided && !self.farther && !self.looking {
            // The step was too small to tell: a larger one will.
            self.farther = true;
            self.direction = Direction::Up;
        } else if up {
            self.farther = false;
            self.no_better_above = Some(tried);
            self.capped_at = self.capped_at.filter(|at| *at < tried);
            self.direction = match self.worse_below {
                _ if self.looking => Direction::Stop,
                None => Direction::Down,
                Some(_) if self.elasticity > ELASTIC.1 => Direction::Up,
                Some(_) => Direction::Stop,
            };
        } else {
            self.worse_below = Some(tried);
            let room = |above: usize| above as f64 > 1.5 * best as f64;
            self.direction = match self.no_better_above {
                Some(above) if room(above) => Direction::Up,
                None if self.slower > 1.0 => {
                    self.elasticity = (gain / step).clamp(0.0, 1.0);
                    Direction::Up
                }
                None if !self.looking => {
                    // Nothing is known above, and nothing promises much.
                    self.elasticity = self.elasticity.min(ELASTIC.2);
                    Direction::Up
                }
                _ => Direction::Stop,
            };
        }
        self.level = best;
        let known = self.reference.as_ref().map_or(0.0, |r| r.survival.ended());
        if self.direction != Direction::Stop && known < self.wanted(view) {
            self.mode = Mode::Reference;
            self.epoch = Epoch::new(view.now);
            self.settle(view);
            return Some(Move {
                level: best,
                reason,
            });
        }
        self.next(view, Some(reason))
    }

    /// Ends a probe whose slots do not fill: jobs end as fast as others can be begun.
    pub(super) fn never_full(&mut self, view: &View<'_>) -> Option<Move> {
        let reference = self.reference.as_ref()?;
        let best = reference.level;
        let patience = UNFILLED.0.max(UNFILLED.1 * reference.survival.mean());
        // Where more are in flight than the level says, they are still on the way down.
        let unfilled = view.jobs.len() < self.level;
        if self.level < best || !unfilled || self.epoch.waited(view.now) < patience {
            return None;
        }
        // Slots that stay empty do no harm, and may be of use later.
        self.direction = Direction::Stop;
        self.mode = Mode::Hold;
        self.epoch = Epoch::new(view.now);
        let tried = self.level;
        Some(Move {
            level: tried,
            reason: Reason::NeverFull { tried },
        })
    }
}
