//! The `paceline` program: flags in, progress and messages out, exit codes.
#![forbid(unsafe_code)]

#[macro_use]
mod message;

mod cli;
mod diagnose;
mod exit;
mod levels;
mod plot;
mod run;
mod runs;
mod tune;
mod when;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    // Not a command for people: we start ourselves this way, to be survived by a moment.
    if let [_, guardian, run] = arguments.as_slice()
        && guardian == paceline_run::spawn::GUARDIAN_ARG
    {
        return paceline_run::spawn::guard(&run.to_string_lossy());
    }
    // Nor this: what we start for a diagnosis is ourselves until it is watched.
    if let [_, trampoline, words @ ..] = arguments.as_slice()
        && trampoline == diagnose::TRAMPOLINE_ARG
    {
        return diagnose::exec_when_told(words);
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let _ = error.print();
            return if error.use_stderr() {
                exit::USAGE.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let result = match cli.command {
        Command::Run(flags) => run::run(*flags, &arguments),
        Command::Runs(flags) => runs::runs(flags),
        Command::Levels(flags) => levels::levels(flags),
        Command::Tune(flags) => tune::tune(*flags, &arguments),
        Command::Diagnose(flags) => diagnose::diagnose(flags),
    };
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
