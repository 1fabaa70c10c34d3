//! The commands.

use clap::{Parser, Subcommand};

use crate::diagnose::DiagnoseFlags;
use crate::levels::LevelsFlags;
use crate::run::RunFlags;
use crate::runs::RunsFlags;
use crate::tune::TuneFlags;

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
    /// List the levels that were learned, with how throughput changed with the level
    #[command(after_long_help = LEVELS_HELP)]
    Levels(LevelsFlags),
    /// Measure a command at rising levels, and remember the best one
    #[command(after_long_help = TUNE_HELP, override_usage = "paceline tune [OPTIONS] COMMAND... [::: INPUT...]\n       paceline tune [OPTIONS] -- PROGRAM [ARG]... [::: INPUT...]")]
    Tune(Box<TuneFlags>),
    /// Watch a program, and say what limits it and what would help
    #[command(after_long_help = DIAGNOSE_HELP, override_usage = "paceline diagnose [OPTIONS] [--] PROGRAM [ARG]...\n       paceline diagnose [OPTIONS] --pid PID")]
    Diagnose(DiagnoseFlags),
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

const LEVELS_HELP: &str = "\
A level is remembered by command and machine. The next run of the command with -j auto begins there,
unless the machine has other cores or another amount of memory by then.

Examples:
  paceline levels                      all, newest first
  paceline levels curl                 of commands with curl in them
  paceline levels --forget curl        forget that one; of several, list them
  paceline levels --forget --all curl  forget those
  paceline levels --forget --all       forget everything";

const TUNE_HELP: &str = "\
Runs real jobs, with all that they do, at 1, 2, 4, 8 … at once, until two levels in a row get no more
done, or memory, open files, processes, failures or the inputs forbid more; then one or two levels
around the best. Each input is used once at most, unless --repeat. The result goes to standard
output; what the jobs write is thrown away, unless --show-output.

The level is remembered: the next paceline run of the command with -j auto begins there. The jobs
are not recorded: paceline run runs their inputs again, also with --resume.

Examples:
  paceline tune curl -s -o /dev/null {} :::: urls.txt
  paceline tune --seconds 2 --max-level 32 'convert {} /tmp/{/}' ::: *.jpg
  paceline tune --levels 1,4,16 --sample 50 --repeat ./query {} ::: a b c
  paceline tune --json -q ./job {} :::: list.txt > curve.json

Exit code: 0 if a level was found; else the number of failed jobs, up to 100; 110 if there were too
few inputs; 2, 126, 127 and 128+N as paceline run --help says.";

const DIAGNOSE_HELP: &str = "\
Runs a program as if it were started without paceline: the same standard input, output and error, the
same exit code, the same place in the terminal. When it ends, or when --duration is over, a verdict
follows on standard error: whether it waits or computes, for what, how much of that overlaps, what
would help, and by how much. With --pid, a process that runs already is looked at for 10 s and goes
on unharmed; the verdict goes to standard output.

No privileges are needed for your own programs. Other users' need root.

Examples:
  paceline diagnose python3 fetch.py urls.txt          until it ends
  paceline diagnose --duration 30s -- ./server -p 80   30 s of it; it goes on
  paceline diagnose --pid 1234 --duration 1m           one that runs already
  paceline diagnose -o verdict.txt -- make -j 8        the verdict into a file
  paceline diagnose --format json -o v.json ./job      for programs
  paceline diagnose -- sh -c 'a | b > c'               a command line needs its shell

Ctrl-C goes to the program, and the verdict follows its end; a second one shows the verdict at once,
a third one ends paceline.

Exit code: that of the program, 128+N if signal N ended it; with --pid 0, or 130 after Ctrl-C. 2 bad
usage, or the process cannot be watched; 126/127 the program cannot be run or found; 110 the verdict
cannot be written; 141 its reader has gone.";
