//! What a program was at in a round, where switches are not known.
//!
//! The threads are taken to be independent of each other within the round: the share in which at least one of
//! them computed is 1 − Π(1 − their shares). That is exact where phases are longer than rounds.

use super::union::{Glimpse, Union};
use crate::profile::{ByClass, Class};

/// By the shares of the threads alone.
pub(crate) fn by_chance(glimpses: &[Glimpse], length: f64, requests: bool) -> Union {
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

fn ones() -> ByClass<f64> {
    let mut ones = ByClass::default();
    Class::ALL.into_iter().for_each(|class| ones[class] = 1.0);
    ones
}
