//! What a sampler would see of the jobs in flight.

use std::collections::HashMap;
use std::time::Duration;

use super::{At, World};
use crate::controller::{PeerLoad, Signals};
use crate::simulator::engine::memory::Held;
use crate::simulator::stations::ResourceKind;
use crate::simulator::workload::normal;

/// As many as the real engine looks at.
const MOST_SAMPLED: usize = 32;

impl World<'_> {
    /// Looks at some jobs, evenly spread, and the same ones each time while they live.
    pub(super) fn look(&mut self, held: Held) -> Signals {
        let idle = std::mem::take(&mut self.idle);
        let mut signals = Signals {
            in_flight: self.in_flight,
            idle: Some(seconds(self.noisy(idle))),
            memory_available_bytes: self.memory.available(held),
            ..Signals::default()
        };
        let stride = self.in_flight.div_ceil(MOST_SAMPLED).max(1);
        let mut chosen = std::mem::take(&mut self.looked_at);
        chosen.clear();
        let live = self
            .attempts
            .iter()
            .enumerate()
            .filter(|(_, a)| a.is_some());
        chosen.extend(live.step_by(stride).map(|(place, _)| place));
        let (mut ran, mut delayed, mut rss, mut grown) = (0.0, 0.0, 0.0, 0.0);
        for &place in &chosen {
            let so_far = self.so_far(place);
            let Some(attempt) = &mut self.attempts[place] else {
                continue;
            };
            signals.sampled += 1;
            ran += so_far.cpu - attempt.seen.0;
            delayed += so_far.delay - attempt.seen.1;
            signals.observed += seconds(self.now - attempt.seen.2);
            attempt.seen = (so_far.cpu, so_far.delay, self.now);
            rss += so_far.bytes;
            let before = attempt.seen_bytes.replace(so_far.bytes);
            grown += (so_far.bytes - before.unwrap_or(so_far.bytes)).max(0.0);
            if let At::Served { station, .. } = attempt.at {
                match self.services[station].station.kind {
                    ResourceKind::Cpu => {
                        let threads =
                            self.simulation.workload.phases(attempt.job)[attempt.phase].threads;
                        signals.runnable_threads += threads.ceil() as usize;
                    }
                    ResourceKind::Disk => signals.disk_threads += 1,
                    ResourceKind::Timer => signals.timer_only += 1,
                    ResourceKind::Socket | ResourceKind::Remote | ResourceKind::Lock => {}
                }
            }
        }
        if self.controller.wants_peers() {
            signals.peers = Some(self.peers(&chosen));
        }
        self.looked_at = chosen;
        signals.ran = seconds(self.noisy(ran));
        signals.run_queue_delay = seconds(self.noisy(delayed));
        signals.rss_bytes = rss as u64;
        signals.grown_bytes = grown as u64;
        signals
    }

    /// Whom some attempts talk to.
    fn peers(&self, chosen: &[usize]) -> PeerLoad {
        let mut load: HashMap<(usize, usize), usize> = HashMap::new();
        let mut jobs = 0;
        for attempt in chosen.iter().filter_map(|at| self.attempts[*at].as_ref()) {
            let (At::Gate { station } | At::Served { station, .. } | At::Refused { station }) =
                attempt.at;
            let talks = matches!(
                self.services[station].station.kind,
                ResourceKind::Socket | ResourceKind::Remote
            );
            let phases = self.simulation.workload.phases(attempt.job);
            if let (true, Some(phase)) = (talks, phases.get(attempt.phase)) {
                jobs += 1;
                *load.entry((station, phase.peer)).or_default() += 1;
            }
        }
        PeerLoad {
            jobs,
            heaviest: load.into_values().max().unwrap_or(0),
        }
    }

    fn noisy(&mut self, value: f64) -> f64 {
        let noise = self.simulation.scenario.signal_noise;
        if noise > 0.0 {
            value * (1.0 + noise * normal(&mut self.random)).max(0.0)
        } else {
            value
        }
    }
}

/// Differences of clocks may be a hair below zero.
pub(super) fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value.max(0.0))
}
