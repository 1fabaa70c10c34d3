//! Jobs that take what they are told to take.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use paceline_lab::client::get;
use paceline_lab::quantity::{size, time};
use paceline_lab::work::{Offsets, burn, hold, read_direct};

/// Takes processor time, memory, the disk, or only time.
#[derive(Debug, Parser)]
#[command(name = "lab-job", version)]
struct Job {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Subcommand)]
enum Work {
    /// Use the processor for so long (processor time, not the clock's)
    Burn {
        /// e.g. 0.2 or 200ms
        #[arg(value_parser = time)]
        time: Duration,
    },
    /// Wait, then use the processor
    Mix {
        /// Milliseconds of processor time
        #[arg(long, value_name = "MS")]
        cpu: u64,
        /// Milliseconds to wait
        #[arg(long, value_name = "MS")]
        wait: u64,
        /// Wait for a timer (the default)
        #[arg(long, conflicts_with = "socket")]
        timer: bool,
        /// Wait for the answer of the lab-server there, e.g. `http://127.0.0.1:8080`
        #[arg(long, value_name = "URL")]
        socket: Option<String>,
    },
    /// Take memory evenly over half of the time, keep it for the other half
    Hold {
        /// e.g. 300M
        #[arg(long, value_parser = size)]
        bytes: u64,
        /// e.g. 1.5
        #[arg(long, value_parser = time)]
        seconds: Duration,
    },
    /// Read a file past the page cache
    ReadDirect {
        /// The file
        file: PathBuf,
        /// How much to read, e.g. 8M
        #[arg(long, value_parser = size)]
        bytes: u64,
        /// How much at a time, a multiple of 4096
        #[arg(long, value_parser = size, default_value = "64k")]
        block: u64,
        /// One block after another, instead of any
        #[arg(long)]
        sequential: bool,
    },
    /// Only wait
    Sleep {
        /// e.g. 0.2 or 200ms
        #[arg(value_parser = time)]
        time: Duration,
    },
}

fn main() -> ExitCode {
    match Job::parse().work.perform() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("lab-job: {why}");
            ExitCode::FAILURE
        }
    }
}

impl Work {
    fn perform(self) -> Result<(), String> {
        match self {
            Self::Burn { time } => burn(time),
            Self::Mix {
                cpu, wait, socket, ..
            } => {
                match socket {
                    None => thread::sleep(Duration::from_millis(wait)),
                    Some(server) => ask_to_wait(&server, wait)?,
                }
                burn(Duration::from_millis(cpu));
            }
            Self::Hold { bytes, seconds } => hold(bytes, seconds),
            Self::ReadDirect {
                file,
                bytes,
                block,
                sequential,
            } => {
                let offsets = if sequential {
                    Offsets::Sequential
                } else {
                    Offsets::Random
                };
                read_direct(&file, bytes, block, offsets)
                    .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            }
            Self::Sleep { time } => thread::sleep(time),
        }
        Ok(())
    }
}

fn ask_to_wait(server: &str, milliseconds: u64) -> Result<(), String> {
    let url = format!("{server}/work?wait_ms={milliseconds}");
    let answer = get(&url, &mut io::sink()).map_err(|error| error.to_string())?;
    if answer.is_success() {
        Ok(())
    } else {
        Err(format!("{url}: status {}", answer.status))
    }
}
