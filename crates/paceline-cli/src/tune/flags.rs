//! The flags of `paceline tune`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use paceline_run::policy::{BusyCodes, parse_duration};

use crate::run::{InputFlags, ProcessFlags, ProgressMode};

/// What `paceline tune` takes.
#[derive(Debug, Args)]
pub(crate) struct TuneFlags {
    /// The command, then ::: and its inputs
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,

    /// Measure these levels and no others, e.g. 1,2,4,8
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', help_heading = "Measuring", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) levels: Option<Vec<u32>>,
    /// Go no higher than this [default: 256, or the highest of --levels]
    #[arg(long, value_name = "N", help_heading = "Measuring", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_level: Option<u32>,
    /// Measure each level for so long, but at least 8 jobs and 2 per job in flight, e.g. 500ms
    /// or 2m (a bare number is seconds)
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration, help_heading = "Measuring")]
    pub(crate) seconds: Duration,
    /// Measure so many jobs at each level instead, e.g. --sample 50
    #[arg(long, value_name = "JOBS", help_heading = "Measuring", conflicts_with = "seconds", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) sample: Option<u32>,
    /// Begin the inputs again when they are used up (holds them all in memory); without it, each is
    /// used once at most. E.g. paceline tune --repeat ./query {} ::: a b c
    #[arg(long, help_heading = "Measuring", conflicts_with = "pipe")]
    pub(crate) repeat: bool,
    /// Exit codes that say "what I depend on is busy", e.g. 69,75, or none; where too many jobs say
    /// so, the search ends
    #[arg(
        long,
        value_name = "CODES",
        default_value = "75",
        help_heading = "Measuring"
    )]
    pub(crate) busy_exit: BusyCodes,

    #[command(flatten)]
    pub(crate) inputs: InputFlags,
    #[command(flatten)]
    pub(crate) process: ProcessFlags,

    /// Print JSON
    #[arg(long, help_heading = "Messages")]
    pub(crate) json: bool,
    /// Show what the jobs write, on standard error; without it, it is thrown away
    #[arg(long, help_heading = "Messages")]
    pub(crate) show_output: bool,
    /// Show progress: a line on the terminal (bar), lines for a log (plain), or none
    #[arg(long, value_name = "HOW", default_value = "auto", num_args = 0..=1, require_equals = true, default_missing_value = "bar", help_heading = "Messages")]
    pub(crate) progress: ProgressMode,
    /// No progress
    #[arg(short = 'q', long, help_heading = "Messages")]
    pub(crate) quiet: bool,

    /// Remember the level in this journal [default: $`PACELINE_JOURNAL`, or ~/.local/state/paceline/journal.db]
    #[arg(long, value_name = "FILE", help_heading = "Journal")]
    pub(crate) journal: Option<PathBuf>,
    /// Remember nothing
    #[arg(long, help_heading = "Journal", conflicts_with = "journal")]
    pub(crate) no_journal: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}
