//! It waits for time to pass.

use super::super::facts::{Facts, effective_count};
use super::super::plan::{Plan, Waits, at_once};
use super::super::rule::{Border, Rule};
use super::super::{Cause, Model, Prescription, Speedup, words};
use crate::profile::{Class, Wait};

/// A timer is all there is for at least this share of the wall.
const OF_WALL: f64 = 0.5;
/// Below it, it is still what it does most.
const MOSTLY_OF_WALL: f64 = 0.3;
/// Pauses shorter than this look for something again and again; longer ones may stand for work.
const POLLING: f64 = 0.1;

pub(super) const RULE: Rule = Rule {
    cause: Cause::Timer,
    borders: &[Border::share_at_least(
        OF_WALL,
        "of the time nothing but a timer is waited for",
        |f| f.waiting.timer,
    )],
    weight: 1.0,
    sentence,
    prescribe,
};

pub(super) const MOSTLY: Rule = Rule {
    cause: Cause::Timer,
    borders: &[Border::share_at_least(
        MOSTLY_OF_WALL,
        "of the time nothing but a timer is waited for",
        |f| f.waiting.timer,
    )],
    weight: 0.6,
    sentence,
    prescribe,
};

fn is_pause(wait: &Wait) -> bool {
    wait.class == Class::Sleep
        || (matches!(wait.class, Class::Poll | Class::Condition) && !wait.timed.is_zero())
}

fn pauses(f: &Facts<'_>) -> f64 {
    effective_count(f.profile, is_pause).max(1.0)
}

fn sentence(f: &Facts<'_>) -> String {
    let line = f
        .profile
        .waits
        .iter()
        .filter(|wait| is_pause(wait))
        .max_by_key(|wait| wait.time)
        .and_then(|wait| wait.line.as_ref())
        .map_or(String::new(), |line| format!(", at {}", words::line(line)));
    format!(
        "It waits for time to pass, {} of the time, in pauses of {}{line}.",
        words::percent(f.waiting.timer),
        words::seconds(mean_pause(f))
    )
}

fn mean_pause(f: &Facts<'_>) -> f64 {
    let time: f64 = f
        .profile
        .waits
        .iter()
        .filter(|wait| is_pause(wait))
        .map(|wait| wait.time.as_secs_f64())
        .sum();
    if time > 0.0 {
        time / pauses(f)
    } else {
        f.waiting.timer * f.wall
    }
}

fn prescribe(f: &Facts<'_>) -> Prescription {
    let asleep = f.threads_in(Class::Sleep);
    let plan = at_once(
        f,
        &Waits {
            count: pauses(f),
            time: f.waiting.timer.max(asleep) * f.wall,
            disk: 0.0,
            rest: f.wall * (1.0 - f.compute - f.waiting.timer).max(0.0),
            now: asleep.max(1.0),
            connect: false,
            counted: f.follows_switches(),
            model: None,
        },
    );
    if mean_pause(f) < POLLING || plan.level < 2 || plan.speedup.point <= 1.05 {
        let Speedup { point, law, .. } = plan.speedup;
        let plan = Plan {
            speedup: Speedup::ordered(1.0, 1.0, point, law),
            ..Plan::as_it_is(f)
        };
        return plan.advise(
            f,
            "Wait for the event itself instead of looking for it in intervals.".into(),
        );
    }
    let Speedup {
        point, high, law, ..
    } = plan.speedup;
    let model = if plan.model == Model::AsIs {
        Model::Threads
    } else {
        plan.model
    };
    let advice = format!(
        "If the pauses look for something, wait for the event itself. If each stands for work of its own, have {} \
         at once.",
        plan.level
    );
    Plan {
        model,
        speedup: Speedup::ordered(1.0, point, high, law),
        ..plan
    }
    .advise(f, advice)
}
