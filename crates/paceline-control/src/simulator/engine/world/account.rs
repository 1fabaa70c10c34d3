//! What attempts have got and what they hold, and what follows when they hold too much.

use super::{At, World};
use crate::controller::Outcome;
use crate::simulator::engine::memory::{Held, growth, held};
use crate::simulator::scenario::BASE_BYTES;
use crate::simulator::stations::Law;

/// What an attempt has got up to now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SoFar {
    pub(super) cpu: f64,
    pub(super) delay: f64,
    pub(super) bytes: f64,
    pub(super) bytes_per_second: f64,
}

impl World<'_> {
    /// What an attempt has got up to now.
    pub(super) fn so_far(&self, place: usize) -> SoFar {
        let Some(attempt) = &self.attempts[place] else {
            return SoFar::default();
        };
        let mut cpu = attempt.cpu;
        let mut delay = attempt.delay;
        let mut work = attempt.work;
        let mut speed = 0.0;
        if let At::Served { station, since } = attempt.at {
            let threads = self.simulation.workload.phases(attempt.job)[attempt.phase].threads;
            let service = &self.services[station];
            // Only one kind of station has clocks of cores that move.
            cpu += (service.clocks.on_core - since.on_core) * threads;
            if matches!(service.station.law, Law::Cpu { .. }) {
                delay += (service.clocks.delay - since.delay) * threads;
            }
            work += (service.clocks.progress - since.progress) * threads;
            speed = service.rate() * threads;
        }
        let job = &self.simulation.workload.jobs[attempt.job];
        if !self.memory.watched {
            return SoFar {
                cpu,
                delay,
                bytes: BASE_BYTES,
                bytes_per_second: 0.0,
            };
        }
        let work_in_all = job.work.max(f64::MIN_POSITIVE);
        let part = work / work_in_all;
        SoFar {
            cpu,
            delay,
            bytes: held(job.peak_bytes, part),
            bytes_per_second: growth(job.peak_bytes, part, speed / work_in_all),
        }
    }

    /// What all attempts hold.
    pub(super) fn held(&self) -> Held {
        if !self.memory.watched {
            return Held {
                bytes: BASE_BYTES * self.in_flight as f64,
                bytes_per_second: 0.0,
            };
        }
        let mut sum = Held::default();
        for place in 0..self.attempts.len() {
            let so_far = self.so_far(place);
            sum.bytes += so_far.bytes;
            sum.bytes_per_second += so_far.bytes_per_second;
        }
        sum
    }

    /// Has memory that ran out take its toll.
    pub(super) fn watch_memory(&mut self) {
        if !self.memory.watched {
            return;
        }
        let mut held = self.held();
        while self.memory.kills(held) && self.in_flight > 0 {
            let youngest = self.attempts.iter().enumerate();
            let youngest = youngest.max_by_key(|(_, a)| a.as_ref().map_or(0, |a| a.serial));
            let Some((place, _)) = youngest else { break };
            self.run.oom_kills += 1;
            self.end(place, Outcome::Failed);
            held = self.held();
        }
        if self.memory.notice(held) {
            self.set_all_speeds();
        }
    }
}
