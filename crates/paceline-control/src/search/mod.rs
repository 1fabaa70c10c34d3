//! The search for the level with the highest throughput.
//!
//! The level that the ramp ended at is the first *reference*: how long jobs live there. Then
//! other levels are *probed*: from how long jobs live at them follows their throughput. Levels
//! known not to be better, below and above, *bracket* the best; inside the bracket the Universal
//! Scalability Law, fitted to what was measured, says where to look. When nothing promises to be
//! better by more than it costs to look, the level *holds*, and is watched for a change.
//!
//! Jobs that began before the level was reached say nothing of it and are left out: they lived
//! at another. Those still running count as far as they have lived ([`crate::survival`]).
//!
//! The scheme follows black-box controllers such as A. Gandhi's and others' (USENIX ATC 2009);
//! that comparisons use durations of fresh jobs, running ones included, is our own.

mod candidate;
mod collapse;
mod curve;
mod epoch;
mod hold;
mod judge;
#[cfg(test)]
mod tests;
mod watch;

use crate::in_flight::InFlight;
use crate::learned::Learned;
use crate::reason::Reason;
use crate::survival::Survival;
use curve::Curve;
use epoch::Epoch;
use hold::Hold;

/// Ended jobs that make a reference, at least, and per slot.
const REFERENCE: (f64, f64) = (8.0, 0.25);
/// The same where jobs are many.
const GOOD_REFERENCE: (f64, f64) = (16.0, 0.5);
/// Seconds that a level is measured, at least.
const LEAST_SECONDS: f64 = 0.004;
/// Waiting jobs per slot from which they are many.
const MANY: f64 = 20.0;
/// Elasticity (log gain per log step) from which levels are taken in steps of four, above which a
/// climb goes on after a step that brought nothing, and below which there is no point in going on.
const ELASTIC: (f64, f64, f64) = (0.75, 0.35, 0.2);
/// Below this level, a run that could not look around had hardly begun.
const FEW: usize = 32;
/// What elasticity is assumed where an earlier run has found the level.
const RECALLED: f64 = 0.45;
/// Ended jobs of a reference that are kept; while a level holds, they add up.
const REMEMBERED: usize = 512;
/// Steps that are smaller than this factor are not worth a probe.
const LEAST_STEP: f64 = 1.15;
/// Probes inside a bracket.
const TRIES: u32 = 3;
/// Waiting jobs per slot that a probe needs: of a further level up, any other, inside a bracket.
const QUEUE: (f64, f64, f64) = (1.5, 3.0, 8.0);

/// What the search may know of the world.
pub(crate) struct View<'a> {
    /// Seconds since the run began.
    pub(crate) now: f64,
    pub(crate) jobs: &'a InFlight,
    /// Jobs waiting to be started.
    pub(crate) waiting: f64,
    /// The least of the caps.
    pub(crate) top: usize,
    /// The least that the user wants.
    pub(crate) floor: usize,
    /// Another level cannot be better: the cores are busy, or jobs share nothing.
    pub(crate) still: bool,
    /// The cap has not come down just now.
    pub(crate) may_rise: bool,
    /// The cap rises one by one, and each must be tried.
    pub(crate) creeping: bool,
    /// Signals have just come.
    pub(crate) ticked: bool,
    /// How long one job would keep all cores busy, in seconds.
    pub(crate) core_seconds: f64,
}

impl View<'_> {
    /// The nearest level that the user and the caps allow.
    fn within(&self, level: usize) -> usize {
        level.clamp(self.floor.max(1), self.top.max(self.floor).max(1))
    }
}

/// A level, and why.
#[derive(Debug, PartialEq)]
pub(crate) struct Move {
    pub(crate) level: usize,
    pub(crate) reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Finding out how long jobs live at this level.
    Reference,
    /// The same at another level, to compare.
    Probe,
    Hold,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
    Stop,
}

#[derive(Clone, Debug)]
struct Reference {
    level: usize,
    /// Seconds from start to end of the jobs it is made of.
    durations: Vec<f64>,
    survival: Survival,
    failed_share: f64,
    /// Jobs live about as long as one another.
    alike: bool,
}

/// The search.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    mode: Mode,
    level: usize,
    epoch: Epoch,
    reference: Option<Reference>,
    curve: Curve,
    /// The highest level known to be worse than a higher one.
    worse_below: Option<usize>,
    /// The lowest level known to be no better than a lower one.
    no_better_above: Option<usize>,
    direction: Direction,
    elasticity: f64,
    /// The last step up was too small to tell from chance, and the next goes twice as far.
    farther: bool,
    tries: u32,
    hold: Hold,
    /// The level that holds was computed, or is an earlier run's: a look at it may find a better one.
    unproven: bool,
    /// What is probed is a neighbour of a level that had held.
    looking: bool,
    /// The cores were full since the probe began.
    crowded: bool,
    /// Ended jobs of the probe when it was last judged.
    judged: usize,
    /// Where it was when a cap came down on it.
    capped_at: Option<usize>,
    /// The level is that of an earlier run.
    recalled: bool,
    /// To what level that run turned when the work changed.
    alternative: Option<usize>,
    /// The work has changed as it did then: the cores were full, and no longer are.
    turned: bool,
    /// So many fewer jobs ended when the work changed last.
    slower: f64,
    /// How long jobs lived in that run, in seconds, until it is compared.
    mean_before: Option<f64>,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            mode: Mode::Reference,
            level: 1,
            epoch: Epoch::default(),
            reference: None,
            curve: Curve::default(),
            worse_below: None,
            no_better_above: None,
            direction: Direction::Up,
            elasticity: 1.0,
            farther: false,
            tries: 0,
            hold: Hold::default(),
            unproven: false,
            looking: false,
            crowded: false,
            judged: 0,
            capped_at: None,
            recalled: false,
            alternative: None,
            turned: false,
            slower: 1.0,
            mean_before: None,
        }
    }
}

impl Search {
    /// Something is known of how long jobs live.
    pub(crate) fn has_reference(&self) -> bool {
        self.reference.is_some() || self.recalled
    }

    /// Something is being found out: signals are wanted often.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.mode, Mode::Reference | Mode::Probe)
    }

    /// Throughput by level, as far as it was measured.
    pub(crate) fn curve(&self) -> &Curve {
        &self.curve
    }

    /// The best level known; during a probe, the one that it is compared with.
    pub(crate) fn best(&self) -> usize {
        match (&self.reference, self.mode) {
            (Some(reference), Mode::Probe) => reference.level,
            _ => self.level,
        }
    }

    /// How long jobs live at the level that others are compared with, in seconds, if known.
    pub(crate) fn usual_wall(&self) -> Option<f64> {
        self.reference.as_ref().map(|known| known.survival.mean())
    }

    /// Higher levels are known to be no better, or jobs were too few for a higher one.
    pub(crate) fn is_settled(&self) -> bool {
        self.no_better_above.is_some() || self.direction != Direction::Up
    }

    /// The level that it would take if no cap stood in the way.
    pub(crate) fn wish(&self) -> usize {
        self.best().max(self.capped_at.unwrap_or(0))
    }

    /// The ramp ended at `level`.
    pub(crate) fn begin(&mut self, now: f64, level: usize) {
        *self = Self {
            mode: Mode::Reference,
            level,
            // Jobs of the ramp's last moments have lived at this level nearly all their life.
            epoch: Epoch::new(now - epoch::LEAD_IN),
            curve: std::mem::take(&mut self.curve),
            alternative: self.alternative,
            turned: self.turned,
            ..Self::default()
        };
    }

    /// The cores were full and no longer are. If an earlier run turned to more jobs then, so will this
    /// one, as far as the caps allow.
    pub(crate) fn eased(&mut self) {
        self.turned = true;
    }

    /// An earlier run found a level the best; it is watched, and searched only if that run had no
    /// time to look around. Returns the level, which lies from `floor` to `top`.
    pub(crate) fn recall(&mut self, learned: &Learned, floor: usize, top: usize) -> Option<usize> {
        let mut curve = Curve::default();
        for point in &learned.curve {
            curve.measure(point.level, point.throughput, point.jobs as f64);
        }
        let elasticity = curve.elasticity().unwrap_or(RECALLED);
        curve.recall();
        if !learned.settled && learned.level < FEW {
            // A run that short shows what jobs need, and not how many may run.
            self.curve = curve;
            self.alternative = learned.changed_to;
            return None;
        }
        // Where throughput still grew with the level, the next one is as good as known.
        let wish = if !learned.settled && elasticity > ELASTIC.0 {
            learned.level.saturating_mul(2)
        } else {
            learned.level
        };
        let level = wish.min(top).max(floor).max(1);
        let settled = learned.settled || level < wish;
        *self = Self {
            mode: Mode::Hold,
            level,
            direction: if settled {
                Direction::Stop
            } else {
                Direction::Up
            },
            elasticity,
            curve,
            recalled: true,
            unproven: true,
            capped_at: (level < wish).then_some(wish),
            alternative: learned.changed_to,
            mean_before: (learned.mean_wall_seconds > 0.0).then_some(learned.mean_wall_seconds),
            ..Self::default()
        };
        Some(level)
    }

    /// A cap has come down to `top`, below the level.
    pub(crate) fn lowered(&mut self, now: f64, top: usize) {
        let was = self.best();
        self.capped_at = Some(self.capped_at.map_or(was, |at| at.max(was)));
        // The last jobs may run above what was found.
        self.level = self.level.min(top);
        self.epoch = Epoch::new(now);
        if self.mode == Mode::Probe {
            self.mode = Mode::Reference;
        }
    }

    /// A job that began at `began` seconds ended after `duration` seconds.
    pub(crate) fn ended(&mut self, began: f64, duration: f64, failed: bool) {
        self.epoch.ended(began, duration, failed);
    }

    /// Where to go from here, if anywhere. A move to the present level says what was found.
    pub(crate) fn step(&mut self, view: &View<'_>) -> Option<Move> {
        self.crowded |= view.still;
        self.settle(view);
        if self.mode != Mode::Probe {
            if !view.may_rise {
                return None;
            }
            if let Some(to) = self.uncapped(view) {
                return Some(self.restore(view, to));
            }
        }
        if let Some(factor) = self.collapse(view) {
            return Some(self.collapsed(view, factor));
        }
        if self.epoch.since().is_none() {
            return if self.mode == Mode::Probe && view.waiting >= 1.0 {
                self.never_full(view)
            } else {
                None
            };
        }
        match self.mode {
            Mode::Reference => {
                let enough = self.wanted(view);
                let measured = self.epoch.measured(view.now) > LEAST_SECONDS;
                if (self.epoch.count() as f64) < enough || !measured {
                    return None;
                }
                self.refer(view);
                self.next(view, None)
            }
            Mode::Probe => self.judge(view),
            Mode::Hold => self.watch(view),
        }
    }

    fn settle(&mut self, view: &View<'_>) {
        let in_flight = view.jobs.len();
        if self.epoch.since().is_none() && in_flight == self.level {
            let mean = self.reference.as_ref().map(|r| r.survival.mean());
            self.epoch.settle(view.now, mean);
            if let (Mode::Probe, Some(known)) = (self.mode, &self.reference) {
                // Those that were begun together compute together, and whoever begins meanwhile queues
                // behind them, as it would not later on.
                let more = self.level.saturating_sub(known.level) as f64;
                let crowd = (more * view.core_seconds).min(known.survival.mean());
                self.epoch.skip(crowd);
            }
        }
    }

    /// Where to return to after a cap has gone up again.
    fn uncapped(&self, view: &View<'_>) -> Option<usize> {
        let turned_to = self.alternative.filter(|_| self.turned);
        let to = self.capped_at.or(turned_to)?.min(view.top);
        let far = view.creeping || to as f64 >= LEAST_STEP * self.level as f64;
        (far && to > self.level).then_some(to)
    }

    fn restore(&mut self, view: &View<'_>, to: usize) -> Move {
        let from = self.level;
        if self.capped_at.is_some_and(|at| to >= at) {
            self.capped_at = None;
        }
        if self.alternative.is_some_and(|at| to >= at) {
            self.turned = false;
        }
        self.level = to;
        self.mode = Mode::Reference;
        self.epoch = Epoch::new(view.now);
        Move {
            level: to,
            reason: if view.creeping && to <= from + 2 {
                Reason::TryingMore { from }
            } else {
                Reason::RoomAgain
            },
        }
    }

    /// Ended jobs that are enough to say how long jobs live here.
    fn enough(&self) -> f64 {
        REFERENCE.0.max(REFERENCE.1 * self.level as f64)
    }

    /// The same for a reference: to go up, less will do than to go down or look closely.
    fn wanted(&self, view: &View<'_>) -> f64 {
        let up = self.direction == Direction::Up && self.no_better_above.is_none();
        if up || view.waiting <= MANY * self.level as f64 {
            return self.enough();
        }
        GOOD_REFERENCE.0.max(GOOD_REFERENCE.1 * self.level as f64)
    }

    fn running(&self, view: &View<'_>) -> Vec<f64> {
        let since = self.epoch.since().unwrap_or(view.now);
        view.jobs.ages(view.now, since)
    }

    /// Makes the present level the reference.
    fn refer(&mut self, view: &View<'_>) {
        let running = self.running(view);
        let Some(survival) = Survival::of(self.epoch.durations(), &running) else {
            return;
        };
        let throughput = self.level as f64 / survival.mean();
        if self.mode != Mode::Probe {
            self.curve.measure(self.level, throughput, survival.ended());
        }
        self.reference = Some(Reference {
            level: self.level,
            durations: self.epoch.durations().to_vec(),
            alike: collapse::alike(&survival, view.jobs, view.now),
            survival,
            failed_share: self.epoch.failed_share(),
        });
    }

    /// Adds the present window to the reference.
    fn confirm(&mut self, view: &View<'_>) {
        let running = self.running(view);
        let Some(reference) = &mut self.reference else {
            return;
        };
        let all = &mut reference.durations;
        all.extend_from_slice(self.epoch.durations());
        all.drain(..all.len().saturating_sub(REMEMBERED));
        if let Some(survival) = Survival::of(all, &running) {
            let throughput = self.level as f64 / survival.mean();
            self.curve
                .measure(self.level, throughput, self.epoch.count() as f64);
            reference.alike = collapse::alike(&survival, view.jobs, view.now);
            reference.survival = survival;
        }
    }
}
