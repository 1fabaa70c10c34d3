//! `bare`: the least a dispatcher can do, as the yardstick for those that do more.
//!
//! It keeps LEVEL processes in flight until COUNT have run: `posix_spawn`, `wait4`, and nothing
//! else. It reads no inputs (they are the numbers from 1 to COUNT), captures no output, records
//! nothing. What it reaches is what the kernel and the jobs allow.

#![deny(unsafe_code)]

mod args;
#[allow(unsafe_code)]
mod sys;

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use args::Args;
use sys::StringArray;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args_os().skip(1).collect()) {
        Ok(args) => args,
        Err(problem) => {
            eprintln!("bare: {problem}\nusage: bare LEVEL COUNT -- PROG [ARG…] [{{}}]");
            return ExitCode::from(2);
        }
    };
    match dispatch(&args) {
        Ok(tally) => {
            eprintln!("{}", tally.summary(&args));
            ExitCode::from(u8::from(tally.failed > 0))
        }
        Err(error) => {
            eprintln!("bare: {error}");
            ExitCode::from(2)
        }
    }
}

/// What a whole run came to.
#[derive(Debug, Default)]
struct Tally {
    failed: u64,
    /// User and system time of the jobs, without that of this process.
    cpu: Duration,
    wall: Duration,
}

impl Tally {
    fn summary(&self, args: &Args) -> String {
        let wall = self.wall.as_secs_f64();
        let count = args.count as f64;
        format!(
            "{} jobs at level {} in {wall:.3} s: {:.0} jobs/s, {:.3} ms CPU a job, {} failed",
            args.count,
            args.level,
            count / wall,
            1e3 * self.cpu.as_secs_f64() / count,
            self.failed,
        )
    }
}

/// Runs all jobs, `args.level` at a time.
fn dispatch(args: &Args) -> io::Result<Tally> {
    sys::stdin_from_null()?;
    let env = StringArray::new(inherited_environment());
    let mut tally = Tally::default();
    let mut next = 1;
    let mut in_flight = 0;

    let start = Instant::now();
    while next <= args.count || in_flight > 0 {
        if next <= args.count && in_flight < args.level {
            sys::spawn(&StringArray::new(args.words_for(next)), &env)?;
            next += 1;
            in_flight += 1;
        } else {
            let ended = sys::wait_any()?;
            in_flight -= 1;
            tally.cpu += ended.cpu;
            tally.failed += u64::from(!ended.success);
        }
    }
    tally.wall = start.elapsed();
    Ok(tally)
}

/// Our environment as `NAME=value` strings. The kernel hands it over NUL-terminated, so that no
/// entry can hold a NUL and none is left out.
fn inherited_environment() -> Vec<CString> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let mut entry = name.into_vec();
            entry.push(b'=');
            entry.extend(value.into_vec());
            CString::new(entry).ok()
        })
        .collect()
}
