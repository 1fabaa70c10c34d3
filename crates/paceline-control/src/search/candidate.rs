//! Which level to look at next.

use super::epoch::Epoch;
use super::{Direction, ELASTIC, LEAST_STEP, MANY, Mode, Move, QUEUE, Search, TRIES, View};
use crate::reason::Reason;

/// The level from which steps of four are taken.
const LEAP: usize = 48;
/// The level up to which they are as well: those of disks, mostly.
const FEW: usize = 8;
/// Waiting jobs per slot that this takes.
const MANY_LEFT: f64 = 24.0;
/// Throughput that the law must promise, divided by that of the best level, for a probe inside a
/// bracket.
const PROMISE: f64 = 1.02;
/// Throughput from which on, divided by that of the best level, another counts as equal: where jobs
/// are few, and where many.
const EQUAL: (f64, f64) = (0.93, 0.85);

/// Why to go `from` a level to another that is not known.
pub(super) fn trying(from: usize, to: usize) -> Reason {
    if to > from {
        Reason::TryingMore { from }
    } else {
        Reason::TryingFewer { from }
    }
}

impl Search {
    /// The next level to probe, or none: then the present one holds. `found` is what led here.
    pub(super) fn next(&mut self, view: &View<'_>, found: Option<Reason>) -> Option<Move> {
        let best = self.level;
        if let Some(level) = self.candidate(view).or_else(|| self.between_equals(view)) {
            self.probe(view.now, level);
            let reason = match found {
                Some(found @ (Reason::MoreGained { .. } | Reason::FewerSuffice { .. })) => found,
                _ => trying(best, level),
            };
            return Some(Move { level, reason });
        }
        self.mode = Mode::Hold;
        self.hold.begin();
        let fitted = self.fitted(view);
        self.level = fitted.unwrap_or(best);
        self.unproven |= fitted.is_some();
        if self.level < best {
            self.capped_at = None;
        }
        self.epoch = Epoch::new(view.now);
        self.settle(view);
        let reason = match fitted {
            Some(level) => Some(Reason::Fitted { level }),
            None => found,
        };
        reason.map(|reason| Move {
            level: self.level,
            reason,
        })
    }

    /// Where the law has its peak, if that is too near for a probe to tell.
    fn fitted(&self, view: &View<'_>) -> Option<usize> {
        let (below, above) = (self.worse_below?, self.no_better_above?);
        let law = self.curve.law(self.level)?;
        let peak = law.peak()?.round() as usize;
        let peak = view.within(peak.clamp(below + 1, above.max(below + 2) - 1));
        let step = (peak as f64 / self.level as f64).ln().abs();
        (peak != self.level && step < LEAST_STEP.ln() && !view.still).then_some(peak)
    }

    pub(super) fn probe(&mut self, now: f64, level: usize) {
        let near = self.level.max(level) < 2 * self.level.min(level);
        if near || self.worse_below.is_some() && self.no_better_above.is_some() {
            self.tries += 1;
        }
        self.mode = Mode::Probe;
        self.crowded = false;
        self.judged = 0;
        self.level = level;
        self.epoch = Epoch::new(now);
    }

    /// A level that promises more than a look at it costs.
    fn candidate(&self, view: &View<'_>) -> Option<usize> {
        if view.still {
            return None;
        }
        let best = self.level as f64;
        let fitted = self.curve.law(self.level).and_then(|law| law.peak());
        let between = |low: usize, high: usize| (low as f64 * high as f64).sqrt();
        let level = match (self.direction, self.worse_below, self.no_better_above) {
            (direction, Some(below), Some(above)) => fitted
                .unwrap_or_else(|| match direction {
                    Direction::Up => between(self.level, above),
                    Direction::Down => between(below, self.level),
                    Direction::Stop => best,
                })
                .min(0.9 * above as f64)
                .max(1.1 * below as f64),
            (Direction::Stop, ..) => return None,
            (Direction::Up, _, None) => {
                let sure = self.level >= LEAP && self.curve.levels() >= 2;
                // Where hardly any are in flight, a small step tells little. If the large one is
                // wrong, few of all jobs may suffer.
                let blind = self.level <= FEW && view.waiting >= MANY_LEFT * best;
                let leap = sure || blind;
                let step = if self.elasticity > ELASTIC.0 && leap {
                    4.0
                } else {
                    2.0
                };
                let step = if self.farther { 2.0 * step } else { step };
                (step * best).min((view.waiting / QUEUE.0).floor())
            }
            (Direction::Up, None, Some(above)) => between(self.level, above),
            (Direction::Down, None, _) => fitted
                .filter(|peak| *peak < best)
                .unwrap_or(0.5 * best)
                .max(0.35 * best),
            (Direction::Down, Some(below), None) => between(below, self.level),
        };
        let level = view.within(level.round() as usize);
        let probe = level as f64;
        let bracketed = self.worse_below.is_some() && self.no_better_above.is_some();
        let step = (probe / best).max(best / probe);
        let queue = if self.no_better_above.is_none() && level > self.level {
            QUEUE.0 * probe
        } else {
            QUEUE.1 * probe.max(best)
        };
        let spent = bracketed && (self.tries >= TRIES || view.waiting < QUEUE.2 * best);
        // What the law promises must be worth a look.
        let worth = !bracketed
            || self
                .curve
                .law(self.level)
                .is_none_or(|law| law.throughput(probe) > PROMISE * law.throughput(best));
        (step >= LEAST_STEP && worth && !spent && view.waiting >= queue).then_some(level)
    }

    /// The middle between this level and one that gets as much done: whatever the law says, where
    /// throughput rises and then falls, more may be got done there.
    pub(super) fn between_equals(&self, view: &View<'_>) -> Option<usize> {
        let best = self.level as f64;
        if view.still || self.tries >= TRIES || view.waiting < QUEUE.2 * best {
            return None;
        }
        let throughput = self.curve.at(self.level)?;
        let equal = if view.waiting >= MANY * best {
            EQUAL.1
        } else {
            EQUAL.0
        };
        let neighbours = self.curve.neighbours(self.level, LEAST_STEP * LEAST_STEP);
        let middles = neighbours
            .into_iter()
            .flatten()
            .filter(|(_, other)| *other > equal * throughput)
            .map(|(level, other)| (other, (best * level as f64).sqrt()));
        let (_, middle) = middles.max_by(|a, b| a.0.total_cmp(&b.0))?;
        let level = view.within(middle.round() as usize);
        (level != self.level).then_some(level)
    }
}
