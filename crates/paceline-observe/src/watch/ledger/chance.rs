//! What a program was at in a round, where switches are not known.
//!
//! The threads are taken to be independent of each other within the round: the share in which at least one of
//! them computed is 1 − Π(1 − their shares). That is exact where phases are longer than rounds.

use std::collections::HashMap;

use super::sweep::Union;
use super::union::Glimpse;
use crate::profile::{ByClass, Class};

/// By the shares of the threads alone.
pub(crate) fn by_chance(glimpses: &[Glimpse], length: f64, requests: bool, cores: f64) -> Union {
    let mut none_of = ones();
    let (mut none_up_to, mut none_but_signals) = (ones(), ones());
    let (mut no_compute, mut no_io, mut neither) = (1.0, 1.0, 1.0);
    for Glimpse { part, .. } in glimpses.iter().filter(|glimpse| glimpse.part.length > 0.0) {
        let share = |seconds: f64| (seconds / part.length).clamp(0.0, 1.0);
        let (mut compute, mut io, mut up_to, mut but_signals) = (0.0, 0.0, 0.0, 0.0);
        for class in Class::PRECEDENCE {
            let seconds = part.by_class[class];
            none_of[class] *= 1.0 - share(seconds);
            up_to += seconds;
            none_up_to[class] *= 1.0 - share(up_to);
            but_signals += if class == Class::Condition {
                0.0
            } else {
                seconds
            };
            none_but_signals[class] *= 1.0 - share(but_signals);
            compute += if class.is_compute() { seconds } else { 0.0 };
            io += if class.is_io() { seconds } else { 0.0 };
        }
        no_compute *= 1.0 - share(compute);
        no_io *= 1.0 - share(io);
        neither *= 1.0 - share(compute + io);
    }
    if requests {
        (no_io, neither) = (0.0, 0.0);
    }
    let mut union = Union {
        compute: length * (1.0 - no_compute),
        io: length * (1.0 - no_io),
        // P(both) = 1 − P(no compute) − P(no io) + P(neither)
        both: length * (1.0 - no_compute - no_io + neither).max(0.0),
        spare: spare(glimpses, length, cores),
        ..Union::default()
    };
    let (mut before, mut before_but_signals) = (1.0, 1.0);
    for class in Class::PRECEDENCE {
        union.of_wall[class] = length * (1.0 - none_of[class]);
        union.foremost[class] = length * (before - none_up_to[class]);
        let without = length * (before_but_signals - none_but_signals[class]);
        if class != Class::Condition {
            union.behind_signals[class] = without - union.foremost[class];
        }
        before = none_up_to[class];
        before_but_signals = none_but_signals[class];
    }
    // Nobody was seen to do anything.
    union.foremost[Class::Idle] += length * before;
    union.behind_signals[Class::Idle] += length * (before_but_signals - before);
    union
}

/// What each owes of the cores that rest: as many others compute beside it as do on average.
fn spare(glimpses: &[Glimpse], length: f64, cores: f64) -> HashMap<i32, f64> {
    let computes = |glimpse: &Glimpse| {
        let seconds: f64 = (glimpse.part.by_class.iter())
            .filter(|(class, _)| class.is_compute())
            .map(|(_, seconds)| seconds)
            .sum();
        let share = seconds / glimpse.part.length;
        if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.0
        }
    };
    let all: f64 = glimpses.iter().map(computes).sum();
    let owed = glimpses.iter().map(|glimpse| {
        let share = computes(glimpse);
        let at_once = 1.0 + all - share;
        let each = (cores - at_once).max(0.0) / at_once;
        (glimpse.tid, length * share * each)
    });
    owed.filter(|(_, seconds)| *seconds > 0.0).collect()
}

fn ones() -> ByClass<f64> {
    let mut ones = ByClass::default();
    Class::ALL.into_iter().for_each(|class| ones[class] = 1.0);
    ones
}

#[cfg(test)]
mod tests {
    use super::super::account::Part;
    use super::*;

    fn computes(tid: i32, seconds: f64) -> Glimpse {
        let mut part = Part {
            length: 0.02,
            ..Part::default()
        };
        part.by_class[Class::Cpu] = seconds;
        Glimpse {
            tid,
            at: std::time::Duration::ZERO,
            before: None,
            after: None,
            latest: None,
            part,
        }
    }

    #[test]
    fn cores_that_rest_are_owed_by_those_that_compute() {
        let owed = |others: &[f64], cores| {
            let mut glimpses = vec![computes(1, 0.02)];
            glimpses.extend(
                (2..)
                    .zip(others)
                    .map(|(tid, seconds)| computes(tid, *seconds)),
            );
            by_chance(&glimpses, 0.02, false, cores).spare
        };
        let near = |value: Option<&f64>, expected: f64| {
            assert!(
                (value.copied().unwrap_or_default() - expected).abs() < 1e-9,
                "{value:?}"
            );
        };
        near(owed(&[0.0], 2.0).get(&1), 0.02);
        near(owed(&[0.0], 4.0).get(&1), 0.06);
        near(owed(&[0.02], 2.0).get(&1), 0.0);
        let half = owed(&[0.01], 2.0);
        near(half.get(&1), 0.02 * 0.5 / 1.5);
        near(half.get(&2), 0.0);
    }
}
