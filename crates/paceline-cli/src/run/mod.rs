//! `paceline run`: from flags to a finished run.

mod course;
mod dry_run;
mod failure;
mod flags;
mod inputs;
mod joblog;
mod level;
mod options;
mod progress;
mod record;
mod remembered;
mod shared_flags;
mod summary;
mod watch;
mod words;

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use paceline_control::{Decision, Reason};
use paceline_journal::{LevelSource, SessionEnd};
use paceline_observe::profile::Ending;
use paceline_run::engine::{self, JobOptions, Outcome, Plan, RunError, Status, StopCause};
use paceline_run::input::{AlreadyDone, NothingDone, OpenInputs};
use paceline_run::spawn::{Guardian, ProcessLimits, raise_open_files};
use paceline_run::template::Template;

pub(crate) use failure::{input_failure, run_failure};
pub(crate) use flags::{ProgressMode, RunFlags};
pub(crate) use inputs::{inputs, reads_terminal};
pub(crate) use level::resources;
pub(crate) use options::{check_pipe, check_program, process_options, template};
pub(crate) use progress::{Progress, grouped, time};
pub(crate) use record::{Identity, host, open_journal};
pub(crate) use remembered::{Machine, origin, remember};
pub(crate) use shared_flags::{InputFlags, ProcessFlags};
pub(crate) use words::Words;

use crate::diagnose::Watching;
use crate::exit::{BROKEN, Code, Failure, JOURNAL_INCOMPLETE, READER_GONE};
use failure::{cannot_write, exit_code};
use joblog::Joblog;
use options::{bounds, job_options, output_options, progress_mode};
use record::Recording;
use remembered::Begun;
use summary::{JsonDecision, Summary};
use watch::Watch;

/// Runs a command over many inputs. `arguments` is the whole command line.
pub(crate) fn run(mut flags: RunFlags, arguments: &[OsString]) -> Result<ExitCode, Failure> {
    let Words { command, sources } = Words::split(std::mem::take(&mut flags.command), arguments);
    let template = template(command, &flags.inputs, &flags.process.shell)?;
    check_pipe(&template, &flags.inputs)?;
    let inputs = inputs(sources, &flags.inputs)?;
    let jobs = job_options(&flags)?;
    check_program(&template, &jobs)?;
    let bounds = bounds(&flags)?;

    // All that can be wrong is found before a run is begun.
    let inputs_name_terminal = reads_terminal(&inputs);
    let inputs = OpenInputs::open(&inputs).map_err(|error| input_failure(&error))?;
    let host = host();
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
            .controller(bounds, ProcessLimits::read(), None)
            .limit();
        return dry_run::dry_run(&template, feed, &jobs, level).map(ExitCode::from);
    }

    survive_file_size_limit();
    let open_files = raise_open_files();
    let jobs = JobOptions { open_files, ..jobs };
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
    let machine = Machine::here();
    let remembered = match &recording {
        Some(recording) => recording.level_to_begin_at(&flags, &identity, machine)?,
        None => None,
    };
    let learned = remembered.as_ref().map(|remembered| &remembered.learned);
    let controller = flags
        .level
        .controller(bounds, ProcessLimits::read(), learned);
    let (journal, run, lock, writer, done, resumed, failed_before, jobs_before) = match recording {
        Some(r) => (
            Some(r.journal),
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
        decisions_left_out: 0,
        quiet: flags.quiet,
        told: watch::Told::default(),
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
    let begun = remembered.map(|remembered| Begun {
        at: first_limit,
        remembered,
    });
    if let Some(begun) = &begun {
        watch.progress.begun(begun);
    }
    let watching = match flags.why.then(|| Watching::start(guardian.pid())) {
        None => None,
        Some(Ok(watching)) => Some(watching),
        Some(Err(error)) => {
            watch.progress.say(&format!(
                "cannot watch the jobs, so --why has no answer: {error}"
            ));
            None
        }
    };
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
    let why = watching.and_then(|watching| watching.finish(ending(&result)));

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
    if let (Some(journal), Ok(outcome)) = (&journal, &result)
        && let Some(learned) = &outcome.learned
        && worth_remembering(&outcome.status)
        && let Err(error) = remember(journal, &identity, machine, learned, LevelSource::Run)
    {
        tell!("paceline: the level is not remembered: {error}");
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
        begun: begun.as_ref(),
        max_level: bounds.max,
        decisions: &watch.decisions,
        decisions_left_out: watch.decisions_left_out,
        failed: &watch.failed,
        unrecorded: report.map_or(0, |report| report.unrecorded),
        why: why.as_ref(),
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
            "  {} jobs failed earlier in this run; --resume-failed runs them again",
            grouped(failed_before)
        );
    }
    if let Some(why) = &why {
        why.tell();
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

/// How the watching of the jobs ended: with all of them, or before.
fn ending(result: &Result<Outcome, RunError>) -> Ending {
    match result {
        Ok(outcome) if outcome.stopped.is_none() && outcome.broken.is_none() => {
            Ending::ProgramEnded
        }
        _ => Ending::Interrupted,
    }
}

/// Failures may be over at once: what they say about the level must not replace what is known.
fn worth_remembering(status: &Status) -> bool {
    status.done > 0 && status.done >= status.failed
}

/// Under `ulimit -f`, a write that would grow a file too far should fail, not kill us.
pub(crate) fn survive_file_size_limit() {
    let signal = rustix::process::Signal::XFSZ.as_raw();
    let _ = signal_hook::flag::register(signal, Arc::default());
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
