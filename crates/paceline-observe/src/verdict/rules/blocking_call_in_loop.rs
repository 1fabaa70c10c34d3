//! The thread of an event loop waits in a call that is not its poll: meanwhile no task of it goes on.

use super::super::facts::{Facts, Loop, effective_count};
use super::super::plan::{Plan, Waits, at_once};
use super::super::rule::{Border, Rule};
use super::super::{Cause, Model, words};
use crate::profile::Wait;

/// The loop's thread is in other calls for at least this share of its active time …
const BLOCKED: f64 = 0.5;
/// … and polls for less than this.
const POLLED: f64 = 0.3;

pub(super) const RULE: Rule = Rule {
    cause: Cause::BlockingCallInLoop,
    borders: &[
        Border::share_at_least(
            BLOCKED,
            "of its active time the event loop's thread waits in a call that is not its poll",
            |f| of_loop(f, |l| l.blocked),
        ),
        Border::share_below(POLLED, "of it is left for polling", |f| {
            of_loop(f, |l| l.polled)
        }),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "A blocking call holds the event loop for {} of its time: {}. No other task goes on meanwhile.",
            words::percent(of_loop(f, |l| l.blocked)),
            blocker(f).map_or("it is not known which".into(), words::place)
        )
    },
    prescribe: |f| {
        let Some(wait) = blocker(f) else {
            return Plan::as_it_is(f).advise(
                f,
                "Find the call and await it, or give it to a thread.".into(),
            );
        };
        // The same call on a socket that was not known yet when it was met stands for itself.
        let same = |other: &Wait| other.class == wait.class && other.call == wait.call;
        let time: f64 = (f.profile.waits.iter())
            .filter(|wait| same(wait))
            .map(|wait| wait.time.as_secs_f64())
            .sum();
        // Several kinds of one wait cannot be added up as time of the wall; all of its class is known.
        let held = f.profile.of_wall[wait.class]
            .as_secs_f64()
            .min(time)
            .max(wait.of_wall.as_secs_f64());
        let plan = at_once(
            f,
            &Waits {
                count: effective_count(f.profile, same),
                time,
                disk: if matches!(wait.class, crate::profile::Class::Disk) {
                    1.0
                } else {
                    0.0
                },
                rest: (f.wall * (1.0 - f.compute) - held).max(0.0),
                now: 1.0,
                connect: wait.class == crate::profile::Class::Network,
                counted: f.follows_switches(),
                model: Some(Model::Async),
            },
        );
        let how = if f.python { " (asyncio.to_thread)" } else { "" };
        let advice = format!(
            "Await it through an async client, or hand it to a thread of its own{how}: {}. Then up to {} at once.",
            words::place(wait),
            plan.level
        );
        plan.advise(f, advice)
    },
};

fn of_loop(facts: &Facts<'_>, value: fn(&Loop) -> f64) -> f64 {
    facts.event_loop.as_ref().map_or(0.0, value)
}

fn blocker<'a>(facts: &'a Facts<'_>) -> Option<&'a Wait> {
    facts.profile.waits.get(facts.event_loop?.blocked_by?)
}
