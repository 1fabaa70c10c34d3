//! How many jobs the cores can feed.
//!
//! The figure sought is `busy`: the cores that one job keeps busy while it does not stand in the
//! run queue. CPU time over wall time would be wrong by that queueing: four computing jobs on two
//! cores each get half a core, look half idle, and would call for more jobs, which look idler
//! still. So the time in the run queue is taken out of the wall time first.
//!
//! Where that time comes from, best first:
//!
//! 1. the attempt itself, where it was read;
//! 2. the ratio of queueing to running over the jobs in flight, seen in the ticks of its lifetime;
//! 3. the same ratio over the attempts that carried it;
//! 4. the worst case: every job in flight wants a core all the time. Too pessimistic for jobs
//!    that wait, but its error is stable: it ends at a moderate level instead of at none. Jobs so
//!    short that a tick seldom meets them are judged by this one as well.

use std::time::Duration;

use super::Cap;
use super::queueing::{Queueing, Totals};
use super::room::Room;
use crate::controller::{Attempt, Signals, believable};
use crate::reason::{Reason, SATURATED};
use crate::smooth::{Mean, fade, weight};

/// From this many finished jobs on, they decide, and the running ones only object.
const ENOUGH_FINISHED: u64 = 8;
/// Finished jobs are averaged over at least this many.
const LEAST_WINDOW: f64 = 16.0;
/// Jobs that ended last.
const LATELY: f64 = 4.0;
/// Core seconds of making and reaping one process that no job's own account shows.
const PROCESS_COST: f64 = 0.000_2;
/// Core seconds of a new job that are start-up (exec, dynamic loading), not its work.
const START_UP: f64 = 0.002;
/// Job seconds, queueing and start-up aside, that ticks must have seen before they count.
const ENOUGH_SEEN: f64 = 0.01;
/// Mean wall time, in seconds, up to which ticks miss a job, and from which they see it well.
const SHORT: (f64, f64) = (0.004, 0.012);
/// Seconds from the end of a job to the start of the next in its slot.
const START_GAP: f64 = 0.000_3;
/// The most extra jobs for that, per job.
const MOST_GAPS: f64 = 0.25;
/// Cores that one job keeps busy from which it counts as one of several threads.
const THREADED: f64 = 1.8;
/// Extra jobs per job so that the cores stay fed although at times many wait, in proportion to the
/// deviation of the number that wants a core: always, and divided by the root of the cores, since
/// large numbers even out.
const HEADROOM: (f64, f64) = (0.18, 1.0);
/// Below this share of a core the headroom comes back; lower than where it goes, to be steady.
const NOT_SATURATED: f64 = 0.85;
/// The part of one more job that is not worth a whole one.
const CRUMB: f64 = 0.2;
/// The cap stays while the evidence moves it by less than this share: near the number of cores,
/// where each job counts, and far above it.
const STEADY: (f64, f64) = (0.1, 0.25);
/// Running jobs of a first generation are all young; until so many mean durations have passed,
/// what an earlier run has learned holds.
const OLD: f64 = 10.0;
/// Finished jobs until which what an earlier run has learned counts as well, less and less.
const GENERATIONS: f64 = 32.0;
/// Core seconds of jobs that change by this factor are those of other work.
const CHANGING: f64 = 1.4;
/// Running jobs overrule the finished ones only if they use this many times more.
const OBJECTION: f64 = 2.0;

/// The CPU cap.
#[derive(Clone, Debug)]
pub(crate) struct CpuCap {
    cores: f64,
    finished: Finished,
    live: Live,
    queueing: Queueing,
    room: Room,
    saturated: bool,
    published: usize,
    recalled: Option<Recalled>,
    now: Duration,
}

/// What is known of these jobs from an earlier run.
#[derive(Clone, Debug)]
struct Recalled {
    /// What one job kept busy.
    busy: f64,
    /// Seconds from start to end, on average.
    mean_wall: f64,
    /// Until then running jobs cannot object, since all of them are young.
    young: Duration,
}

/// Sums over finished jobs, the old ones fading.
#[derive(Clone, Debug, Default)]
struct Finished {
    count: u64,
    /// Core seconds used per job.
    demand: f64,
    /// Seconds per job that were not spent in the run queue.
    own: f64,
    /// Jobs that the two are averaged over.
    window: f64,
    /// The same two over the last few jobs alone.
    lately: (f64, f64),
    /// Seconds per job from start to end.
    wall: Mean,
    /// Of the attempts that carry it: running and queueing.
    carried: Option<(f64, f64)>,
}

/// Sums over ticks, in seconds, the old ones fading.
#[derive(Clone, Debug, Default)]
struct Live {
    seen: Totals,
    /// The part of the time on a core that was start-up.
    started_up: f64,
    /// Start-up still to come of the jobs in flight.
    start_up_due: f64,
}

impl CpuCap {
    pub(crate) fn new(cores: f64) -> Self {
        let cores = believable(cores);
        Self {
            cores,
            finished: Finished::default(),
            live: Live::default(),
            queueing: Queueing::new(),
            room: Room::default(),
            saturated: false,
            published: whole(cores),
            recalled: None,
            now: Duration::ZERO,
        }
    }

    /// One job per core, which is safe whatever the jobs do.
    pub(crate) fn whole_cores(&self) -> usize {
        whole(self.cores)
    }

    /// What jobs kept busy in an earlier run.
    pub(crate) fn recall(&mut self, busy: f64, mean_wall_seconds: f64) {
        if busy.is_finite() && busy >= 0.0 {
            let mean_wall = believable_seconds(mean_wall_seconds);
            self.recalled = Some(Recalled {
                busy,
                mean_wall,
                young: Duration::from_secs_f64(OLD * mean_wall),
            });
            self.publish();
        }
    }

    /// Each job does nothing but compute.
    pub(crate) fn is_saturated(&self) -> bool {
        self.saturated
    }

    /// An attempt ended at `now`, while `in_flight` (itself included) were running. It began `beside` so
    /// many (itself included).
    pub(crate) fn finished(
        &mut self,
        now: Duration,
        attempt: &Attempt,
        in_flight: usize,
        beside: usize,
    ) {
        let wall = attempt.wall.as_secs_f64();
        let cpu = attempt.cpu.as_secs_f64();
        let demand = cpu + PROCESS_COST;
        let delay = self.delay(now, attempt, demand, in_flight);
        // However long the queue seemed, the job had time to use what it used.
        let own = (wall - delay).max(demand.min(wall)).max(1e-6);

        let all = &mut self.finished;
        // Jobs that began together end together and share their luck: one generation is too few. How many
        // that are is told by how many there were when it began. There may be far more by now, of which
        // none has ended, or fewer and fewer, since no more are begun; the longest end last.
        let window = LEAST_WINDOW.max(2.0 * beside as f64);
        all.count += 1;
        all.window = window;
        let part = weight(all.count, window);
        all.demand += part * (demand - all.demand);
        all.own += part * (own - all.own);
        let part = weight(all.count, LATELY.max(beside as f64 / 4.0));
        all.lately.0 += part * (demand - all.lately.0);
        all.lately.1 += part * (own - all.lately.1);
        all.wall.add(wall, window);
        if let Some(delay) = attempt.run_queue_delay {
            let (ran, queued) = all.carried.unwrap_or_default();
            let keep = 1.0 - 1.0 / window;
            all.carried = Some((ran * keep + cpu, queued * keep + delay.as_secs_f64()));
        }
        self.publish();
    }

    /// Signals at `now` for the `gap` since the last tick, in which `started` jobs began.
    pub(crate) fn tick(&mut self, now: Duration, gap: Duration, signals: &Signals, started: usize) {
        self.now = now;
        if let Some(idle) = signals.idle {
            let mean_wall = self.finished.wall.mean();
            self.room.tick(gap, idle, signals.in_flight, mean_wall);
            if self.finished.changing() {
                self.room = Room::default();
            } else if self.finished.count >= ENOUGH_FINISHED {
                self.room.judge(self.cores, self.published, mean_wall);
            }
        }
        if signals.sampled == 0 {
            return;
        }
        // Those looked at stand for all.
        let in_flight = signals.in_flight.max(signals.sampled) as f64;
        let sampled = signals.sampled as f64;
        let observed = signals.observed.as_secs_f64();
        let seen = Totals {
            ran: signals.ran.as_secs_f64(),
            queued: signals.run_queue_delay.as_secs_f64(),
            runnable: observed * signals.runnable_threads as f64 / sampled,
            observed,
        }
        .times(in_flight / sampled);
        self.queueing.add(now, seen);
        // Phases of longer jobs should average out, but a real change must show within a second.
        let memory = (2.0 * self.finished.wall.mean()).clamp(0.3, 1.0);
        let started = (started as f64).min(in_flight);
        self.live.tick(seen, START_UP * started, fade(gap, memory));
        self.publish();
    }

    /// Cores that one job keeps busy while it does not queue; `None` before there is evidence.
    pub(crate) fn busy(&self) -> Option<f64> {
        let busy = self.busy_of_one_thread()?;
        // The queues of several threads add up, and are longer than the job waits.
        Some(match self.live.wanted() {
            Some(wanted) if wanted >= THREADED => busy.max(wanted),
            _ => busy,
        })
    }

    /// Core seconds that a job takes; 0 before any has ended.
    pub(crate) fn demand(&self) -> f64 {
        self.finished.demand
    }

    /// The same where one job has work for several; else 1.
    pub(crate) fn threads(&self) -> f64 {
        self.busy().filter(|busy| *busy >= THREADED).unwrap_or(1.0)
    }

    /// The same of a job that is a single thread.
    fn busy_of_one_thread(&self) -> Option<f64> {
        let live = self.live.busy();
        if self.finished.count < ENOUGH_FINISHED {
            return match &self.recalled {
                None => live,
                Some(recalled) if self.now <= recalled.young => Some(recalled.busy),
                Some(Recalled { busy, .. }) => {
                    Some(live.map_or(*busy, |live| busy.max(live / OBJECTION)))
                }
            };
        }
        if let Some(known) = self.known() {
            return Some(known);
        }
        let finished = self.finished.demand / self.finished.own;
        // Where the running jobs and those that ended last agree that it is far less by now, the
        // work has changed.
        let lately = self.finished.lately.0 / self.finished.lately.1.max(1e-9);
        if let Some(live) = live
            && live.max(lately) * OBJECTION < finished
        {
            return Some(live.max(lately));
        }
        // Finished jobs tell nothing of a class that has yet to finish.
        Some(live.map_or(finished, |live| finished.max(live / OBJECTION)))
    }

    /// The same at the end of a run: of all that finished lately, whatever those that ended last or
    /// still run are like, since these are the longest.
    pub(crate) fn busy_at_the_end(&self) -> Option<f64> {
        if self.finished.count < ENOUGH_FINISHED {
            return self.busy();
        }
        Some(self.finished.demand / self.finished.own)
    }

    /// What an earlier run has learned of jobs that use as much of the cores as these, the less of it
    /// the more of these have ended. A first generation begins all at once, computes in step and
    /// queues for its own kind: what it tells alone would hold the level down for long.
    fn known(&self) -> Option<f64> {
        let recalled = self.recalled.as_ref()?;
        let all = &self.finished;
        let told = all.count as f64 / GENERATIONS.max(all.window);
        let usual = recalled.busy * recalled.mean_wall;
        let same =
            (usual / OBJECTION - START_UP..usual * OBJECTION + START_UP).contains(&all.demand);
        let floor = 1e-6_f64;
        (same && told < 1.0).then(|| {
            let (before, now) = (recalled.busy.max(floor), (all.demand / all.own).max(floor));
            before.powf(1.0 - told) * now.powf(told)
        })
    }

    pub(crate) fn cap(&self) -> Cap {
        let jobs = self.published;
        let cores = self.cores;
        let reason = match self.busy() {
            Some(busy) => Reason::Cpu { cores, busy, jobs },
            None => Reason::CpuUnknown { cores },
        };
        Cap { jobs, reason }
    }

    /// Seconds that an attempt which used `demand` core seconds probably spent in the run queue.
    fn delay(&self, now: Duration, attempt: &Attempt, demand: f64, in_flight: usize) -> f64 {
        let start = now.saturating_sub(attempt.wall);
        let seen = self.queueing.since(start, ENOUGH_SEEN);
        if let Some(own) = attempt.run_queue_delay {
            // The reading may be of the first process alone while its children queued.
            return own.as_secs_f64().max(seen.unwrap_or(0.0) * demand);
        }
        let crowd = (in_flight as f64 / self.cores - 1.0).max(0.0);
        let ratio = if let Some(seen) = seen {
            let (missed, met) = SHORT;
            let trust = ((self.finished.wall.mean() - missed) / (met - missed)).clamp(0.0, 1.0);
            seen + (1.0 - trust) * (crowd - seen).max(0.0)
        } else {
            match self.finished.carried {
                Some((ran, queued)) if ran > 0.0 => queued / ran,
                _ => crowd,
            }
        };
        ratio * demand
    }

    fn publish(&mut self) {
        let Some(busy) = self.busy() else { return };
        self.saturated = busy
            > if self.saturated {
                NOT_SATURATED
            } else {
                SATURATED
            };
        let headroom = if self.saturated {
            1.0
        } else {
            let spread = (1.0 - busy.min(1.0)).sqrt();
            1.0 + spread * (HEADROOM.0 + HEADROOM.1 / self.cores.sqrt())
        };
        // Jobs that end every moment leave slots empty until the next ones are begun.
        let wall = self.finished.wall.mean();
        let turn_over = if self.finished.count < ENOUGH_FINISHED {
            1.0
        } else {
            1.0 + (START_GAP / wall.max(START_GAP)).min(MOST_GAPS)
        };
        let wanted = self.cores / busy.max(1e-9) * headroom * turn_over;
        let wanted = wanted.max(self.room.fits());
        // Jobs of several threads each need fewer.
        let least = if busy >= THREADED {
            1
        } else {
            self.whole_cores()
        };
        let jobs = |wanted: f64| whole(wanted - CRUMB).max(least);
        let (near, far) = STEADY;
        let steady = if self.published <= least.saturating_mul(2) {
            near
        } else {
            far
        };
        let moved = jobs(wanted * (1.0 - steady)) > self.published
            || jobs(wanted * (1.0 + steady)) < self.published;
        if moved {
            self.published = jobs(wanted);
        }
    }
}

/// Seconds of an earlier run, or none if they cannot be.
fn believable_seconds(seconds: f64) -> f64 {
    /// A year.
    const MOST: f64 = 3.2e7;
    if seconds.is_finite() {
        seconds.clamp(0.0, MOST)
    } else {
        0.0
    }
}

/// The next whole number of jobs; at least 1.
fn whole(jobs: f64) -> usize {
    (jobs.ceil() as usize).max(1)
}

impl Finished {
    /// Those that ended last use far more of the cores than the others, or far less.
    fn changing(&self) -> bool {
        let (lately, usual) = (self.lately.0 + START_UP, self.demand + START_UP);
        self.count >= ENOUGH_FINISHED && (lately / usual).max(usual / lately) > CHANGING
    }
}

impl Live {
    /// Adds a tick in which `start_up` core seconds of loading fell due; `keep` of the past stays.
    fn tick(&mut self, seen: Totals, start_up: f64, keep: f64) {
        let due = self.start_up_due * keep + start_up;
        let started_up = due.min(seen.ran);
        self.start_up_due = due - started_up;
        self.started_up = self.started_up * keep + started_up;
        self.seen = self.seen.times(keep).plus(seen);
    }

    /// Cores that one job would use if it had as many as it wants.
    fn wanted(&self) -> Option<f64> {
        let wants = self.seen.ran - self.started_up + self.seen.waited();
        let observed = self.seen.observed - self.started_up;
        (observed >= ENOUGH_SEEN).then(|| wants / observed)
    }

    fn busy(&self) -> Option<f64> {
        let ran = self.seen.ran - self.started_up;
        let own = (self.seen.observed - self.started_up - self.seen.waited()).max(ran);
        // Time in the queue of starting jobs shows nothing of what they will do.
        (own >= ENOUGH_SEEN).then(|| ran / own)
    }
}

#[cfg(test)]
mod tests;
