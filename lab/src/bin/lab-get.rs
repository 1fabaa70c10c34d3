//! Asks for one URL. Exits with 0 on success, 75 if the server is busy, 1 otherwise.
//!
//! As a job it must cost little: the standard library alone, and nothing that is not needed.

use std::env;
use std::io;
use std::process::ExitCode;

use paceline_lab::client::get;

const USAGE: &str = "usage: lab-get [--print] URL";

/// What `sysexits.h` calls a failure that may go away.
const BUSY: u8 = 75;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let mut print = false;
    let mut url = None;
    for argument in &mut arguments {
        match argument.as_str() {
            "--print" => print = true,
            _ if url.is_none() && !argument.starts_with('-') => url = Some(argument),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    let Some(url) = url else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let answer = if print {
        get(&url, &mut io::stdout().lock())
    } else {
        get(&url, &mut io::sink())
    };
    match answer {
        Ok(answer) if answer.is_success() => ExitCode::SUCCESS,
        Ok(answer) if answer.is_busy() => {
            // As the header has it, for a dispatcher that listens.
            if let Some(seconds) = answer.retry_after {
                eprintln!("Retry-After: {seconds}");
            }
            ExitCode::from(BUSY)
        }
        Ok(answer) => {
            eprintln!("lab-get: {url}: status {}", answer.status);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("lab-get: {error}");
            ExitCode::FAILURE
        }
    }
}
