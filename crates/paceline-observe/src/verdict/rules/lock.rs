//! Threads wait for a lock that one of them holds, or that nobody who was seen holds.

use super::super::facts::{Facts, ratio};
use super::super::plan::{Plan, Waits, at_level};
use super::super::rule::{Border, Rule};
use super::super::{Cause, Law, Model, Speedup, words};
use crate::profile::Class;

/// Of the wall, at least one thread waits for a lock.
const OF_WALL: f64 = 0.25;
/// And that is at least this part of what the threads do: many threads may each wait a little.
const OF_WORK: f64 = 0.1;
/// Slices of the threads that wait: a pool at rest has none.
const SLICES: f64 = 1.0;

/// Of the wall, a lock is waited for while nobody of the program works.
const HELD_ELSEWHERE: f64 = 0.5;
/// Workers that compute in turns: fewer than this at once …
const ONE_AT_A_TIME: f64 = 1.15;
/// … while each of them waits for at least this share of its life …
const WAITS_FOR_TURN: f64 = 0.25;
/// … as often as the others …
const EVEN: f64 = 1.35;
/// … and they do at least this much of the compute, which takes at least this share of the wall.
const SHARE: f64 = 0.7;

/// More than this part of what is done under the lock is waiting for input or output.
const MOSTLY_WAITS: f64 = 0.7;

/// A mutex, or a lock of Python's.
pub(super) const RULE: Rule = Rule {
    cause: Cause::Lock,
    borders: &[
        Border::share_at_least(OF_WALL, "of the time a thread waits for a lock", |f| {
            f.lock.of_wall
        }),
        Border::share_at_least(OF_WORK, "of the threads' time goes into it", of_work),
        Border {
            width: 1.0,
            ..Border::at_least(SLICES, "times such a thread got a core", |f| f.lock.slices)
        },
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "Threads wait for a lock: {} of them on average, while {} work. It is {}.",
            words::number(f.lock.waiting),
            words::number(f.lock.working),
            f.lock
                .longest
                .and_then(|index| f.profile.waits.get(index))
                .map_or("not known which".into(), words::place)
        )
    },
    prescribe: |f| {
        // While somebody waits, somebody holds it. A job holds the lock for this part of its work, and
        // no more than the inverse of that can be under way.
        let held = f.lock.of_wall.max(1e-6);
        let cap = (ratio(f.lock.working, held).round() as usize).max(1);
        let threads = f.lock.threads.max(cap).max(1);
        // Without the lock all of them work, as far as there are cores, or turns of the interpreter.
        let all = ratio(f.lock.working + f.lock.waiting, f.lock.working);
        let lanes = if f.python { 1.0 } else { f.cores.max(1.0) };
        // Who is ready and does not run stood in line for the lock's sake, mostly.
        let room = if f.lock.compute > 0.0 {
            lanes / f.run.max(1e-6)
        } else {
            f64::INFINITY
        };
        // Waits under the lock are had at once without it, in whole rounds.
        let (point, law) = if f.io >= MOSTLY_WAITS * f.lock.working {
            let speedup = at_level(f, &Waits::in_turns(f), threads).speedup;
            (speedup.point, speedup.law)
        } else if f.lock.compute < (1.0 - MOSTLY_WAITS) * f.lock.working {
            // Turns were shorter than the time between looks: they are known by the threads' sums, not by their
            // moments. What others compute meanwhile, at the start above all, stays as it is.
            let stays = (f.run - f.lock.compute).clamp(0.0, 1.0);
            let at_once = all.min(threads as f64);
            (1.0 / (stays + (1.0 - stays) / at_once), Law::Amdahl)
        } else {
            (all.min(room), Law::Amdahl)
        };
        let plan = Plan {
            model: Model::Threads,
            level: threads,
            speedup: Speedup::ordered(1.0, point.min(all), all, law),
        };
        let advice = format!(
            "Hold the lock for less: take what waits or computes out of it, or give each part of the data a lock of \
             its own. As it is, more than {} at once gain nothing.",
            words::count(cap, "thread")
        );
        plan.advise(f, advice)
    },
};

/// A run-time system whose locks look like waits for a signal, such as Java's: known by the turns.
pub(super) const TURNS: Rule = Rule {
    cause: Cause::Lock,
    borders: &[
        Border::share_at_least(SHARE, "of the time it computes", |f| f.compute),
        Border::share_at_least(
            SHARE,
            "of the compute is done by workers side by side",
            |f| f.workers.share,
        ),
        Border::share_at_least(
            WAITS_FOR_TURN,
            "of their time the workers wait for each other",
            |f| f.workers.signals(),
        ),
        Border {
            width: 0.1,
            ..Border::below(ONE_AT_A_TIME, "of them run at once", |f| f.crowd)
        },
        Border::below(EVEN, "", |f| f.workers.ready.unevenness()).unsaid(),
    ],
    weight: 0.8,
    sentence: |f| {
        format!(
            "{} workers compute in turns, one at a time, as under one lock.",
            f.workers.count
        )
    },
    prescribe: |f| {
        let lanes = f.cores.max(1.0).min(f.workers.count as f64);
        let gain = ratio(lanes, f.run + f.queue);
        let level = f.workers.count.min(f.whole_cores());
        let speedup = Speedup::ordered(1.0, gain, gain, Law::Amdahl);
        Plan {
            model: Model::CpuPool,
            level,
            speedup,
        }
        .advise(
            f,
            "Hold the lock for less, or give each worker data of its own.".into(),
        )
    },
};

/// A deadlock, or a lock that another program holds.
pub(super) const HELD: Rule = Rule {
    cause: Cause::Lock,
    borders: &[Border::share_at_least(
        HELD_ELSEWHERE,
        "of the time a lock is waited for and nobody is seen to work",
        |f| f.waiting.lock,
    )],
    weight: 0.9,
    sentence: |f| {
        let wait = f.longest_wait(Class::Lock);
        format!(
            "It waits for a lock that nobody who was seen works under, {} of the time: {}.",
            words::percent(f.waiting.lock),
            wait.map_or("it is not known which".into(), words::place)
        )
    },
    prescribe: |f| {
        Plan::as_it_is(f).advise(
            f,
            "Find out who holds it: another program, or a thread that waits for a lock itself (a deadlock).".into(),
        )
    },
};

fn of_work(facts: &Facts<'_>) -> f64 {
    ratio(facts.lock.waiting * facts.wall, facts.work()).min(1.0)
}
