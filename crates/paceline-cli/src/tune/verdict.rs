//! What the measured levels mean: the level to take, what limits it, and the law behind it.

use std::fmt;

use paceline_control::{CurvePoint, Learned, Usl};

use super::schedule::{Bound, Cap, Stop, law};
use super::window::Measurement;

/// A lower level that gets this share of the best throughput is the better choice: it leaves more
/// to others.
const GOOD_ENOUGH: f64 = 0.97;
/// Cores count as full from this share of them on.
const CORES_FULL: f64 = 0.85;
/// So do they when jobs spend this share of their time queueing for one.
const QUEUED_MUCH: f64 = 0.2;
/// The disk is what jobs wait for if so many of them do at once.
const DISK_MUCH: f64 = 0.3;
/// A law is believed at most this far beyond the highest level measured.
const BELIEVED_BEYOND: f64 = 2.0;

/// What keeps more jobs from getting more done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Cpu,
    Disk,
    Memory,
    Descriptors,
    Processes,
    MaxLevel,
    Failures,
    Busy,
    /// Something that jobs share and that cannot be seen from here.
    Contention,
    /// Throughput still grew when the inputs or the list of levels ended.
    NotReached,
}

impl Limit {
    /// One word, as in the journal.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Disk => "disk",
            Self::Memory => "memory",
            Self::Descriptors => "descriptors",
            Self::Processes => "processes",
            Self::MaxLevel => "max-level",
            Self::Failures => "failures",
            Self::Busy => "busy",
            Self::Contention => "contention",
            Self::NotReached => "not-reached",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "the cores are full: more jobs would only queue for them",
            Self::Disk => "the disk: that is what most jobs wait for",
            Self::Memory => "memory: more jobs would not fit",
            Self::Descriptors => "the open-file limit: ulimit -n raises it",
            Self::Processes => "the process limit: ulimit -u raises it",
            Self::MaxLevel => "--max-level: throughput still grew there, so more may get more done",
            Self::Failures => "jobs begin to fail",
            Self::Busy => "what the jobs depend on says that it is busy",
            Self::Contention => {
                "something that jobs share and that is not here: a server, a lock, a link. The cores are not full"
            }
            Self::NotReached => "nothing seen yet: throughput still grew at the highest level measured",
        })
    }
}

/// What was found out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// The level to take.
    pub(crate) level: usize,
    /// The level that got most done.
    pub(crate) best: usize,
    /// What `level` gets done of that, as a share.
    pub(crate) share_of_best: f64,
    pub(crate) limit: Limit,
    pub(crate) law: Option<Usl>,
    /// Where the law peaks, if that is near what was measured.
    pub(crate) peak: Option<f64>,
}

impl Verdict {
    /// Judges levels in the order in which they were measured. `None` if there are none.
    pub(crate) fn of(measured: &[Measurement], stop: Option<&Stop>, cores: f64) -> Option<Self> {
        let best = measured
            .iter()
            .max_by(|a, b| a.throughput.total_cmp(&b.throughput))?;
        let chosen = measured
            .iter()
            .filter(|point| point.throughput >= GOOD_ENOUGH * best.throughput)
            .min_by_key(|point| point.level)?;
        let highest = measured.iter().max_by_key(|point| point.level)?;
        let law = law(measured);
        let peak = law
            .and_then(|law| law.peak())
            .filter(|peak| *peak <= BELIEVED_BEYOND * highest.level as f64);
        Some(Self {
            level: chosen.level,
            best: best.level,
            share_of_best: chosen.throughput / best.throughput,
            limit: limit(measured, best, highest, stop, cores),
            law,
            peak,
        })
    }

    /// What the next run should know.
    pub(crate) fn learned(&self, measured: &[Measurement], stop: Option<&Stop>) -> Learned {
        let mut learned = Learned::level(self.level, self.limit.label());
        // A run that begins here should look further up.
        learned.settled = !matches!(self.limit, Limit::NotReached | Limit::MaxLevel);
        learned.curve = measured
            .iter()
            .map(|point| {
                CurvePoint::new(point.level, point.throughput, point.mean_wall, point.jobs)
            })
            .collect();
        learned.curve.sort_by_key(|point| point.level);
        if let Some(chosen) = measured.iter().find(|point| point.level == self.level) {
            let wall = chosen.mean_wall.as_secs_f64();
            learned.mean_wall_seconds = wall;
            learned.job_bytes = chosen.peak_rss_bytes;
            let ready = wall * (1.0 - chosen.queued_share.unwrap_or(0.0));
            learned.busy_cores = (ready > 0.0).then(|| chosen.cpu_per_job() / ready);
        }
        if let Some(Stop::Busy { .. }) = stop {
            learned.busy_above = measured.iter().map(|point| point.level).max();
        }
        learned
    }
}

fn limit(
    measured: &[Measurement],
    best: &Measurement,
    highest: &Measurement,
    stop: Option<&Stop>,
    cores: f64,
) -> Limit {
    match stop {
        Some(Stop::Failing { .. }) => return Limit::Failures,
        Some(Stop::Busy { .. }) => return Limit::Busy,
        Some(Stop::MemoryLow { .. }) => return Limit::Memory,
        Some(Stop::Refused { .. }) => return Limit::Processes,
        _ => {}
    }
    let at_or_above = || measured.iter().filter(|point| point.level >= best.level);
    let full = |point: &Measurement| {
        point.cores_used >= CORES_FULL * cores
            || point.queued_share.is_some_and(|share| share >= QUEUED_MUCH)
    };
    if at_or_above().any(full) {
        return Limit::Cpu;
    }
    if best.level == highest.level {
        // It grew up to the end: what ended it?
        return match stop {
            Some(Stop::Capped(Cap { bound, .. })) => match bound {
                Bound::MaxLevel => Limit::MaxLevel,
                Bound::Descriptors => Limit::Descriptors,
                Bound::Processes => Limit::Processes,
                Bound::Memory => Limit::Memory,
            },
            _ => Limit::NotReached,
        };
    }
    if at_or_above().any(|point| point.disk_share >= DISK_MUCH) {
        return Limit::Disk;
    }
    Limit::Contention
}

#[cfg(test)]
mod tests {
    use super::super::schedule::tests::measured;
    use super::*;

    fn verdict(points: &[Measurement], stop: &Stop) -> Verdict {
        Verdict::of(points, Some(stop), 4.0).expect("levels were measured")
    }

    fn capped(bound: Bound) -> Stop {
        Stop::Capped(Cap { level: 8, bound })
    }

    fn rising() -> Vec<Measurement> {
        [1, 2, 4, 8].map(|n| measured(n, n as f64)).to_vec()
    }

    fn falling() -> Vec<Measurement> {
        [(1, 10.0), (2, 19.8), (4, 38.0), (8, 39.0), (16, 30.0)]
            .map(|(level, rate)| measured(level, rate))
            .to_vec()
    }

    #[test]
    fn takes_the_lowest_level_that_is_about_as_good_as_the_best() {
        let found = verdict(&falling(), &Stop::NoGain);
        assert_eq!((found.level, found.best), (4, 8));
        assert!((found.share_of_best - 38.0 / 39.0).abs() < 1e-9);
        assert_eq!(verdict(&rising(), &Stop::ListDone).level, 8);
        assert_eq!(Verdict::of(&[], None, 4.0), None);
    }

    #[test]
    fn names_what_limits() {
        let of = |points: &[Measurement], stop: Stop| verdict(points, &stop).limit;
        assert_eq!(of(&rising(), capped(Bound::MaxLevel)), Limit::MaxLevel);
        assert_eq!(of(&rising(), capped(Bound::Memory)), Limit::Memory);
        assert_eq!(of(&rising(), Stop::Inputs { level: 16 }), Limit::NotReached);
        assert_eq!(of(&falling(), Stop::NoGain), Limit::Contention);
        let failing = Stop::Failing {
            level: 16,
            failed: 3,
            ended: 9,
        };
        assert_eq!(of(&rising(), failing), Limit::Failures);
        assert_eq!(of(&rising(), Stop::MemoryLow { level: 16 }), Limit::Memory);

        let mut busy = falling();
        busy[4].queued_share = Some(0.4);
        assert_eq!(of(&busy, Stop::NoGain), Limit::Cpu);
        let mut full = rising();
        full[3].cores_used = 3.9;
        assert_eq!(of(&full, capped(Bound::MaxLevel)), Limit::Cpu);
        let mut disk = falling();
        disk[3].disk_share = 0.5;
        assert_eq!(of(&disk, Stop::NoGain), Limit::Disk);
    }

    #[test]
    fn a_peak_far_away_is_not_told() {
        let law = Usl {
            lambda: 1.0,
            sigma: 0.0,
            kappa: 0.0001,
        };
        let points = |levels: &[usize]| -> Vec<Measurement> {
            let point = |&level| measured(level, law.throughput(level as f64));
            levels.iter().map(point).collect()
        };
        let far = verdict(&points(&[1, 2, 4, 8]), &Stop::ListDone);
        assert!(far.law.is_some());
        assert_eq!(far.peak, None);
        let near = verdict(&points(&[1, 8, 64]), &Stop::ListDone);
        assert!((near.peak.expect("a peak") - 100.0).abs() < 1.0, "{near:?}");
    }

    #[test]
    fn what_still_grew_is_not_settled() {
        let settled = |points: &[Measurement], stop: Stop| {
            verdict(points, &stop).learned(points, Some(&stop)).settled
        };
        assert!(settled(&falling(), Stop::NoGain));
        assert!(settled(&rising(), capped(Bound::Memory)));
        assert!(!settled(&rising(), capped(Bound::MaxLevel)));
        assert!(!settled(&rising(), Stop::Inputs { level: 16 }));
        assert!(!settled(&rising(), Stop::ListDone));
    }

    #[test]
    fn the_next_run_learns_the_curve() {
        let points = [measured(8, 70.0), measured(1, 10.0), measured(4, 39.0)];
        let busy = Stop::Busy {
            level: 16,
            busy: 5,
            ended: 20,
        };
        let learned = verdict(&points, &busy).learned(&points, Some(&busy));
        assert_eq!((learned.level, learned.limited_by.as_str()), (8, "busy"));
        let levels: Vec<usize> = learned.curve.iter().map(|point| point.level).collect();
        assert_eq!(levels, [1, 4, 8]);
        assert_eq!(learned.busy_above, Some(8));
        assert_eq!(learned.job_bytes, 10 << 20);
        let busy_cores = learned.busy_cores.expect("was measured");
        assert!((busy_cores - 0.1 / 70.0 / 0.1).abs() < 1e-9, "{busy_cores}");
    }
}
