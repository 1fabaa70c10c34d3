//! The verdict for people: what it is in one sentence, then what that rests on.

use std::time::Duration;

use anstyle::Style as Colour;
use paceline_observe::profile::{Profile, Wait};
use paceline_observe::verdict::{Law, Model, Verdict};

use super::bars::bars;
use super::destination::Style;
use super::layout::Lines;
use super::report::{About, Report};
use super::words::{self, harmless};
use crate::run::{grouped, time};

/// Waits that are listed.
const WAITS: usize = 5;
/// Waits shorter than this share of the longest are not listed.
const LEAST_WAIT: f64 = 0.01;
/// Nor those that took less than this share of the wall: among them how we start the program.
const LEAST_OF_WALL: f64 = 0.001;
/// Columns for what is waited for.
const TARGET: usize = 50;

/// All of it, with a line end after each line.
pub(super) fn text(report: &Report<'_>, style: Style) -> String {
    let Report {
        profile, verdict, ..
    } = report;
    let mut lines = Lines::default();
    sentence(report, style, &mut lines);
    lines.entry("cause", &cause(verdict));
    lines.entry("watched", &watched(report));
    lines.gap();
    bars(profile, style, &mut lines);
    waits(profile, &mut lines);
    lines.gap();
    lines.entry("overlap", &overlap(report));
    lines.entry("in use", &in_use(report));
    lines.gap();
    prescription(verdict, &mut lines);
    for (index, evidence) in verdict.evidence.iter().enumerate() {
        let name = if index == 0 { "because" } else { "" };
        lines.entry(name, &harmless(evidence));
    }
    lines.gap();
    lines.entry("sources", &sources(profile));
    lines.entry("cost", &cost(profile));
    lines.into_string()
}

fn sentence(report: &Report<'_>, style: Style, lines: &mut Lines) {
    let sentence = harmless(&report.verdict.sentence);
    let mut wrapped = Lines::default();
    match report.about {
        About::Program { .. } => wrapped.paragraph("paceline: ", 2, &sentence),
        About::Jobs => wrapped.entry("why", &sentence),
    }
    let bold = if style.colours {
        Colour::new().bold()
    } else {
        Colour::new()
    };
    for line in wrapped.into_string().lines() {
        lines.line(&format!("{bold}{line}{bold:#}"));
    }
}

fn cause(verdict: &Verdict) -> String {
    format!(
        "{}, bound: {}, confidence {:.0} %",
        words::label(&verdict.cause),
        words::label(&verdict.bound),
        100.0 * verdict.confidence
    )
}

fn watched(report: &Report<'_>) -> String {
    let profile = report.profile;
    let (who, how) = match &report.about {
        About::Program { subject, exit } => (
            words::subject(subject, 40),
            words::ending(profile.ending, *exit),
        ),
        About::Jobs => ("the jobs".to_owned(), "from start to end".to_owned()),
    };
    let count = |number: usize, one: &str, many: &str| {
        let noun = if number == 1 { one } else { many };
        format!("{} {noun}", grouped(number as u64))
    };
    format!(
        "{who} for {}, {how}; {}, {}",
        time(profile.wall),
        count(profile.processes_seen, "process", "processes"),
        count(profile.threads_seen, "thread", "threads"),
    )
}

fn waits(profile: &Profile, lines: &mut Lines) {
    let mut waits: Vec<&Wait> = profile
        .waits
        .iter()
        .filter(|wait| !wait.class.is_standby() && !wait.time.is_zero())
        .collect();
    waits.sort_by_key(|wait| std::cmp::Reverse(wait.time));
    let Some(longest) = waits.first().map(|wait| wait.time) else {
        return;
    };
    lines.gap();
    let least =
        (LEAST_WAIT * longest.as_secs_f64()).max(LEAST_OF_WALL * profile.wall.as_secs_f64());
    let worth = |wait: &&&Wait| wait.time.as_secs_f64() >= least;
    for (index, wait) in waits.iter().filter(worth).take(WAITS).enumerate() {
        let name = if index == 0 { "waits" } else { "" };
        lines.entry(name, &of_wait(wait));
    }
}

fn of_wait(wait: &Wait) -> String {
    let target = words::end(&harmless(&words::target(&wait.target)), TARGET);
    let mut text = format!("{} {}: {target}", time(wait.time), words::class(wait.class));
    let mut details = Vec::new();
    if wait.effective_count >= 1.5 {
        details.push(format!("about {:.0} times", wait.effective_count));
    }
    if !wait.longest.is_zero() {
        details.push(format!("longest {}", time(wait.longest)));
    }
    if wait.threads > 1 {
        details.push(format!("{} threads", grouped(wait.threads as u64)));
    }
    if !wait.call.is_empty() {
        details.push(format!("in {}", harmless(wait.call)));
    }
    if let Some(line) = &wait.line {
        let place = words::end(&harmless(&words::line(line)), TARGET);
        text += &format!(" at {place} in {}", harmless(&line.function));
    }
    if !details.is_empty() {
        text += &format!(" ({})", details.join(", "));
    }
    text
}

fn overlap(report: &Report<'_>) -> String {
    let overlap = &report.profile.overlap;
    match report.verdict.overlap {
        Some(share) => format!(
            "{:.0} %: {} of compute and {} of input and output, {} of it together",
            100.0 * share,
            time(overlap.compute),
            time(overlap.io),
            time(overlap.both),
        ),
        None if overlap.io.is_zero() => "none: no input or output was in flight".to_owned(),
        None if overlap.compute.is_zero() => "none: nothing was computed".to_owned(),
        None => format!(
            "none to speak of: {} of compute and {} of input and output",
            time(overlap.compute),
            time(overlap.io),
        ),
    }
}

fn in_use(report: &Report<'_>) -> String {
    let (profile, verdict) = (report.profile, report.verdict);
    let cores = profile.cores;
    let mut text = format!(
        "{:.2} of {:.1} cores ({:.0} %)",
        verdict.utilisation * cores,
        cores,
        100.0 * verdict.utilisation
    );
    if verdict.concurrency > 0.0 {
        let flight = verdict.concurrency;
        text += &format!("; {flight:.1} inputs and outputs in flight");
    }
    text
}

fn prescription(verdict: &Verdict, lines: &mut Lines) {
    let what = &verdict.prescription;
    lines.entry("do", &harmless(&what.advice));
    let speedup = what.speedup;
    if speedup.law == Law::None {
        lines.entry("speed-up", "none that could be predicted");
        return;
    }
    if what.model == Model::AsIs {
        lines.entry("speed-up", &factors(verdict));
        return;
    }
    lines.entry(
        "how",
        &format!("{}, {} at once", words::model(what.model), what.level),
    );
    lines.entry("speed-up", &factors(verdict));
    let memory = what.memory;
    lines.entry(
        "memory",
        &format!(
            "for {} at once: threads {}, async {}, processes {}",
            what.level,
            words::bytes(memory.threads),
            words::bytes(memory.r#async),
            words::bytes(memory.processes)
        ),
    );
}

fn factors(verdict: &Verdict) -> String {
    let speedup = verdict.prescription.speedup;
    format!(
        "{} times as fast; at least {}, at most {} ({})",
        factor(speedup.point),
        factor(speedup.low),
        factor(speedup.high),
        words::law(speedup.law)
    )
}

fn factor(factor: f64) -> String {
    if factor < 9.95 {
        format!("{factor:.1}")
    } else {
        format!("{factor:.0}")
    }
}

fn sources(profile: &Profile) -> String {
    let sources = &profile.sources;
    let named = [
        ("/proc", &sources.proc),
        ("sockets", &sources.sockets),
        ("context switches", &sources.switches),
        ("lines of Python", &sources.python),
    ];
    let told: Vec<String> = named
        .iter()
        .map(|(name, source)| format!("{name} {}", harmless(&words::source(source))))
        .collect();
    told.join("; ")
}

fn cost(profile: &Profile) -> String {
    let cost = &profile.observer;
    let share = if profile.wall > Duration::ZERO {
        cost.cpu.as_secs_f64() / profile.wall.as_secs_f64()
    } else {
        0.0
    };
    let mut text = format!(
        "watching took {} of CPU, {:.1} % of a core, in {} looks",
        time(cost.cpu),
        100.0 * share,
        grouped(cost.looks)
    );
    if let Some(rate) = cost.lowered_to {
        text += &format!("; slowed down to {rate:.0} looks a second to stay cheap");
    }
    if cost.lost_switches > 0 {
        text += &format!(
            "; {} context switches were lost",
            grouped(cost.lost_switches)
        );
    }
    text
}

#[cfg(test)]
mod tests;
