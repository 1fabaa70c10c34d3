//! Nothing can be said: too little was seen, nothing happened, or what happened has no name.

use super::super::facts::Facts;
use super::super::plan::Plan;
use super::super::rule::{Border, Rule};
use super::super::{Cause, Prescription, words};
use super::peer;
use crate::profile::{Class, Ending, Source};

/// Shorter than this, start-up is all there is.
const SHORTEST: f64 = 0.1;
/// Fewer looks than this are anecdotes.
const FEWEST_LOOKS: f64 = 10.0;
/// From this share of the wall on, an event that did not come is what it waited for.
const EVENTS: f64 = 0.3;
/// Less work than this, in threads on average, is a program at rest.
const AT_REST_BELOW: f64 = 0.02;

pub(super) const TOO_SHORT: Rule = Rule {
    cause: Cause::Undetermined,
    borders: &[
        Border::below(SHORTEST, "is all that was seen of it", |facts| facts.wall).in_seconds(),
    ],
    weight: 1.0,
    sentence: |facts| {
        format!(
            "It was watched for {} only, too short to tell what limits it.",
            words::seconds(facts.wall)
        )
    },
    prescribe: |facts| {
        let advice = match facts.profile.ending {
            Ending::ProgramEnded => "Run it longer, or over more inputs.",
            Ending::TimeUp | Ending::Interrupted => "Watch it for longer.",
        };
        Plan::as_it_is(facts).advise(facts, advice.into())
    },
};

pub(super) const TOO_FEW_LOOKS: Rule = Rule {
    cause: Cause::Undetermined,
    borders: &[
        Border::below(FEWEST_LOOKS, "looks at it were had", |facts| {
            facts.profile.observer.looks as f64
        }),
        Border::below(0.5, "", |facts| {
            f64::from(facts.profile.sources.switches == Source::Used)
        })
        .unsaid(),
    ],
    weight: 1.0,
    sentence: |facts| {
        format!(
            "It could be looked at {} in {}, too seldom to tell what limits it.",
            words::count(facts.profile.observer.looks.min(1000) as usize, "time"),
            words::seconds(facts.wall)
        )
    },
    prescribe: |facts| {
        Plan::as_it_is(facts).advise(
            facts,
            "Run it longer, or on a machine with less load.".into(),
        )
    },
};

pub(super) const AT_REST: Rule = Rule {
    cause: Cause::Undetermined,
    borders: &[
        Border::share_below(
            AT_REST_BELOW,
            "of a core and no wait for anything that comes is all it did",
            |f| {
                if f.wall > 0.0 { f.work() / f.wall } else { 0.0 }
            },
        ),
        Border::share_below(AT_REST_BELOW, "", |facts| facts.io).unsaid(),
    ],
    weight: 1.0,
    sentence: |facts| {
        format!(
            "It had nothing to do while it was watched: {} stood by for work.",
            words::count(facts.profile.threads_seen, "thread")
        )
    },
    prescribe: |facts| Plan::as_it_is(facts).advise(facts, "Watch it while it has work.".into()),
};

pub(super) const FAR_END: Rule = Rule {
    cause: Cause::Undetermined,
    borders: &[
        Border::share_at_least(
            peer::PIPE_OF_WALL,
            "of the time all it waits for is the other end of a pipe",
            |f| f.waiting.pipe,
        ),
        Border::share_at_least(
            peer::FAR_END,
            "of that is for pipes of which nobody watched has the other end",
            |f| f.waiting.far_end,
        ),
    ],
    weight: 0.9,
    sentence: |f| {
        format!(
            "It waits for {}, {} of the time, and nobody who was watched has that.",
            f.longest_wait(Class::Pipe)
                .map_or("the other end of a pipe".into(), words::place),
            words::percent(f.waiting.pipe)
        )
    },
    prescribe: |f| {
        Plan::as_it_is(f).advise(
            f,
            "Diagnose who writes its input or reads its output, or both together (sh -c 'a | b')."
                .into(),
        )
    },
};

pub(super) const UNEXPLAINED: Rule = Rule {
    cause: Cause::Undetermined,
    borders: &[],
    weight: 0.6,
    sentence: |facts| {
        if facts.waiting.event >= EVENTS {
            format!(
                "{} of the time it waits for an event, and nothing that was seen would bring it about.",
                words::percent(facts.waiting.event)
            )
        } else if facts.of_wall(Class::Other) >= 0.3 {
            format!(
                "{} of the time it waits for something that has no name.",
                words::percent(facts.of_wall(Class::Other))
            )
        } else {
            "It does a bit of everything: no single thing limits it.".into()
        }
    },
    prescribe: look_closer,
};

fn look_closer(facts: &Facts<'_>) -> Prescription {
    let sources = &facts.profile.sources;
    let missing: Vec<String> = [
        ("system calls", &sources.proc),
        ("sockets", &sources.sockets),
        ("context switches", &sources.switches),
        ("lines of Python", &sources.python),
    ]
    .into_iter()
    .filter_map(|(what, source)| match source {
        Source::Missing(why) => Some(format!("{what} ({why})")),
        Source::Used | Source::NotNeeded => None,
    })
    .collect();
    let advice = if !missing.is_empty() {
        format!("More would be known with: {}.", missing.join(", "))
    } else if facts.waiting.event >= EVENTS {
        "Watch it while something comes in, or look at who should send it.".into()
    } else {
        "Watch it for longer, or only the phase that is slow.".into()
    };
    Plan::as_it_is(facts).advise(facts, advice)
}
