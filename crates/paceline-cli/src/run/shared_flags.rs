//! Flags that `paceline run` and `paceline tune` have in common: the inputs, and what a job is.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use paceline_run::policy::{Timeout, parse_duration};

/// Where inputs come from and how they are cut.
#[derive(Debug, Args)]
pub(crate) struct InputFlags {
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
    #[arg(long, help_heading = "Inputs", conflicts_with_all = ["null", "delimiter", "colsep", "xargs", "many", "link", "shuf"])]
    pub(crate) pipe: bool,
    /// With --pipe: about this much per job, e.g. 64k (-N counts records instead)
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = size, help_heading = "Inputs")]
    pub(crate) block: usize,
    /// With --pipe: what ends a record, e.g. '\n\n' for paragraphs or '\0'
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "\\n",
        help_heading = "Inputs"
    )]
    pub(crate) recend: String,
}

/// What a job runs in, and for how long.
#[derive(Debug, Args)]
pub(crate) struct ProcessFlags {
    /// End a job that takes longer: a time, e.g. 30s or 2m (a bare number is seconds), or a share of the
    /// median of the jobs that have succeeded, e.g. 300%
    #[arg(long, value_name = "TIME|%", help_heading = "Jobs")]
    pub(crate) timeout: Option<Timeout>,
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
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
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
