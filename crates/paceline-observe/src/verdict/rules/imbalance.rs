//! Workers wait for the slowest of them.

use super::super::facts::{Facts, ratio};
use super::super::plan::Plan;
use super::super::rule::{Border, Rule};
use super::super::{Cause, Law, Model, Speedup, words};

/// It computes for at least this share of the wall …
const COMPUTE: f64 = 0.7;
/// … and these workers do at least this much of it.
const SHARE: f64 = 0.7;
/// The busiest one has this many times the work of the average one …
const UNEVENNESS: f64 = 1.25;
/// … and takes so many times as long, since workers that take one piece after the other even out what others
/// on the cores do to them.
const LONGER: f64 = 1.1;
/// Even work would be done faster by this factor.
const WORTH: f64 = 1.15;
/// Of what the others compute, this much lies beside the busiest one's: a goroutine that moves from one
/// thread to the next makes uneven threads too, but these compute in turns.
const BESIDE: f64 = 0.5;
/// Workers whose sums are even may be uneven in each round, the one or the other in turn. More than this at once
/// compute, while any does …
const IN_COMPANY: f64 = 1.15;
/// … and if there were always work for all they would be done faster by this factor: else the cores are busy …
const ROUNDS_WORTH: f64 = 1.25;
/// … and what they lack is not that they wait for something else.
const HELD_UP: f64 = 0.5;
/// Workers that meet at a barrier run together in between: more than this at once.
const TOGETHER: f64 = 1.15;
/// Workers that wait for each other for at least this share of their lives, though their sums are even.
const SIGNALS: f64 = 0.25;

const COMPUTES: Border = Border::share_at_least(COMPUTE, "of the time it computes", |f| f.compute);
const BY_WORKERS: Border = Border::share_at_least(
    SHARE,
    "of the compute is done side by side by workers",
    |f| f.workers.share,
);

pub(super) const UNEVEN: Rule = Rule {
    cause: Cause::Imbalance,
    borders: &[
        COMPUTES,
        BY_WORKERS,
        Border {
            width: 0.5,
            ..Border::at_least(
                UNEVENNESS,
                "times the work of the average worker has the busiest",
                |f| f.workers.work.unevenness(),
            )
        },
        Border {
            width: 0.1,
            ..Border::at_least(LONGER, "", |f| f.workers.ready.unevenness()).unsaid()
        },
        Border::at_least(WORTH, "", even_gain).unsaid(),
        Border::share_at_least(
            BESIDE,
            "of the others' compute goes on beside the busiest one's",
            beside,
        ),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "Workers wait for the slowest: of {}, the busiest computes for {}, the average for {}.",
            f.workers.count,
            words::seconds(f.workers.work.most),
            words::seconds(f.workers.work.even)
        )
    },
    prescribe: |f| even_out(f, even_gain(f)),
};

pub(super) const ROUNDS: Rule = Rule {
    cause: Cause::Imbalance,
    borders: &[
        COMPUTES,
        BY_WORKERS,
        Border {
            width: 0.1,
            ..Border::at_least(IN_COMPANY, "workers compute at once, while any does", |f| {
                f.workers.crowd
            })
        },
        Border {
            width: 0.1,
            ..Border::at_least(
                ROUNDS_WORTH,
                "times as fast it would be if none of them had to wait for the slowest",
                rounds_gain,
            )
        },
        Border::below(HELD_UP, "", |f| ratio(f.workers.held_up, f.workers.missed)).unsaid(),
    ],
    weight: 0.95,
    sentence: |f| {
        format!(
            "Workers wait for the slowest, round after round: of {}, {} compute at once while any does.",
            f.workers.count,
            words::number(f.workers.crowd)
        )
    },
    prescribe: |f| even_out(f, rounds_gain(f)),
};

pub(super) const BARRIER: Rule = Rule {
    cause: Cause::Imbalance,
    borders: &[
        COMPUTES,
        BY_WORKERS,
        Border::share_at_least(
            SIGNALS,
            "of their time the workers wait for each other",
            |f| f.workers.signals(),
        ),
        Border {
            width: 0.1,
            ..Border::at_least(TOGETHER, "of them run at once", |f| f.crowd)
        },
    ],
    weight: 0.9,
    sentence: |f| {
        format!(
            "Workers wait for each other in turn: {} of them, for {} of their time.",
            f.workers.count,
            words::percent(f.workers.signals())
        )
    },
    prescribe: |f| {
        let lanes = f.cores.min(f.workers.count as f64);
        even_out(f, ratio(lanes, f.run + f.queue))
    },
};

/// Of what all but the busiest compute, the share that it does not make the wall longer.
fn beside(facts: &Facts<'_>) -> f64 {
    let of_wall = facts.compute * facts.wall - facts.workers.apart;
    let ready = facts.workers.ready;
    ratio(ready.sum - of_wall.max(ready.most), ready.sum - ready.most).min(1.0)
}

/// How much faster the workers would be done with even shares, were nobody else on the cores.
fn even_gain(facts: &Facts<'_>) -> f64 {
    let workers = &facts.workers;
    let lanes = facts.cores.max(1.0).min(workers.count as f64);
    let apart = (facts.wall - workers.ready.most).max(0.0);
    ratio(
        apart + workers.work.most,
        apart + ratio(workers.work.sum, lanes),
    )
}

/// How much faster the workers would be done if there were always work for all, were nobody else on the cores.
fn rounds_gain(facts: &Facts<'_>) -> f64 {
    let workers = &facts.workers;
    let lanes = facts.cores.max(1.0).min(workers.count as f64);
    let apart = (facts.wall - workers.of_wall).max(0.0);
    ratio(
        apart + (workers.work.sum + workers.missed) / lanes,
        apart + workers.work.sum / lanes,
    )
}

/// Workers are seen to wait for the slowest: cores that are wanted for a while rest later.
pub(super) fn is_uneven(facts: &Facts<'_>) -> bool {
    UNEVEN.matches(facts) || ROUNDS.matches(facts)
}

fn even_out(facts: &Facts<'_>, gain: f64) -> super::super::Prescription {
    let model = if facts.python {
        Model::Processes
    } else {
        Model::CpuPool
    };
    let speedup = Speedup::ordered(1.0 + (gain - 1.0) * 0.5, gain, gain * 1.1, Law::Amdahl);
    Plan {
        model,
        level: facts.whole_cores(),
        speedup,
    }
    .advise(
        facts,
        "Cut the work into smaller pieces that workers take one by one, the largest first.".into(),
    )
}
