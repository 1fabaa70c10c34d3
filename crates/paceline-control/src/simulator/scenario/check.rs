//! From what a file says to a scenario, or to what is wrong with it.

use std::ops::Range;

use toml::Spanned;

use super::file::{self, File};
use super::{Amount, Arrivals, BASE_BYTES, Dispatch, JobKind, PhaseKind, Scenario};
use crate::simulator::stations::{Change, ResourceKind, Station};

/// Bytes in a GB.
const GB: f64 = 1_000_000_000.0;
/// More jobs than this would take the machine's memory, not tell anything.
const MOST_JOBS: usize = 10_000_000;

/// What is wrong, and where in the text.
pub(super) struct Wrong {
    pub(super) span: Range<usize>,
    pub(super) what: String,
}

fn check(holds: bool, span: &Range<usize>, what: impl Into<String>) -> Result<(), Wrong> {
    if holds {
        Ok(())
    } else {
        Err(wrong(span, what))
    }
}

fn wrong(span: &Range<usize>, what: impl Into<String>) -> Wrong {
    Wrong {
        span: span.clone(),
        what: what.into(),
    }
}

/// The scenario that a file describes, if all in it makes sense.
pub(super) fn checked(file: File, name: String) -> Result<Scenario, Wrong> {
    let jobs = *file.jobs.get_ref();
    check(
        (1..=MOST_JOBS).contains(&jobs),
        &file.jobs.span(),
        format!("jobs = {jobs}: must be from 1 to {MOST_JOBS}"),
    )?;
    let start = 0..0;
    let positive = [
        ("machine.cores_factor", file.machine.cores_factor),
        ("machine.memory_gb", file.machine.memory_gb),
    ];
    for (what, value) in positive {
        check(
            value > 0.0,
            &start,
            format!("{what} = {value}: must be above 0"),
        )?;
    }
    check(
        file.dispatch.seconds >= 0.0,
        &start,
        "dispatch.seconds: must not be negative",
    )?;

    let stations = Named::checked(&file)?;
    let mix = mix(&file, &stations)?;
    let changes = changes(&file, &stations)?;
    let arrivals = file.arrivals.as_ref().map(arrivals).transpose()?;

    Ok(Scenario {
        name,
        why: file.why,
        split: file.split,
        kind: file.kind,
        jobs,
        scale_jobs_with_cores: file.scale_jobs_with_cores,
        cores_factor: file.machine.cores_factor,
        memory_bytes: file.machine.memory_gb * GB,
        dispatch: Dispatch {
            seconds: file.dispatch.seconds,
            takes_core: file.dispatch.takes_core,
        },
        stations: stations.stations,
        mix,
        changes,
        arrivals,
        signal_noise: file.signal_noise,
    })
}

/// The stations, with the names that files call them by.
struct Named {
    names: Vec<String>,
    stations: Vec<Station>,
}

impl Named {
    /// The built-in ones, and those in the file.
    fn checked(file: &File) -> Result<Self, Wrong> {
        let mut names: Vec<String> = Vec::new();
        let mut stations = Vec::new();
        for (name, kind) in [
            ("cpu", ResourceKind::Cpu),
            ("timer", ResourceKind::Timer),
            ("socket", ResourceKind::Socket),
        ] {
            names.push(name.to_owned());
            stations.push(Station::new(kind));
        }
        for (name, parameters) in &file.resource {
            let span = parameters.span();
            check(
                !names.contains(name),
                &span,
                format!("resource.{name}: this one is built in; choose another name"),
            )?;
            let Some(kind) = parameters.get_ref().kind else {
                let what =
                    format!("resource.{name} has no kind (timer, socket, remote, disk or lock)");
                return Err(Wrong { span, what });
            };
            check(
                kind != ResourceKind::Cpu,
                &span,
                format!("resource.{name}: there is only one cpu, the built-in one"),
            )?;
            let mut station = Station::new(kind);
            parameters.get_ref().fit(kind).map_err(|what| Wrong {
                span: span.clone(),
                what: format!("resource.{name}: {what}"),
            })?;
            parameters.get_ref().set(&mut station);
            names.push(name.clone());
            stations.push(station);
        }
        Ok(Self { names, stations })
    }

    fn find(&self, name: &str, span: &Range<usize>) -> Result<usize, Wrong> {
        let place = self.names.iter().position(|known| known == name);
        place.ok_or_else(|| {
            let names = self.names.join(", ");
            wrong(
                span,
                format!("no resource is named {name:?}; there are: {names}"),
            )
        })
    }
}

fn mix(file: &File, stations: &Named) -> Result<Vec<JobKind>, Wrong> {
    let mut mix = Vec::new();
    check(
        !file.job.get_ref().is_empty(),
        &file.job.span(),
        "job: at least one kind of job is needed",
    )?;
    for job in file.job.get_ref() {
        let span = job.span();
        let job = job.get_ref();
        check(job.share > 0.0, &span, "share: must be above 0")?;
        check(
            0.0 <= job.from && job.from < job.to && job.to <= 1.0,
            &span,
            "from and to: must be 0 ≤ from < to ≤ 1",
        )?;
        check(
            !job.phases.is_empty(),
            &span,
            "phases: at least one is needed",
        )?;
        let mut phases = Vec::new();
        for phase in &job.phases {
            let span = phase.span();
            let phase = phase.get_ref();
            check(phase.threads > 0.0, &span, "threads: must be above 0")?;
            check(phase.peers > 0, &span, "peers: must be above 0")?;
            phases.push(PhaseKind {
                station: stations.find(&phase.on, &span)?,
                peers: phase.peers,
                amount: amount(phase, &span)?,
                threads: phase.threads,
            });
        }
        let memory = match job.memory_gb {
            None => Amount::Constant(BASE_BYTES),
            Some(gb) => {
                check(gb > 0.0, &span, "memory_gb: must be above 0")?;
                spread(gb * GB, job.memory_cv, &span)?
            }
        };
        mix.push(JobKind {
            share: job.share,
            from: job.from,
            to: job.to,
            memory,
            phases,
        });
    }
    let mut edges: Vec<f64> = mix.iter().map(|job| job.from).collect();
    edges.push(0.0);
    for edge in edges {
        check(
            mix.iter().any(|job| (job.from..job.to).contains(&edge)),
            &file.job.span(),
            format!("job: none for the part of the list at {edge}"),
        )?;
    }
    for job in &mix {
        check(
            job.to >= 1.0
                || mix
                    .iter()
                    .any(|other| (other.from..other.to).contains(&job.to)),
            &file.job.span(),
            format!("job: none for the part of the list at {}", job.to),
        )?;
    }
    Ok(mix)
}

fn changes(file: &File, stations: &Named) -> Result<Vec<Change>, Wrong> {
    let mut changes = Vec::new();
    for change in &file.change {
        let span = change.span();
        let change = change.get_ref();
        let station = stations.find(&change.resource, &span)?;
        let (from, to) = match (change.at, change.during) {
            (Some(at), None) => (at, at),
            (None, Some([from, to])) => (from, to),
            _ => return Err(wrong(&span, "give either at or during")),
        };
        check(
            0.0 <= from && from <= to && to <= 1.0,
            &span,
            "at and during: shares of the jobs, from 0 to 1, in order",
        )?;
        change
            .set
            .fit(stations.stations[station].kind)
            .map_err(|what| Wrong {
                span: span.clone(),
                what: format!("set: {what}"),
            })?;
        changes.push(Change {
            station,
            from,
            to,
            target: change.set,
        });
    }
    Ok(changes)
}

fn arrivals(arrivals: &Spanned<file::Arrivals>) -> Result<Arrivals, Wrong> {
    let span = arrivals.span();
    let arrivals = arrivals.get_ref();
    check(
        arrivals.per_second > 0.0,
        &span,
        "per_second: must be above 0",
    )?;
    check(arrivals.chunk > 0, &span, "chunk: must be above 0")?;
    Ok(Arrivals {
        per_second: arrivals.per_second,
        at_start: arrivals.at_start,
        chunk: arrivals.chunk,
    })
}

fn amount(phase: &file::Phase, span: &Range<usize>) -> Result<Amount, Wrong> {
    match (phase.seconds, phase.between) {
        (Some(seconds), None) => {
            check(seconds >= 0.0, span, "seconds: must not be negative")?;
            spread(seconds, phase.cv, span)
        }
        (None, Some([low, high])) => {
            check(
                0.0 <= low && low <= high,
                span,
                "between: two numbers in order",
            )?;
            Ok(Amount::Uniform { low, high })
        }
        _ => Err(wrong(span, "give either seconds or between")),
    }
}

fn spread(mean: f64, cv: f64, span: &Range<usize>) -> Result<Amount, Wrong> {
    check(cv >= 0.0, span, "cv: must not be negative")?;
    Ok(if cv == 0.0 || mean == 0.0 {
        Amount::Constant(mean)
    } else {
        Amount::LogNormal { mean, cv }
    })
}
