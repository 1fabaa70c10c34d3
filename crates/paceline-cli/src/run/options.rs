//! Flags into what the engine takes.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use paceline_control::Bounds;
use paceline_run::engine::JobOptions;
use paceline_run::output::{OutputMode, OutputOptions};
use paceline_run::policy::{Busy, Retry};
use paceline_run::spawn::find_program;
use paceline_run::template::{CommandLine, Insert, Template};

use super::RunFlags;
use super::flags::ProgressMode;
use super::level::Level;
use super::shared_flags::{InputFlags, ProcessFlags};
use crate::exit::{Code, Failure};

/// Who tries for ever does not do so without a rest.
const LEAST_ENDLESS_DELAY: Duration = Duration::from_millis(100);
/// Rests between tries grow no longer than this.
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(300);

pub(super) fn progress_mode(flags: &RunFlags) -> ProgressMode {
    match flags.progress {
        ProgressMode::Auto if flags.bar || flags.eta => ProgressMode::Bar,
        ProgressMode::Auto if flags.quiet => ProgressMode::None,
        mode => mode,
    }
}

pub(crate) fn template(
    command: CommandLine,
    inputs: &InputFlags,
    shell: &Path,
) -> Result<Template, Failure> {
    let insert = match (inputs.max_replace_args, inputs.xargs) {
        _ if inputs.pipe => Insert::Nothing,
        (Some(0), _) => Insert::Nothing,
        (_, true) => Insert::InputsWithContext,
        _ => Insert::Inputs,
    };
    let path = std::env::var_os("PATH");
    let shell = find_program(shell.as_os_str().as_bytes(), path.as_deref(), None)
        .map(|file| PathBuf::from(OsString::from_vec(file.into_bytes())))
        .map_err(|error| {
            Failure::usage(
                format!("--shell: {error}"),
                "name a shell that is installed, such as sh or bash",
            )
        })?;
    Template::parse(command, insert, shell).map_err(|error| Failure::usage(&error, error.hint()))
}

/// A block goes to standard input, not into the command.
pub(crate) fn check_pipe(template: &Template, inputs: &InputFlags) -> Result<(), Failure> {
    if inputs.pipe && template.has_input() {
        return Err(Failure::usage(
            "with --pipe the input is what the job reads, so there is nothing to put in for {}",
            "leave {} out; {#} and {%} can be used",
        ));
    }
    Ok(())
}

/// A command that is not there is better found before a million jobs fail one by one.
pub(crate) fn check_program(template: &Template, jobs: &JobOptions) -> Result<(), Failure> {
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

/// What a job runs in, and for how long; no retries, no packing.
pub(crate) fn process_options(flags: &ProcessFlags) -> Result<JobOptions, Failure> {
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
    Ok(JobOptions {
        environment,
        directory: flags.workdir.clone(),
        nice: flags.nice,
        timeout: flags.timeout,
        grace: flags.grace,
        ..JobOptions::default()
    })
}

pub(super) fn job_options(flags: &RunFlags) -> Result<JobOptions, Failure> {
    let pack = flags.inputs.xargs || flags.inputs.many;
    Ok(JobOptions {
        retry: Retry {
            attempts: (flags.retries > 0).then_some(flags.retries),
            delay: if flags.retries == 0 {
                flags.retry_delay.max(LEAST_ENDLESS_DELAY)
            } else {
                flags.retry_delay
            },
            longest_delay: LONGEST_RETRY_DELAY.max(flags.retry_delay),
        },
        busy: Busy {
            codes: flags.busy_exit.clone(),
            retries: (flags.busy_retries > 0).then_some(flags.busy_retries),
            ..Busy::default()
        },
        delay: flags.delay,
        halt: flags.halt.0,
        pack,
        pack_at_most: flags
            .inputs
            .max_args
            .or(flags.inputs.max_replace_args)
            .filter(|_| pack)
            .map(|n| n as usize),
        ..process_options(&flags.process)?
    })
}

pub(super) fn output_options(flags: &RunFlags) -> OutputOptions {
    OutputOptions {
        mode: match (flags.line_buffer, flags.ungroup) {
            (true, _) => OutputMode::Lines,
            (_, true) => OutputMode::Ungrouped,
            _ => OutputMode::Grouped,
        },
        keep_order: flags.keep_order,
        tag: flags.tag,
        results: flags.results.clone(),
        ..OutputOptions::default()
    }
}

pub(super) fn bounds(flags: &RunFlags) -> Result<Bounds, Failure> {
    let named = match (flags.min_level, flags.max_level) {
        (Some(min), _) => Some(format!("--min-level {min}")),
        (None, Some(max)) => Some(format!("--max-level {max}")),
        (None, None) => None,
    };
    if let Some(named) = named
        && flags.level != Level::Auto
    {
        return Err(Failure::usage(
            format!("{named} bounds what -j auto may find, but -j sets the level itself"),
            "leave one of them out",
        ));
    }
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
