//! One wait comes after another.

use super::super::facts::Facts;
use super::super::plan::{Plan, Waits, at_once, present_level};
use super::super::rule::{Border, Rule};
use super::super::{Cause, Law, Model, Prescription, Speedup, words};

/// Input or output is in flight for at least this share of the wall …
const IO: f64 = 0.3;
/// … fewer than this at once …
pub(super) const ONE_AT_A_TIME: f64 = 1.5;
/// … and compute does not go on meanwhile.
pub(super) const OVERLAP: f64 = 0.5;
/// Compute for at least this share of the wall …
const PHASE: f64 = 0.25;
/// … of which less than this lies over the waits: one phase comes after the other.
const APART: f64 = 0.3;
/// Below it, waits are still what it does most.
const MOSTLY_IO: f64 = 0.15;

pub(super) const RULE: Rule = Rule {
    cause: Cause::SerialWaits,
    borders: &[
        Border::share_at_least(IO, "of the time an input or output is in flight", |f| f.io),
        Border {
            width: 0.3,
            ..Border::below(ONE_AT_A_TIME, "are in flight at once", |f| f.concurrency)
        },
        Border::share_below(OVERLAP, "of what could overlap does", |f| f.telling_overlap),
        // One that takes all of the time leaves nothing to have at once.
        Border::below(1.0, "", |f| f64::from(f.requests.single)).unsaid(),
    ],
    weight: 1.0,
    sentence,
    prescribe,
};

/// All answers are waited for, many at once, before any of them is worked on.
pub(super) const PHASES: Rule = Rule {
    cause: Cause::SerialWaits,
    borders: &[
        Border::share_at_least(IO, "of the time an input or output is in flight", |f| f.io),
        Border::share_at_least(PHASE, "of the time it computes", |f| f.compute),
        Border::share_below(APART, "of what could overlap does", |f| f.telling_overlap),
        Border::at_least(ONE_AT_A_TIME, "are in flight at once", |f| f.concurrency),
    ],
    weight: 0.8,
    sentence: |f| {
        format!(
            "It waits first and computes after: {} of the time {} are in flight, {} it computes, and little of it \
             overlaps.",
            words::percent(f.io),
            words::number(f.concurrency),
            words::percent(f.compute)
        )
    },
    prescribe: |f| {
        let alone = (1.0 - f.compute - f.io + f.both).max(0.0);
        let ideal = 1.0 / (f.compute.max(f.io) + alone).max(1e-6);
        let model = if f.event_loop.is_some() {
            Model::Async
        } else {
            Model::Threads
        };
        let speedup = Speedup::ordered(1.0 + 0.5 * (ideal - 1.0), ideal, ideal, Law::Prefetch);
        Plan {
            model,
            level: present_level(f),
            speedup,
        }
        .advise(
            f,
            "Work on each answer as it comes, while the others are still in flight.".into(),
        )
    },
};

pub(super) const MOSTLY: Rule = Rule {
    cause: Cause::SerialWaits,
    borders: &[
        Border::share_at_least(
            MOSTLY_IO,
            "of the time an input or output is in flight",
            |f| f.io,
        ),
        Border::below(ONE_AT_A_TIME, "are in flight at once", |f| f.concurrency),
        Border::below(1.0, "", |f| f64::from(f.requests.single)).unsaid(),
        Border::at_least(1.0, "", |f| f64::from(f.io_comes_first())).unsaid(),
    ],
    weight: 0.6,
    sentence,
    prescribe,
};

fn sentence(f: &Facts<'_>) -> String {
    format!(
        "It waits for one answer after another, {} of the time, with {} in flight: {}.",
        words::percent(f.io),
        words::number(f.concurrency),
        answering(f)
    )
}

/// Who is waited for.
pub(super) fn answering(f: &Facts<'_>) -> String {
    let waited = f
        .requests
        .longest
        .and_then(|index| f.profile.waits.get(index));
    let polled = f.profile.network.peers.first();
    match (waited, polled) {
        (Some(wait), Some(peer)) if peer.in_flight <= wait.time => words::place(wait),
        (_, Some(peer)) => words::target(&crate::profile::Target::Peer(peer.address.clone())),
        (Some(wait), None) => words::place(wait),
        (None, None) => "it is not known whose".into(),
    }
}

fn prescribe(f: &Facts<'_>) -> Prescription {
    let plan = at_once(f, &Waits::of_io(f));
    let advice = match (plan.level, plan.speedup.law, plan.model) {
        (1, _, _) => {
            "There is one wait only: nothing to have at once. Ask for less, or a faster answer."
                .into()
        }
        (_, Law::Prefetch, _) => {
            format!(
                "Fetch ahead while the last piece is worked on, {} at once.",
                plan.level
            )
        }
        (n, _, Model::Async) => {
            let how = if f.python { " (asyncio.gather)" } else { "" };
            format!("Have {n} in flight at once, each in an async task of its own{how}.")
        }
        (n, _, Model::Processes) => format!("Run {n} of the processes at once."),
        (n, _, _) => format!("Have {n} in flight at once with a pool of threads."),
    };
    plan.advise(f, advice)
}
