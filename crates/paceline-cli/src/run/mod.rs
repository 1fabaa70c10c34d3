//! `paceline run`: from flags to a finished run.

mod dry_run;
mod flags;
mod joblog;
mod level;
mod progress;
mod record;
mod summary;
mod words;

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use paceline_control::{Bounds, Decision, Reason};
use paceline_journal::SessionEnd;
use paceline_run::engine::{self, JobOptions, Observer, Plan, RunError, RunEvent, StopCause};
use paceline_run::input::{
    AlreadyDone, BlockOptions, InputError, InputOptions, Joined, NothingDone, OpenInputs, Origin,
    Source,
};
use paceline_run::output::{OutputMode, OutputOptions};
use paceline_run::policy::Retry;
use paceline_run::spawn::{Guardian, ProcessLimits, find_program, raise_open_files};
use paceline_run::template::{CommandLine, Insert, Template};

pub(crate) use flags::RunFlags;
pub(crate) use progress::{grouped, time};
pub(crate) use record::open_journal;

use crate::exit::{BROKEN, Code, Failure, JOURNAL_INCOMPLETE, READER_GONE, USAGE};
use flags::ProgressMode;
use joblog::Joblog;
use progress::Progress;
use record::{Identity, Recording};
use summary::{Failed, JsonDecision, LISTED, Summary};
use words::{Words, file_or_stdin};

/// Who tries for ever does not do so without a rest.
const LEAST_ENDLESS_DELAY: Duration = Duration::from_millis(100);
/// Rests between tries grow no longer than this.
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(300);

/// Runs a command over many inputs. `arguments` is the whole command line.
pub(crate) fn run(mut flags: RunFlags, arguments: &[OsString]) -> Result<ExitCode, Failure> {
    let Words { command, sources } = Words::split(std::mem::take(&mut flags.command), arguments);
    let template = template(command, &flags)?;
    if flags.pipe && template.has_input() {
        return Err(Failure::usage(
            "with --pipe the input is what the job reads, so there is nothing to put in for {}",
            "leave {} out; {#} and {%} can be used",
        ));
    }
    let inputs = inputs(sources, &flags)?;
    let jobs = job_options(&flags)?;
    check_program(&template, &jobs)?;
    let bounds = bounds(&flags)?;

    // All that can be wrong is found before a run is begun.
    let inputs_name_terminal = reads_terminal(&inputs);
    let inputs = OpenInputs::open(&inputs).map_err(|error| input_failure(&error))?;
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let mut identity = template.identity();
    if jobs.pack {
        identity.extend_from_slice(b"packed");
    }
    let identity = Identity {
        template: &identity,
        display: template.display(),
        packed: jobs.pack,
        host: host.clone(),
    };
    if flags.dry_run {
        let feed = inputs
            .start(record::finished_so_far(&flags, &identity)?)
            .map_err(|error| input_failure(&error))?;
        let level = flags
            .level
            .controller(bounds, ProcessLimits::read())
            .limit();
        return dry_run::dry_run(&template, feed, &jobs, level).map(ExitCode::from);
    }

    survive_file_size_limit();
    let open_files = raise_open_files();
    let jobs = JobOptions { open_files, ..jobs };
    let controller = flags.level.controller(bounds, ProcessLimits::read());
    let joblog = open_joblog(&flags, &host, &template)?;
    let summary_file = match &flags.summary {
        None => None,
        Some(path) => {
            Some(File::create(path).map_err(|error| cannot_write("the summary", path, &error))?)
        }
    };
    if let Some(below) = &flags.results {
        std::fs::create_dir_all(below)
            .map_err(|error| cannot_write("the results", below, &error))?;
    }
    let recording = if flags.no_journal {
        None
    } else {
        Some(Recording::begin(&flags, &identity)?)
    };
    let (run, lock, writer, done, resumed, failed_before, jobs_before) = match recording {
        Some(r) => (
            Some(r.run),
            Some(r.lock),
            Some(r.writer),
            r.done,
            r.resumed,
            r.failed_before,
            r.jobs_before,
        ),
        None => (
            None,
            None,
            None,
            Box::new(NothingDone) as Box<dyn AlreadyDone>,
            false,
            0,
            0,
        ),
    };
    let jobs = JobOptions {
        jobs_before,
        ..jobs
    };
    let progress = Progress::new(progress_mode(&flags));
    if (flags.resume || flags.resume_failed) && !resumed && !flags.quiet {
        progress.say("nothing to resume: this command has no earlier run in this directory; starting a new one");
    }
    let feed = inputs.start(done).map_err(|error| input_failure(&error))?;
    let guardian = Guardian::start(lock.as_ref().map(AsFd::as_fd)).map_err(|error| {
        Failure::new(
            BROKEN,
            format!("cannot start the guardian process: {error}"),
        )
    })?;
    if inputs_name_terminal {
        // Somebody who forgot the inputs would wait for ever.
        progress.say("reading inputs from the terminal, one per line; Ctrl-D ends them");
    }

    let mut watch = Watch {
        progress,
        joblog,
        failed: Vec::new(),
        decisions: Vec::new(),
        quiet: flags.quiet,
    };
    let first_limit = controller.limit();
    if flags.level != level::Level::Auto {
        watch.decisions.push(Decision {
            at: Duration::ZERO,
            was: first_limit,
            limit: first_limit,
            reason: Reason::SetByUser,
        });
        watch.progress.decided(&watch.decisions[0]);
    }
    let plan = Plan {
        template,
        feed,
        jobs,
        output: output_options(&flags),
        gate: watch.progress.gate(),
        controller,
        journal: writer.clone(),
        guardian: Some(guardian),
    };
    let result = engine::run(plan, &mut watch);
    watch.progress.finish();

    let wall = result
        .as_ref()
        .map_or(Duration::ZERO, |outcome| outcome.wall);
    let code = exit_code(&result);
    let report = writer.and_then(Arc::into_inner).map(|writer| {
        let status = result
            .as_ref()
            .map(|outcome| outcome.status.clone())
            .unwrap_or_default();
        let decisions: Vec<JsonDecision> = watch.decisions.iter().map(JsonDecision::from).collect();
        writer.finish(SessionEnd {
            ended_at: SystemTime::now(),
            exit_code: i32::from(code.0),
            wall,
            final_level: u32::try_from(status.limit).unwrap_or(u32::MAX),
            max_level: result
                .as_ref()
                .map_or(0, |o| u32::try_from(o.max_limit).unwrap_or(u32::MAX)),
            decisions: serde_json::to_string(&decisions).unwrap_or_default(),
            total: status
                .total
                .unwrap_or(status.done + status.failed + status.skipped + status.waiting),
            skipped: status.skipped,
        })
    });
    if let Some(lock) = lock {
        // The guardian, which shared it, has gone.
        lock.remove();
    }
    let outcome = result.map_err(|error| run_failure(&error, 0))?;
    let ended = outcome.status.done + outcome.status.failed;
    let broken = outcome
        .broken
        .as_ref()
        .map(|error| run_failure(error, ended));
    if let Some(failure) = &broken
        && ended == 0
    {
        return Err(failure.clone());
    }
    if outcome.stopped == Some(StopCause::ReaderGone) {
        return Ok(READER_GONE.into());
    }
    let trouble = report.as_ref().is_some_and(|report| report.unrecorded > 0);
    let summary = Summary {
        run,
        outcome: &outcome,
        decisions: &watch.decisions,
        failed: &watch.failed,
        unrecorded: report.map_or(0, |report| report.unrecorded),
    };
    if let (Some(file), Some(path)) = (summary_file, &flags.summary) {
        summary.write_json(file).map_err(|error| {
            Failure::new(
                BROKEN,
                format!("cannot write the summary {}: {error}", path.display()),
            )
        })?;
    }
    if !flags.quiet || outcome.status.failed > 0 || outcome.stopped.is_some() || trouble {
        summary.print();
    }
    if failed_before > 0 && !flags.quiet {
        tell!(
            "  {} jobs failed before this session; --resume-failed runs them again",
            grouped(failed_before)
        );
    }
    if let Some(failure) = broken {
        return Err(failure);
    }
    Ok(if trouble && code == Code(0) {
        JOURNAL_INCOMPLETE.into()
    } else {
        code.into()
    })
}

/// Under `ulimit -f`, a write that would grow a file too far should fail, not kill us.
fn survive_file_size_limit() {
    let signal = rustix::process::Signal::XFSZ.as_raw();
    let _ = signal_hook::flag::register(signal, Arc::default());
}

fn progress_mode(flags: &RunFlags) -> ProgressMode {
    match flags.progress {
        ProgressMode::Auto if flags.bar || flags.eta => ProgressMode::Bar,
        ProgressMode::Auto if flags.quiet => ProgressMode::None,
        mode => mode,
    }
}

fn template(command: CommandLine, flags: &RunFlags) -> Result<Template, Failure> {
    let insert = match (flags.max_replace_args, flags.xargs) {
        _ if flags.pipe => Insert::Nothing,
        (Some(0), _) => Insert::Nothing,
        (_, true) => Insert::InputsWithContext,
        _ => Insert::Inputs,
    };
    let path = std::env::var_os("PATH");
    let shell = find_program(flags.shell.as_os_str().as_bytes(), path.as_deref(), None)
        .map(|file| PathBuf::from(OsString::from_vec(file.into_bytes())))
        .map_err(|error| {
            Failure::usage(
                format!("--shell: {error}"),
                "name a shell that is installed, such as sh or bash",
            )
        })?;
    Template::parse(command, insert, shell).map_err(|error| Failure::usage(&error, error.hint()))
}

fn inputs(mut sources: Vec<Source>, flags: &RunFlags) -> Result<InputOptions, Failure> {
    let files = flags.arg_file.iter().map(|path| Source {
        origin: file_or_stdin(path.clone()),
        joined: Joined::Product,
    });
    let mut all: Vec<Source> = files.collect();
    all.append(&mut sources);
    if all.is_empty() {
        all.push(Source {
            origin: Origin::Stdin,
            joined: Joined::Product,
        });
    }
    if all
        .iter()
        .filter(|source| source.origin == Origin::Stdin)
        .count()
        > 1
    {
        return Err(Failure::usage(
            "standard input is named as a source more than once",
            "it can be read only once",
        ));
    }
    let column_separator = match &flags.colsep {
        None => None,
        Some(pattern) => Some(regex::bytes::Regex::new(pattern).map_err(|error| {
            let detail = error.to_string();
            let detail = detail
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            Failure::usage(
                format!("--colsep {pattern:?} is not a pattern: {detail}"),
                "characters such as | . * ( have a meaning in patterns: write \\| for a bar",
            )
        })?),
    };
    let delimiter = match &flags.delimiter {
        _ if flags.null => vec![0],
        None => b"\n".to_vec(),
        Some(text) => unescaped(text)
            .filter(|delimiter| !delimiter.is_empty())
            .ok_or_else(|| {
                Failure::usage(
                    format!("--delimiter {text:?} cannot be used"),
                    "give one or more characters, or \\n, \\t, \\0, \\xHH",
                )
            })?,
    };
    let blocks = if flags.pipe {
        Some(blocks(&all, flags)?)
    } else {
        None
    };
    let packs = flags.xargs || flags.many;
    let per_item = flags
        .max_args
        .or(flags.max_replace_args.filter(|n| *n > 0))
        .filter(|_| !packs);
    Ok(InputOptions {
        sources: all,
        link: flags.link,
        delimiter,
        column_separator,
        per_item: per_item.unwrap_or(1) as usize,
        skip_empty: flags.no_run_if_empty,
        shuffle: flags.shuf,
        blocks,
    })
}

fn blocks(sources: &[Source], flags: &RunFlags) -> Result<BlockOptions, Failure> {
    if sources.len() > 1 || matches!(sources[0].origin, Origin::Words(_)) {
        return Err(Failure::usage(
            "--pipe reads one stream, standard input or one -a FILE",
            "leave out the other inputs",
        ));
    }
    let record_end = unescaped(&flags.recend)
        .filter(|end| !end.is_empty())
        .ok_or_else(|| {
            Failure::usage(
                format!("--recend {:?} cannot be used", flags.recend),
                "give one or more characters, or \\n, \\t, \\0, \\xHH",
            )
        })?;
    let records = flags.max_args.or(flags.max_replace_args);
    if records == Some(0) {
        return Err(Failure::usage(
            "-N 0 has no meaning with --pipe",
            "give 1 or more records, or leave it out",
        ));
    }
    Ok(BlockOptions {
        bytes: flags.block,
        records: records.map(|n| n as usize),
        record_end,
    })
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&code, after) = rest.split_first()?;
        rest = after;
        bytes.push(match code {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

fn job_options(flags: &RunFlags) -> Result<JobOptions, Failure> {
    let mut environment = Vec::new();
    for variable in &flags.env {
        let bytes = variable.as_bytes();
        let Some(equals) = bytes.iter().position(|b| *b == b'=') else {
            // A name alone: the jobs inherit it anyhow.
            continue;
        };
        if equals == 0 {
            return Err(Failure::usage(
                format!("--env {} has no name", variable.display()),
                "write --env NAME=VALUE",
            ));
        }
        let part = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        environment.push((part(&bytes[..equals]), part(&bytes[equals + 1..])));
    }
    if let Some(directory) = &flags.workdir
        && !directory.is_dir()
    {
        return Err(Failure::usage(
            format!("--workdir {} is not a directory", directory.display()),
            "make it first, or name another",
        ));
    }
    let pack = flags.xargs || flags.many;
    Ok(JobOptions {
        environment,
        directory: flags.workdir.clone(),
        nice: flags.nice,
        open_files: None,
        retry: Retry {
            attempts: (flags.retries > 0).then_some(flags.retries),
            delay: if flags.retries == 0 {
                flags.retry_delay.max(LEAST_ENDLESS_DELAY)
            } else {
                flags.retry_delay
            },
            longest_delay: LONGEST_RETRY_DELAY.max(flags.retry_delay),
        },
        timeout: flags.timeout,
        grace: flags.grace,
        delay: flags.delay,
        halt: flags.halt.0,
        pack,
        jobs_before: 0,
        pack_at_most: flags
            .max_args
            .or(flags.max_replace_args)
            .filter(|_| pack)
            .map(|n| n as usize),
    })
}

fn output_options(flags: &RunFlags) -> OutputOptions {
    OutputOptions {
        mode: match (flags.line_buffer, flags.ungroup) {
            (true, _) => OutputMode::Lines,
            (_, true) => OutputMode::Ungrouped,
            _ => OutputMode::Grouped,
        },
        keep_order: flags.keep_order,
        tag: flags.tag,
        results: flags.results.clone(),
    }
}

fn bounds(flags: &RunFlags) -> Result<Bounds, Failure> {
    let bounds = Bounds {
        min: flags.min_level.unwrap_or(1) as usize,
        max: flags.max_level.map(|max| max as usize),
    };
    match bounds.max {
        Some(max) if max < bounds.min => Err(Failure::usage(
            format!("--min-level {} is above --max-level {max}", bounds.min),
            "swap them, or leave one out",
        )),
        _ => Ok(bounds),
    }
}

/// A command that is not there is better found before a million jobs fail one by one.
fn check_program(template: &Template, jobs: &JobOptions) -> Result<(), Failure> {
    let Some(program) = template.fixed_program() else {
        return Ok(());
    };
    let path = jobs.search_path();
    find_program(program, path.as_deref(), jobs.directory.as_deref())
        .map(|_| ())
        .map_err(|error| Failure {
            code: Code(error.exit_code()),
            message: error.to_string(),
            hint: Some("check the spelling and PATH; nothing was run".to_owned()),
        })
}

fn input_failure(error: &InputError) -> Failure {
    Failure {
        code: USAGE,
        message: error.to_string(),
        hint: Some(error.hint().to_owned()),
    }
}

/// After `ended` jobs it is no longer true that nothing was run.
fn run_failure(error: &RunError, ended: u64) -> Failure {
    match error {
        RunError::Input(error) => Failure {
            code: if ended == 0 { USAGE } else { BROKEN },
            ..input_failure(error)
        },
        other => Failure::new(BROKEN, other),
    }
}

fn reads_terminal(inputs: &InputOptions) -> bool {
    use std::io::IsTerminal as _;
    inputs
        .sources
        .iter()
        .any(|source| source.origin == Origin::Stdin)
        && std::io::stdin().is_terminal()
}

fn open_joblog(
    flags: &RunFlags,
    host: &str,
    template: &Template,
) -> Result<Option<Joblog>, Failure> {
    let Some(path) = &flags.joblog else {
        return Ok(None);
    };
    let add = flags.resume || flags.resume_failed;
    Joblog::open(path, add, host.to_owned(), template.clone())
        .map(Some)
        .map_err(|error| cannot_write("the job log", path, &error))
}

fn cannot_write(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(
        format!("cannot write {what} {}: {error}", path.display()),
        "check the directory and its permissions",
    )
}

fn exit_code(result: &Result<engine::Outcome, RunError>) -> Code {
    match result {
        Err(error) => run_failure(error, 0).code,
        Ok(engine::Outcome {
            broken: Some(error),
            status,
            ..
        }) => run_failure(error, status.done + status.failed).code,
        Ok(outcome) => match outcome.stopped {
            Some(StopCause::Signal(signal) | StopCause::Halt(engine::Ending::Signal(signal))) => {
                Code::of_signal(signal)
            }
            Some(StopCause::Halt(engine::Ending::Exit(code))) => {
                Code(u8::try_from(code).unwrap_or(1))
            }
            Some(StopCause::ReaderGone) => READER_GONE,
            _ => Code::of_failures(outcome.status.failed),
        },
    }
}

/// Follows a run for the user.
struct Watch {
    progress: Progress,
    joblog: Option<Joblog>,
    failed: Vec<Failed>,
    decisions: Vec<Decision>,
    quiet: bool,
}

/// Decisions that are kept: a run of days may take more, and only the first and last are of interest.
const KEPT_DECISIONS: usize = 1000;

impl Observer for Watch {
    fn event(&mut self, at: Duration, event: &RunEvent<'_>) {
        match event {
            RunEvent::Finished(job) => {
                if !job.ending.is_success() && self.failed.len() < LISTED {
                    self.failed.push(Failed::new(job.joined, job.ending, job.attempts, job.note));
                }
                if let Some(joblog) = &mut self.joblog
                    && let Err(error) = joblog.add(job)
                {
                    self.progress.say(&format!("cannot write the job log any more: {error}; the jobs go on"));
                    self.joblog = None;
                }
            }
            RunEvent::Decided(decision) => {
                self.progress.decided(decision);
                if self.decisions.len() >= KEPT_DECISIONS {
                    self.decisions.remove(KEPT_DECISIONS / 2);
                }
                self.decisions.push((*decision).clone());
            }
            RunEvent::Stopping { cause, now, running } => self.tell_of_stop(*cause, *now, *running),
            RunEvent::JournalTrouble(trouble) => self.progress.say(&format!(
                "the journal cannot be written: {trouble}; the jobs go on, but those not recorded would run again on --resume"
            )),
            RunEvent::GuardianLost => self.progress.say(
                "the guardian process was killed; should paceline be killed too, its jobs would go on",
            ),
            RunEvent::Beat(status) => self.progress.beat(at, status),
            RunEvent::Suspended => self.progress.clear(),
            _ => {}
        }
    }

    fn beat_every(&self) -> Option<Duration> {
        self.progress.beat_every()
    }
}

impl Watch {
    fn tell_of_stop(&self, cause: StopCause, now: bool, running: usize) {
        if self.quiet || cause == StopCause::ReaderGone {
            return;
        }
        let jobs = if running == 1 {
            "1 running job".to_owned()
        } else {
            format!("{running} running jobs")
        };
        match (cause, now) {
            (StopCause::Signal(_), false) => {
                self.progress.say(&format!(
                    "starting no more; waiting for {jobs} (Ctrl-C again stops them)"
                ));
            }
            (_, true) if running > 0 => self.progress.say(&format!("stopping {jobs}")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_may_be_escaped() {
        assert_eq!(unescaped("\\t"), Some(b"\t".to_vec()));
        assert_eq!(unescaped("a\\x00\\\\"), Some(b"a\0\\".to_vec()));
        for bad in ["\\", "\\q", "\\x1", "\\xzz"] {
            assert_eq!(unescaped(bad), None, "{bad}");
        }
    }
}
