//! `paceline tune`: measures a command at rising levels, and remembers the best one.
//!
//! `tuner` leads the jobs through the levels, `window` is what is measured at one of them,
//! `schedule` says which comes next, `verdict` what they mean. None of these reads a clock or starts
//! anything; the jobs are run by the same engine as those of `paceline run`.

mod flags;
mod report;
mod schedule;
mod tuner;
mod verdict;
mod watch;
mod window;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use paceline_control::Resources;
use paceline_journal::{Journal, JournalError, LevelSource};
use paceline_run::engine::{self, JobOptions, Outcome, Plan, StopCause};
use paceline_run::input::{Feed, NothingDone, OpenInputs};
use paceline_run::output::{Destination, OutputOptions};
use paceline_run::policy::Busy;
use paceline_run::spawn::{Guardian, ProcessLimits, raise_open_files};

pub(crate) use flags::TuneFlags;

use crate::exit::{BROKEN, Code, Failure, JOURNAL_INCOMPLETE, READER_GONE};
use crate::run::{
    Identity, Machine, Progress, ProgressMode, Words, check_pipe, check_program, host,
    input_failure, inputs, open_journal, process_options, reads_terminal, remember, resources,
    run_failure, survive_file_size_limit, template,
};
use report::Report;
use schedule::{Bound, Cap, Stop};
use tuner::{PerLevel, Tuner};
use verdict::Verdict;
use watch::{Lead, Shared, Watch};

/// How high the search goes unless it is told: what the jobs work on may be somebody else's.
const USUAL_MOST: usize = 256;
/// A best level takes something to compare it with.
const LEVELS_TO_COMPARE: usize = 2;

/// Whether the level is in the journal.
#[derive(Debug)]
enum Stored {
    Yes,
    /// It was not to be.
    No(&'static str),
    Failed(JournalError),
}

/// Measures a command. `arguments` is the whole command line.
pub(crate) fn tune(mut flags: TuneFlags, arguments: &[OsString]) -> Result<ExitCode, Failure> {
    let Words { command, sources } = Words::split(std::mem::take(&mut flags.command), arguments);
    if flags.inputs.xargs || flags.inputs.many {
        return Err(Failure::usage(
            "tune gives each job one input: how many -X and -m pack depends on the level",
            "leave them out, or give each job a fixed number with -n",
        ));
    }
    let template = template(command, &flags.inputs, &flags.process.shell)?;
    check_pipe(&template, &flags.inputs)?;
    let input_options = inputs(sources, &flags.inputs)?;
    let jobs = JobOptions {
        busy: Busy {
            codes: flags.busy_exit.clone(),
            ..Busy::default()
        },
        ..process_options(&flags.process)?
    };
    check_program(&template, &jobs)?;
    let name_terminal = reads_terminal(&input_options);
    let inputs = OpenInputs::open(&input_options).map_err(|error| input_failure(&error))?;
    let journal = if flags.no_journal {
        None
    } else {
        Some(open_journal(flags.journal.as_deref(), false)?)
    };

    survive_file_size_limit();
    let open_files = raise_open_files();
    let jobs = JobOptions { open_files, ..jobs };
    let identity = template.identity();
    let identity = Identity {
        template: &identity,
        display: template.display(),
        packed: false,
        host: host(),
    };
    let per_level = flags
        .sample
        .map_or(PerLevel::Time(flags.seconds), |n| PerLevel::Jobs(n.into()));
    let tuner = Shared::new(Tuner::new(
        listed(&flags),
        per_level,
        cap(&flags, &resources(ProcessLimits::read())),
    ));
    let progress = Progress::new(match flags.progress {
        ProgressMode::Auto if flags.quiet => ProgressMode::None,
        mode => mode,
    });
    if name_terminal {
        progress.say("reading inputs from the terminal, one per line; Ctrl-D ends them");
    }
    let feed = feed(inputs, flags.repeat)?;
    let guardian = Guardian::start(None).map_err(|error| {
        Failure::new(
            BROKEN,
            format!("cannot start the guardian process: {error}"),
        )
    })?;
    let mut watch = Watch {
        tuner: tuner.clone(),
        progress,
        quiet: flags.quiet,
        per_level: flags.sample.is_none().then_some(flags.seconds),
        told: 0,
        failures: Vec::new(),
    };
    let plan = Plan {
        template,
        jobs,
        output: OutputOptions {
            destination: if flags.show_output {
                Destination::StandardError
            } else {
                Destination::Nowhere
            },
            ..OutputOptions::default()
        },
        gate: watch.progress.gate(),
        controller: Box::new(Lead {
            tuner: tuner.clone(),
            inputs: feed.end(),
        }),
        feed,
        journal: None,
        guardian: Some(guardian),
    };
    let result = engine::run(plan, &mut watch);
    watch.progress.finish();
    let outcome = result.map_err(|error| run_failure(&error, 0))?;
    let mut tuner = tuner.lock();
    let level = tuner.level();
    let no_more = outcome.stopped.is_none().then_some(Stop::Inputs { level });
    tuner.break_off(no_more);
    conclude(
        &flags,
        &identity,
        journal.as_ref(),
        &tuner,
        &outcome,
        &watch,
    )
}

/// Judges, remembers, tells.
fn conclude(
    flags: &TuneFlags,
    identity: &Identity<'_>,
    journal: Option<&Journal>,
    tuner: &Tuner,
    outcome: &Outcome,
    watch: &Watch,
) -> Result<ExitCode, Failure> {
    if let Some(error) = &outcome.broken {
        return Err(run_failure(error, tuner.started));
    }
    if tuner.started == 0 && outcome.stopped.is_none() {
        return Err(Failure::usage(
            "there are no inputs to measure with",
            "name some with :::, in a file with -a, or on standard input",
        ));
    }
    let machine = Machine::here();
    let stop = tuner.stop.as_ref();
    let verdict = Verdict::of(&tuner.measured, stop, machine.cores);
    let signal = match outcome.stopped {
        Some(StopCause::Signal(signal)) => Some(signal),
        _ => None,
    };
    let stored = match (&verdict, journal) {
        (_, _) if signal.is_some() => Stored::No("it was stopped before its end"),
        (None, _) => Stored::No("no level was measured"),
        (_, None) => Stored::No("--no-journal"),
        _ if tuner.measured.len() < LEVELS_TO_COMPARE => {
            Stored::No("one level alone says nothing of others")
        }
        (Some(verdict), Some(journal)) => {
            let learned = verdict.learned(&tuner.measured, stop);
            match remember(journal, identity, machine, &learned, LevelSource::Tune) {
                Ok(()) => Stored::Yes,
                Err(error) => Stored::Failed(error),
            }
        }
    };
    let mut measured = tuner.measured.clone();
    measured.sort_by_key(|point| point.level);
    let report = Report {
        command: &identity.display,
        host: &identity.host,
        machine,
        measured: &measured,
        dropped: &tuner.dropped,
        stop,
        verdict: verdict.as_ref(),
        started: tuner.started,
        outside: tuner.outside,
        stored: &stored,
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let printed = if flags.json {
        report.write_json(&mut out)
    } else {
        report.print(&mut out)
    };
    match printed.and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(READER_GONE.into()),
        Err(error) => {
            let message = format!("cannot write the output: {error}");
            return Err(Failure::new(BROKEN, message));
        }
    }
    if outcome.stopped == Some(StopCause::ReaderGone) {
        return Ok(READER_GONE.into());
    }
    if !watch.failures.is_empty() {
        tell!("paceline: {} jobs failed, such as", outcome.status.failed);
        watch.failures.iter().for_each(|text| tell!("    {text}"));
    }
    Ok(match (signal, &verdict, stop) {
        (Some(signal), ..) => Code::of_signal(signal),
        (None, Some(_), _) if matches!(stored, Stored::Failed(_)) => JOURNAL_INCOMPLETE,
        (None, Some(_), _) => Code(0),
        (None, None, Some(Stop::Inputs { .. })) if outcome.status.failed == 0 => {
            tell!(
                "paceline: nothing was measured: {} jobs are too few",
                tuner.started
            );
            tell!("  hint: give more inputs, --repeat to use them again, or a small --sample");
            BROKEN
        }
        _ if outcome.status.failed > 0 => Code::of_failures(outcome.status.failed),
        _ => BROKEN,
    }
    .into())
}

fn listed(flags: &TuneFlags) -> Option<Vec<usize>> {
    let levels = flags.levels.as_ref()?;
    Some(levels.iter().map(|level| *level as usize).collect())
}

/// The highest level that the user and the system allow.
fn cap(flags: &TuneFlags, resources: &Resources) -> Cap {
    let most = match (flags.max_level, &flags.levels) {
        (Some(most), _) => most as usize,
        (None, Some(levels)) => levels.iter().max().map_or(1, |level| *level as usize),
        (None, None) => USUAL_MOST,
    };
    [
        (most, Bound::MaxLevel),
        (resources.descriptor_jobs, Bound::Descriptors),
        (resources.process_jobs, Bound::Processes),
    ]
    .map(|(level, bound)| Cap {
        level: level.max(1),
        bound,
    })
    .into_iter()
    .min_by_key(|cap| cap.level)
    .unwrap_or(Cap {
        level: 1,
        bound: Bound::MaxLevel,
    })
}

fn feed(inputs: OpenInputs, repeat: bool) -> Result<Feed, Failure> {
    let start = |inputs: OpenInputs| inputs.start(Box::new(NothingDone));
    let feed = start(inputs);
    if repeat {
        feed.and_then(Feed::take_all)
            .and_then(|items| start(OpenInputs::repeating(items)))
    } else {
        feed
    }
    .map_err(|error| input_failure(&error))
}
