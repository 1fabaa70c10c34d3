//! What the program exits with, and how it says what went wrong.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | every job succeeded |
//! | 1–100 | so many jobs failed (as GNU parallel) |
//! | 101 | more than 100 jobs failed (as GNU parallel) |
//! | 2 | nothing was run: a flag, a template, a file or an input cannot be used |
//! | 110 | the run could not be carried on: output, temporary files or the system failed |
//! | 111 | all jobs succeeded, but the journal is incomplete: a resumed run repeats some |
//! | 126, 127 | the command cannot be executed; was not found |
//! | 129, 130, 143 | ended by SIGHUP, Ctrl-C, SIGTERM |
//! | 141 | whoever read the output has gone (as SIGPIPE) |
//!
//! With `--halt`, the exit code of the job that ended the run.

use std::process::ExitCode;

/// A flag, a template, a file or an input cannot be used.
pub(crate) const USAGE: Code = Code(2);
/// The run could not be carried on.
pub(crate) const BROKEN: Code = Code(110);
/// All jobs succeeded, but the journal does not say so.
pub(crate) const JOURNAL_INCOMPLETE: Code = Code(111);
/// The output's reader has gone.
pub(crate) const READER_GONE: Code = Code(141);

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u8);

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.0)
    }
}

impl Code {
    /// For so many failed jobs.
    pub(crate) fn of_failures(failed: u64) -> Self {
        Self(u8::try_from(failed.min(101)).unwrap_or(101))
    }

    /// For a run that a signal ended.
    pub(crate) fn of_signal(signal: i32) -> Self {
        Self(128_u8.saturating_add(u8::try_from(signal).unwrap_or(0)))
    }
}

/// Why the program ends without having done what it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure of the user's doing.
    pub(crate) fn usage(message: impl ToString, hint: impl ToString) -> Self {
        Self {
            code: USAGE,
            message: message.to_string(),
            hint: Some(hint.to_string()),
        }
    }

    /// Any other.
    pub(crate) fn new(code: Code, message: impl ToString) -> Self {
        Self {
            code,
            message: message.to_string(),
            hint: None,
        }
    }

    /// Says it, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        tell!("paceline: {}", self.message);
        if let Some(hint) = &self.hint {
            tell!("  hint: {hint}");
        }
        self.code.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_up_to_101() {
        let codes: Vec<u8> = [0, 1, 100, 101, 1_000_000]
            .map(|n| Code::of_failures(n).0)
            .to_vec();
        assert_eq!(codes, [0, 1, 100, 101, 101]);
        assert_eq!(Code::of_signal(2), Code(130));
    }
}
