//! The thread of an event loop computes: its tasks wait for it, and the other cores rest.

use super::super::plan::{Compute, on_cores};
use super::super::rule::{Border, Rule};
use super::super::{Cause, words};

/// The loop's thread computes for at least this share of its active time.
const COMPUTES: f64 = 0.85;
/// For less than this somebody polls: where several threads run a loop, it goes on if one of them does.
const POLLED: f64 = 0.3;
/// And less than this of the cores is wanted.
const CORES: f64 = 0.8;
/// And for less than this no other thread of it waits for a lock.
const LOCKED: f64 = 0.6;

pub(super) const RULE: Rule = Rule {
    cause: Cause::CpuInLoop,
    borders: &[
        Border::share_at_least(
            COMPUTES,
            "of its active time the event loop's thread computes",
            |f| f.event_loop.map_or(0.0, |l| l.computed),
        ),
        Border::share_below(POLLED, "", |f| {
            f.event_loop.map_or(0.0, |l| l.polled_by_any)
        })
        .unsaid(),
        Border::share_below(CORES, "of the cores are wanted", |f| f.demand),
        // Threads of a run-time system are all called the same, also those that take turns under a lock.
        Border::share_below(LOCKED, "", |f| f.lock.of_wall).unsaid(),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "Compute holds the event loop for {} of its time, and {} of {} cores are used.",
            words::percent(f.event_loop.map_or(0.0, |l| l.computed)),
            words::number(f.run),
            words::number(f.cores)
        )
    },
    prescribe: |f| {
        let plan = on_cores(f, &Compute::all(f));
        let how = if f.event_loop.is_some_and(|l| l.python) {
            "a process pool (run_in_executor)"
        } else {
            "a pool of threads for compute"
        };
        let advice = format!(
            "Take the compute out of the loop, into {how} with {} workers.",
            plan.level
        );
        plan.advise(f, advice)
    },
};
