//! Work that takes what it is told to take: processor time, memory, or the disk.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::time::{ClockId, clock_gettime};

/// What direct reads must be aligned to, on every disk that we know of.
const ALIGNMENT: usize = 4096;

/// Keeps the processor busy until this thread has used `time` of it.
pub fn burn(time: Duration) {
    let end = thread_cpu() + time;
    let mut state = 1_u64;
    while thread_cpu() < end {
        // Some 10 µs between two looks at the clock.
        for _ in 0..10_000 {
            state = black_box(
                state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1),
            );
        }
    }
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Takes `bytes` of memory, evenly over the first half of `time`, and keeps them to its end.
pub fn hold(bytes: u64, time: Duration) {
    const CHUNK: u64 = 1 << 20;
    let began = Instant::now();
    let chunks = bytes.div_ceil(CHUNK);
    let mut held = Vec::new();
    for number in 0..chunks {
        let size = CHUNK.min(bytes - number * CHUNK);
        held.push(vec![1_u8; size as usize]);
        let due = time / 2 * (number + 1) as u32 / chunks as u32;
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    thread::sleep(time.saturating_sub(began.elapsed()));
    black_box(&held);
}

/// Where direct reads go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offsets {
    /// One block after another, from a random one.
    Sequential,
    /// Any block.
    Random,
}

/// Reads `bytes` of a file in blocks of `block`, past the page cache, and returns how many it read.
pub fn read_direct(path: &Path, bytes: u64, block: u64, offsets: Offsets) -> io::Result<u64> {
    let file = open_direct(path)?;
    let blocks = file.metadata()?.len() / block;
    if blocks == 0 || !block.is_multiple_of(ALIGNMENT as u64) {
        let why = format!("it is shorter than a block, or {block} is no multiple of {ALIGNMENT}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let mut space = vec![0_u8; block as usize + ALIGNMENT];
    let start = space.as_ptr().align_offset(ALIGNMENT);
    let buffer = &mut space[start..start + block as usize];
    let mut random = fastrand::Rng::new();
    let mut at = random.u64(..blocks);
    let mut read = 0;
    while read < bytes {
        file.read_exact_at(buffer, at * block)?;
        read += block;
        at = match offsets {
            Offsets::Sequential => (at + 1) % blocks,
            Offsets::Random => random.u64(..blocks),
        };
    }
    Ok(read)
}

fn open_direct(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::DIRECT.bits() as i32)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burning_uses_what_it_says() {
        let before = thread_cpu();
        burn(Duration::from_millis(20));
        let used = thread_cpu().saturating_sub(before);
        assert!(used >= Duration::from_millis(20));
    }
}
