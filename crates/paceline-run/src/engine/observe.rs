//! Telling the controller what the jobs in flight are doing.

use std::time::{Duration, Instant};

use paceline_control::{PeerLoad, Signals};
use paceline_observe::{Idle, Memory, Sampler};
use rustix::time::{ClockId, clock_gettime};

/// Looking at more jobs would tell little more and cost the jobs their cores.
const MOST_SAMPLED: usize = 32;

/// Looks at some of the jobs in flight.
pub(super) struct Lookout {
    sampler: Sampler,
    memory: Memory,
    idle: Option<Idle>,
    start: Instant,
    /// For so long in all we and the jobs were suspended.
    stood_still: Duration,
    /// When jobs were looked at last.
    looked: Option<Duration>,
    /// Of the last look at jobs, in time on a core.
    cost: Duration,
    /// When it may be looked up whom they talk to, at the earliest.
    next_look_up: Duration,
}

/// Between two looks at jobs, at least. A controller that wants to be told more often hears of the
/// memory in between, which takes a fiftieth of the time.
const LEAST_GAP: Duration = Duration::from_millis(4);
/// The same between two look-ups of whom they talk to.
const LEAST_LOOK_UP_GAP: Duration = Duration::from_millis(15);
/// The share of a core that looks at jobs may take, as its inverse. Who takes more than others where
/// cores are short has to wait for his turn longer, and would hear of a shortage too late.
const LOOKING_SHARE: u32 = 20;

impl Lookout {
    /// `start` is when the run began.
    pub(super) fn new(start: Instant) -> Self {
        Self {
            sampler: Sampler::new(),
            memory: Memory::of_this_process(),
            idle: Idle::of_this_machine(),
            start,
            stood_still: Duration::ZERO,
            looked: None,
            cost: Duration::ZERO,
            next_look_up: Duration::ZERO,
        }
    }

    /// Time for which all stood still does not count.
    pub(super) fn stood_still(&mut self, by: Duration) {
        self.stood_still += by;
    }

    /// Whether the next look is to be at the memory alone.
    pub(super) fn is_memory_enough(&self, now: Duration) -> bool {
        let gap = LEAST_GAP.max(self.cost * LOOKING_SHARE);
        self.looked
            .is_some_and(|looked| now.saturating_sub(looked) < gap)
    }

    /// Looks at the memory alone: no job is sampled.
    pub(super) fn look_at_memory(&mut self, in_flight: usize) -> Signals {
        Signals {
            in_flight,
            idle: self.idle.as_mut().and_then(Idle::since_last),
            memory_available_bytes: self.memory.available_bytes(),
            ..Signals::default()
        }
    }

    /// Looks at these jobs: process, and start of the attempt since the run began. `peers`: whether to
    /// look up whom they talk to as well, if that may be done by now.
    pub(super) fn look(
        &mut self,
        now: Duration,
        running: &[(i32, Duration)],
        peers: bool,
    ) -> Signals {
        self.looked = Some(now);
        let since_start = now;
        let before = cpu_time();
        // Evenly over the slots, and the same ones each time while they live.
        let stride = running.len().div_ceil(MOST_SAMPLED).max(1);
        let start = self.start;
        let chosen = running
            .iter()
            .step_by(stride)
            .map(|(pid, started)| (*pid, start + *started));
        let now = Instant::now();
        let now = now.checked_sub(self.stood_still).unwrap_or(now);
        let seen = self.sampler.look(chosen, now);
        self.cost = cpu_time().saturating_sub(before);
        let peers = (peers && since_start >= self.next_look_up)
            .then(|| self.look_up_peers(since_start))
            .flatten();
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
            grown_bytes: seen.grown_bytes,
            idle: self.idle.as_mut().and_then(Idle::since_last),
            memory_available_bytes: self.memory.available_bytes(),
            peers,
        }
    }

    fn look_up_peers(&mut self, now: Duration) -> Option<PeerLoad> {
        let before = cpu_time();
        let seen = self.sampler.peers();
        let cost = cpu_time().saturating_sub(before);
        self.next_look_up = now + LEAST_LOOK_UP_GAP.max(cost * LOOKING_SHARE);
        seen.map(|seen| PeerLoad {
            jobs: seen.connected,
            heaviest: seen.heaviest,
        })
    }
}

/// Time that this thread has had on a core.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
