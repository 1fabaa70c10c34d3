//! Telling the controller what the jobs in flight are doing.

use std::time::{Duration, Instant};

use paceline_control::Signals;
use paceline_observe::{Memory, Sampler};

/// Looking at more jobs would tell little more and cost the jobs their cores.
const MOST_SAMPLED: usize = 32;

/// Looks at some of the jobs in flight.
pub(super) struct Lookout {
    sampler: Sampler,
    memory: Memory,
    start: Instant,
}

impl Lookout {
    /// `start` is when the run began.
    pub(super) fn new(start: Instant) -> Self {
        Self {
            sampler: Sampler::new(),
            memory: Memory::of_this_process(),
            start,
        }
    }

    /// Looks at these jobs: process, and start of the attempt since the run began.
    pub(super) fn look(&mut self, running: &[(i32, Duration)]) -> Signals {
        // Evenly over the slots, and the same ones each time while they live.
        let stride = running.len().div_ceil(MOST_SAMPLED).max(1);
        let start = self.start;
        let chosen = running
            .iter()
            .step_by(stride)
            .map(|(pid, started)| (*pid, start + *started));
        let seen = self.sampler.look(chosen, Instant::now());
        Signals {
            in_flight: running.len(),
            sampled: seen.sampled,
            ran: seen.ran,
            run_queue_delay: seen.run_queue_delay,
            observed: seen.observed,
            runnable_threads: seen.runnable_threads,
            disk_threads: seen.disk_threads,
            timer_only: seen.timer_only,
            rss_bytes: seen.rss_bytes,
            memory_available_bytes: self.memory.available_bytes(),
        }
    }
}
