//! Filling in the template for every input without running anything.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, poll};

use super::pack::Packer;
use super::{JobOptions, packs};
use crate::input::{Feed, InputError, Next};
use crate::template::{Argv, JobContext, Template};

/// Why the commands could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    /// The inputs cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The commands cannot be written.
    #[error("cannot write the commands: {0}")]
    Output(io::Error),
}

/// Writes one line per job to `out`: its command, as it could be typed into a shell.
pub fn print_commands(
    template: &Template,
    mut feed: Feed,
    jobs: &JobOptions,
    level: usize,
    out: &mut dyn Write,
) -> Result<(), DryRunError> {
    let mut packer = packs(jobs, template.insert()).then(|| Packer::new(template, 0, jobs));
    let mut argv = Argv::new();
    let mut line = Vec::new();
    loop {
        let next = match &mut packer {
            None => feed.take_next(),
            Some(packer) => packer.next(&mut feed, template, level),
        };
        let item = match next {
            Next::Item(item) => item,
            Next::End => return Ok(()),
            Next::Failed(error) => return Err(error.into()),
            Next::Wait => {
                let _ = poll(&mut [PollFd::new(&feed.wake_fd(), PollFlags::IN)], None);
                feed.clear_wake();
                continue;
            }
        };
        let context = JobContext {
            args: &item.args(),
            seq: item.seq,
            slot: 1,
        };
        line.clear();
        match template.render(&context, &mut argv) {
            Ok(()) => template.write_command(&argv, &mut line),
            Err(error) => {
                line.extend_from_slice(format!("# {}: {error}", item.display()).as_bytes())
            }
        }
        line.push(b'\n');
        out.write_all(&line).map_err(DryRunError::Output)?;
    }
}
