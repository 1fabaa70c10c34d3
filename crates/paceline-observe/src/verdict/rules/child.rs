//! It starts child processes and waits for them.
//!
//! A child that is watched too speaks for itself: then what it does is the cause. These rules are for
//! children too short to do anything, for such that come one after the other and only sleep, and for
//! those of which nothing is seen.

use super::super::facts::Facts;
use super::super::plan::{Compute, Plan, Waits, at_once, on_cores};
use super::super::rule::{Border, Rule};
use super::super::{Cause, Model, Prescription, words};
use super::outside_contention::queue_over_run;

/// So many processes a second …
const RATE: f64 = 8.0;
/// … so many at least …
const SOME: f64 = 8.0;
/// … starting them is at least this much of what they compute …
const STARTING: f64 = 0.6;
/// … and computing, or waiting for them, is what the time goes into.
const OF_WALL: f64 = 0.6;
/// Children that only waited for most of their lives, one after the other.
const SLEEPERS: f64 = 3.0;
/// Fewer than this at once are one after the other.
const ONE_BY_ONE_BELOW: f64 = 1.5;
/// The time goes into waiting for them.
const WAITED: f64 = 0.5;
/// Below it, it is still what it does most.
const MOSTLY_WAITED: f64 = 0.25;
/// With more than this of the cores in use, the cores are the limit.
const CORES: f64 = 0.8;
/// They do at least this part of what is computed.
const THEIRS: f64 = 0.3;
/// Processes that have just begun are the last to get a core beside others. To have less of them is the better remedy
/// as long as they queue for less than this part of what they run.
const QUEUES: f64 = 1.5;

pub(super) const MANY_SHORT: Rule = Rule {
    cause: Cause::Child,
    borders: &[
        Border {
            width: RATE,
            ..Border::at_least(RATE, "processes a second are started", |f| f.children.rate)
        },
        Border {
            width: SOME,
            ..Border::at_least(SOME, "processes were started", |f| f.children.count as f64)
        },
        Border::share_at_least(
            STARTING,
            "of what they compute is what starting a process takes",
            |f| f.children.starting,
        ),
        Border::share_at_least(THEIRS, "of the compute is theirs", |f| f.children.computing),
        Border::share_at_least(
            OF_WALL,
            "of the time they start, run or are waited for",
            |f| (f.compute + f.waiting.child).min(1.0),
        ),
        Border::share_below(CORES, "of the cores are used", |f| f.run / f.cores),
        Border::below(
            QUEUES,
            "times as long as they run they queue for cores that others have",
            queue_over_run,
        ),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "It starts {} a second, and most of the time goes into starting them: each computes for {}.",
            words::count(f.children.rate.round().min(1e9) as usize, "process")
                .replace("processs", "processes"),
            words::seconds(f.children.cpu_each)
        )
    },
    prescribe: |f| {
        let compute = Compute {
            of_wall: f.wall * (f.compute + f.waiting.child).min(1.0),
            divisible: true,
            ..Compute::all(f)
        };
        let plan = Plan {
            model: Model::Processes,
            ..on_cores(f, &compute)
        };
        let advice = format!(
            "Do the work without a process for each piece, or give one process many pieces; else run {} at once.",
            plan.level
        );
        plan.advise(f, advice)
    },
};

pub(super) const ONE_BY_ONE: Rule = Rule {
    cause: Cause::Child,
    borders: &[
        Border::share_at_least(WAITED, "of the time there is a child", |f| {
            f.children.at_once.min(1.0)
        }),
        Border {
            width: 2.0,
            ..Border::at_least(SLEEPERS, "children did nothing but wait", |f| {
                f.children.sleepers as f64
            })
        },
        Border::below(ONE_BY_ONE_BELOW, "children ran at once", |f| {
            f.children.at_once
        }),
        Border::share_at_least(
            WAITED,
            "of the time nothing happens but that they wait",
            idle,
        ),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "It waits for one child after another{}: they sleep, or wait for what does not come, most of their time.",
            name(f)
        )
    },
    prescribe: |f| {
        let plan = at_once(
            f,
            &Waits {
                count: f.children.waits.max(f.children.sleepers as f64),
                time: idle(f) * f.wall,
                disk: 0.0,
                rest: f.wall * (1.0 - f.compute - idle(f)).max(0.0),
                now: 1.0,
                connect: false,
                counted: f.follows_switches(),
                model: Some(Model::Processes),
            },
        );
        let advice = format!(
            "If they do not depend on each other, run {} at once.",
            plan.level
        );
        plan.advise(f, advice)
    },
};

pub(super) const UNSEEN: Rule = Rule {
    cause: Cause::Child,
    borders: &[Border::share_at_least(
        WAITED,
        "of the time it waits for a child of which nothing is seen",
        |f| f.waiting.child,
    )],
    weight: 1.0,
    sentence: unseen,
    prescribe: look_into,
};

pub(super) const MOSTLY: Rule = Rule {
    cause: Cause::Child,
    borders: &[Border::share_at_least(
        MOSTLY_WAITED,
        "of the time it waits for a child of which nothing is seen",
        |f| f.waiting.child,
    )],
    weight: 0.6,
    sentence: unseen,
    prescribe: look_into,
};

fn unseen(f: &Facts<'_>) -> String {
    format!(
        "It waits for a child process{} for {} of the time.",
        name(f),
        words::percent(f.waiting.child)
    )
}

fn look_into(f: &Facts<'_>) -> Prescription {
    Plan::as_it_is(f).advise(f, "Look into the child: diagnose it by itself.".into())
}

/// Of the wall, nothing is done and no input or output is in flight.
fn idle(f: &Facts<'_>) -> f64 {
    let waiting = &f.waiting;
    let waits = [
        waiting.timer,
        waiting.event,
        waiting.pipe,
        waiting.child,
        waiting.lock,
        waiting.other,
    ];
    waits.iter().sum::<f64>().min(1.0)
}

/// " (gzip)", if it is known.
fn name(f: &Facts<'_>) -> String {
    f.children.name.as_ref().map_or(String::new(), |name| {
        format!(
            " ({})",
            words::target(&crate::profile::Target::Call(name.clone()))
        )
    })
}
