//! Leads jobs through the levels and measures each: a controller, and so a plain state machine that
//! is told the time.
//!
//! ```text
//! Filling ── filled, and the jobs of the level before are over ──► Measuring ── enough ──► Filling
//!    └───────── too many failures, memory low, no inputs left ─────────┴───────────────► Over
//! ```

use std::collections::HashMap;
use std::time::Duration;

use paceline_control::{Attempt, Controller, Decision, Event, JobId, Left, Outcome, Signals};

use super::schedule::{Bound, Cap, Next, Schedule, Stop};
use super::window::{Measurement, Window};

/// Between two looks at the running jobs.
const TICK: Duration = Duration::from_millis(25);
/// Jobs that a level needs at least, and for each job in flight.
const LEAST_JOBS: (u64, u64) = (8, 2);
/// So many jobs, and this share of them, must fail at a level to end the search.
const FAILING: (u64, f64) = (3, 0.2);
/// The same for jobs that say "busy".
const TOO_BUSY: (u64, f64) = (3, 0.05);
/// The share of the available memory that jobs are expected to take at most.
const MEMORY_USED: f64 = 0.9;
/// Inputs that are kept for levels around the best one, as a share.
const KEPT_BACK: f64 = 0.25;

/// How much is measured at each level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PerLevel {
    /// For so long, but at least so many jobs that the figures mean something.
    Time(Duration),
    /// So many jobs.
    Jobs(u64),
}

/// A level that was begun and not measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) level: usize,
    /// Jobs that ended at it.
    pub(crate) jobs: u64,
}

/// Where a level stands, for people who wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) level: usize,
    /// The window is open; before, the level fills up.
    pub(crate) measuring: bool,
    /// Jobs that count so far.
    pub(crate) jobs: u64,
    /// Jobs that will be needed at least.
    pub(crate) needed: u64,
    /// How long it is measured already.
    pub(crate) time: Duration,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Tuner {
    per_level: PerLevel,
    schedule: Schedule,
    state: State,
    level: usize,
    /// What has happened since the level was set.
    here: Tally,
    /// Inputs that the level may use.
    share: u64,
    /// Attempts in flight, and when they were started.
    in_flight: HashMap<JobId, Duration>,
    left: Option<Left>,
    memory: Memory,
    pub(crate) measured: Vec<Measurement>,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) stop: Option<Stop>,
    /// Jobs that ended in no window: while a level filled up, and at the end.
    pub(crate) outside: u64,
    /// Jobs that were started.
    pub(crate) started: u64,
}

#[derive(Debug)]
enum State {
    Filling {
        /// Jobs of before, which still run.
        before: usize,
        since: Duration,
        filled: bool,
    },
    Measuring(Window),
    Over,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    started: u64,
    ended: u64,
    failed: u64,
    busy: u64,
}

impl Tally {
    fn too_many(count: u64, ended: u64, (least, share): (u64, f64)) -> bool {
        count >= least && count as f64 > share * ended as f64
    }
}

/// What is known of memory, in bytes.
#[derive(Debug, Default)]
struct Memory {
    /// The largest peak of a job.
    peak: u64,
    /// What jobs may take in all: what is available and what they hold.
    budget: u64,
    available: u64,
}

impl Memory {
    fn tick(&mut self, signals: &Signals) {
        if signals.sampled == 0 || signals.memory_available_bytes == 0 {
            return;
        }
        let each = signals.rss_bytes as f64 / signals.sampled as f64;
        let held = (each * signals.in_flight as f64) as u64;
        self.available = signals.memory_available_bytes;
        self.budget = signals.memory_available_bytes.saturating_add(held);
        self.peak = self.peak.max(each as u64);
    }

    /// Jobs that fit, where that is known.
    fn fits(&self) -> Option<usize> {
        (self.peak > 0 && self.budget > 0)
            .then(|| (MEMORY_USED * self.budget as f64 / self.peak as f64).max(1.0) as usize)
    }

    fn is_low(&self) -> bool {
        (self.available as f64) < (1.0 - MEMORY_USED) * self.budget as f64
    }
}

impl Tuner {
    /// Follows a list of levels, or searches below `cap`.
    pub(crate) fn new(listed: Option<Vec<usize>>, per_level: PerLevel, cap: Cap) -> Self {
        let mut tuner = Self {
            per_level,
            schedule: Schedule::new(listed, cap),
            state: State::Over,
            level: 1,
            here: Tally::default(),
            share: u64::MAX,
            in_flight: HashMap::new(),
            left: None,
            memory: Memory::default(),
            measured: Vec::new(),
            dropped: Vec::new(),
            stop: None,
            outside: 0,
            started: 0,
        };
        tuner.go_on(Duration::ZERO);
        tuner
    }

    /// Nothing is to be measured any more: no further job should be started.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// What is being done; `None` when it is over.
    pub(crate) fn standing(&self, now: Duration) -> Option<Standing> {
        let (measuring, jobs, time) = match &self.state {
            State::Filling { .. } => (false, 0, Duration::ZERO),
            State::Measuring(window) => (true, window.jobs(), window.age(now)),
            State::Over => return None,
        };
        Some(Standing {
            level: self.level,
            measuring,
            jobs,
            needed: self.needed(),
            time,
        })
    }

    /// Time has passed in which everything stood still: the level begins again.
    pub(crate) fn stood_still(&mut self, now: Duration) {
        if !self.is_over() {
            self.fill(now);
        }
    }

    /// No further job will end. The present level, if there is one, is not measured: because of
    /// `stop`, or because the user has had enough.
    pub(crate) fn break_off(&mut self, stop: Option<Stop>) {
        if !self.is_over() {
            self.drop_level();
            self.stop = stop;
        }
    }

    /// The level being measured, or the last one.
    pub(crate) fn level(&self) -> usize {
        self.level
    }

    fn needed(&self) -> u64 {
        match self.per_level {
            PerLevel::Jobs(jobs) => jobs,
            PerLevel::Time(_) => least_jobs(self.level),
        }
    }

    /// Inputs that a level takes at least: those that fill it, and those that count.
    fn price(&self, level: usize) -> u64 {
        level as u64
            + match self.per_level {
                PerLevel::Jobs(jobs) => jobs,
                PerLevel::Time(_) => least_jobs(level),
            }
    }

    fn fill(&mut self, now: Duration) {
        self.state = State::Filling {
            before: self.in_flight.len(),
            since: now,
            filled: false,
        };
    }

    /// Sets the next level, or ends.
    fn go_on(&mut self, now: Duration) {
        if let Some(fits) = self.memory.fits() {
            self.schedule.bind(Cap {
                level: fits,
                bound: Bound::Memory,
            });
        }
        let level = match self.schedule.next(&self.measured) {
            Next::Measure(level) => level,
            Next::Stop(stop) => return self.end(stop),
        };
        self.level = level;
        self.here = Tally::default();
        self.share = u64::MAX;
        // The first level begins before anything is known of the inputs.
        if let Some(Left::Exactly(left)) = self.left {
            if left < self.price(level) {
                return self.end(Stop::Inputs { level });
            }
            self.share = self.share_of(left);
        }
        self.fill(now);
    }

    /// What the level may use of the inputs that are left: what it needs, and an even part of what
    /// the levels to come do not need, as far as there are enough for them at all.
    fn share_of(&self, left: u64) -> u64 {
        let usable = (left as f64 * (1.0 - KEPT_BACK)) as u64;
        let (mut needed, mut levels) = (0, 0);
        for level in self.schedule.outlook(self.level) {
            let price = self.price(level);
            if levels > 0 && needed + price > usable {
                break;
            }
            needed += price;
            levels += 1;
        }
        self.price(self.level) + usable.saturating_sub(needed) / levels.max(1)
    }

    fn end(&mut self, stop: Stop) {
        self.state = State::Over;
        self.stop = Some(stop);
    }

    /// Ends without this level.
    fn drop_level(&mut self) {
        self.dropped.push(Dropped {
            level: self.level,
            jobs: self.here.ended,
        });
        self.state = State::Over;
    }

    fn give_up(&mut self, stop: Stop) {
        self.drop_level();
        self.end(stop);
    }

    fn on_started(&mut self, now: Duration, job: JobId) {
        self.in_flight.insert(job, now);
        self.started += 1;
        self.here.started += 1;
        self.left = self.left.map(|left| match left {
            Left::Exactly(n) => Left::Exactly(n.saturating_sub(1)),
            Left::AtLeast(n) => Left::AtLeast(n.saturating_sub(1)),
        });
        self.may_open(now);
    }

    fn on_finished(&mut self, now: Duration, job: JobId, attempt: &Attempt) {
        let started = self.in_flight.remove(&job);
        self.memory.peak = self.memory.peak.max(attempt.peak_rss_bytes);
        match &mut self.state {
            State::Filling { before, since, .. } => {
                self.outside += 1;
                if started.is_some_and(|started| started < *since) {
                    *before = before.saturating_sub(1);
                }
            }
            State::Measuring(window) => window.ended(now, attempt),
            State::Over => {
                self.outside += 1;
                return;
            }
        }
        self.here.ended += 1;
        match attempt.outcome {
            Outcome::Failed | Outcome::TimedOut => self.here.failed += 1,
            Outcome::Busy => self.here.busy += 1,
            _ => {}
        }
        let (level, here) = (self.level, self.here);
        if Tally::too_many(here.failed, here.ended, FAILING) {
            return self.give_up(Stop::Failing {
                level,
                failed: here.failed,
                ended: here.ended,
            });
        }
        if Tally::too_many(here.busy, here.ended, TOO_BUSY) {
            return self.give_up(Stop::Busy {
                level,
                busy: here.busy,
                ended: here.ended,
            });
        }
        self.may_open(now);
        self.may_close(now);
    }

    /// Opens the window once the level is filled and the jobs of the level before are over; one
    /// that takes very long is not waited for.
    fn may_open(&mut self, now: Duration) {
        let State::Filling { before, filled, .. } = &mut self.state else {
            return;
        };
        *filled |= self.in_flight.len() == self.level;
        let patience = least_jobs(self.level) + self.level as u64;
        if *filled && (*before == 0 || self.here.ended >= patience) {
            self.state = State::Measuring(Window::open(self.level, now));
        } else if self.left == Some(Left::Exactly(0)) && self.in_flight.is_empty() {
            // It will never be filled.
            let level = self.level;
            self.give_up(Stop::Inputs { level });
        }
    }

    fn may_close(&mut self, now: Duration) {
        let State::Measuring(window) = &self.state else {
            return;
        };
        let enough = window.jobs() >= self.needed();
        let long = match self.per_level {
            PerLevel::Jobs(_) => true,
            PerLevel::Time(time) => window.age(now) >= time || self.here.started >= self.share,
        };
        // From the next end on the level is not filled any more.
        let last = self.left == Some(Left::Exactly(0));
        if !(enough && long || last) {
            return;
        }
        // With a listed number of jobs, fewer are a measurement too.
        let usable = enough || window.jobs() >= least_jobs(self.level).min(self.needed());
        let State::Measuring(window) = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        let running = self.in_flight.values().copied();
        if let Some(measurement) = window.close(now, running).filter(|_| usable) {
            self.measured.push(measurement);
            self.go_on(now);
        } else {
            let level = self.level;
            self.give_up(Stop::Inputs { level });
        }
    }

    fn on_tick(&mut self, signals: &Signals) {
        if self.is_over() {
            return;
        }
        self.memory.tick(signals);
        if let State::Measuring(window) = &mut self.state {
            window.tick(signals);
        }
        if self.memory.is_low() {
            let level = self.level;
            self.give_up(Stop::MemoryLow { level });
        }
    }
}

impl Controller for Tuner {
    fn limit(&self) -> usize {
        self.level
    }

    fn on(&mut self, now: Duration, event: Event) -> Option<Decision> {
        match event {
            Event::Started { job } => self.on_started(now, job),
            Event::Finished { job, attempt } => self.on_finished(now, job, &attempt),
            Event::Queue(left) => {
                self.left = Some(left);
                if let (Left::Exactly(left), u64::MAX) = (left, self.share) {
                    self.share = self.share_of(left);
                }
            }
            Event::Tick(signals) => self.on_tick(&signals),
            Event::SpawnRefused { .. } if !self.is_over() => {
                let level = self.level;
                self.give_up(Stop::Refused { level });
            }
            _ => {}
        }
        None
    }

    fn tick_every(&self) -> Option<Duration> {
        Some(TICK)
    }
}

fn least_jobs(level: usize) -> u64 {
    let (least, each) = LEAST_JOBS;
    least.max(each * level as u64)
}

#[cfg(test)]
mod tests;
