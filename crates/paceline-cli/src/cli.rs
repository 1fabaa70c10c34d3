//! The commands.

use clap::{Parser, Subcommand};

use crate::run::RunFlags;
use crate::runs::RunsFlags;

/// Runs work concurrently at the pace the machine and the world allow.
#[derive(Debug, Parser)]
#[command(
    name = "paceline",
    version,
    about,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command over many inputs
    #[command(after_long_help = RUN_HELP, override_usage = "paceline run [OPTIONS] COMMAND... [::: INPUT...]\n       paceline run [OPTIONS] -- PROGRAM [ARG]... [::: INPUT...]")]
    Run(Box<RunFlags>),
    /// List the runs that were recorded, or show one
    Runs(RunsFlags),
}

const RUN_HELP: &str = "\
Inputs come from standard input, one per line, from files (-a, ::::) or from the command line (:::).
The command is one quoted string, or a program and its arguments. It goes through sh only if it has
shell syntax; each input is then quoted for its place. After -- no shell is used at all.

Placeholders:
  {}    the input                      {#}    its position, from 1
  {.}   without its extension          {%}    the slot it runs in, from 1
  {/}   its file name                  {1}    the first of several inputs; {2.}, {-1/} and so on
  {//}  its directory                  (none) the input is appended to the command
  {/.}  its file name, no extension

Input sources:
  ::: a b c        words               :::: f     the lines of a file
  ::: a b ::: 1 2  every combination   :::+, ::::+  together with the source before it

Examples:
  find . -name '*.log' -print0 | paceline run -0 gzip {}
  paceline run 'convert {} -resize 50% thumbs/{/.}.png' ::: *.jpg
  paceline run -k 'curl -s {} | wc -c' :::: urls.txt
  paceline run -j 4 --retries 3 --timeout 30s ssh {} uptime :::: hosts.txt
  paceline run --resume gzip {} :::: files.txt        goes on where a killed run stopped

Exit code: 0 if all jobs succeeded, else the number that failed, up to 100; 101 if more.
2 bad usage (nothing was run), 110 the run broke off, 111 journal incomplete, 126/127 the command
cannot be run or found, 128+N ended by signal N, 141 the output's reader has gone.";
