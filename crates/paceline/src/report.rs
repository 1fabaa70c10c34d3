//! How a run went: where the time was spent, what held it up, and what would help.

mod advice;
mod table;

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::level::{Level, LevelStep};
use crate::limit::Limit;
use crate::meter::Meter;

pub use advice::Bottleneck;

/// What a stage's work is like.
///
/// ```
/// let mapped = paceline::map(0..3, |n| Ok::<_, String>(n + 1)).run().expect("none fails");
/// assert_eq!(mapped.report.stages[0].kind, paceline::StageKind::Blocking);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum StageKind {
    /// Futures, polled by the runtime.
    Io,
    /// Closures that compute: one thread per core.
    Cpu,
    /// Closures that block: as many threads as get more done.
    Blocking,
    /// Processes.
    Command,
    /// Several items become one.
    Batch,
    /// One item becomes several.
    FlatMap,
}

/// How one stage went. Times are sums over all its workers.
///
/// ```
/// let mapped = paceline::map(0..3, |n| Ok::<_, String>(n + 1)).run().expect("none fails");
/// let stage = &mapped.report.stages[0];
/// assert_eq!((stage.done, stage.failed, stage.retried), (3, 0, 0));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StageReport {
    /// As named.
    pub name: String,
    /// What its work is like.
    pub kind: StageKind,
    /// What was asked for.
    pub limit: Limit,
    /// The level on average over the run.
    pub level: f64,
    /// In work now.
    pub in_work: usize,
    /// The most in work at once.
    pub peak: usize,
    /// Items that have a value.
    pub done: u64,
    /// Items that failed for good.
    pub failed: u64,
    /// Further attempts, in all.
    pub retried: u64,
    /// Attempts that were turned away because what they depend on was busy.
    pub turned_away: u64,
    /// Spent on attempts.
    pub busy: Duration,
    /// Spent on a core, as far as it is known.
    pub cpu: Duration,
    /// Spent waiting for input.
    pub starved: Duration,
    /// Spent waiting for room behind it.
    pub blocked: Duration,
    /// The way of the level.
    pub path: Vec<LevelStep>,
}

impl StageReport {
    pub(crate) fn read(
        name: String,
        kind: StageKind,
        limit: Limit,
        level: &Level,
        meter: &Meter,
        wall: Duration,
    ) -> Self {
        Self {
            name,
            kind,
            limit,
            level: level.mean(wall),
            in_work: meter.in_work(),
            peak: meter.peak(),
            done: meter.done.load(Ordering::Relaxed),
            failed: meter.failed.load(Ordering::Relaxed),
            retried: meter.retried.load(Ordering::Relaxed),
            turned_away: meter.turned_away.load(Ordering::Relaxed),
            busy: meter.busy(),
            cpu: meter.cpu(),
            starved: meter.starved(),
            blocked: meter.blocked(),
            path: level.path(),
        }
    }

    /// How long the stage would have taken at least, alone on this machine, at the level it had.
    ///
    /// ```
    /// let report = paceline::map(0..3, |n| Ok::<_, String>(n + 1)).run().expect("none fails").report;
    /// println!("{:?} of {:?}", report.stages[0].bound(), report.wall);
    /// ```
    pub fn bound(&self) -> Duration {
        let busy = match self.kind {
            // Waiting for a core is not the stage's own work.
            StageKind::Cpu => self.cpu,
            _ => self.busy,
        };
        let level = match self.kind {
            StageKind::Batch | StageKind::FlatMap => 1.0,
            _ => self.level.min(self.peak as f64),
        };
        busy.div_f64(level.max(1.0))
    }
}

/// How a run went. `Display` prints it as a table.
///
/// ```
/// let report = paceline::map(0..100, |n| Ok::<_, String>(n + 1)).run().expect("none fails").report;
/// assert_eq!(report.stages[0].done, 100);
/// assert!(report.to_string().contains("map"));
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// From start to end.
    pub wall: Duration,
    /// The least it could have taken at these levels and on these cores: that of the slowest stage,
    /// or of all computing together.
    pub ideal: Duration,
    /// How much of the stages' time was hidden behind one another: 0 if they ran one after the other,
    /// 1 if the slowest hid all others. `None` with fewer than two stages.
    pub overlap: Option<f64>,
    /// What held the run up.
    pub bottleneck: Bottleneck,
    /// The stages, in their order.
    pub stages: Vec<StageReport>,
    /// Cores that were there to use.
    pub cores: f64,
    /// Items that the source gave.
    pub items: u64,
    /// Time in which the source waited for items to come in.
    pub source_waited: Duration,
    /// Time in which the source was held back by the budget or by a full first stage.
    pub source_held: Duration,
    /// The most items in the pipeline at once.
    pub peak_items: u64,
    /// The most bytes in the pipeline at once, as weighed.
    pub peak_bytes: u64,
    /// The items of a pipeline that failed, where failures are collected.
    #[cfg(feature = "tokio")]
    pub failures: Vec<crate::pipeline::Failure>,
}

impl Report {
    /// Sums up the stages.
    pub(crate) fn of(wall: Duration, stages: Vec<StageReport>) -> Self {
        let cores = paceline_observe::cores();
        let bounds: Vec<f64> = stages
            .iter()
            .map(|stage| stage.bound().as_secs_f64())
            .collect();
        let slowest = bounds.iter().copied().fold(0.0, f64::max);
        let sum: f64 = bounds.iter().sum();
        let cpu: Duration = stages.iter().map(|stage| stage.cpu).sum();
        let ideal = slowest
            .max(cpu.as_secs_f64() / cores)
            .min(wall.as_secs_f64());
        let hideable = sum - slowest;
        let overlap =
            (hideable > 1e-9).then(|| ((sum - wall.as_secs_f64()) / hideable).clamp(0.0, 1.0));
        let mut report = Self {
            wall,
            ideal: Duration::from_secs_f64(ideal),
            overlap,
            bottleneck: Bottleneck::None,
            items: stages.first().map_or(0, |stage| stage.done + stage.failed),
            stages,
            cores,
            source_waited: Duration::ZERO,
            source_held: Duration::ZERO,
            peak_items: 0,
            peak_bytes: 0,
            #[cfg(feature = "tokio")]
            failures: Vec::new(),
        };
        report.bottleneck = Bottleneck::of(&report);
        report
    }

    /// Sums up a pipeline: what its source gave, for how long the source took for it and was held
    /// back, and the most items and bytes at once.
    #[cfg(feature = "tokio")]
    pub(crate) fn of_pipeline(
        wall: Duration,
        stages: Vec<StageReport>,
        failures: Vec<crate::pipeline::Failure>,
        items: u64,
        (waited, held): (Duration, Duration),
        (peak_items, peak_bytes): (u64, u64),
    ) -> Self {
        let mut report = Self::of(wall, stages);
        report.items = items;
        report.source_waited = waited;
        report.source_held = held;
        report.peak_items = peak_items;
        report.peak_bytes = peak_bytes;
        report.failures = failures;
        report.bottleneck = Bottleneck::of(&report);
        report
    }
}
