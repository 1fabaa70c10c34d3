//! What held a run up, and what would help.

use std::fmt;

use super::{Report, StageKind, StageReport};
use crate::limit::Limit;

/// What held a run up; the last line of a report says what would help.
///
/// ```
/// use paceline::Bottleneck;
///
/// let slow = |n: &u32| {
///     std::thread::sleep(std::time::Duration::from_millis(5));
///     Ok::<_, String>(*n)
/// };
/// let report = paceline::map(0..20, slow).limit(2).run().expect("none fails").report;
/// assert_eq!(report.bottleneck, Bottleneck::Stage(0));
/// println!("{report}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Bottleneck {
    /// Too little happened to tell.
    None,
    /// All stages together used the cores up.
    Cores,
    /// This stage, by its place among them.
    Stage(usize),
    /// Stages waited for items to come in.
    Source,
    /// Stages waited for the results to be taken out.
    Consumer,
}

/// From this share of the cores on, they are used up.
const FULL: f64 = 0.9;
/// A stage that had something to do for less than this share of the time was not the slowest part.
const IDLE: f64 = 0.5;

impl Bottleneck {
    pub(super) fn of(report: &Report) -> Self {
        let wall = report.wall.as_secs_f64();
        if wall <= 0.0 || report.stages.is_empty() {
            return Self::None;
        }
        let cpu: f64 = report
            .stages
            .iter()
            .map(|stage| stage.cpu.as_secs_f64())
            .sum();
        let (slowest, stage) = report
            .stages
            .iter()
            .enumerate()
            .max_by_key(|(_, stage)| stage.bound())
            .map_or((0, None), |(at, stage)| (at, Some(stage)));
        let Some(stage) = stage else {
            return Self::None;
        };
        if cpu / (wall * report.cores) >= FULL {
            return if stage.kind == StageKind::Cpu {
                Self::Stage(slowest)
            } else {
                Self::Cores
            };
        }
        if stage.bound().as_secs_f64() / wall >= IDLE {
            return Self::Stage(slowest);
        }
        let waiting = |time: std::time::Duration| time.as_secs_f64();
        if report.source_waited.as_secs_f64() / wall >= IDLE {
            return Self::Source;
        }
        let blocked = report
            .stages
            .last()
            .map_or(0.0, |last| waiting(last.blocked));
        let starved = report
            .stages
            .first()
            .map_or(0.0, |first| waiting(first.starved));
        let busy = waiting(stage.busy);
        if blocked > busy && blocked > starved {
            Self::Consumer
        } else if starved > busy {
            Self::Source
        } else {
            Self::Stage(slowest)
        }
    }
}

/// One sentence, given the run.
pub(super) struct Advice<'a>(pub(super) &'a Report);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        match report.bottleneck {
            Bottleneck::None => f.write_str("too little happened to tell"),
            Bottleneck::Cores => write!(
                f,
                "all stages together use the {} cores up: more cores or less computing would help",
                report.cores
            ),
            Bottleneck::Source => f.write_str(
                "the source: stages waited for items to come in; a faster source would help",
            ),
            Bottleneck::Consumer => f.write_str(
                "the consumer: finished items waited to be taken out; taking them faster would help",
            ),
            Bottleneck::Stage(at) => match report.stages.get(at) {
                Some(stage) => help(stage, report, f),
                None => Ok(()),
            },
        }
    }
}

fn help(stage: &StageReport, report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = &stage.name;
    let full = stage.peak as f64 >= stage.level;
    match (stage.kind, stage.limit) {
        (StageKind::Cpu, Limit::Fixed(limit)) if (limit as f64) < report.cores => write!(
            f,
            "{name}: it may use {limit} of {} cores; a higher limit would help",
            report.cores
        ),
        (StageKind::Cpu, _) => write!(
            f,
            "{name}: it computes on all {} cores; more cores or less computing would help",
            report.cores
        ),
        (StageKind::Batch | StageKind::FlatMap, _) => {
            write!(
                f,
                "{name}: it runs on one thread; less work in it would help"
            )
        }
        (_, Limit::Fixed(limit)) if full => write!(
            f,
            "{name}: all of the {limit} slots that you set were taken; a higher limit may help"
        ),
        (_, Limit::Range { max: Some(max), .. }) if stage.peak >= max => write!(
            f,
            "{name}: all of the {max} slots that you allow were taken; a higher limit may help"
        ),
        (StageKind::Blocking, _) if stage.cpu.as_secs_f64() > 0.7 * stage.busy.as_secs_f64() => {
            write!(
                f,
                "{name}: it computes rather than waits; more cores or less computing would help"
            )
        }
        _ if stage.turned_away > 0 => write!(
            f,
            "{name}: what it depends on was busy {} times; more capacity there would help",
            stage.turned_away
        ),
        _ => {
            let reason = stage.path.last().map_or("", |step| step.reason.as_str());
            write!(
                f,
                "{name}: what it waits for sets the pace (level {:.0}: {reason})",
                stage.level
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn stage(name: &str, kind: StageKind, level: f64, busy: f64, cpu: f64) -> StageReport {
        let time = Duration::from_secs_f64;
        StageReport {
            name: name.into(),
            kind,
            limit: Limit::Auto,
            level,
            in_work: 0,
            peak: level as usize,
            done: 100,
            failed: 0,
            retried: 0,
            turned_away: 0,
            busy: time(busy),
            cpu: time(cpu),
            starved: Duration::ZERO,
            blocked: Duration::ZERO,
            path: Vec::new(),
        }
    }

    fn report(wall: f64, stages: Vec<StageReport>) -> Report {
        let mut report = Report::of(Duration::from_secs_f64(wall), stages);
        report.cores = 2.0;
        report.bottleneck = Bottleneck::of(&report);
        report
    }

    fn said(report: &Report) -> String {
        Advice(report).to_string()
    }

    #[test]
    fn a_stage_that_computes_on_all_cores() {
        let stages = vec![
            stage("fetch", StageKind::Io, 64.0, 20.0, 0.05),
            stage("parse", StageKind::Cpu, 2.0, 2.1, 1.95),
        ];
        let report = report(1.0, stages);
        assert_eq!(report.bottleneck, Bottleneck::Stage(1));
        assert!(said(&report).starts_with("parse: it computes on all 2 cores"));
        assert!(report.overlap.is_some_and(|overlap| overlap > 0.9));
    }

    #[test]
    fn slots_that_a_person_set() {
        let mut fetch = stage("fetch", StageKind::Io, 3.0, 3.0, 0.05);
        fetch.limit = Limit::Fixed(3);
        let stages = vec![fetch, stage("parse", StageKind::Cpu, 2.0, 0.2, 0.2)];
        let report = report(1.05, stages);
        assert_eq!(report.bottleneck, Bottleneck::Stage(0));
        assert!(said(&report).contains("all of the 3 slots that you set were taken"));
    }

    #[test]
    fn several_stages_share_the_cores() {
        let stages = vec![
            stage("fetch", StageKind::Io, 64.0, 5.0, 0.9),
            stage("write", StageKind::Blocking, 8.0, 4.0, 1.0),
        ];
        assert_eq!(report(1.0, stages).bottleneck, Bottleneck::Cores);
    }

    #[test]
    fn the_source_or_the_consumer() {
        let mut slow_source = stage("parse", StageKind::Cpu, 2.0, 0.1, 0.1);
        slow_source.starved = Duration::from_secs(2);
        let mut slow_consumer = stage("parse", StageKind::Cpu, 2.0, 0.1, 0.1);
        slow_consumer.blocked = Duration::from_secs(2);
        assert_eq!(
            report(1.0, vec![slow_source]).bottleneck,
            Bottleneck::Source
        );
        assert_eq!(
            report(1.0, vec![slow_consumer]).bottleneck,
            Bottleneck::Consumer
        );
        assert_eq!(report(1.0, Vec::new()).bottleneck, Bottleneck::None);
    }
}
