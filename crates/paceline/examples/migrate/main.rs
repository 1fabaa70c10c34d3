//! CSV files to Parquet, from an object store and back into it: one after the other as a script does,
//! with a thread per file, and as a pipeline that finds its levels.
//!
//! ```sh
//! cargo run --release -p paceline --example migrate
//! cargo run --release -p paceline --example migrate -- --store s3://bucket/prefix
//! ```
//!
//! Without `--store` the files are made, and the store is one beside it that speaks S3 over HTTP and
//! takes 30 ms for a request. With it, all `*.csv` below the prefix are migrated; `AWS_*` in the
//! environment say how to get there. Each way writes into a folder of its own below the prefix. In
//! the end what they wrote is read back and compared with the CSV, row by row and way by way.

mod compare;
mod convert;
mod sample;
mod store;
mod ways;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;

use store::Remote;
use ways::{Migrated, Way};

/// What can go wrong with a file or with all of them.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Migrates CSV files to Parquet in an object store, in three ways side by side.
#[derive(Parser)]
struct Args {
    /// `s3://BUCKET/PREFIX` or `file:///FOLDER` [default: one that is started beside it]
    #[arg(long)]
    store: Option<String>,
    /// Files to make first [default: 600, or none with --store]
    #[arg(long)]
    files: Option<usize>,
    /// Rows of a file that is made.
    #[arg(long, default_value_t = 1000)]
    rows: usize,
    /// Of the files that are made, so many are no proper CSV.
    #[arg(long, default_value_t = 0)]
    malformed: usize,
    /// What a request to the store beside it takes, in milliseconds.
    #[arg(long, default_value_t = 30)]
    latency_ms: u64,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("migrate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failed> {
    let runtime = tokio::runtime::Runtime::new()?;
    let (remote, made) = match &args.store {
        Some(url) => (Remote::open(url)?, 0),
        None => (Remote::beside(Duration::from_millis(args.latency_ms))?, 600),
    };
    let made = args.files.unwrap_or(made);
    runtime.block_on(sample::write(&remote, made, args.rows, args.malformed))?;
    let files = runtime.block_on(remote.csv_files())?;
    if files.is_empty() {
        return Err("there is no *.csv below the prefix; --files N makes some".into());
    }

    println!(
        "{} files from CSV to Parquet, one after the other first\n",
        files.len()
    );
    println!(
        "{:16} {:>9} {:>12} {:>17} {:>6} {:>9} {:>7}",
        "way", "wall", "× sequential", "requests at once", "files", "rows", "failed"
    );
    let mut results = Vec::new();
    let mut sequential = None;
    for way in Way::ALL {
        remote.reset_peak();
        let began = Instant::now();
        let (migrated, report) = way.run(&runtime, &remote, &files)?;
        let wall = began.elapsed().as_secs_f64();
        println!(
            "{:16} {wall:>7.2} s {:>12.1} {:>17} {:>6} {:>9} {:>7}",
            way.name(),
            *sequential.get_or_insert(wall) / wall,
            remote.peak(),
            migrated.files,
            migrated.rows,
            migrated.failed.len(),
        );
        if let Some(report) = report {
            println!("\n{report}");
        }
        results.push(migrated);
    }
    println!();

    let ways = Way::ALL;
    let failed = same_failures(&results)?;
    for (file, error) in &results[0].failed {
        println!("failed: {file}: {error}");
    }
    let good: Vec<Path> = files
        .into_iter()
        .filter(|file| !failed.contains(file))
        .collect();
    let rows = runtime.block_on(compare_all(&remote, &ways, good))?;
    println!(
        "all {} ways wrote the same {rows} rows, those of the CSV",
        ways.len()
    );
    Ok(())
}

/// The files that failed; an error if the ways do not agree on them.
fn same_failures(results: &[Migrated]) -> Result<BTreeSet<Path>, Failed> {
    let mut sets = results.iter().map(|migrated| {
        migrated
            .failed
            .iter()
            .map(|(file, _)| file.clone())
            .collect()
    });
    let first: BTreeSet<Path> = sets.next().unwrap_or_default();
    if sets.all(|other: BTreeSet<Path>| other == first) {
        Ok(first)
    } else {
        Err("not the same files failed in all ways".into())
    }
}

/// Compares all files in all ways; the rows of one way.
async fn compare_all(remote: &Remote, ways: &[Way], files: Vec<Path>) -> Result<u64, Failed> {
    stream::iter(files)
        .map(async |file| {
            let csv = remote.get(&file).await?;
            let mut parquets = Vec::new();
            for way in ways {
                parquets.push(remote.get(&remote.parquet_of(way.folder(), &file)).await?);
            }
            compare::compare(&csv, &parquets)
                .map_err(|error| Failed::from(format!("{file}: {error}")))
        })
        .buffer_unordered(32)
        .try_fold(0, async |sum, rows| Ok(sum + rows))
        .await
}
