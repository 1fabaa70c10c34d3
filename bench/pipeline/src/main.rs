//! One way through one workload, once: what `measure.py` starts again and again, in turn.
//!
//! Prints the wall time in seconds, the items that came out, and the peak of resident memory.

mod ways;
mod work;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};

/// What passes through.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Workload {
    /// 10 ms of waiting, 1 ms of computing, 2 ms of blocking for each item.
    Mixed,
    /// Nothing to do at each of three stages.
    Tiny,
    /// A megabyte for each item, within a budget.
    Payload,
}

#[derive(Debug, Parser)]
struct Flags {
    #[arg(long, value_enum, default_value = "mixed")]
    workload: Workload,
    /// How it is done: paceline, channels, tokio-rayon, spawn-blocking or computing-alone.
    #[arg(long, default_value = "paceline")]
    way: String,
    #[arg(long, default_value_t = 2000)]
    items: u64,
    /// Bytes that may be inside, for the payload.
    #[arg(long, default_value_t = 64 << 20)]
    budget: u64,
    /// Print how many steps of computing take a millisecond here, and do nothing else.
    #[arg(long)]
    steps: bool,
    /// Print the report, if there is one.
    #[arg(long)]
    report: bool,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    if flags.steps {
        println!("{}", work::steps());
        return ExitCode::SUCCESS;
    }
    let began = Instant::now();
    let done = match (flags.workload, flags.way.as_str()) {
        (Workload::Mixed, "paceline") => ways::paceline_mixed(flags.items, flags.report),
        (Workload::Mixed, "spawn-blocking") => ways::spawn_blocking(flags.items),
        (Workload::Mixed, "tokio-rayon") => ways::tokio_rayon(flags.items),
        (Workload::Mixed, "channels") => ways::channels(flags.items),
        (Workload::Mixed, "computing-alone") => ways::computing_alone(flags.items),
        (Workload::Tiny, "paceline") => ways::paceline_tiny(flags.items, flags.report),
        (Workload::Tiny, "channels") => ways::channels_tiny(flags.items),
        (Workload::Payload, "paceline") => {
            ways::paceline_payload(flags.items, flags.budget, flags.report)
        }
        (workload, way) => {
            eprintln!("no way {way} for {workload:?}");
            return ExitCode::from(2);
        }
    };
    let wall = began.elapsed().as_secs_f64();
    println!("{wall:.6} {done} {}", work::peak_rss_bytes());
    ExitCode::SUCCESS
}
