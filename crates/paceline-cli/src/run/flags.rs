//! The flags of `paceline run`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use paceline_journal::RunId;
use paceline_run::policy::{BusyCodes, Halt};

use super::level::Level;
use super::shared_flags::{InputFlags, ProcessFlags, duration};

/// What `paceline run` takes.
#[derive(Debug, Args)]
pub(crate) struct RunFlags {
    /// The command, then ::: and its inputs
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,

    /// How many jobs may run at once: a number, a share of the cores (50%), or auto, which measures
    /// what the jobs wait for and finds it
    #[arg(
        short = 'j',
        long = "jobs",
        alias = "level",
        value_name = "LEVEL",
        default_value = "auto",
        help_heading = "Level"
    )]
    pub(crate) level: Level,
    /// With -j auto: never fewer at once, e.g. 4
    #[arg(long, value_name = "N", help_heading = "Level", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) min_level: Option<u32>,
    /// With -j auto: never more at once, e.g. 100
    #[arg(long, value_name = "N", help_heading = "Level", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_level: Option<u32>,
    /// With -j auto: forget the level that earlier runs of this command found, and find it anew
    #[arg(long, help_heading = "Level", conflicts_with = "no_journal")]
    pub(crate) forget: bool,

    #[command(flatten)]
    pub(crate) inputs: InputFlags,

    /// Try a failing job up to N times in all, as GNU parallel does, e.g. 3 (0: until it succeeds)
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Jobs")]
    pub(crate) retries: u32,
    /// Rest this long before the second try, e.g. 500ms or 2s (a bare number is seconds); doubles with
    /// each, with jitter, up to 5 minutes
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration, help_heading = "Jobs")]
    pub(crate) retry_delay: Duration,
    /// Exit codes that say "what I depend on is busy", e.g. 69,75, or none: the job is started again
    /// later, has not failed, and does not count against --retries. A line "Retry-After: 30" in its
    /// standard error sets the rest, in seconds (not with -u, where we do not see it). E.g. paceline
    /// run 'flock -n -E 75 db.lock ./import {}' ::: *.csv
    #[arg(
        long,
        value_name = "CODES",
        default_value = "75",
        help_heading = "Jobs"
    )]
    pub(crate) busy_exit: BusyCodes,
    /// A job that is busy more than N times in a row has failed (0: never); the rests between grow
    /// from 100 ms to 30 s, so 100 is some 40 minutes
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Jobs")]
    pub(crate) busy_retries: u32,
    /// End the run early: now|soon,fail|success|done=N|N%, e.g. now,fail=1 or soon,fail=10%
    #[arg(long, value_name = "WHEN", value_parser = halt, default_value = "never", help_heading = "Jobs")]
    pub(crate) halt: HaltFlag,
    /// Wait this long between two starts, e.g. 100ms
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration, help_heading = "Jobs")]
    pub(crate) delay: Duration,
    #[command(flatten)]
    pub(crate) process: ProcessFlags,
    /// Print the commands instead of running them
    #[arg(long, alias = "dryrun", help_heading = "Jobs", conflicts_with = "pipe")]
    pub(crate) dry_run: bool,

    /// Print outputs in the order of the inputs
    #[arg(short = 'k', long, help_heading = "Output")]
    pub(crate) keep_order: bool,
    /// Put the input and a tab before each line of output
    #[arg(long, help_heading = "Output")]
    pub(crate) tag: bool,
    /// Print output line by line as it comes, instead of all of a job's at its end
    #[arg(
        long,
        alias = "lb",
        help_heading = "Output",
        conflicts_with_all = ["ungroup", "results"])]
    pub(crate) line_buffer: bool,
    /// Let jobs write straight to our output, mixed as it comes
    #[arg(short = 'u', long, help_heading = "Output", conflicts_with_all = ["keep_order", "tag", "results"])]
    pub(crate) ungroup: bool,
    /// All of a job's output at its end (the default)
    #[arg(long, help_heading = "Output", conflicts_with_all = ["line_buffer", "ungroup"])]
    pub(crate) group: bool,
    /// Also save each job's output as DIR/1/INPUT/{stdout,stderr,seq}
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) results: Option<PathBuf>,

    /// Go on with the newest run of this command in this directory: run what it has not finished
    #[arg(long, help_heading = "Journal")]
    pub(crate) resume: bool,
    /// As --resume, and run what failed again
    #[arg(long, help_heading = "Journal")]
    pub(crate) resume_failed: bool,
    /// Which run to resume, as listed by paceline runs, e.g. --run 12
    #[arg(long, value_name = "RUN", help_heading = "Journal")]
    pub(crate) run: Option<RunId>,
    /// Keep the journal in this file [default: $`PACELINE_JOURNAL`, or ~/.local/state/paceline/journal.db]
    #[arg(long, value_name = "FILE", help_heading = "Journal")]
    pub(crate) journal: Option<PathBuf>,
    /// Keep no journal: the run cannot be resumed or looked at later
    #[arg(long, help_heading = "Journal", conflicts_with_all = ["journal", "resume", "resume_failed", "run"])]
    pub(crate) no_journal: bool,
    /// Also write a line per job in the columns of GNU parallel
    #[arg(long, value_name = "FILE", help_heading = "Journal")]
    pub(crate) joblog: Option<PathBuf>,

    /// Show progress: a line on the terminal (bar), lines for a log (plain), or none
    #[arg(long, value_name = "HOW", default_value = "auto", num_args = 0..=1, require_equals = true, default_missing_value = "bar", help_heading = "Messages")]
    pub(crate) progress: ProgressMode,
    /// As --progress=bar; without a terminal, as --progress=plain
    #[arg(long, help_heading = "Messages")]
    pub(crate) bar: bool,
    /// As --progress=bar; without a terminal, as --progress=plain
    #[arg(long, help_heading = "Messages")]
    pub(crate) eta: bool,
    /// Write the summary as JSON into a file
    #[arg(long, value_name = "FILE", help_heading = "Messages")]
    pub(crate) summary: Option<PathBuf>,
    /// Watch what the jobs wait for, and say at the end why they are not faster and what would help,
    /// as paceline diagnose does for one program
    #[arg(long, help_heading = "Messages", conflicts_with = "dry_run")]
    pub(crate) why: bool,
    /// No progress, and a summary only if something failed
    #[arg(short = 'q', long, help_heading = "Messages")]
    pub(crate) quiet: bool,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// A line if standard error is a terminal, else none
    Auto,
    /// A line that is kept up to date
    Bar,
    /// A new line every few seconds
    Plain,
    /// Nothing
    None,
}

/// `--halt`, where `never` is a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HaltFlag(pub(crate) Option<Halt>);

fn halt(text: &str) -> Result<HaltFlag, String> {
    Halt::parse(text)
        .map(HaltFlag)
        .map_err(|error| error.to_string())
}
