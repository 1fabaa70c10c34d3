//! The flags of `paceline run`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use paceline_journal::RunId;
use paceline_run::policy::{Halt, Timeout, parse_duration};

use super::level::Level;

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

    /// Read inputs from a file (- is standard input); given twice, every combination is run
    #[arg(short = 'a', long, value_name = "FILE", help_heading = "Inputs")]
    pub(crate) arg_file: Vec<PathBuf>,
    /// Inputs end with a NUL byte, as find -print0 writes them
    #[arg(
        short = '0',
        long,
        help_heading = "Inputs",
        conflicts_with = "delimiter"
    )]
    pub(crate) null: bool,
    /// Inputs end with this instead of a newline, e.g. ',' or '\t'
    #[arg(short = 'd', long, value_name = "TEXT", help_heading = "Inputs")]
    pub(crate) delimiter: Option<String>,
    /// Cut each input at this pattern into {1}, {2}, …, e.g. ',' or '\s+'
    #[arg(short = 'C', long, value_name = "REGEX", help_heading = "Inputs")]
    pub(crate) colsep: Option<String>,
    /// Give each job N inputs, e.g. -n 2
    #[arg(short = 'n', long, value_name = "N", help_heading = "Inputs", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_args: Option<u32>,
    /// As -n; with 0, run the command once per input without it
    #[arg(
        short = 'N',
        long,
        value_name = "N",
        help_heading = "Inputs",
        conflicts_with = "max_args"
    )]
    pub(crate) max_replace_args: Option<u32>,
    /// Give each job as many inputs as fit on a command line, spread over the level; a word around
    /// {} is repeated for each
    #[arg(short = 'X', long, help_heading = "Inputs")]
    pub(crate) xargs: bool,
    /// As -X, but {} becomes all inputs at once
    #[arg(short = 'm', help_heading = "Inputs", conflicts_with = "xargs")]
    pub(crate) many: bool,
    /// Take one input from each source at a time, instead of every combination
    #[arg(long, alias = "xapply", help_heading = "Inputs")]
    pub(crate) link: bool,
    /// Leave out empty inputs
    #[arg(short = 'r', long, help_heading = "Inputs")]
    pub(crate) no_run_if_empty: bool,
    /// Run the inputs in random order (holds them all in memory)
    #[arg(long, help_heading = "Inputs")]
    pub(crate) shuf: bool,

    /// Cut standard input into blocks of whole lines, and give each to a job as its standard input
    #[arg(long, help_heading = "Inputs", conflicts_with_all = ["null", "delimiter", "colsep", "xargs", "many", "link", "shuf", "dry_run"])]
    pub(crate) pipe: bool,
    /// With --pipe: about this much per job, e.g. 64k (-N counts records instead)
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = size, help_heading = "Inputs")]
    pub(crate) block: usize,
    /// With --pipe: what ends a record
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "\\n",
        help_heading = "Inputs"
    )]
    pub(crate) recend: String,

    /// Try a failing job up to N times in all, as GNU parallel does (0: until it succeeds)
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Jobs")]
    pub(crate) retries: u32,
    /// Rest this long before the second try; doubles with each, with jitter, up to 5 minutes
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration, help_heading = "Jobs")]
    pub(crate) retry_delay: Duration,
    /// End a job that takes longer: a time (30s, 2m) or a share of the median (300%)
    #[arg(long, value_name = "TIME|%", help_heading = "Jobs")]
    pub(crate) timeout: Option<Timeout>,
    /// End the run early: now|soon,fail|success|done=N|N%, e.g. now,fail=1 or soon,fail=10%
    #[arg(long, value_name = "WHEN", value_parser = halt, default_value = "never", help_heading = "Jobs")]
    pub(crate) halt: HaltFlag,
    /// Wait this long between two starts, e.g. 100ms
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration, help_heading = "Jobs")]
    pub(crate) delay: Duration,
    /// A job that is asked to end has this long before it is killed
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration, help_heading = "Jobs")]
    pub(crate) grace: Duration,
    /// Set a variable for the jobs, e.g. --env LANG=C
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Jobs")]
    pub(crate) env: Vec<OsString>,
    /// Run the jobs in this directory
    #[arg(long, alias = "wd", value_name = "DIR", help_heading = "Jobs")]
    pub(crate) workdir: Option<PathBuf>,
    /// Lower the priority of the jobs, e.g. 10
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, help_heading = "Jobs", value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub(crate) nice: i32,
    /// The shell for commands that need one, e.g. bash
    #[arg(
        long,
        value_name = "PROGRAM",
        default_value = "sh",
        help_heading = "Jobs"
    )]
    pub(crate) shell: PathBuf,
    /// Print the commands instead of running them
    #[arg(long, alias = "dryrun", help_heading = "Jobs")]
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

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// Bytes, as `64k`, `1M` or `2G` (powers of 1024).
fn size(text: &str) -> Result<usize, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let unit: usize = match text[digits..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => 0,
    };
    text[..digits]
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("{text:?} is not a size such as 500000, 64k, 1M or 1G"))
}
