//! One thread computes, and the other cores rest.

use super::super::facts::Facts;
use super::super::plan::{Compute, on_cores};
use super::super::rule::{Border, Rule};
use super::super::{Cause, Prescription, words};

/// It computes for at least this share of the wall.
const COMPUTE: f64 = 0.85;
/// Below it, compute is at least the larger part.
const MOSTLY_COMPUTE: f64 = 0.5;
/// With more than this of the cores wanted, the cores are the limit.
const CORES: f64 = 0.8;
/// With at least this of the compute in processes that it starts, they are what to have more of.
const BY_CHILDREN: f64 = 0.5;
/// Up to here it is one thread at a time.
const ONE: f64 = 1.5;

pub(super) const RULE: Rule = Rule {
    cause: Cause::SerialCpu,
    borders: &[
        Border::share_at_least(COMPUTE, "of the time it computes", |f| f.compute),
        Border::share_below(CORES, "of the cores are wanted", |f| f.demand),
    ],
    weight: 1.0,
    sentence,
    prescribe,
};

pub(super) const MOSTLY: Rule = Rule {
    cause: Cause::SerialCpu,
    borders: &[Border::share_at_least(
        MOSTLY_COMPUTE,
        "of the time it computes",
        |f| f.compute,
    )],
    weight: 0.6,
    sentence,
    prescribe,
};

fn sentence(f: &Facts<'_>) -> String {
    let of = format!("{} cores", words::number(f.cores));
    if f.crowd < ONE {
        format!(
            "One thread at a time computes, for {} of the time; it may use {of}.",
            words::percent(f.compute)
        )
    } else {
        format!(
            "Only {} threads compute at once; it may use {of}.",
            words::number(f.crowd)
        )
    }
}

fn prescribe(f: &Facts<'_>) -> Prescription {
    let plan = on_cores(f, &Compute::all(f));
    if plan.level < 2 {
        return plan.advise(
            f,
            "There is one core only: profile where its time goes.".into(),
        );
    }
    let advice = format!(
        "Compute on {} cores: cut the work into independent pieces for {}.",
        plan.level,
        if f.children.computing >= BY_CHILDREN {
            "processes that run at once (xargs -P, make -j, & and wait)"
        } else if f.python {
            "a process pool"
        } else {
            "a pool of threads"
        }
    );
    plan.advise(f, advice)
}
