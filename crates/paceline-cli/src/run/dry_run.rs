//! `--dry-run`: the commands instead of their work.

use std::io::{self, BufWriter, Write};

use paceline_run::engine::{DryRunError, JobOptions, print_commands};
use paceline_run::input::Feed;
use paceline_run::template::Template;

use crate::exit::{BROKEN, Code, Failure, READER_GONE, USAGE};

/// Prints a command per job, as it could be typed into a shell.
pub(crate) fn dry_run(
    template: &Template,
    feed: Feed,
    jobs: &JobOptions,
    level: usize,
) -> Result<Code, Failure> {
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let printed = print_commands(template, feed, jobs, level, &mut out)
        .and_then(|()| out.flush().map_err(DryRunError::Output));
    match printed {
        Ok(()) => Ok(Code(0)),
        Err(DryRunError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(READER_GONE)
        }
        Err(DryRunError::Output(error)) => Err(Failure::new(
            BROKEN,
            format!("cannot write the output: {error}"),
        )),
        Err(DryRunError::Input(error)) => Err(Failure {
            code: USAGE,
            hint: Some(error.hint().to_owned()),
            message: error.to_string(),
        }),
    }
}
