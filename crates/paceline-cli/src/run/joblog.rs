//! `--joblog`: a line per job, in the columns of GNU parallel.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use paceline_run::engine::{Ending, Finished};
use paceline_run::template::Template;

/// An open job log.
pub(crate) struct Joblog {
    file: File,
    host: String,
    template: Template,
}

const HEADER: &str = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

impl Joblog {
    /// Opens it; a resumed run adds to what is there.
    pub(crate) fn open(
        path: &Path,
        add: bool,
        host: String,
        template: Template,
    ) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .append(add)
            .write(true)
            .truncate(!add)
            .open(path)?;
        if file.metadata()?.len() == 0 {
            file.write_all(HEADER.as_bytes())?;
        }
        Ok(Self {
            file,
            host,
            template,
        })
    }

    /// Adds a job. One write, so that whoever follows the file sees whole lines.
    pub(crate) fn add(&mut self, job: &Finished<'_>) -> io::Result<()> {
        let started = job
            .started_at
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let (exit, signal) = match job.ending {
            Ending::Exit(code) => (code, 0),
            Ending::Signal(signal) => (0, signal),
            Ending::TimedOut => (-1, 15),
            Ending::NotStarted => (-1, 0),
        };
        let line = format!(
            "{}\t{}\t{:.3}\t{:10.3}\t0\t{}\t{exit}\t{signal}\t{}\n",
            job.seq,
            self.host,
            started.as_secs_f64(),
            job.wall.as_secs_f64(),
            job.bytes_out,
            self.template.command_for(job.joined, job.seq),
        );
        self.file.write_all(line.as_bytes())
    }
}
