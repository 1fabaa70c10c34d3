//! Much is in flight already: whoever answers is the limit.

use super::super::facts::Facts;
use super::super::plan::{Plan, Waits, at_once};
use super::super::rule::{Border, Rule};
use super::super::{Cause, Prescription, Speedup, words};
use super::serial_waits::{ONE_AT_A_TIME, OVERLAP, answering};
use crate::profile::Class;

/// Input or output is in flight for at least this share of the wall …
const IO: f64 = 0.3;
/// Below it, waits are still what it does most.
const MOSTLY_IO: f64 = 0.15;
/// The other end of a pipe is all there is to wait for, for this share of the wall.
pub(super) const PIPE_OF_WALL: f64 = 0.5;

/// With more than this of the pipes leading out of what is watched, nobody is seen who would answer.
pub(super) const FAR_END: f64 = 0.5;

pub(super) const MANY_IN_FLIGHT: Rule = Rule {
    cause: Cause::Peer,
    borders: &[
        Border::share_at_least(IO, "of the time an input or output is in flight", |f| f.io),
        Border {
            width: 1.0,
            ..Border::at_least(ONE_AT_A_TIME, "are in flight at once", |f| f.concurrency)
        },
    ],
    weight: 0.9,
    sentence,
    prescribe,
};

/// One answer is waited for, nearly all of the time.
pub(super) const ONE: Rule = Rule {
    cause: Cause::Peer,
    borders: &[
        Border::share_at_least(IO, "of the time an input or output is in flight", |f| f.io),
        Border::share_below(OVERLAP, "of what could overlap does", |f| f.telling_overlap),
        // Yes or no: half way is far from either.
        Border::at_least(0.5, "", |f| f64::from(f.requests.single)).unsaid(),
        // Else compute is what there is more of.
        Border::at_least(0.5, "", |f| f64::from(f.io >= f.compute)).unsaid(),
    ],
    weight: 0.9,
    sentence: |f| {
        format!(
            "It waits for one answer, {} of the time: {}.",
            words::percent(f.io),
            answering(f)
        )
    },
    prescribe: |f| {
        Plan::as_it_is(f).advise(
            f,
            format!(
                "There is nothing else to have at once: ask for less, ask in parts, or make the answer faster: {}.",
                answering(f)
            ),
        )
    },
};

pub(super) const HIDDEN: Rule = Rule {
    cause: Cause::Peer,
    borders: &[
        Border::share_at_least(IO, "of the time an input or output is in flight", |f| f.io),
        Border::share_at_least(OVERLAP, "of what could overlap does", |f| f.telling_overlap),
    ],
    weight: 0.9,
    sentence,
    prescribe,
};

pub(super) const PIPE: Rule = Rule {
    cause: Cause::Peer,
    borders: &[
        Border::share_at_least(
            PIPE_OF_WALL,
            "of the time all it waits for is the other end of a pipe",
            |f| f.waiting.pipe,
        ),
        Border::share_below(FAR_END, "", |f| f.waiting.far_end).unsaid(),
    ],
    weight: 0.9,
    sentence: |f| {
        let wait = f.longest_wait(Class::Pipe);
        format!(
            "It waits for {} for {} of the time.",
            wait.map_or("the other end of a pipe".into(), words::place),
            words::percent(f.waiting.pipe)
        )
    },
    prescribe: |f| Plan::as_it_is(f).advise(f, "Look at the process at the other end.".into()),
};

pub(super) const MOSTLY: Rule = Rule {
    cause: Cause::Peer,
    borders: &[
        Border::share_at_least(
            MOSTLY_IO,
            "of the time an input or output is in flight",
            |f| f.io,
        ),
        Border::at_least(1.0, "", |f| f64::from(f.io_comes_first())).unsaid(),
    ],
    weight: 0.5,
    sentence,
    prescribe,
};

fn sentence(f: &Facts<'_>) -> String {
    format!(
        "Whoever answers is the limit: {} in flight at once, for {} of the time, most for {}.",
        words::number(f.concurrency),
        words::percent(f.io),
        answering(f)
    )
}

fn prescribe(f: &Facts<'_>) -> Prescription {
    // More in flight helps only if the peer can do more at once, which nothing here tells.
    let more = at_once(f, &Waits::of_io(f));
    let speedup = Speedup::ordered(1.0, 1.0, more.speedup.high, more.speedup.law);
    Plan {
        speedup,
        ..Plan::as_it_is(f)
    }
    .advise(
        f,
        format!(
            "Ask for more with each request (batch), or make the peer faster: {}.",
            answering(f)
        ),
    )
}
