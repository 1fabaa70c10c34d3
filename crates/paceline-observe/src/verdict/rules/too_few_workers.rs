//! All workers wait, and more of them would have more in flight.

use super::super::facts::Facts;
use super::super::plan::{Waits, at_once};
use super::super::rule::{Border, Rule};
use super::super::{Cause, words};
use super::serial_waits::{ONE_AT_A_TIME, answering};

/// Input or output is in flight for at least this share of the wall …
const IO: f64 = 0.3;
/// … more than one, but fewer than this at once …
const FEW: f64 = 12.0;
/// … though there are this many times more to be had …
const MORE: f64 = 1.4;
/// … and less than this of the cores is used.
const CORES: f64 = 0.5;

pub(super) const RULE: Rule = Rule {
    cause: Cause::TooFewWorkers,
    borders: &[
        Border::share_at_least(IO, "of the time an input or output is in flight", |f| f.io),
        Border {
            width: 0.3,
            ..Border::at_least(ONE_AT_A_TIME, "are in flight at once", |f| f.concurrency)
        },
        Border::below(FEW, "are in flight at once", |f| f.concurrency).unsaid(),
        Border::share_below(CORES, "of the cores are used", |f| f.utilisation),
        Border::at_least(MORE, "times as many would be at once without a limit", gain),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "Its workers all wait, {} at once, and {} of the cores are used: too few workers for {}.",
            words::number(f.concurrency),
            words::percent(f.utilisation),
            answering(f)
        )
    },
    prescribe: |f| {
        let plan = at_once(f, &Waits::of_io(f));
        let advice = format!(
            "Raise the number of workers, or of the connections that they share, to {}, as long as the peer keeps up.",
            plan.level
        );
        plan.advise(f, advice)
    },
};

/// How many times as many could be in flight.
fn gain(f: &Facts<'_>) -> f64 {
    at_once(f, &Waits::of_io(f)).level as f64 / f.concurrency.max(1.0)
}
