//! Python's threads compute in turns.

use super::super::plan::{Compute, on_cores};
use super::super::rule::{Border, Rule};
use super::super::{Cause, words};
use crate::profile::Class;

/// A thread waits for the interpreter for more than this share of the wall.
const WAITED: f64 = 0.5;
/// And one computes for more than this.
const COMPUTE: f64 = 0.7;
/// With more of the cores in use than this, it is not the interpreter that limits. Those who are ready beside
/// the one that has it would not find it free: they do not count.
const CORES: f64 = 0.8;

pub(super) const RULE: Rule = Rule {
    cause: Cause::Gil,
    borders: &[
        Border::share_at_least(
            WAITED,
            "of the time a thread waits for Python's interpreter lock",
            |f| f.of_wall(Class::Gil),
        ),
        Border::share_at_least(COMPUTE, "of the time a thread computes", |f| f.compute),
        Border::share_below(CORES, "of the cores are used", |f| f.utilisation),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "Python's threads wait for the interpreter: {} wait while one computes, and {} of {} cores are used.",
            words::number(f.threads_in(Class::Gil)),
            words::number(f.run),
            words::number(f.cores)
        )
    },
    prescribe: |f| {
        let turns = f.run + f.queue + f.threads_in(Class::Gil);
        let plan = on_cores(
            f,
            &Compute {
                parts: Some((turns.round().min(1e6) as usize).max(2)),
                divisible: true,
                // One computes at a time: who is ready beside it stands in line for the interpreter, and
                // would not with one of its own. Only a moment in which none runs was lost to others.
                work: f.run.max(f.compute) * f.wall,
                ..Compute::all(f)
            },
        );
        let advice = format!(
            "Use {} processes instead of threads (ProcessPoolExecutor), or a build of Python without the lock.",
            plan.level
        );
        plan.advise(f, advice)
    },
};
