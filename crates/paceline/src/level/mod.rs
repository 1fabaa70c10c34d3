//! The level of one stage: a controller of `paceline-control`, fed by the stage's workers.
//!
//! Controllers were made for processes, which live for milliseconds at least. Items inside a program
//! may take nanoseconds, and a controller that hears of each would cost more than they do. So a
//! worker reports *stints*: as many items in a row as fill about ten milliseconds, told as one job.
//! Items that take longer are a stint each.

mod opening;
mod shift;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use paceline_control::{
    Attempt, Controller, Decision, Event, JobId, Left, Outcome, Reason, Resources, Signals,
};

pub(crate) use opening::Nature;
use opening::Opening;
pub(crate) use shift::{Ending, Shift};

use crate::limit::Limit;

/// What a stint should take.
const STINT: Duration = Duration::from_millis(10);
/// Items in one, at most: the number must be able to come down when items get longer.
const MOST_ITEMS: u32 = 4096;
/// What controllers add to each job's CPU time for making and reaping a process; there is none here.
const PROCESS_COST: Duration = Duration::from_micros(200);
/// Looks are so much rarer than the run is old, and how seldom they may become by that.
const UNHURRIED: u32 = 20;
const SELDOM: Duration = Duration::from_millis(25);
/// Steps of the level that are kept, first ones and last ones.
const KEPT: (usize, usize) = (64, 192);

/// Why work that waits begins with many.
const SEEN_TO_WAIT: &str = "the work waits, and too few slots cost more than too many";

/// A step in the way of a level.
///
/// ```
/// let report = paceline::map(0..9, |n| Ok::<_, String>(*n)).limit(3).run().expect("none").report;
/// let step = &report.stages[0].path[0];
/// assert_eq!((step.level, step.reason.as_str()), (3, "set by you"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LevelStep {
    /// Since the run began.
    pub at: Duration,
    /// How many items may be in work from then on.
    pub level: usize,
    /// Why, in words.
    pub reason: String,
}

/// How many items of a stage may be in work at once.
pub(crate) struct Level {
    origin: Instant,
    limit: AtomicUsize,
    /// Items per stint.
    items: AtomicU32,
    /// Nothing moves it, and nobody listens.
    constant: bool,
    state: Mutex<State>,
}

struct State {
    controller: Option<Box<dyn Controller>>,
    next: JobId,
    /// Seconds per item, lately; 0 before the first.
    mean: f64,
    path: Vec<LevelStep>,
    /// Of the level over time: its integral up to the last step, in slot seconds.
    area: f64,
}

/// A run of items by one worker, which the controller hears of as one job.
#[derive(Debug)]
pub(crate) struct Stint {
    job: JobId,
    items: u32,
    wall: Duration,
    failed: bool,
}

impl Level {
    /// A level that does not move, with the reason why it is what it is.
    pub(crate) fn constant(origin: Instant, level: usize, reason: &str) -> Self {
        Self::build(origin, None, level.max(1), reason)
    }

    /// A level as `limit` says, for work of this nature on a machine with `cores`.
    pub(crate) fn new(origin: Instant, limit: Limit, nature: Nature, cores: f64) -> Self {
        let bounds = limit.bounds();
        if bounds.highest() == bounds.lowest() {
            return Self::constant(origin, bounds.lowest(), "set by you");
        }
        let resources = Resources {
            cores,
            // Memory is the budget's business, and items are neither files nor processes.
            memory_bytes: 0,
            descriptor_jobs: usize::MAX,
            process_jobs: usize::MAX,
        };
        let controller = Opening::new(resources, bounds, nature);
        let level = controller.limit();
        let reason = match nature {
            Nature::Waits => SEEN_TO_WAIT,
            Nature::Processes => "the first two processes",
            Nature::Unknown => "nothing is known of the work yet: one per core",
        };
        Self::build(origin, Some(Box::new(controller)), level, reason)
    }

    fn build(
        origin: Instant,
        controller: Option<Box<dyn Controller>>,
        level: usize,
        reason: &str,
    ) -> Self {
        Self {
            origin,
            limit: AtomicUsize::new(level),
            items: AtomicU32::new(1),
            constant: controller.is_none(),
            state: Mutex::new(State {
                controller,
                next: 0,
                mean: 0.0,
                path: vec![LevelStep {
                    at: Duration::ZERO,
                    level,
                    reason: reason.to_owned(),
                }],
                area: 0.0,
            }),
        }
    }

    /// Items that may be in work now.
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Whether anybody listens to stints.
    pub(crate) fn is_constant(&self) -> bool {
        self.constant
    }

    /// How many items are left for this stage.
    pub(crate) fn left(&self, left: Left) {
        if !self.constant {
            let per_stint = u64::from(self.items.load(Ordering::Relaxed));
            let left = match left {
                Left::Exactly(n) => Left::Exactly(n.div_ceil(per_stint)),
                Left::AtLeast(n) => Left::AtLeast(n.div_ceil(per_stint)),
            };
            self.hear(Event::Queue(left));
        }
    }

    /// A worker begins a stint.
    pub(crate) fn begin(&self) -> Stint {
        let mut state = self.lock();
        let job = state.next;
        state.next += 1;
        self.tell(&mut state, Event::Started { job });
        Stint {
            job,
            items: 0,
            wall: Duration::ZERO,
            failed: false,
        }
    }

    /// An item of the stint ended after `wall`; says whether the stint is full.
    pub(crate) fn count(&self, stint: &mut Stint, wall: Duration, failed: bool) -> bool {
        stint.items += 1;
        stint.wall += wall;
        stint.failed |= failed;
        stint.items >= self.items.load(Ordering::Relaxed) || stint.wall >= 2 * STINT
    }

    /// The stint ended, having used `cpu`.
    pub(crate) fn end(&self, stint: Stint, cpu: Duration) {
        if stint.items == 0 {
            return self.abandon(stint);
        }
        let outcome = if stint.failed {
            Outcome::Failed
        } else {
            Outcome::Done
        };
        let mut state = self.lock();
        let mean = stint.wall.as_secs_f64() / f64::from(stint.items);
        state.mean = if state.mean > 0.0 {
            state.mean + 0.2 * (mean - state.mean)
        } else {
            mean
        };
        let fitting = STINT.as_secs_f64() / state.mean.max(1e-9);
        let items = (fitting as u32).clamp(1, MOST_ITEMS);
        self.items.store(items, Ordering::Relaxed);
        self.tell(&mut state, finished(&stint, outcome, cpu));
    }

    /// The stint broke off because the worker had to wait. A few items of many say too little.
    pub(crate) fn end_early(&self, stint: Stint, cpu: Duration) {
        if 2 * stint.items >= self.items.load(Ordering::Relaxed) {
            self.end(stint, cpu);
        } else {
            self.abandon(stint);
        }
    }

    /// The stint's last item was turned away by what it depends on.
    pub(crate) fn turned_away(&self, stint: Stint, cpu: Duration) {
        let mut state = self.lock();
        self.tell(&mut state, finished(&stint, Outcome::Busy, cpu));
    }

    /// The stint ended without saying anything of the work.
    pub(crate) fn abandon(&self, stint: Stint) {
        self.hear(finished(&stint, Outcome::Cancelled, Duration::ZERO));
    }

    /// No further worker can be made.
    pub(crate) fn refused(&self, in_flight: usize) {
        self.hear(Event::SpawnRefused { in_flight });
    }

    /// What was seen of those in work.
    pub(crate) fn tick(&self, mut signals: Signals) {
        if self.constant {
            return;
        }
        let mut state = self.lock();
        let stint = state.mean * f64::from(self.items.load(Ordering::Relaxed));
        signals.ran = as_of_processes(&signals, stint.max(STINT.as_secs_f64()));
        self.tell(&mut state, Event::Tick(signals));
    }

    /// How long after the last tick the next one is wanted, if at all.
    pub(crate) fn tick_every(&self) -> Option<Duration> {
        let wanted = self.lock().controller.as_ref()?.tick_every()?;
        // The older the run, the less hurry: each look takes a core from the work.
        Some(wanted.max((self.origin.elapsed() / UNHURRIED).min(SELDOM)))
    }

    /// The way of the level so far.
    pub(crate) fn path(&self) -> Vec<LevelStep> {
        self.lock().path.clone()
    }

    /// The level on average since the run began, which lasted for `wall`.
    pub(crate) fn mean(&self, wall: Duration) -> f64 {
        let state = self.lock();
        let seconds = wall.as_secs_f64();
        let Some(last) = state.path.last().filter(|_| seconds > 0.0) else {
            return self.limit() as f64;
        };
        let rest = (seconds - last.at.as_secs_f64()).max(0.0);
        (state.area + rest * last.level as f64) / seconds
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A controller that panicked would have left its state as it was before the event.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, event: Event) {
        if !self.constant {
            self.tell(&mut self.lock(), event);
        }
    }

    fn tell(&self, state: &mut State, event: Event) {
        let now = self.origin.elapsed();
        let Some(controller) = &mut state.controller else {
            return;
        };
        if let Some(decision) = controller.on(now, event) {
            self.limit.store(decision.limit.max(1), Ordering::Relaxed);
            state.note(&decision);
        }
    }
}

impl std::fmt::Debug for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Level")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl State {
    fn note(&mut self, decision: &Decision) {
        if let Some(last) = self.path.last() {
            let lasted = decision.at.saturating_sub(last.at).as_secs_f64();
            self.area += lasted * last.level as f64;
        }
        if self.path.len() == KEPT.0 + KEPT.1 {
            self.path.remove(KEPT.0);
        }
        self.path.push(LevelStep {
            at: decision.at,
            level: decision.limit,
            reason: match decision.reason {
                // What the opening calls remembered is what it takes for granted.
                Reason::Remembered { .. } => SEEN_TO_WAIT.to_owned(),
                ref reason => reason.to_string(),
            },
        });
    }
}

/// Time on a core as the controller reckons it, which adds the cost of a process to every job; stints
/// of so many `seconds` are its jobs. It takes the ratio of queueing to running from the ticks and
/// applies it to the jobs. Were only one of the two inflated, threads that sleep, wake for a moment and
/// then queue for a busy core would seem to do nothing but queue, and so to compute.
fn as_of_processes(signals: &Signals, seconds: f64) -> Duration {
    let stints = signals.observed.as_secs_f64() / seconds.max(1e-6);
    let most = signals.observed.saturating_sub(signals.run_queue_delay);
    let inflated = signals.ran + PROCESS_COST.mul_f64(stints.clamp(0.0, 1e6));
    inflated.min(most.max(signals.ran))
}

fn finished(stint: &Stint, outcome: Outcome, cpu: Duration) -> Event {
    Event::Finished {
        job: stint.job,
        attempt: Attempt {
            outcome,
            wall: stint.wall,
            cpu: cpu.saturating_sub(PROCESS_COST),
            run_queue_delay: None,
            peak_rss_bytes: 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_items_are_told_in_stints() {
        let level = Level::new(Instant::now(), Limit::Auto, Nature::Waits, 2.0);
        let mut stint = level.begin();
        assert!(level.count(&mut stint, Duration::from_micros(100), false));
        level.end(stint, Duration::ZERO);
        let mut stint = level.begin();
        for _ in 0..99 {
            assert!(!level.count(&mut stint, Duration::from_micros(100), false));
        }
        assert!(level.count(&mut stint, Duration::from_micros(100), false));
        level.end(stint, Duration::ZERO);
        let mut stint = level.begin();
        assert!(level.count(&mut stint, Duration::from_millis(50), false));
        level.end(stint, Duration::ZERO);
    }

    #[test]
    fn a_fixed_level_is_constant_and_hears_nothing() {
        let level = Level::new(Instant::now(), Limit::Fixed(4), Nature::Waits, 2.0);
        assert!(level.is_constant());
        level.left(Left::Exactly(1));
        level.tick(Signals::default());
        assert_eq!((level.limit(), level.tick_every()), (4, None));
        assert!((level.mean(Duration::from_secs(3)) - 4.0).abs() < 1e-9);
        assert_eq!(level.path().len(), 1);
    }

    #[test]
    fn being_turned_away_lowers_it() {
        let level = Level::new(Instant::now(), Limit::Auto, Nature::Waits, 2.0);
        for _ in 0..200 {
            let stints: Vec<_> = (0..64).map(|_| level.begin()).collect();
            for stint in stints {
                level.turned_away(stint, Duration::ZERO);
            }
        }
        assert!(level.limit() < 64, "{:?}", level.path());
    }

    #[test]
    fn sleepers_that_queue_for_busy_cores_do_not_seem_to_compute() {
        // Items of 2 ms that run for 20 µs of it and queue for 1 ms behind others.
        let level = Level::new(Instant::now(), Limit::Auto, Nature::Waits, 2.0);
        let ms = Duration::from_millis;
        for _ in 0..100 {
            level.tick(Signals {
                in_flight: 8,
                sampled: 8,
                ran: Duration::from_micros(800),
                run_queue_delay: ms(40),
                observed: ms(80),
                ..Signals::default()
            });
            for _ in 0..8 {
                let mut stint = level.begin();
                while !level.count(&mut stint, ms(2), false) {}
                level.end(stint, Duration::from_micros(100));
            }
        }
        assert!(level.limit() >= 32, "{:?}", level.path());
    }
}
