//! The verdict for programs. `docs/diagnose.schema.json` describes it, and tests hold the two together:
//! a new field stands in both.

use std::collections::BTreeMap;
use std::time::Duration;

use paceline_observe::profile::{ByClass, Class, Ending, Profile, Source, Wait};
use paceline_observe::verdict::{Bound, Cause, Law, Model, Shares};
use serde::Serialize;

use super::report::{About, Report};
use super::target::Exit;
use super::words;

/// Grows with each change that a reader must know of; new fields are none.
const VERSION: u32 = 1;

/// All of it, with a line end.
pub(super) fn json(report: &Report<'_>) -> String {
    // A `Verdict` holds nothing that JSON cannot.
    let mut text = serde_json::to_string_pretty(&Json::of(report)).unwrap_or_default();
    text.push('\n');
    text
}

/// All of it, to be put into something larger.
pub(super) fn value(report: &Report<'_>) -> serde_json::Value {
    serde_json::to_value(Json::of(report)).unwrap_or_default()
}

#[derive(Serialize)]
struct Json<'a> {
    version: u32,
    sentence: &'a str,
    bound: Bound,
    cause: Cause,
    confidence: f64,
    evidence: &'a [String],
    shares: Shares,
    overlap: Option<f64>,
    concurrency: f64,
    utilisation: f64,
    cores: f64,
    waits: Vec<JsonWait<'a>>,
    prescription: JsonPrescription<'a>,
    tiers: Tiers<'a>,
    ending: Ending,
    wall_seconds: f64,
    thread_seconds: BTreeMap<Name, f64>,
    of_wall_seconds: BTreeMap<Name, f64>,
    processes: usize,
    threads: usize,
    observer: Observer,
    program: Option<Program>,
}

type Name = String;

#[derive(Serialize)]
struct JsonWait<'a> {
    class: Class,
    target: String,
    /// `FILE:LINE`.
    line: Option<String>,
    function: Option<&'a str>,
    call: Option<&'a str>,
    share: f64,
    seconds: f64,
    of_wall_seconds: f64,
    longest_seconds: f64,
    count: f64,
    threads: usize,
}

#[derive(Serialize)]
struct JsonPrescription<'a> {
    model: Model,
    level: usize,
    advice: &'a str,
    speedup: JsonSpeedup,
    memory_bytes: JsonMemory,
}

#[derive(Serialize)]
struct JsonSpeedup {
    low: f64,
    point: f64,
    high: f64,
    law: Law,
}

#[derive(Serialize)]
struct JsonMemory {
    threads: u64,
    r#async: u64,
    processes: u64,
}

#[derive(Serialize)]
struct Tiers<'a> {
    proc: Tier<'a>,
    sockets: Tier<'a>,
    switches: Tier<'a>,
    python: Tier<'a>,
}

#[derive(Serialize)]
struct Tier<'a> {
    state: &'static str,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Observer {
    cpu_seconds: f64,
    looks: u64,
    lowered_to_looks_per_second: Option<f64>,
    lost_switches: u64,
}

#[derive(Serialize)]
struct Program {
    pid: i32,
    /// As text; what is none is replaced.
    command: Vec<String>,
    exit_code: Option<i32>,
    signal: Option<i32>,
}

impl<'a> Json<'a> {
    fn of(report: &'a Report<'_>) -> Self {
        let (profile, verdict) = (report.profile, report.verdict);
        let what = &verdict.prescription;
        Self {
            version: VERSION,
            sentence: &verdict.sentence,
            bound: verdict.bound,
            cause: verdict.cause,
            confidence: verdict.confidence,
            evidence: &verdict.evidence,
            shares: verdict.shares,
            overlap: verdict.overlap,
            concurrency: verdict.concurrency,
            utilisation: verdict.utilisation,
            cores: profile.cores,
            waits: waits(profile),
            prescription: JsonPrescription {
                model: what.model,
                level: what.level,
                advice: &what.advice,
                speedup: JsonSpeedup {
                    low: what.speedup.low,
                    point: what.speedup.point,
                    high: what.speedup.high,
                    law: what.speedup.law,
                },
                memory_bytes: JsonMemory {
                    threads: what.memory.threads,
                    r#async: what.memory.r#async,
                    processes: what.memory.processes,
                },
            },
            tiers: Tiers {
                proc: Tier::of(&profile.sources.proc),
                sockets: Tier::of(&profile.sources.sockets),
                switches: Tier::of(&profile.sources.switches),
                python: Tier::of(&profile.sources.python),
            },
            ending: profile.ending,
            wall_seconds: seconds(profile.wall),
            thread_seconds: by_class(&profile.time),
            of_wall_seconds: by_class(&profile.of_wall),
            processes: profile.processes_seen,
            threads: profile.threads_seen,
            observer: Observer {
                cpu_seconds: seconds(profile.observer.cpu),
                looks: profile.observer.looks,
                lowered_to_looks_per_second: profile.observer.lowered_to,
                lost_switches: profile.observer.lost_switches,
            },
            program: Program::of(&report.about),
        }
    }
}

impl Program {
    fn of(about: &About<'_>) -> Option<Self> {
        let About::Program { subject, exit } = about else {
            return None;
        };
        Some(Self {
            pid: subject.pid,
            command: subject
                .words
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            exit_code: match exit {
                Some(Exit::Code(code)) => Some(*code),
                _ => None,
            },
            signal: match exit {
                Some(Exit::Signal(signal)) => Some(*signal),
                _ => None,
            },
        })
    }
}

impl<'a> Tier<'a> {
    fn of(source: &'a Source) -> Self {
        let (state, reason) = match source {
            Source::Used => ("used", None),
            Source::NotNeeded => ("not-needed", None),
            Source::Missing(reason) => ("missing", Some(reason.as_str())),
        };
        Self { state, reason }
    }
}

/// The longest first. Shares are of the same whole as those of the classes, in which time spent
/// standing by does not count; so neither do such waits.
fn waits(profile: &Profile) -> Vec<JsonWait<'_>> {
    let times = profile.time.iter();
    let whole: f64 = times
        .filter(|(class, _)| !class.is_standby())
        .map(|(_, time)| time.as_secs_f64())
        .sum();
    let mut waits: Vec<&Wait> = profile
        .waits
        .iter()
        .filter(|wait| !wait.class.is_standby())
        .collect();
    waits.sort_by_key(|wait| std::cmp::Reverse(wait.time));
    waits
        .into_iter()
        .map(|wait| JsonWait {
            class: wait.class,
            target: words::target(&wait.target),
            line: wait.line.as_ref().map(words::line),
            function: wait.line.as_ref().map(|line| line.function.as_str()),
            call: Some(wait.call).filter(|call| !call.is_empty()),
            share: if whole > 0.0 {
                rounded((wait.time.as_secs_f64() / whole).min(1.0))
            } else {
                0.0
            },
            seconds: seconds(wait.time),
            of_wall_seconds: seconds(wait.of_wall),
            longest_seconds: seconds(wait.longest),
            count: rounded(wait.effective_count),
            threads: wait.threads,
        })
        .collect()
}

fn by_class(times: &ByClass<Duration>) -> BTreeMap<Name, f64> {
    times
        .iter()
        .map(|(class, time)| (words::label(&class), seconds(*time)))
        .collect()
}

fn seconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64())
}

/// Digits that mean something.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}
