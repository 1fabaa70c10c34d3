//! The program waits for cores that others have, or that a quota keeps from it.

use super::super::facts::{Facts, ratio};
use super::super::plan::Plan;
use super::super::rule::{Border, Rule};
use super::super::{Cause, Law, Speedup, words};
use crate::profile::Class;

/// Its own threads queue for longer than this part of the time they run, beyond what they do to each
/// other. One hog on each core makes it 1.
const QUEUE_OVER_RUN: f64 = 0.75;
/// It has less than this part of its cores.
const OWN: f64 = 0.9;
/// Short queues before short bursts of compute limit nothing.
const OF_WALL: f64 = 0.25;
/// Of its cores, others use at least this much.
const OTHERS_USE: f64 = 0.25;
/// If a thread waits for a lock of the program, or of the interpreter, for at least this, one works at a time.
const IN_TURNS: f64 = 0.5;
/// A quota that holds it for less than this is not what limits.
const HELD: f64 = 0.2;
/// With more threads than this for each core, their number is at fault and not the quota.
const OWN_CROWD: f64 = 1.5;

pub(super) const OTHERS: Rule = Rule {
    cause: Cause::OutsideContention,
    borders: &[
        Border::at_least(
            QUEUE_OVER_RUN,
            "times as long as its threads run they queue for cores that others have",
            queue_over_run,
        ),
        Border::share_below(OWN, "of its cores it gets", |f| f.run / f.cores),
        Border::share_at_least(
            OF_WALL,
            "of the time a thread is ready and has no core",
            |f| f.of_wall(Class::RunQueue),
        ),
        Border::share_at_least(OTHERS_USE, "of its cores others use", |f| {
            f.others / f.cores
        }),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "It waits for cores that others have: they use {} cores, it gets {} of {}.",
            words::number(f.others),
            words::number(f.run),
            words::number(f.cores)
        )
    },
    prescribe: |f| {
        let gain = (f.run + f.queue).min(f.cores) / f.run.max(1e-6);
        let plan = Plan {
            speedup: Speedup::ordered(1.0, 1.0, gain, Law::None),
            ..Plan::as_it_is(f)
        };
        plan.advise(
            f,
            "Measure again when the machine is free, or give it cores of its own (cpuset, nice)."
                .into(),
        )
    },
};

/// How long its threads queue for cores that others have, as a part of the time they run.
pub(super) fn queue_over_run(facts: &Facts<'_>) -> f64 {
    // Its own threads explain what exceeds the cores while it computes, or its turns.
    let own = (facts.crowd - lanes(facts)).max(0.0) * facts.compute;
    ratio(facts.queue - own, facts.run)
}

/// How many of its threads could run at once on a free machine.
fn lanes(facts: &Facts<'_>) -> f64 {
    let in_turns = facts.lock.of_wall.max(facts.of_wall(Class::Gil)) >= IN_TURNS;
    if in_turns {
        facts.cores.min(1.0)
    } else {
        facts.cores
    }
}

pub(super) const QUOTA: Rule = Rule {
    cause: Cause::OutsideContention,
    borders: &[
        Border::share_at_least(HELD, "of the time a quota holds it", |f| f.throttled),
        Border::below(OWN_CROWD, "threads want each core", |f| {
            f.crowd / f.cores.max(1.0)
        }),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "The CPU quota of its control group holds it for {} of the time: it may use {} cores.",
            words::percent(f.throttled),
            words::number(f.cores)
        )
    },
    prescribe: |f| {
        let gain = 1.0 / (1.0 - f.throttled.min(0.95));
        let plan = Plan {
            speedup: Speedup::ordered(1.0, gain, gain, Law::None),
            ..Plan::as_it_is(f)
        };
        plan.advise(
            f,
            "Raise the quota (cpu.max, in version 1 cpu.cfs_quota_us), or expect no more than it allows.".into(),
        )
    },
};
