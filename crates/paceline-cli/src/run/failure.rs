//! What a run's end means for the exit code, and errors in words.

use std::path::Path;

use paceline_run::engine::{self, RunError, StopCause};
use paceline_run::input::InputError;

use crate::exit::{BROKEN, Code, Failure, READER_GONE, USAGE};

pub(super) fn exit_code(result: &Result<engine::Outcome, RunError>) -> Code {
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

/// After `ended` jobs it is no longer true that nothing was run.
pub(crate) fn run_failure(error: &RunError, ended: u64) -> Failure {
    match error {
        RunError::Input(error) => Failure {
            code: if ended == 0 { USAGE } else { BROKEN },
            ..input_failure(error)
        },
        other => Failure::new(BROKEN, other),
    }
}

pub(crate) fn input_failure(error: &InputError) -> Failure {
    Failure {
        code: USAGE,
        message: error.to_string(),
        hint: Some(error.hint().to_owned()),
    }
}

pub(super) fn cannot_write(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(
        format!("cannot write {what} {}: {error}", path.display()),
        "check the directory and its permissions",
    )
}
