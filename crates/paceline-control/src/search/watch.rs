//! The level that holds, and what may end that.

use super::candidate::trying;
use super::epoch::Epoch;
use super::hold::{Hold, Verdict};
use super::{Direction, LEAST_SECONDS, LEAST_STEP, Move, QUEUE, Search, TRIES, View};
use crate::reason::Reason;

/// What elasticity is assumed after the work has changed.
const ASSUMED: f64 = 0.8;
/// Jobs that live longer or shorter than in an earlier run by this log factor are other jobs.
const OTHER: f64 = 0.4;
/// A neighbour that is looked at from time to time: this many times the level.
const NEIGHBOURS: (f64, f64) = (0.75, 1.35);

impl Search {
    /// Watches the level that holds.
    pub(super) fn watch(&mut self, view: &View<'_>) -> Option<Move> {
        let count = self.epoch.count();
        let undecided = self.direction == Direction::Up && self.no_better_above.is_none();
        if undecided && self.level < view.top && count as f64 >= self.enough() && !view.still {
            // A cap stood in the way, and has gone; or jobs were too few, and more have come.
            self.refer(view);
            if let Some(to) = self.next(view, None) {
                return Some(to);
            }
            return None;
        }
        if count < Hold::window(self.level) || self.epoch.measured(view.now) < 2.0 * LEAST_SECONDS {
            return None;
        }
        let running = self.running(view);
        let comparable = self
            .reference
            .as_ref()
            .filter(|r| r.level == self.level && r.survival.ended() >= 24.0 && !view.still);
        let Some(reference) = comparable else {
            let earlier = self.curve.recalled(self.level);
            self.refer(view);
            let now = self.reference.as_ref().map(|r| r.survival.mean());
            if let (Some(before), Some(now)) = (self.mean_before.take(), now)
                && !view.still
                && (now / before).ln().abs() > OTHER
            {
                return self.shifted(view, (now / before).ln());
            }
            self.curve.adopt(self.level, earlier);
            self.epoch = Epoch::new(view.now);
            self.settle(view);
            return None;
        };
        let found = reference
            .survival
            .inflation(self.epoch.durations(), &running);
        let verdict = self.hold.judge(found.log, found.error);
        if matches!(verdict, Verdict::Steady | Verdict::Look { .. }) {
            self.confirm(view);
            if std::mem::take(&mut self.unproven)
                && let Some(inside) = self.inside(view)
            {
                return Some(inside);
            }
        }
        match verdict {
            Verdict::Shifted if view.waiting > QUEUE.2 * self.level as f64 => {
                return self.shifted(view, found.log);
            }
            Verdict::Odd | Verdict::Steady | Verdict::Shifted => {}
            Verdict::Look { above } => {
                let best = self.level as f64;
                let level = if above {
                    ((NEIGHBOURS.1 * best).round() as usize).max(self.level + 1)
                } else {
                    ((NEIGHBOURS.0 * best).round() as usize).min(self.level - 1)
                };
                let level = view.within(level);
                if level != self.level && view.waiting > QUEUE.2 * best && !view.still {
                    let from = self.level;
                    self.forget_bracket();
                    self.tries = TRIES - 1;
                    self.looking = true;
                    self.probe(view.now, level);
                    let reason = trying(from, level);
                    return Some(Move { level, reason });
                }
            }
        }
        self.epoch = Epoch::new(view.now);
        self.settle(view);
        None
    }

    /// What was measured around a level that had not been measured itself, or not in this run, may
    /// have a better one in its middle.
    fn inside(&mut self, view: &View<'_>) -> Option<Move> {
        self.tries = self.tries.min(TRIES - 1);
        let from = self.level;
        let level = self.between_equals(view)?;
        let here = self.curve.at(from)?;
        let [below, above] = self.curve.neighbours(from, LEAST_STEP);
        let worse = |point: Option<(usize, f64)>| point.filter(|p| p.1 < here).map(|p| p.0);
        self.worse_below = worse(below);
        self.no_better_above = worse(above);
        self.looking = true;
        self.probe(view.now, level);
        Some(Move {
            level,
            reason: trying(from, level),
        })
    }

    /// Jobs live longer or shorter than before, by the natural logarithm of a factor.
    fn shifted(&mut self, view: &View<'_>, log: f64) -> Option<Move> {
        self.forget_bracket();
        self.curve.outdate();
        self.refer(view);
        self.direction = if log > 0.0 {
            Direction::Down
        } else {
            Direction::Up
        };
        let reason = Reason::Shifted { factor: log.exp() };
        let known = self.alternative.map(|to| view.within(to));
        if let Some(level) = known.filter(|to| (*to < self.level) == (log > 0.0))
            && level != self.level
        {
            self.alternative = None;
            self.probe(view.now, level);
            return Some(Move { level, reason });
        }
        let Move { level, .. } = self.next(view, None)?;
        Some(Move { level, reason })
    }

    pub(super) fn forget_bracket(&mut self) {
        self.looking = false;
        self.slower = 1.0;
        self.worse_below = None;
        self.no_better_above = None;
        self.tries = 0;
        self.elasticity = ASSUMED;
    }
}
