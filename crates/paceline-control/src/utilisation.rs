//! How busy the jobs keep the cores.

use std::time::Duration;

use crate::controller::{Signals, believable};
use crate::smooth::fade;

/// Seconds over which the share is averaged.
const MEMORY: f64 = 0.3;

/// The share of the cores that jobs use.
///
/// Two accounts are kept, since each misses something: jobs that end between two ticks are never
/// looked at, and long ones have not ended. The higher one is right.
#[derive(Clone, Debug)]
pub(crate) struct Utilisation {
    cores: f64,
    /// Core seconds of jobs that ended since the last tick.
    ended: f64,
    of_ended: f64,
    of_running: f64,
    seconds: f64,
}

impl Utilisation {
    pub(crate) fn new(cores: f64) -> Self {
        let cores = believable(cores);
        Self {
            cores,
            ended: 0.0,
            of_ended: 0.0,
            of_running: 0.0,
            seconds: 0.0,
        }
    }

    /// A job ended that had used `cpu`.
    pub(crate) fn used(&mut self, cpu: Duration) {
        self.ended += cpu.as_secs_f64().min(1e9);
    }

    /// Signals for the last `gap`.
    pub(crate) fn tick(&mut self, gap: Duration, signals: &Signals) {
        let keep = fade(gap, MEMORY);
        let stands_for = signals.in_flight as f64 / signals.sampled.max(1) as f64;
        let ran = signals.ran.as_secs_f64().min(1e9) * stands_for.max(1.0);
        self.seconds = self.seconds * keep + gap.as_secs_f64();
        self.of_ended = self.of_ended * keep + std::mem::take(&mut self.ended);
        self.of_running = self.of_running * keep + ran;
    }

    /// From 0 to 1; 0 while nothing is known.
    pub(crate) fn share(&self) -> f64 {
        let used = self.of_ended.max(self.of_running);
        (used / (self.cores * self.seconds).max(1e-9)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    #[test]
    fn running_jobs_or_ended_ones() {
        let mut running = Utilisation::new(4.0);
        let mut ended = Utilisation::new(4.0);
        assert!(running.share() < 1e-9);
        for _ in 0..100 {
            let signals = Signals {
                in_flight: 20,
                sampled: 10,
                ran: TICK,
                ..Signals::default()
            };
            running.tick(TICK, &signals);
            ended.used(TICK * 3);
            ended.tick(TICK, &Signals::default());
        }
        assert!((running.share() - 0.5).abs() < 1e-6, "{running:?}");
        assert!((ended.share() - 0.75).abs() < 1e-6, "{ended:?}");
    }
}
