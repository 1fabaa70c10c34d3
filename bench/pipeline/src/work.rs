//! What is done to an item.

use std::time::{Duration, Instant};

pub(crate) const WAIT: Duration = Duration::from_millis(10);
pub(crate) const COMPUTE: Duration = Duration::from_millis(1);
pub(crate) const BLOCK: Duration = Duration::from_millis(2);

pub(crate) async fn wait(item: u64) -> u64 {
    tokio::time::sleep(WAIT).await;
    item
}

/// The same number of steps each time, which take a millisecond on an idle core; see [`steps`].
pub(crate) fn compute(item: u64, steps: u64) -> u64 {
    let mut state = item | 1;
    for _ in 0..steps {
        state = std::hint::black_box(state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1));
    }
    std::hint::black_box(state);
    item
}

pub(crate) fn block(item: u64) -> u64 {
    std::thread::sleep(BLOCK);
    item
}

/// How many steps [`compute`] does in [`COMPUTE`]: from the environment, so that all ways of a race
/// do the same, or measured.
pub(crate) fn steps() -> u64 {
    if let Some(steps) = std::env::var("STEPS")
        .ok()
        .and_then(|text| text.parse().ok())
    {
        return steps;
    }
    let probe = 1_000_000;
    let times = (0..20).map(|n| {
        let began = Instant::now();
        compute(n, probe);
        began.elapsed()
    });
    let best = times.min().unwrap_or(COMPUTE);
    (probe as f64 * COMPUTE.as_secs_f64() / best.as_secs_f64()) as u64
}

/// The most memory that this process has had, in bytes.
pub(crate) fn peak_rss_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}
