//! More waits at once: the level, and what it gains.

use super::super::facts::{Facts, ratio};
use super::super::{Law, Model, Speedup};
use super::Plan;
use super::jobs::Jobs;

/// Up to here threads are the simplest that works; beyond, tasks of an event loop.
const MOST_THREADS: usize = 64;
/// No more than this at once.
const MOST: usize = 1024;
/// No more connections at once are opened to a peer that nobody has measured. Many servers let no more queue
/// until they accept them (the default of Rust's and Go's libraries, and Linux's own until 5.4); one that finds
/// no room is tried again after a second.
const MOST_CONNECTIONS: usize = 128;
/// A level is good enough if its time is within this factor of the best.
const GOOD_ENOUGH: f64 = 1.03;
/// Requests may take longer when there are more of them; what can be counted on has this in it.
const SLOWER: f64 = 1.1;
/// Compute at least this large a part of the waits: fetching ahead is all there is to gain.
const AHEAD: f64 = 0.8;
/// What neither compute nor waits explain stays, if it is at least this share of the wall. The less it is, the
/// larger a part of it is taken to be lost between looks; what can be counted on has all of it in it.
const TOLD: f64 = 0.04;
/// A count may be this far off if every context switch was seen, and if not. A few more lanes cost little; one
/// too few is a round more.
const COUNTED_OFF_BY: f64 = 0.04;
const ESTIMATED_OFF_BY: f64 = 0.15;

/// Waits that could be had at once.
pub(in crate::verdict) struct Waits {
    /// How many there are.
    pub(in crate::verdict) count: f64,
    /// How long all of them take, one after the other, in seconds.
    pub(in crate::verdict) time: f64,
    /// What of that is a disk's.
    pub(in crate::verdict) disk: f64,
    /// The time that neither they nor compute explain, and that stays, in seconds.
    pub(in crate::verdict) rest: f64,
    /// How many are had at once now.
    pub(in crate::verdict) now: f64,
    /// Whom they are for takes connections, one for each that is had at once.
    pub(in crate::verdict) connect: bool,
    /// How many there are is known from every one of them.
    pub(in crate::verdict) counted: bool,
    /// What to do them with, if that is settled.
    pub(in crate::verdict) model: Option<Model>,
}

impl Waits {
    /// All inputs and outputs.
    pub(in crate::verdict) fn of_io(facts: &Facts<'_>) -> Self {
        // A socket that is new for each request is often met late: while a loop only polls, as much is in
        // flight as when its sockets were known.
        let polling = facts.polling_alone();
        let unmet = 1.0 + ratio(polling, facts.io);
        let busy = facts.compute + facts.io - facts.both + polling;
        // Steps that wait and are over: one wait for each.
        let count = if processes(facts) && facts.children.fleeting {
            facts.children.count as f64
        } else {
            facts.told.in_all(facts.requests.count) * unmet
        };
        Self {
            count,
            time: facts.io_in_flight() * unmet,
            disk: facts.requests.disk,
            rest: facts.wall * (1.0 - busy).max(0.0),
            now: facts.concurrency.max(1.0),
            connect: facts.requests.disk < 0.5,
            counted: facts.follows_switches() && !facts.requests.polled,
            model: None,
        }
    }

    /// All inputs and outputs, of which each takes its turn under a lock: somebody holds it at all times,
    /// whatever looks made of the moments in between.
    pub(in crate::verdict) fn in_turns(facts: &Facts<'_>) -> Self {
        let io = Self::of_io(facts);
        let held = facts.wall * (1.0 - facts.compute + facts.both).max(facts.io);
        let all = ratio(held, facts.io * facts.wall).max(1.0);
        Self {
            count: io.count * all,
            time: io.time * all,
            rest: 0.0,
            now: 1.0,
            ..io
        }
    }
}

/// The best level for these waits and what it gains.
pub(in crate::verdict) fn at_once(facts: &Facts<'_>, waits: &Waits) -> Plan {
    plan(facts, waits, None)
}

/// What a level gains that is settled.
pub(in crate::verdict) fn at_level(facts: &Facts<'_>, waits: &Waits, level: usize) -> Plan {
    plan(facts, waits, Some(level))
}

fn plan(facts: &Facts<'_>, waits: &Waits, level: Option<usize>) -> Plan {
    let model = waits
        .model
        .or_else(|| facts.event_loop.map(|_| Model::Async))
        .or_else(|| processes(facts).then_some(Model::Processes));
    let jobs = Jobs::of(facts, waits, model);
    let now = waits.now.round() as usize;
    let cap = if waits.connect {
        MOST_CONNECTIONS.max(now).min(MOST)
    } else {
        MOST
    };
    let count = jobs.count.min(MOST as f64) as usize;
    let most = count.clamp(1, cap);
    let times = jobs.times(most);
    let level = level.unwrap_or_else(|| {
        let best = times.iter().copied().fold(f64::INFINITY, f64::min);
        let good = times
            .iter()
            .position(|time| *time <= best * GOOD_ENOUGH)
            .map_or(1, |index| index + 1);
        with_slack(&jobs, good.max(now.clamp(1, most)), waits.counted, cap)
    });

    let told = waits.rest * (waits.rest / (TOLD * facts.wall).max(1e-9)).min(1.0);
    let gain = |time: f64| ratio(facts.wall, time + told);
    let at = |level: usize| times[level.clamp(1, most) - 1];
    let low = ratio(facts.wall, at(level.div_ceil(2)) * SLOWER + waits.rest);
    let high = gain(jobs.at_best(level.min(most)));
    let law = if jobs.servers == 1 && jobs.cpu >= AHEAD * jobs.wait && waits.now < 1.5 {
        Law::Prefetch
    } else {
        Law::MeanValueAnalysis
    };
    let point = if law == Law::Prefetch {
        gain(jobs.fetched_ahead(level))
    } else {
        gain(at(level))
    };
    let model = model.unwrap_or(if level <= MOST_THREADS {
        Model::Threads
    } else {
        Model::Async
    });
    Plan {
        model,
        level,
        speedup: Speedup::ordered(low, point, high, law),
    }
}

/// As many as make the same number of rounds if there are a few jobs more than were counted.
fn with_slack(jobs: &Jobs, level: usize, counted: bool, cap: usize) -> usize {
    let off_by = if counted {
        COUNTED_OFF_BY
    } else {
        ESTIMATED_OFF_BY
    };
    let rounds = jobs.rounds(level);
    // With many rounds one more is as nothing.
    let more = (jobs.count * (1.0 + off_by) / rounds).floor() as usize;
    if rounds * off_by < 1.0 {
        more.clamp(level, cap.max(level))
    } else {
        level
    }
}

/// It is child processes that wait.
fn processes(facts: &Facts<'_>) -> bool {
    let waiters = facts.children.io_waiters as f64;
    waiters >= 2.0 && waiters >= 0.5 * facts.requests.count.min(3.0)
}
