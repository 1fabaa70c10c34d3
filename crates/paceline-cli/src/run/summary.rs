//! What the user is told at the end, as text and as JSON.

use std::fs::File;
use std::io;

use paceline_control::Decision;
use paceline_journal::RunId;
use paceline_run::engine::{Ending, Outcome, StopCause};
use paceline_run::input::display_joined;
use serde::Serialize;

use super::course::{lasting, level, limit, plural, way};
use super::progress::{grouped, time};
use super::remembered::Begun;
use crate::diagnose::Why;

/// Failures that are listed; the rest is in the journal.
pub(crate) const LISTED: usize = 10;

/// A failure to list.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) input: String,
    pub(crate) ending: Ending,
    pub(crate) attempts: u32,
    pub(crate) note: Option<String>,
}

impl Failed {
    pub(crate) fn new(joined: &[u8], ending: Ending, attempts: u32, note: Option<&str>) -> Self {
        const SHOWN: usize = 200;
        let mut input = display_joined(&joined[..joined.len().min(4 * SHOWN)]);
        if input.chars().count() > SHOWN {
            input = input.chars().take(SHOWN).collect();
            input.push('…');
        }
        Self {
            input,
            ending,
            attempts,
            note: note.map(str::to_owned),
        }
    }
}

/// All that is told.
pub(crate) struct Summary<'a> {
    pub(crate) run: Option<RunId>,
    pub(crate) outcome: &'a Outcome,
    /// Where a remembered level began.
    pub(crate) begun: Option<&'a Begun>,
    /// `--max-level`.
    pub(crate) max_level: Option<usize>,
    pub(crate) decisions: &'a [Decision],
    /// From their middle, in a run with very many.
    pub(crate) decisions_left_out: u64,
    pub(crate) failed: &'a [Failed],
    pub(crate) unrecorded: u64,
    /// With `--why`.
    pub(crate) why: Option<&'a Why>,
}

impl Summary<'_> {
    /// For people.
    pub(crate) fn print(&self) {
        let status = &self.outcome.status;
        let ended = status.done + status.failed;
        let mut counts = format!("{} done", grouped(status.done));
        if status.failed > 0 {
            counts += &format!(", {} failed", grouped(status.failed));
        }
        if status.skipped > 0 {
            counts += &format!(", {} skipped (finished before)", grouped(status.skipped));
        }
        if status.retried > 0 {
            counts += &format!(", {} retried", grouped(status.retried));
        }
        if status.busy > 0 {
            let s = plural(status.busy);
            counts += &format!(", {} busy answer{s} retried", grouped(status.busy));
        }
        if status.shed > 0 {
            let s = plural(status.shed);
            counts += &format!(", {} job{s} put back to free memory", grouped(status.shed));
        }
        let seconds = self.outcome.wall.as_secs_f64();
        let rate = if seconds > 0.0 {
            ended as f64 / seconds
        } else {
            0.0
        };
        tell!(
            "paceline: {} job{} in {}: {counts} | {rate:.1} jobs/s, {} CPU",
            grouped(ended),
            plural(ended),
            time(self.outcome.wall),
            time(self.outcome.cpu),
        );
        tell!(
            "  {}",
            level(
                self.decisions,
                status.limit,
                self.outcome.max_limit,
                self.max_level
            )
        );
        if let Some(limit) = self.limited_by() {
            tell!("  {limit}");
        }
        if let Some(begun) = self.begun {
            tell!("  began at {}: {begun}", begun.at);
        }
        if let Some(way) = way(self.decisions, self.decisions_left_out) {
            tell!("  {way}");
        }
        self.print_failures();
        match self.outcome.stopped {
            Some(StopCause::Signal(signal)) => {
                tell!(
                    "  stopped by {}{}",
                    Ending::Signal(signal),
                    self.resume_hint()
                );
            }
            Some(StopCause::Halt(ending)) => {
                tell!(
                    "  halted by --halt after a job: {ending}{}",
                    self.resume_hint()
                );
            }
            _ => {}
        }
        if self.outcome.left_running > 0 {
            tell!(
                "  still running, left in the background by jobs: {} (processes)",
                self.outcome.left_running
            );
        }
        if self.unrecorded > 0 {
            tell!(
                "  {} finished jobs are not in the journal: a resumed run would run them again",
                grouped(self.unrecorded)
            );
        }
    }

    fn limited_by(&self) -> Option<String> {
        let status = &self.outcome.status;
        let jobs = status.done + status.failed;
        let learned = self.outcome.learned.as_ref();
        let available = paceline_observe::cores() * self.outcome.wall.as_secs_f64();
        let share = self.outcome.cpu.as_secs_f64() / available.max(1e-9);
        limit(self.decisions, status.limit, learned, jobs, share)
    }

    fn print_failures(&self) {
        let failed = self.outcome.status.failed;
        if failed == 0 {
            return;
        }
        tell!("  failed:");
        for failure in self.failed {
            let tries = if failure.attempts > 1 {
                format!(" (tried {} times)", failure.attempts)
            } else {
                String::new()
            };
            let note = failure
                .note
                .as_deref()
                .map(|note| format!(": {}", display_joined(note.as_bytes())))
                .unwrap_or_default();
            tell!(
                "    {:<12} {}{tries}{note}",
                failure.ending.to_string(),
                failure.input
            );
        }
        let more = failed - (self.failed.len() as u64).min(failed);
        match self.run {
            Some(run) if more > 0 => {
                tell!("    … and {} more: paceline runs show {run}", grouped(more))
            }
            Some(run) => tell!("  what they wrote: paceline runs show {run}"),
            None if more > 0 => tell!("    … and {} more", grouped(more)),
            None => {}
        }
    }

    fn resume_hint(&self) -> &'static str {
        if self.run.is_some() {
            "; --resume goes on from here"
        } else {
            ""
        }
    }

    /// For programs.
    pub(crate) fn write_json(&self, mut file: File) -> io::Result<()> {
        let status = &self.outcome.status;
        let wall_s = self.outcome.wall.as_secs_f64();
        let ended = status.done + status.failed;
        let json = Json {
            run: self.run.map(|run| run.0),
            jobs: Jobs {
                total: status
                    .total
                    .unwrap_or(ended + status.skipped + status.waiting),
                done: status.done,
                failed: status.failed,
                skipped: status.skipped,
                retried: status.retried,
                busy_retried: status.busy,
                put_back: status.shed,
            },
            wall_s,
            cpu_s: self.outcome.cpu.as_secs_f64(),
            jobs_per_s: if wall_s > 0.0 {
                ended as f64 / wall_s
            } else {
                0.0
            },
            level: Levels {
                r#final: lasting(self.decisions, status.limit),
                max: self.outcome.max_limit,
                remembered: self.begun.map(|begun| begun.remembered.learned.level),
                decisions: self.decisions.iter().map(JsonDecision::from).collect(),
                decisions_left_out: self.decisions_left_out,
                limited_by: self.limited_by(),
            },
            peak_rss_bytes: self.outcome.peak_rss_bytes,
            why: self.why.map(Why::json),
        };
        serde_json::to_writer_pretty(&file, &json)?;
        io::Write::write_all(&mut file, b"\n")
    }
}

#[derive(Serialize)]
struct Json {
    run: Option<i64>,
    jobs: Jobs,
    wall_s: f64,
    cpu_s: f64,
    jobs_per_s: f64,
    level: Levels,
    peak_rss_bytes: u64,
    /// With `--why`, as `docs/diagnose.schema.json` describes it.
    why: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct Jobs {
    total: u64,
    done: u64,
    failed: u64,
    skipped: u64,
    retried: u64,
    busy_retried: u64,
    put_back: u64,
}

#[derive(Serialize)]
struct Levels {
    r#final: usize,
    max: usize,
    /// The level that earlier runs had found; `None` if this one began without.
    remembered: Option<usize>,
    decisions: Vec<JsonDecision>,
    decisions_left_out: u64,
    /// A sentence; `None` if no job ended.
    limited_by: Option<String>,
}

/// A decision about the level, as JSON.
#[derive(Serialize)]
pub(crate) struct JsonDecision {
    t_s: f64,
    was: usize,
    limit: usize,
    label: &'static str,
    reason: String,
}

impl From<&Decision> for JsonDecision {
    fn from(decision: &Decision) -> Self {
        let t_s = (decision.at.as_secs_f64() * 1e6).round() / 1e6;
        Self {
            t_s,
            was: decision.was,
            limit: decision.limit,
            label: decision.reason.label(),
            reason: decision.reason.to_string(),
        }
    }
}
