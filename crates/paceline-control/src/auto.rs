//! The controller that finds the level: a timed ramp under caps.
//!
//! The caps and the ramp's ceiling are asked after every event. The limit follows them down at
//! once, so it is never above any of them; upward it goes by doubling, and after it had to come
//! down it waits, the longer the more often that happens.
//!
//! The whole story: `docs/design/level.md`.

use std::time::Duration;

use crate::bounds::Bounds;
use crate::caps::{Cap, CpuCap, FixedCaps, MemoryCap};
use crate::controller::{Attempt, Controller, Decision, Event, Left, Outcome, Resources, Signals};
use crate::ramp::{FIRST_LEVEL, Ramp};
use crate::reason::Reason;
use crate::sharing::{Sharing, Verdict};

/// Between ticks while the limit moves or may move.
const TICK_RAMPING: Duration = Duration::from_millis(5);
/// Between ticks once it stands.
const TICK_SETTLED: Duration = Duration::from_millis(25);
/// How long after a change the limit counts as moving.
const MOVING: Duration = Duration::from_millis(200);
/// The shortest and the longest wait between coming down and going up again.
const HOLD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Coming down within this many holds of the last rise means that the rise was wrong.
const REGRET: u32 = 10;

/// Finds the limit itself.
///
/// Starts at two jobs, doubles while all slots are taken and jobs wait, and stops where cores,
/// memory, descriptors, processes or the user's [`Bounds`] bind, or where more would go beyond
/// what can be run on trust.
#[derive(Clone, Debug)]
pub struct Auto {
    bounds: Bounds,
    cores: f64,
    cpu: CpuCap,
    memory: MemoryCap,
    fixed: FixedCaps,
    sharing: Sharing,
    ramp: Ramp,
    limit: usize,
    in_flight: usize,
    left: Option<Left>,
    now: Duration,
    ticked: Duration,
    started_since_tick: usize,
    changed: Duration,
    /// When the limit rose last, unless it has come down since: a fall in many steps is one.
    raised: Option<Duration>,
    hold: Duration,
    hold_until: Duration,
}

impl Auto {
    /// A controller for a run on a machine with these `resources`, within the user's `bounds`.
    pub fn new(resources: Resources, bounds: Bounds) -> Self {
        let mut auto = Self {
            bounds,
            cores: resources.cores,
            cpu: CpuCap::new(resources.cores),
            memory: MemoryCap::new(resources.memory_bytes),
            fixed: FixedCaps::new(&resources),
            sharing: Sharing::default(),
            ramp: Ramp::default(),
            limit: 1,
            in_flight: 0,
            left: None,
            now: Duration::ZERO,
            ticked: Duration::ZERO,
            started_since_tick: 0,
            changed: Duration::ZERO,
            raised: None,
            hold: HOLD.0,
            hold_until: Duration::ZERO,
        };
        let (top, floor) = auto.range();
        auto.limit = FIRST_LEVEL.max(floor).min(top.jobs);
        auto
    }

    /// The most jobs that are allowed now, and what says so. [`Controller::limit`] is never
    /// above it; it is below while the ramp climbs or too few jobs wait.
    pub fn binding(&self) -> (usize, Reason) {
        let top = self.range().0;
        (top.jobs, top.reason)
    }

    /// The highest level allowed with its reason, and the lowest.
    fn range(&self) -> (Cap, usize) {
        let mut hard = self.fixed.cap();
        if let Some(memory) = self.memory.cap() {
            hard = hard.min(memory);
        }
        let highest = self.bounds.highest();
        hard = hard.min(Cap {
            jobs: highest,
            reason: Reason::MaxLevel { level: highest },
        });

        let mut soft = self.cpu.cap();
        let whole_cores = self.cpu.whole_cores();
        if let Some(ceiling) = self
            .ramp
            .ceiling(self.sharing.verdict(), self.cores, whole_cores)
        {
            soft = soft.min(ceiling);
        }
        // Running dry of memory or descriptors breaks jobs; crowding the cores or the disk only
        // slows them, which the user may want.
        let lowest = self.bounds.lowest();
        if soft.jobs < lowest {
            soft = Cap {
                jobs: lowest,
                reason: Reason::MinLevel { level: lowest },
            };
        }
        let floor = lowest.min(hard.jobs);
        (hard.min(soft), floor)
    }

    fn finished(&mut self, attempt: &Attempt) {
        let in_flight = self.in_flight.max(1);
        self.in_flight = self.in_flight.saturating_sub(1);
        if matches!(
            attempt.outcome,
            Outcome::Cancelled | Outcome::Busy | Outcome::Shed
        ) {
            return;
        }
        self.cpu.finished(self.now, attempt, in_flight);
        self.memory.finished(attempt.peak_rss_bytes, in_flight);
        self.ramp.finished(attempt.wall, in_flight);
        if attempt.outcome == Outcome::Done {
            self.fixed.succeeded();
        }
    }

    fn tick(&mut self, signals: &Signals) {
        let gap = self.now.saturating_sub(self.ticked);
        let started = self.started_since_tick;
        self.ticked = self.now;
        self.started_since_tick = 0;
        self.cpu.tick(self.now, gap, signals, started);
        self.memory.tick(signals, self.in_flight);
        self.sharing.tick(gap, signals, started, self.cpu.busy());
        self.ramp.ticked();
    }

    /// Where the limit should be now, and why.
    fn wanted(&self) -> Option<Cap> {
        let (top, floor) = self.range();
        if self.limit > top.jobs {
            return Some(top);
        }
        if self.limit < floor {
            return Some(Cap {
                jobs: floor,
                reason: Reason::MinLevel { level: floor },
            });
        }
        if self.now < self.hold_until || !self.ramp.may_step(self.now, self.limit) {
            return None;
        }
        let next = self.limit.saturating_mul(2).min(top.jobs);
        if next - self.limit < (self.limit / 10).max(1) {
            return None;
        }
        // Slots beyond the last job would mean nothing.
        let next = next.min(self.useful());
        if next <= self.limit {
            return None;
        }
        let reason = if next == top.jobs {
            top.reason
        } else if self.sharing.verdict() == Verdict::Nothing {
            Reason::NothingShared
        } else {
            Reason::RampingUp
        };
        Some(Cap { jobs: next, reason })
    }

    /// Slots that the jobs left can fill.
    fn useful(&self) -> usize {
        match self.left {
            Some(Left::Exactly(waiting)) => {
                let waiting = usize::try_from(waiting).unwrap_or(usize::MAX);
                self.in_flight.saturating_add(waiting)
            }
            Some(Left::AtLeast(_)) | None => usize::MAX,
        }
    }

    fn change(&mut self, to: Cap) -> Decision {
        let was = self.limit;
        let now = self.now;
        if to.jobs < was {
            if let Some(raised) = self.raised.take() {
                let regretted = now.saturating_sub(raised) < self.hold * REGRET;
                self.hold = if regretted {
                    (self.hold * 2).min(HOLD.1)
                } else {
                    HOLD.0
                };
            }
            self.hold_until = now.saturating_add(self.hold);
        } else {
            self.raised = Some(now);
        }
        self.limit = to.jobs;
        self.changed = now;
        self.ramp.stepped(now, self.in_flight);
        Decision {
            at: now,
            was,
            limit: to.jobs,
            reason: to.reason,
        }
    }
}

impl Controller for Auto {
    fn limit(&self) -> usize {
        self.limit
    }

    fn on(&mut self, now: Duration, event: Event) -> Option<Decision> {
        self.now = self.now.max(now);
        let ticked = matches!(event, Event::Tick(_));
        match event {
            Event::Started { .. } => {
                self.in_flight = self.in_flight.saturating_add(1);
                self.started_since_tick = self.started_since_tick.saturating_add(1);
                self.left = self.left.map(Left::without_one);
                self.ramp.started(self.in_flight);
            }
            Event::Finished { attempt, .. } => self.finished(&attempt),
            Event::Queue(left) => {
                self.left = Some(left);
                self.ramp.queue(left, self.in_flight);
            }
            Event::Tick(signals) => self.tick(&signals),
            Event::SpawnRefused { in_flight } => self.fixed.refused(in_flight),
        }
        let decision = self.wanted().map(|to| self.change(to));
        if ticked {
            self.ramp.after_tick(self.in_flight);
        }
        decision
    }

    fn tick_every(&self) -> Option<Duration> {
        let climbing = self.limit < self.range().0.jobs && self.ramp.is_full(self.limit);
        let moving = self.now.saturating_sub(self.changed) < MOVING;
        Some(if climbing || moving {
            TICK_RAMPING
        } else {
            TICK_SETTLED
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(cores: f64) -> Resources {
        Resources {
            cores,
            memory_bytes: 1 << 30,
            descriptor_jobs: 100,
            process_jobs: 200,
        }
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// All slots taken by jobs that wait on timers, then two ticks that show it.
    fn fill_and_tick(auto: &mut Auto, from: Duration) -> Vec<Decision> {
        let mut decisions = Vec::new();
        while auto.in_flight < auto.limit() {
            decisions.extend(auto.on(from, Event::Started { job: 0 }));
        }
        for tick in 1..=3 {
            let signals = Signals {
                in_flight: auto.in_flight,
                sampled: auto.in_flight,
                observed: ms(10) * auto.in_flight as u32,
                timer_only: auto.in_flight,
                ..Signals::default()
            };
            decisions.extend(auto.on(from + ms(10) * tick, Event::Tick(signals)));
        }
        decisions
    }

    #[test]
    fn first_level() {
        let first = |cores, min, max| Auto::new(resources(cores), Bounds { min, max }).limit();
        assert_eq!(first(4.0, 0, None), 2);
        assert_eq!(first(1.0, 0, None), 1);
        assert_eq!(first(4.0, 0, Some(1)), 1);
        assert_eq!(first(1.0, 6, None), 6, "the user may crowd the cores");
        assert_eq!(first(1.0, 500, None), 100, "but not the descriptors");
    }

    #[test]
    fn timers_double_it_and_say_so() {
        let mut auto = Auto::new(resources(2.0), Bounds::default());
        auto.on(ms(0), Event::Queue(Left::Exactly(1000)));
        let first = fill_and_tick(&mut auto, ms(0));
        assert_eq!(first.len(), 1, "not full any more");
        assert_eq!((first[0].was, first[0].limit), (2, 4));
        let second = fill_and_tick(&mut auto, ms(40));
        assert_eq!((second[0].was, second[0].limit), (4, 8));
        assert_eq!(second[0].reason, Reason::NothingShared);
    }

    #[test]
    fn the_last_jobs_are_no_decision() {
        let mut auto = Auto::new(resources(2.0), Bounds::default());
        auto.on(ms(0), Event::Queue(Left::Exactly(2)));
        assert_eq!(fill_and_tick(&mut auto, ms(0)), []);
        let decision = auto.on(ms(50), Event::Queue(Left::Exactly(1)));
        assert_eq!(decision.map(|to| to.limit), Some(3), "one slot for one job");
    }

    #[test]
    fn a_refusal_binds_at_once_and_holds_the_ramp() {
        let mut auto = Auto::new(resources(2.0), Bounds::default());
        auto.on(ms(0), Event::Queue(Left::Exactly(1000)));
        for round in 0..4 {
            fill_and_tick(&mut auto, ms(round * 40));
        }
        assert!(auto.limit() > 18);
        let refused = auto.on(ms(200), Event::SpawnRefused { in_flight: 20 });
        let reason = Reason::SpawnRefused {
            in_flight: 20,
            jobs: 18,
        };
        assert_eq!(
            refused.map(|decision| decision.reason),
            Some(reason.clone())
        );
        assert_eq!(auto.binding(), (18, reason));
    }

    #[test]
    fn more_ends_than_starts_and_time_standing_still() {
        let mut auto = Auto::new(resources(2.0), Bounds::default());
        let attempt = Attempt {
            outcome: Outcome::Done,
            wall: Duration::ZERO,
            cpu: Duration::MAX,
            run_queue_delay: None,
            peak_rss_bytes: 1,
        };
        for _ in 0..20 {
            auto.on(Duration::MAX, Event::Finished { job: 1, attempt });
            auto.on(ms(0), Event::Tick(Signals::default()));
            auto.on(ms(0), Event::SpawnRefused { in_flight: 0 });
        }
        assert_eq!(auto.limit(), 1);
    }

    #[test]
    fn ticks_are_close_only_while_something_moves() {
        let mut auto = Auto::new(resources(2.0), Bounds::default());
        assert_eq!(auto.tick_every(), Some(TICK_RAMPING));
        auto.on(ms(300), Event::Queue(Left::Exactly(10)));
        assert_eq!(auto.tick_every(), Some(TICK_SETTLED));
    }

    #[test]
    fn cancelled_jobs_prove_nothing() {
        let mut auto = Auto::new(resources(8.0), Bounds::default());
        for n in 0..50 {
            auto.on(ms(n), Event::Started { job: n });
            let attempt = Attempt {
                outcome: Outcome::Cancelled,
                wall: ms(1),
                cpu: ms(0),
                run_queue_delay: None,
                peak_rss_bytes: 1 << 30,
            };
            auto.on(ms(n), Event::Finished { job: n, attempt });
        }
        assert_eq!(auto.binding(), (8, Reason::CpuUnknown { cores: 8.0 }));
    }
}
