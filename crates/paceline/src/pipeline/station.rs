//! What is known of a stage apart from its items: its name, its level, and its accounts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use paceline_control::Signals;
use paceline_observe::Sampler;

use super::stage::Config;
use crate::level::Level;
use crate::limit::Limit;
use crate::meter::Meter;
use crate::report::{StageKind, StageReport};
use crate::threads::{Lookout, Roster};

pub(super) struct Station {
    pub(super) name: Arc<str>,
    pub(super) kind: StageKind,
    pub(super) limit: Limit,
    pub(super) level: Level,
    pub(super) meter: Meter,
    pub(super) roster: Roster,
    /// Processes under way, with their start.
    pub(super) processes: Mutex<Vec<(i32, Instant)>>,
}

/// Eyes on one station.
#[derive(Default)]
pub(super) struct Eyes {
    threads: Lookout,
    processes: Option<Sampler>,
    /// When the future's share of a core was last read, and what it was.
    polled: Option<(Instant, Duration)>,
}

/// Processes that are looked at.
const MOST_PROCESSES: usize = 32;

impl Station {
    pub(super) fn new(config: &Config, kind: StageKind, level: Level) -> Arc<Self> {
        Arc::new(Self {
            name: Arc::clone(&config.name),
            kind,
            limit: config.limit,
            level,
            meter: Meter::default(),
            roster: Roster::default(),
            processes: Mutex::default(),
        })
    }

    /// Tells the level what is seen.
    pub(super) fn look(&self, eyes: &mut Eyes, now: Instant) {
        if self.level.is_constant() {
            return;
        }
        let signals = match self.kind {
            StageKind::Io => Some(self.look_at_futures(eyes, now)),
            StageKind::Command => Some(self.look_at_processes(eyes, now)),
            _ => eyes.threads.look(&self.roster, now),
        };
        if let Some(signals) = signals {
            self.level.tick(signals);
        }
    }

    /// Futures run while they are polled.
    fn look_at_futures(&self, eyes: &mut Eyes, now: Instant) -> Signals {
        let in_flight = self.meter.in_work();
        let ran = self.meter.cpu();
        let (at, before) = eyes.polled.replace((now, ran)).unwrap_or((now, ran));
        let gap = now.saturating_duration_since(at);
        Signals {
            in_flight,
            sampled: in_flight,
            ran: ran.saturating_sub(before),
            observed: gap * u32::try_from(in_flight).unwrap_or(u32::MAX),
            ..Signals::default()
        }
    }

    fn look_at_processes(&self, eyes: &mut Eyes, now: Instant) -> Signals {
        let running = self
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let stride = running.len().div_ceil(MOST_PROCESSES).max(1);
        let chosen: Vec<_> = running.iter().step_by(stride).copied().collect();
        let in_flight = running.len();
        drop(running);
        let seen = eyes
            .processes
            .get_or_insert_with(Sampler::new)
            .look(chosen, now);
        self.meter.add_cpu(seen.ran);
        Signals {
            in_flight,
            sampled: seen.sampled,
            ran: seen.ran,
            run_queue_delay: seen.run_queue_delay,
            observed: seen.observed,
            runnable_threads: seen.runnable_threads,
            disk_threads: seen.disk_threads,
            timer_only: seen.timer_only,
            ..Signals::default()
        }
    }

    pub(super) fn report(&self, wall: Duration) -> StageReport {
        StageReport::read(
            self.name.to_string(),
            self.kind,
            self.limit,
            &self.level,
            &self.meter,
            wall,
        )
    }
}
