//! All cores are busy with its work.

use super::super::plan::Plan;
use super::super::rule::{Border, Rule};
use super::super::{Cause, words};
use super::imbalance::is_uneven;

/// Of the cores, at least this much is used or waited for.
const CORES: f64 = 0.8;

pub(super) const RULE: Rule = Rule {
    cause: Cause::Saturated,
    borders: &[
        Border::share_at_least(CORES, "of the cores are used or wanted", |f| {
            f.demand.min(1.0)
        }),
        // Beside others, two workers want two cores until the one with less to do has done it.
        Border::below(1.0, "", |f| f64::from(is_uneven(f))).unsaid(),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "All cores are busy with its work: it uses {} of {}.",
            words::number(f.run),
            words::number(f.cores)
        )
    },
    prescribe: |f| {
        let level = f.whole_cores();
        Plan {
            level,
            ..Plan::as_it_is(f)
        }
        .advise(
            f,
            "Only less work or more cores make it faster: profile where the CPU time goes.".into(),
        )
    },
};
