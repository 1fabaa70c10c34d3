//! What was measured, for people and for programs.

use std::io::{self, Write};
use std::time::Duration;

use paceline_control::Usl;
use paceline_run::input::display_joined;
use serde::Serialize;

use super::Stored;
use super::schedule::Stop;
use super::tuner::Dropped;
use super::verdict::Verdict;
use super::window::Measurement;
use crate::plot::{self, Characters, short};
use crate::run::{Machine, grouped};

/// All that is told.
pub(super) struct Report<'a> {
    pub(super) command: &'a str,
    pub(super) host: &'a str,
    pub(super) machine: Machine,
    /// Lowest level first.
    pub(super) measured: &'a [Measurement],
    pub(super) dropped: &'a [Dropped],
    pub(super) stop: Option<&'a Stop>,
    pub(super) verdict: Option<&'a Verdict>,
    /// Jobs that were started, and those of them that ended in no window.
    pub(super) started: u64,
    pub(super) outside: u64,
    pub(super) stored: &'a Stored,
}

impl Report<'_> {
    /// For people.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", display_joined(self.command.as_bytes()))?;
        writeln!(
            out,
            "  {} cores on {}; {} jobs, {} of them between the levels",
            self.machine.cores,
            display_joined(self.host.as_bytes()),
            grouped(self.started),
            grouped(self.outside),
        )?;
        if !self.measured.is_empty() {
            self.table(out)?;
        }
        if let Some(verdict) = self.verdict {
            let points: Vec<(usize, f64)> = self
                .measured
                .iter()
                .map(|point| (point.level, point.throughput))
                .collect();
            let room = plot::width().saturating_sub(2);
            let lines = plot::plot(&points, verdict.level, Characters::ours(), room);
            if !lines.is_empty() {
                writeln!(out)?;
            }
            for line in lines {
                writeln!(out, "  {line}")?;
            }
            writeln!(out)?;
            judge(verdict, out)?;
        }
        if let Some(stop) = self.stop {
            entry(out, "ended", &stop.to_string())?;
        }
        for dropped in self.dropped {
            let Dropped { level, jobs } = dropped;
            entry(
                out,
                "dropped",
                &format!("level {level}: {jobs} jobs ended at it, too few or too bad to count"),
            )?;
        }
        let remembered = match (self.stored, self.verdict) {
            (Stored::Yes, Some(verdict)) => format!(
                "the next paceline run of this command with -j auto begins at {}",
                verdict.level
            ),
            (Stored::Yes, None) => return Ok(()),
            (Stored::No(why), _) => format!("nothing: {why}"),
            (Stored::Failed(error), _) => format!("nothing: {error}"),
        };
        entry(out, "remembered", &remembered)
    }

    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "\n  {:>5}  {:>16}  {:>8}  {:>8}  {:>6}  {:>6}  {:>9}  {:>6}  {:>6}",
            "LEVEL", "JOBS/S", "P50", "P95", "CORES", "QUEUED", "PEAK RSS", "JOBS", "FAILED"
        )?;
        let sign = match Characters::ours() {
            Characters::Unicode => "±",
            Characters::Ascii => "+-",
        };
        for point in self.measured {
            let rate = format!("{} {sign}{}", short(point.throughput), short(point.error));
            let queued = point
                .queued_share
                .map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", 100.0 * share));
            writeln!(
                out,
                "  {:>5}  {rate:>16}  {:>8}  {:>8}  {:>6.2}  {queued:>6}  {:>9}  {:>6}  {:>6}",
                point.level,
                seconds(point.p50),
                seconds(point.p95),
                point.cores_used,
                mebibytes(point.peak_rss_bytes),
                point.jobs,
                point.failed + point.busy,
            )?;
        }
        Ok(())
    }

    /// For programs.
    pub(super) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let verdict = self.verdict;
        let json = Json {
            command: self.command,
            host: self.host,
            cores: self.machine.cores,
            memory_bytes: self.machine.memory_bytes,
            jobs: self.started,
            jobs_between_levels: self.outside,
            levels: self.measured.iter().map(JsonLevel::from).collect(),
            dropped: self
                .dropped
                .iter()
                .map(|dropped| JsonDropped {
                    level: dropped.level,
                    jobs: dropped.jobs,
                })
                .collect(),
            level: verdict.map(|verdict| verdict.level),
            best: verdict.map(|verdict| verdict.best),
            limited_by: verdict.map(|verdict| verdict.limit.label()),
            law: verdict.and_then(|verdict| verdict.law),
            peak: verdict.and_then(|verdict| verdict.peak),
            ended: self.stop.map(ToString::to_string),
            remembered: matches!(self.stored, Stored::Yes),
        };
        serde_json::to_writer_pretty(&mut *out, &json)?;
        writeln!(out)
    }
}

fn judge(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let level = if verdict.level == verdict.best {
        format!("{} gets most done of those measured", verdict.level)
    } else {
        format!(
            "{} gets {:.0} % of what {} does, the most measured",
            verdict.level,
            100.0 * verdict.share_of_best,
            verdict.best
        )
    };
    entry(out, "level", &level)?;
    entry(out, "limit", &verdict.limit.to_string())?;
    let Some(Usl {
        lambda,
        sigma,
        kappa,
    }) = verdict.law
    else {
        return entry(out, "law", "none: that takes three levels");
    };
    entry(
        out,
        "law",
        &format!(
            "lambda {}/s: what one job at a time gets done",
            short(lambda)
        ),
    )?;
    let shared = 100.0 * sigma;
    entry(
        out,
        "",
        &format!("sigma {shared:.2} %: the share of the work that queues for something shared"),
    )?;
    entry(
        out,
        "",
        &format!("kappa {kappa:.2e}: what each pair of jobs costs each other"),
    )?;
    let peak = match verdict.peak {
        Some(peak) => format!("by it, throughput peaks at about {peak:.0} jobs"),
        None if kappa > 0.0 => "by it, throughput peaks far above what was measured".to_owned(),
        None => "by it, throughput has no peak, only a bound".to_owned(),
    };
    entry(out, "", &peak)
}

fn entry(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {name:<12}{text}")
}

fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.01 {
        format!("{:.2} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

#[derive(Serialize)]
struct Json<'a> {
    command: &'a str,
    host: &'a str,
    cores: f64,
    memory_bytes: u64,
    /// Jobs that were started.
    jobs: u64,
    jobs_between_levels: u64,
    levels: Vec<JsonLevel>,
    dropped: Vec<JsonDropped>,
    level: Option<usize>,
    best: Option<usize>,
    limited_by: Option<&'static str>,
    law: Option<Usl>,
    peak: Option<f64>,
    ended: Option<String>,
    remembered: bool,
}

#[derive(Serialize)]
struct JsonLevel {
    level: usize,
    time_s: f64,
    jobs: u64,
    failed: u64,
    busy: u64,
    jobs_per_s: f64,
    error_jobs_per_s: f64,
    wall_s: JsonWall,
    cores_used: f64,
    queued_share: Option<f64>,
    disk_share: f64,
    peak_rss_bytes: u64,
}

#[derive(Serialize)]
struct JsonWall {
    mean: f64,
    p50: f64,
    p95: f64,
}

#[derive(Serialize)]
struct JsonDropped {
    level: usize,
    jobs: u64,
}

impl From<&Measurement> for JsonLevel {
    fn from(point: &Measurement) -> Self {
        Self {
            level: point.level,
            time_s: point.time.as_secs_f64(),
            jobs: point.jobs,
            failed: point.failed,
            busy: point.busy,
            jobs_per_s: point.throughput,
            error_jobs_per_s: point.error,
            wall_s: JsonWall {
                mean: point.mean_wall.as_secs_f64(),
                p50: point.p50.as_secs_f64(),
                p95: point.p95.as_secs_f64(),
            },
            cores_used: point.cores_used,
            queued_share: point.queued_share,
            disk_share: point.disk_share,
            peak_rss_bytes: point.peak_rss_bytes,
        }
    }
}
