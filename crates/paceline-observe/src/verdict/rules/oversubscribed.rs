//! More threads want to run than there are cores.

use super::super::plan::Plan;
use super::super::rule::{Border, Rule};
use super::super::{Cause, Law, Model, Speedup, words};

/// They queue for longer than this part of the time they run. Two threads for each core make it 1,
/// which a pool may have in good order.
const QUEUE_OVER_RUN: f64 = 1.25;
/// Threads for each core while it computes.
const CROWD: f64 = 1.5;
/// And it computes for at least this share of the wall.
const COMPUTE: f64 = 0.5;

pub(super) const RULE: Rule = Rule {
    cause: Cause::Oversubscribed,
    borders: &[
        Border::at_least(
            QUEUE_OVER_RUN,
            "times as long as its threads run they queue",
            |f| super::super::facts::ratio(f.queue, f.run),
        ),
        Border::at_least(CROWD, "threads want each core while it computes", |f| {
            f.crowd / f.cores
        }),
        Border::share_at_least(COMPUTE, "of the time it computes", |f| f.compute),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "Too many threads want to run: {} on average for {} cores.",
            words::number(f.crowd),
            words::number(f.cores)
        )
    },
    prescribe: |f| {
        // What the kernel spends on so many is all that can be won back.
        let model = if f.python {
            Model::Processes
        } else {
            Model::CpuPool
        };
        let speedup = Speedup::ordered(
            1.0,
            1.0 + 0.25 * f.system,
            1.0 / (1.0 - 0.5 * f.system),
            Law::Amdahl,
        );
        let plan = Plan {
            model,
            level: f.whole_cores(),
            speedup,
        };
        let advice = format!(
            "Run {} at once, one for each core; look for pools inside of pools (OMP_NUM_THREADS, -j, workers).",
            plan.level
        );
        plan.advise(f, advice)
    },
};
