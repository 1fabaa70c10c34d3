//! The controller that finds the level: caps, a ramp, and a search.
//!
//! The caps are asked after every event. The limit follows them down at once, so it is never
//! above any of them. Below them the ramp climbs by doubling, as far as may be trusted, and then
//! the search compares levels by what they get done. After the limit had to come down it waits
//! before it rises, the longer the more often that happens.
//!
//! The whole story: `docs/design/level.md`.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::bounds::Bounds;
use crate::caps::{BusyCap, Cap, CpuCap, FixedCaps, MemoryCap};
use crate::controller::{
    Attempt, Controller, Decision, Event, JobId, Left, Outcome, Resources, Signals,
};
use crate::in_flight::InFlight;
use crate::learned::Learned;
use crate::ramp::{FIRST_LEVEL, Ramp};
use crate::reason::Reason;
use crate::search::{Search, View};
use crate::sharing::{Sharing, Verdict};
use crate::utilisation::Utilisation;

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
/// From this share of the cores on, more jobs get no more done.
const FULL: f64 = 0.93;
/// The last jobs are begun together if they are no more than this many per core.
const LAST_PER_CORE: u64 = 2;
/// And if a job takes at least this part of the run, so that idle cores at its end count.
const LONG_JOB: f64 = 0.01;
/// Jobs, and generations of them, that make a beginning, if the work changes after.
const OPENING: (u64, f64) = (32, 3.0);

/// Finds the limit itself.
///
/// Starts at two jobs, doubles while all slots are taken and jobs wait, and from then on compares
/// levels by the work they get done. Never above what cores, memory, descriptors, processes, busy
/// peers or the user's [`Bounds`] allow.
#[derive(Clone, Debug)]
pub struct Auto {
    bounds: Bounds,
    cpu: CpuCap,
    memory: MemoryCap,
    busy: BusyCap,
    fixed: FixedCaps,
    sharing: Sharing,
    utilisation: Utilisation,
    ramp: Ramp,
    search: Search,
    limit: usize,
    /// What the limit was set for last.
    reason: Reason,
    jobs: InFlight,
    /// Named by [`Controller::shed`] or about to be, and not ended yet.
    doomed: HashSet<JobId>,
    to_shed: VecDeque<JobId>,
    left: Option<Left>,
    now: Duration,
    ticked: Duration,
    started_since_tick: usize,
    changed: Duration,
    /// When the limit rose last, unless it has come down since: a fall in many steps is one.
    raised: Option<Duration>,
    hold: Duration,
    hold_until: Duration,
    was_saturated: bool,
    /// The last jobs were begun together; a cap may have come down since.
    last_together: bool,
    /// Only trust keeps the limit from rising.
    on_trust: bool,
    opening: Option<Opening>,
    /// Jobs that ended by themselves, and the mean of their durations in seconds.
    ended: u64,
    mean_wall: f64,
}

/// What was known before the work first changed.
#[derive(Clone, Copy, Debug)]
struct Opening {
    level: usize,
    /// That was the best, as far as could be told.
    settled: bool,
    /// What a job kept busy of the cores.
    busy: Option<f64>,
    /// How long jobs lived, in seconds.
    mean_wall: f64,
}

impl Auto {
    /// A controller for a run on a machine with these `resources`, within the user's `bounds`.
    pub fn new(resources: Resources, bounds: Bounds) -> Self {
        let mut auto = Self {
            bounds,
            cpu: CpuCap::new(resources.cores),
            memory: MemoryCap::new(resources.memory_bytes),
            busy: BusyCap::default(),
            fixed: FixedCaps::new(&resources),
            sharing: Sharing::default(),
            utilisation: Utilisation::new(resources.cores),
            ramp: Ramp::default(),
            search: Search::default(),
            limit: 1,
            reason: Reason::RampingUp,
            jobs: InFlight::default(),
            doomed: HashSet::new(),
            to_shed: VecDeque::new(),
            left: None,
            now: Duration::ZERO,
            ticked: Duration::ZERO,
            started_since_tick: 0,
            changed: Duration::ZERO,
            raised: None,
            hold: HOLD.0,
            hold_until: Duration::ZERO,
            was_saturated: false,
            last_together: false,
            on_trust: false,
            opening: None,
            ended: 0,
            mean_wall: 0.0,
        };
        let (top, floor) = auto.range();
        auto.limit = FIRST_LEVEL.max(floor).min(top.jobs);
        auto.search.begin(0.0, auto.limit);
        auto
    }

    /// The same, starting from what an earlier run of the same work has learned.
    #[must_use]
    pub fn remembering(mut self, learned: &Learned) -> Self {
        if let Some(busy) = learned.busy_cores {
            self.cpu.recall(busy, learned.mean_wall_seconds);
        }
        if learned.job_bytes > 0 {
            self.memory.recall(learned.job_bytes);
        }
        if let Some(jobs) = learned.busy_above {
            self.busy.recall(jobs);
        }
        let (top, floor) = self.range();
        if let Some(level) = self.search.recall(learned, floor, top.jobs) {
            self.limit = level;
            self.reason = Reason::Remembered {
                level: learned.level,
            };
        }
        self
    }

    /// The most jobs that are allowed now, and what says so. [`Controller::limit`] is never
    /// above it; it is below while the ramp climbs, or where the search found fewer to be better.
    pub fn binding(&self) -> (usize, Reason) {
        let top = self.range().0;
        (top.jobs, top.reason)
    }

    /// What the limit was set for last.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The highest level allowed with its reason, and the lowest.
    fn range(&self) -> (Cap, usize) {
        self.range_with(self.last_jobs())
    }

    /// The same if so many are the last jobs.
    fn range_with(&self, last: Option<usize>) -> (Cap, usize) {
        let mut hard = self.fixed.cap();
        for cap in [self.memory.cap(), self.busy.cap()].into_iter().flatten() {
            hard = hard.min(cap);
        }
        let highest = self.bounds.highest();
        hard = hard.min(Cap {
            jobs: highest,
            reason: Reason::MaxLevel { level: highest },
        });

        let mut soft = self.cpu.cap();
        if let Some(last) = last
            && last > soft.jobs
        {
            soft = Cap {
                jobs: last,
                reason: Reason::LastJobs { jobs: last },
            };
        }
        // Running dry of memory or descriptors breaks jobs; crowding the cores only slows them,
        // which the user may want.
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

    /// All jobs that are left, if they keep the cores busy and are few enough to run at once:
    /// in a queue, some cores would idle at the end.
    fn last_jobs(&self) -> Option<usize> {
        let Some(Left::Exactly(waiting)) = self.left else {
            return None;
        };
        let all = waiting.saturating_add(self.jobs.len() as u64);
        // Jobs of several threads crowd the cores as it is.
        let cores = self.cpu.whole_cores() as f64 / self.cpu.threads();
        let few = LAST_PER_CORE.saturating_mul(cores as u64);
        if all <= self.limit as u64 && self.last_together {
            return Some(self.limit);
        }
        let long = self.mean_wall >= LONG_JOB * self.now.as_secs_f64();
        (waiting > 0 && all <= few && long && self.cpu.is_saturated()).then_some(all as usize)
    }

    fn finished(&mut self, job: JobId, attempt: &Attempt) {
        let in_flight = self.jobs.len().max(1);
        let now = self.now.as_secs_f64();
        let wall = attempt.wall.as_secs_f64();
        let began = self.jobs.end(job);
        let named = self.doomed.remove(&job);
        if named {
            // It ended by itself before anyone asked.
            self.to_shed.retain(|doomed| *doomed != job);
        }
        match attempt.outcome {
            Outcome::Shed if !named => {
                self.memory.ran_out(in_flight);
                return;
            }
            Outcome::Cancelled | Outcome::Shed => return,
            Outcome::Busy => {
                if let Some(began) = began {
                    // Those that outlived the time that a refusal takes.
                    let served = self.jobs.older(2.0 * began.at - now);
                    self.busy.refused(now, began, served);
                }
                return;
            }
            Outcome::Done | Outcome::Failed | Outcome::TimedOut => {}
        }
        self.ended += 1;
        self.mean_wall += (wall.min(1e9) - self.mean_wall) / self.ended.min(256) as f64;
        let beside = began.map_or(in_flight, |began| began.beside);
        self.cpu.finished(self.now, attempt, in_flight, beside);
        self.utilisation.used(attempt.cpu);
        self.memory
            .finished(attempt.peak_rss_bytes, wall, in_flight);
        self.ramp.finished(attempt.wall, in_flight);
        if let Some(began) = began {
            let failed = attempt.outcome != Outcome::Done;
            self.search.ended(began.at, wall, failed);
        }
        if attempt.outcome == Outcome::Done {
            self.fixed.succeeded();
            if let Some(began) = began {
                let waiting = self.waiting();
                self.busy.succeeded(began, waiting);
            }
        }
    }

    fn tick(&mut self, signals: &Signals) {
        let gap = self.now.saturating_sub(self.ticked);
        let started = self.started_since_tick;
        self.ticked = self.now;
        self.started_since_tick = 0;
        self.cpu.tick(self.now, gap, signals, started);
        self.utilisation.tick(gap, signals);
        self.sharing.tick(gap, signals, started, self.cpu.busy());
        self.ramp.ticked();
        if self.doomed.is_empty() {
            let age = self.jobs.mean_age(self.now.as_secs_f64());
            self.memory.lived(age);
            self.memory.tick(gap, signals, self.jobs.len());
            for _ in 0..self.memory.excess(self.jobs.len()) {
                let doomed = &self.doomed;
                let Some(job) = self.jobs.youngest(|job| !doomed.contains(&job)) else {
                    break;
                };
                self.doomed.insert(job);
                self.to_shed.push_back(job);
            }
        }
    }

    /// Where the limit should be now, and why.
    fn wanted(&mut self, ticked: bool) -> Option<Cap> {
        let (top, floor) = self.range();
        self.on_trust = false;
        let now = self.now.as_secs_f64();
        if self.limit > top.jobs {
            self.search.lowered(now, top.jobs);
            return Some(top);
        }
        if self.limit < floor {
            self.search.begin(now, floor);
            return Some(Cap {
                jobs: floor,
                reason: Reason::MinLevel { level: floor },
            });
        }
        if let Reason::LastJobs { jobs } = top.reason {
            return (jobs > self.limit).then_some(top);
        }

        let verdict = self.sharing.verdict();
        let may_rise = self.now >= self.hold_until;
        let whole_cores = self.cpu.whole_cores();
        let fill = self.cpu.cap().jobs;
        let spread = self.sharing.spread();
        let ceiling = Ramp::ceiling(verdict, whole_cores, self.cpu.busy(), fill, spread);
        let trusted = ceiling.map_or(top.clone(), |ceiling| top.clone().min(ceiling));
        let saturated = self.cpu.is_saturated();
        // Computing jobs below one per core need no comparison.
        let starving = saturated && self.limit < fill;
        let room = top.jobs as f64 > 1.15 * self.limit as f64;
        let eased = self.was_saturated && !saturated && room;
        // Room may come later than the end of the computing.
        self.was_saturated = (self.was_saturated || saturated) && !eased;
        if eased {
            // So many kept the cores full.
            self.note_opening(true, None);
            self.search.eased();
        }
        let climbing = verdict == Verdict::Nothing || starving || !self.search.has_reference();
        self.on_trust = climbing
            && self.limit >= trusted.jobs
            && self.ramp.is_full(self.limit)
            && matches!(
                trusted.reason,
                Reason::Unproven { .. } | Reason::ManyPeers { .. }
            );
        if climbing && self.limit < trusted.jobs && self.ramp.is_full(self.limit) {
            if !may_rise || !self.ramp.may_step(self.now, self.limit, verdict) {
                return None;
            }
            let next = self.limit.saturating_mul(2).min(trusted.jobs);
            // Slots beyond the last job would mean nothing.
            let next = next.min(self.useful());
            if !self.memory.may_rise(self.jobs.len(), next) {
                return None;
            }
            if next > self.limit && next - self.limit >= (self.limit / 10).max(1) {
                self.search.begin(now, next);
                let reason = if next == trusted.jobs {
                    trusted.reason
                } else if verdict == Verdict::Nothing {
                    Reason::NothingShared
                } else {
                    Reason::RampingUp
                };
                return Some(Cap { jobs: next, reason });
            }
        }
        if eased {
            // What was compared while the cores were full says nothing of now.
            self.search.begin(now, self.limit);
        }
        let full = saturated && !starving || self.utilisation.share() > FULL;
        let still = verdict == Verdict::Nothing || full;
        let view = View {
            now,
            jobs: &self.jobs,
            waiting: self.waiting(),
            floor,
            top: top.jobs,
            still,
            may_rise,
            ticked,
            core_seconds: self.cpu.demand() / whole_cores as f64,
            creeping: matches!(top.reason, Reason::Busy { .. }),
        };
        let (settled, usual) = (self.search.is_settled(), self.search.usual_wall());
        let to = self.search.step(&view)?;
        if matches!(to.reason, Reason::Shifted { .. }) {
            self.note_opening(settled, usual);
        }
        if to.level > top.jobs {
            // It returned to where it was before a cap came down.
            self.search.lowered(now, top.jobs);
            return (top.jobs != self.limit).then_some(top);
        }
        Some(Cap {
            jobs: to.level,
            reason: to.reason,
        })
    }

    /// The work changes; what was found for it as it began is for the next run. `usual` is how long
    /// jobs lived before, in seconds, if known: some have lived on since the change.
    fn note_opening(&mut self, settled: bool, usual: Option<f64>) {
        let generations = self.now.as_secs_f64() / self.mean_wall.max(1e-9);
        if self.ended >= OPENING.0 && generations >= OPENING.1 {
            let opening = Opening {
                level: self.limit,
                settled,
                busy: self.cpu.busy(),
                mean_wall: usual.unwrap_or(self.mean_wall),
            };
            self.opening.get_or_insert(opening);
        }
    }

    /// Jobs that wait; without an end in sight, if the last word was that there is none.
    fn waiting(&self) -> f64 {
        match self.left {
            Some(Left::AtLeast(waiting)) if waiting as usize >= self.limit => f64::INFINITY,
            Some(left) => left.known() as f64,
            None => f64::INFINITY,
        }
    }

    /// Slots that the jobs left can fill.
    fn useful(&self) -> usize {
        match self.left {
            Some(Left::Exactly(waiting)) => {
                let waiting = usize::try_from(waiting).unwrap_or(usize::MAX);
                self.jobs.len().saturating_add(waiting)
            }
            Some(Left::AtLeast(_)) | None => usize::MAX,
        }
    }

    fn change(&mut self, to: Cap) -> Decision {
        let was = self.limit;
        let now = self.now;
        let sought = matches!(
            to.reason,
            Reason::TryingFewer { .. }
                | Reason::FewerSuffice { .. }
                | Reason::NotBetter { .. }
                | Reason::MoreFailed { .. }
                | Reason::Fitted { .. }
                | Reason::Shifted { .. }
        );
        if to.jobs < was && !sought {
            if let Some(raised) = self.raised.take() {
                let regretted = now.saturating_sub(raised) < self.hold * REGRET;
                self.hold = if regretted {
                    (self.hold * 2).min(HOLD.1)
                } else {
                    HOLD.0
                };
            }
            self.hold_until = now.saturating_add(self.hold);
        } else if to.jobs > was {
            self.raised = Some(now);
        }
        let reason = match to.reason {
            // That it was refused is why it was low, and not why it rises.
            Reason::Busy { beside, .. } if to.jobs > was && beside > 0 => Reason::RoomAgain,
            reason => reason,
        };
        let last = matches!(reason, Reason::LastJobs { .. });
        self.last_together = last || self.last_together && to.jobs < was;
        self.limit = to.jobs;
        self.reason = reason.clone();
        self.changed = now;
        self.ramp.stepped(now, self.jobs.len());
        Decision {
            at: now,
            was,
            limit: to.jobs,
            reason,
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
            Event::Started { job } => {
                self.jobs.start(job, self.now.as_secs_f64());
                self.started_since_tick = self.started_since_tick.saturating_add(1);
                self.left = self.left.map(Left::without_one);
                self.ramp.started(self.jobs.len());
            }
            Event::Finished { job, attempt } => self.finished(job, &attempt),
            Event::Queue(left) => self.left = Some(left),
            Event::Tick(signals) => self.tick(&signals),
            Event::SpawnRefused { in_flight } => self.fixed.refused(in_flight),
        }
        let decision = self.wanted(ticked).map(|to| self.change(to));
        if ticked {
            self.ramp.after_tick(self.jobs.len());
        }
        decision
    }

    fn tick_every(&self) -> Option<Duration> {
        let climbing = self.limit < self.range().0.jobs && self.ramp.is_full(self.limit);
        let moving = self.now.saturating_sub(self.changed) < MOVING;
        let seeking = self.search.is_busy() && !self.cpu.is_saturated();
        Some(
            if climbing && seeking || moving || self.memory.is_urgent() {
                TICK_RAMPING
            } else {
                TICK_SETTLED
            },
        )
    }

    fn wants_peers(&self) -> bool {
        self.on_trust && self.waiting() >= 1.0
    }

    fn shed(&mut self) -> Option<JobId> {
        self.to_shed.pop_front()
    }

    fn learned(&self) -> Option<Learned> {
        if self.ended == 0 {
            return None;
        }
        // The last jobs may run together, which no others may.
        let Cap {
            jobs: top,
            reason: binding,
        } = self.range_with(None).0;
        let nothing = self.sharing.verdict() == Verdict::Nothing;
        // What the caps know is remembered too, and they may allow more next time.
        let best = if nothing {
            self.limit
        } else {
            self.search.wish()
        };
        let capped = self.search.best() >= top;
        // What the user allowed says nothing of what is best.
        let chosen = capped && matches!(binding, Reason::MaxLevel { .. } | Reason::MinLevel { .. });
        let limited_by = if capped {
            binding.label()
        } else if nothing && !self.reason.is_a_cap() {
            Reason::NothingShared.label()
        } else {
            self.reason.label()
        };
        let settled = !chosen && (capped || self.search.is_settled());
        let now = Opening {
            level: best,
            settled,
            busy: self.cpu.busy_at_the_end(),
            mean_wall: self.mean_wall,
        };
        let first = self.opening.unwrap_or(now);
        Some(Learned {
            level: first.level,
            changed_to: self.opening.map(|_| best),
            settled: first.settled,
            curve: self.search.curve().points(),
            limited_by: limited_by.to_owned(),
            busy_cores: first.busy,
            mean_wall_seconds: first.mean_wall,
            job_bytes: self.memory.job_bytes(),
            busy_above: self.busy.learned(),
        })
    }
}

#[cfg(test)]
mod tests;
