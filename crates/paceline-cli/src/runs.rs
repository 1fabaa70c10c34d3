//! `paceline runs`: what was recorded.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use paceline_journal::{
    Exit, JobRow, JobState, Journal, JournalError, RunId, RunOverview, RunState, RunStats,
    default_path,
};
use paceline_run::engine::Ending;
use paceline_run::input::display_joined;
use serde::Serialize;

use crate::exit::{BROKEN, Failure, READER_GONE};
use crate::run::{grouped, open_journal, time};
use crate::when::{local_time, rfc3339};

/// What `paceline runs` takes.
#[derive(Debug, Args)]
pub(crate) struct RunsFlags {
    #[command(subcommand)]
    action: Option<Action>,
    /// List at most this many runs
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// The journal to look into [default: $`PACELINE_JOURNAL`, or ~/.local/state/paceline/journal.db]
    #[arg(long, value_name = "FILE", global = true)]
    journal: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show one run: its jobs in sum, its failures, and the end of what they wrote to standard error
    Show {
        /// The run's number, or last
        #[arg(value_name = "RUN")]
        run: String,
        /// Show at most this many failures
        #[arg(long, value_name = "N", default_value_t = 100)]
        failures: usize,
    },
}

/// Lists or shows runs.
pub(crate) fn runs(flags: RunsFlags) -> Result<ExitCode, Failure> {
    let named = flags.journal.is_some()
        || std::env::var_os("PACELINE_JOURNAL").is_some_and(|name| !name.is_empty());
    if !named
        && flags.action.is_none()
        && default_path(|name| std::env::var_os(name)).is_some_and(|path| !path.exists())
    {
        println_or_ignore(if flags.json { "[]" } else { "no runs yet" });
        return Ok(ExitCode::SUCCESS);
    }
    let journal = open_journal(flags.journal.as_deref(), true)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let printed = match &flags.action {
        None => list(&journal, flags.limit, flags.json, &mut out),
        Some(Action::Show { run, failures }) => {
            show(&journal, run, *failures, flags.json, &mut out)
        }
    }
    .and_then(|()| out.flush().map_err(Trouble::Output));
    match printed {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Trouble::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(READER_GONE.into())
        }
        Err(Trouble::Output(error)) => Err(Failure::new(
            BROKEN,
            format!("cannot write the output: {error}"),
        )),
        Err(Trouble::Journal(error)) => {
            Err(Failure::usage(error, "paceline runs lists what there is"))
        }
        Err(Trouble::NoSuchRun(run)) => Err(Failure::usage(
            format!("{run:?} is not the number of a run"),
            "paceline runs lists what there is; last is the newest",
        )),
    }
}

fn println_or_ignore(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

enum Trouble {
    Output(io::Error),
    Journal(JournalError),
    NoSuchRun(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<JournalError> for Trouble {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

fn list(journal: &Journal, limit: usize, json: bool, out: &mut dyn Write) -> Result<(), Trouble> {
    let runs = journal.runs(limit)?;
    if json {
        let runs: Vec<JsonRun> = runs.iter().map(JsonRun::from).collect();
        return print_json(&runs, out);
    }
    if runs.is_empty() {
        writeln!(out, "no runs yet")?;
        return Ok(());
    }
    writeln!(
        out,
        "{:>5}  {:<16}  {:<12}  {:>9}  {:>7}  {:>12}  COMMAND",
        "RUN", "STARTED", "STATE", "DONE", "FAILED", "WALL"
    )?;
    for run in &runs {
        let wall = run
            .last_session
            .as_ref()
            .and_then(|s| s.end.as_ref())
            .map_or_else(|| "-".to_owned(), |end| time(end.wall));
        writeln!(
            out,
            "{:>5}  {:<16}  {:<12}  {:>9}  {:>7}  {:>12}  {}",
            run.run.id,
            local_time(run.run.created_at),
            state(run),
            grouped(run.counts.done),
            grouped(run.counts.failed),
            wall,
            display_joined(run.run.template.as_bytes()),
        )?;
    }
    Ok(())
}

fn show(
    journal: &Journal,
    run: &str,
    failures: usize,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Trouble> {
    let id = match run {
        "last" => {
            journal
                .latest_run()?
                .ok_or_else(|| Trouble::NoSuchRun("last".to_owned()))?
                .id
        }
        text => text
            .parse::<RunId>()
            .map_err(|_| Trouble::NoSuchRun(text.to_owned()))?,
    };
    let overview = journal.overview(id)?;
    let stats = journal.stats(id)?;
    let failed = journal.failures(id, failures)?;
    if json {
        return show_json(journal, &overview, &stats, &failed, out);
    }
    let run = &overview.run;
    writeln!(out, "run {id}: {}", display_joined(run.template.as_bytes()))?;
    writeln!(out, "  in        {}", run.directory.display())?;
    writeln!(
        out,
        "  on        {}, started {}",
        run.host,
        local_time(run.created_at)
    )?;
    let sessions = if overview.sessions == 1 {
        String::new()
    } else {
        format!(", {} sessions", overview.sessions)
    };
    writeln!(out, "  state     {}{sessions}", state(&overview))?;
    writeln!(
        out,
        "  jobs      {} done, {} failed, {} attempts",
        grouped(stats.done),
        grouped(stats.failed),
        grouped(stats.attempts)
    )?;
    writeln!(
        out,
        "  CPU       {} user, {} system",
        time(stats.user),
        time(stats.system)
    )?;
    if let Some(q) = stats.wall_quantiles {
        writeln!(
            out,
            "  job time  {} median, {} p90, {} p99, {} longest",
            time(q.p50),
            time(q.p90),
            time(q.p99),
            time(q.max)
        )?;
    }
    writeln!(
        out,
        "  memory    {:.1} MiB at most in one job",
        stats.peak_rss_bytes as f64 / f64::from(1 << 20)
    )?;
    if let Some(end) = overview
        .last_session
        .as_ref()
        .and_then(|session| session.end.as_ref())
    {
        writeln!(
            out,
            "  level     {} at the end, {} at most",
            end.final_level, end.max_level
        )?;
    }
    if !failed.is_empty() {
        writeln!(out, "failed:")?;
    }
    for row in &failed {
        show_failure(row, out)?;
    }
    let more = stats.failed.saturating_sub(failed.len() as u64);
    if more > 0 {
        writeln!(
            out,
            "… and {} more: --failures {}",
            grouped(more),
            stats.failed
        )?;
    }
    Ok(())
}

/// A run may have millions of records: they are written as they are read.
fn show_json(
    journal: &Journal,
    overview: &RunOverview,
    stats: &RunStats,
    failed: &[JobRow],
    out: &mut dyn Write,
) -> Result<(), Trouble> {
    let shown = JsonShown {
        run: JsonRun::from(overview),
        cpu_s: (stats.user + stats.system).as_secs_f64(),
        peak_rss_bytes: stats.peak_rss_bytes,
        bytes_out: stats.bytes_out,
        failures: failed.iter().map(JsonJob::from).collect(),
    };
    let head =
        serde_json::to_string_pretty(&shown).map_err(|error| Trouble::Output(error.into()))?;
    let open = head.trim_end().trim_end_matches('}').trim_end();
    write!(out, "{open},\n  \"records\": [")?;
    let mut written = Ok(());
    let mut separator = "\n    ";
    journal.jobs(overview.run.id, |row| {
        if written.is_ok() {
            written = write!(out, "{separator}").and_then(|()| {
                serde_json::to_writer(&mut *out, &JsonJob::from(&row)).map_err(io::Error::from)
            });
            separator = ",\n    ";
        }
    })?;
    written?;
    writeln!(out, "\n  ]\n}}")?;
    Ok(())
}

fn show_failure(row: &JobRow, out: &mut dyn Write) -> Result<(), Trouble> {
    let record = &row.record;
    let tries = if record.attempts > 1 {
        format!(" (tried {} times)", record.attempts)
    } else {
        String::new()
    };
    writeln!(
        out,
        "  {:<12} {}{tries}",
        ending(row).to_string(),
        display_joined(&record.args)
    )?;
    if let Some(note) = &record.note {
        writeln!(out, "      {}", display_joined(note.as_bytes()))?;
    }
    for line in last_lines(record.stderr_tail.as_deref().unwrap_or_default()) {
        writeln!(out, "      {}", display_joined(line))?;
    }
    Ok(())
}

/// What is shown of a failed job's standard error.
fn last_lines(tail: &[u8]) -> Vec<&[u8]> {
    const SHOWN: usize = 5;
    let lines: Vec<&[u8]> = tail
        .split(|b| *b == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .collect();
    lines[lines.len().saturating_sub(SHOWN)..].to_vec()
}

fn ending(row: &JobRow) -> Ending {
    match row.record.exit {
        _ if row.record.timed_out => Ending::TimedOut,
        Exit::Code(code) => Ending::Exit(code),
        Exit::Signal(signal) => Ending::Signal(signal),
        Exit::NotStarted => Ending::NotStarted,
    }
}

fn state(run: &RunOverview) -> String {
    match run.state {
        RunState::Running { pid: Some(pid) } => format!("running {pid}"),
        RunState::Running { pid: None } => "running".to_owned(),
        RunState::Ended { exit_code: 0 } => "ok".to_owned(),
        RunState::Ended { exit_code } => format!("exit {exit_code}"),
        RunState::Died => "died".to_owned(),
    }
}

fn print_json(value: &impl Serialize, out: &mut dyn Write) -> Result<(), Trouble> {
    serde_json::to_writer_pretty(&mut *out, value)
        .map_err(|error| Trouble::Output(error.into()))?;
    writeln!(out)?;
    Ok(())
}

#[derive(Serialize)]
struct JsonRun {
    run: i64,
    command: String,
    directory: String,
    host: String,
    started: String,
    state: &'static str,
    exit_code: Option<i32>,
    sessions: u64,
    jobs: JsonCounts,
    wall_s: Option<f64>,
    level: Option<JsonLevel>,
}

#[derive(Serialize)]
struct JsonCounts {
    done: u64,
    failed: u64,
    /// As the last session counted them; `None` while it runs or if it died.
    total: Option<u64>,
    skipped: Option<u64>,
}

#[derive(Serialize)]
struct JsonLevel {
    r#final: u32,
    max: u32,
    decisions: serde_json::Value,
}

#[derive(Serialize)]
struct JsonShown {
    #[serde(flatten)]
    run: JsonRun,
    cpu_s: f64,
    peak_rss_bytes: u64,
    bytes_out: u64,
    failures: Vec<JsonJob>,
}

#[derive(Serialize)]
struct JsonJob {
    seq: u64,
    /// The arguments, joined by spaces; control characters and bytes that are no text are escaped.
    input: String,
    /// The arguments as they are, where all of them are text.
    args: Option<Vec<String>>,
    state: &'static str,
    exit_code: Option<i32>,
    signal: Option<i32>,
    timed_out: bool,
    attempts: u32,
    started: String,
    wall_s: f64,
    user_s: f64,
    system_s: f64,
    peak_rss_bytes: u64,
    bytes_out: u64,
    note: Option<String>,
    stderr_tail: Option<String>,
}

impl From<&RunOverview> for JsonRun {
    fn from(overview: &RunOverview) -> Self {
        let end = overview
            .last_session
            .as_ref()
            .and_then(|session| session.end.as_ref());
        let (state, exit_code) = match overview.state {
            RunState::Running { .. } => ("running", None),
            RunState::Ended { exit_code } => ("ended", Some(exit_code)),
            RunState::Died => ("died", None),
        };
        Self {
            run: overview.run.id.0,
            command: overview.run.template.clone(),
            directory: overview.run.directory.display().to_string(),
            host: overview.run.host.clone(),
            started: rfc3339(overview.run.created_at),
            state,
            exit_code,
            sessions: overview.sessions,
            jobs: JsonCounts {
                done: overview.counts.done,
                failed: overview.counts.failed,
                total: end.map(|end| end.total),
                skipped: end.map(|end| end.skipped),
            },
            wall_s: end.map(|end| end.wall.as_secs_f64()),
            level: end.map(|end| JsonLevel {
                r#final: end.final_level,
                max: end.max_level,
                decisions: serde_json::from_str(&end.decisions).unwrap_or_default(),
            }),
        }
    }
}

impl From<&JobRow> for JsonJob {
    fn from(row: &JobRow) -> Self {
        let record = &row.record;
        let (exit_code, signal) = match record.exit {
            Exit::Code(code) => (Some(code), None),
            Exit::Signal(signal) => (None, Some(signal)),
            Exit::NotStarted => (None, None),
        };
        let seconds = |duration: Duration| duration.as_secs_f64();
        Self {
            seq: record.seq,
            input: display_joined(&record.args),
            args: record
                .args
                .split(|b| *b == 0)
                .map(|arg| String::from_utf8(arg.to_vec()).ok())
                .collect(),
            state: match record.state {
                JobState::Done => "done",
                JobState::Failed => "failed",
            },
            exit_code,
            signal,
            timed_out: record.timed_out,
            attempts: record.attempts,
            started: rfc3339(record.started_at),
            wall_s: seconds(record.wall),
            user_s: seconds(record.user),
            system_s: seconds(record.system),
            peak_rss_bytes: record.peak_rss_bytes,
            bytes_out: record.bytes_out,
            note: record.note.clone(),
            stderr_tail: record
                .stderr_tail
                .as_ref()
                .map(|tail| String::from_utf8_lossy(tail).into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_last_lines_that_say_something() {
        assert_eq!(
            last_lines(b"1\n2\n\n3\n4\n5\n6\n"),
            [b"2", b"3", b"4", b"5", b"6"]
        );
        assert!(last_lines(b"").is_empty());
    }
}
