//! Its waits hide behind compute: the cores it uses are the limit.

use super::super::facts::ratio;
use super::super::plan::{Compute, on_cores};
use super::super::rule::{Border, Rule};
use super::super::{Cause, Speedup, words};

/// It computes for at least this share of the wall …
const COMPUTE: f64 = 0.85;
/// … has input or output in flight for at least this …
const IO: f64 = 0.3;
/// … and this much of the lesser lies over the other.
const OVERLAP: f64 = 0.7;

pub(super) const RULE: Rule = Rule {
    cause: Cause::OverlappedCpu,
    borders: &[
        Border::share_at_least(COMPUTE, "of the time it computes", |f| f.compute),
        Border::share_at_least(IO, "of the time an input or output is in flight", |f| f.io),
        Border::share_at_least(OVERLAP, "of the waits lie behind compute", |f| {
            f.overlap.unwrap_or(0.0)
        }),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "Its waits hide behind compute, which goes on for {} of the time on {} of {} cores: compute is the limit.",
            words::percent(f.compute),
            words::number(f.run),
            words::number(f.cores)
        )
    },
    prescribe: |f| {
        let plan = on_cores(f, &Compute::all(f));
        // As long as no more is in flight than now, the waits are the next limit.
        let waits = ratio(1.0, f.io).max(1.0);
        let Speedup {
            low,
            point,
            high,
            law,
        } = plan.speedup;
        let plan = super::super::plan::Plan {
            speedup: Speedup::ordered(low, point.min(waits), high, law),
            ..plan
        };
        let advice = format!(
            "Compute on {} cores at once; the waits are hidden already.",
            plan.level
        );
        plan.advise(f, advice)
    },
};
