//! The flags of `paceline diagnose`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use paceline_run::policy::parse_duration;

/// What `paceline diagnose` takes.
#[derive(Debug, Args)]
pub(crate) struct DiagnoseFlags {
    /// The program to run and its arguments
    #[arg(
        trailing_var_arg = true,
        value_name = "COMMAND",
        required_unless_present = "pid",
        conflicts_with = "pid"
    )]
    pub(super) command: Vec<OsString>,

    /// Watch a process that runs already, with all below it, instead of starting one; it is left as it
    /// is, e.g. --pid 1234 or --pid $(pgrep -o myserver)
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) pid: Option<i32>,
    /// Watch for this long, e.g. 30s or 2m (a bare number is seconds) [default: 10s with --pid, else until
    /// the program ends]; a program that we started goes on after it
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// What the verdict is written as, e.g. --format json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    /// Write the verdict into this file, e.g. --output verdict.txt [default: standard error; standard
    /// output with --pid]
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// What the verdict is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("nothing can be seen in no time: give e.g. 10s".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}
