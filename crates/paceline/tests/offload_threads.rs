//! What only a process of its own can show: which threads there are, and how nice.

use std::fs;
use std::time::{Duration, Instant};

use paceline::offload::{Job, Offload};

fn threads() -> Vec<(String, i32)> {
    let mut threads: Vec<_> = fs::read_dir("/proc/self/task")
        .expect("a process has threads")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = fs::read_to_string(path.join("comm")).ok()?;
            let stat = fs::read_to_string(path.join("stat")).ok()?;
            let nice = stat.rsplit(") ").next()?.split(' ').nth(16)?.parse().ok()?;
            Some((name.trim().to_owned(), nice))
        })
        .filter(|(name, _)| name.starts_with("offload-"))
        .collect();
    threads.sort();
    threads
}

/// Threads that are still there. A thread that was joined stays in the list for a moment longer.
fn left() -> Vec<(String, i32)> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let left = threads();
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        std::thread::yield_now();
    }
}

fn main() {
    let ours = rustix::process::getpriority_process(None).expect("our own");
    let niced = (ours + 7).min(19);

    for round in 0..20 {
        let cpu = Offload::builder()
            .threads(3)
            .nice(7)
            .build()
            .expect("threads can be started");
        let expected = [
            ("offload-0", niced),
            ("offload-1", niced),
            ("offload-2", niced),
            ("offload-keeper", ours),
            ("offload-reserve", ours),
        ];
        let expected = expected.map(|(name, nice)| (name.to_owned(), nice));
        assert_eq!(threads(), expected);
        let left_alone = cpu.run(|_| ());
        let pending = cpu.map_reduce(Job::new(), 0..1000, |_, n| n, 0, |a, b| a + b);
        match round % 3 {
            0 => drop(pending),
            1 => assert_eq!(pollster::block_on(pending), Ok(499_500)),
            _ => std::mem::forget(pending),
        }
        drop(cpu);
        drop(left_alone);
        assert_eq!(left(), [], "round {round}");
    }

    let plain = Offload::builder().threads(1).nice(0).build();
    let names: Vec<_> = threads().into_iter().map(|thread| thread.0).collect();
    assert_eq!(names, ["offload-0", "offload-keeper"], "nobody needs help");
    drop(plain);
    println!("no thread is left");
}
