//! What a look costs: at the trees of 32 jobs, and at the memory alone.
//!
//! `cargo run --release -p paceline-observe --example cost`

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use paceline_observe::{Memory, Sampler};

const JOBS: usize = 32;
const LOOKS: u32 = 500;

fn main() -> std::io::Result<()> {
    for job in ["exec sleep 100", "sleep 100 & wait"] {
        let jobs: Vec<Child> = (0..JOBS)
            .map(|_| Command::new("sh").args(["-c", job]).spawn())
            .collect::<Result<_, _>>()?;
        std::thread::sleep(Duration::from_millis(200));
        let started = Instant::now();
        let roots: Vec<(i32, Instant)> = jobs
            .iter()
            .map(|job| (job.id().cast_signed(), started))
            .collect();
        let first = Instant::now();
        let mut sampler = Sampler::new();
        sampler.look(roots.iter().copied(), Instant::now());
        let first = first.elapsed();
        let each = per_round(|| {
            sampler.look(roots.iter().copied(), Instant::now());
        });
        println!("{JOBS} jobs of {job:?}: first look {first:.0?}, each further one {each:.0?}");
        for mut job in jobs {
            // Its sleep ends first, which ends it too.
            let parent = job.id().to_string();
            Command::new("pkill").args(["-P", &parent]).status()?;
            let _ = job.kill();
            job.wait()?;
        }
    }
    let memory = Memory::of_this_process();
    let each = per_round(|| {
        memory.available_bytes();
    });
    println!("memory alone: {each:.1?}");
    Ok(())
}

fn per_round(mut round: impl FnMut()) -> Duration {
    let start = Instant::now();
    (0..LOOKS).for_each(|_| round());
    start.elapsed() / LOOKS
}
