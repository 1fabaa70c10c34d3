//! The controller for people who know their level.

use std::time::Duration;

use crate::controller::{Controller, Decision, Event};

/// Keeps one limit for the whole run and wants no signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    limit: usize,
}

impl Fixed {
    /// Allows `limit` jobs in flight; 0 is taken as 1.
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
        }
    }
}

impl Controller for Fixed {
    fn limit(&self) -> usize {
        self.limit
    }

    fn on(&mut self, _now: Duration, _event: Event) -> Option<Decision> {
        None
    }

    fn tick_every(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::{Left, Signals};

    #[test]
    fn nothing_moves_it() {
        let mut fixed = Fixed::new(4);
        for event in [
            Event::Queue(Left::Exactly(1000)),
            Event::Started { job: 1 },
            Event::Tick(Signals::default()),
            Event::SpawnRefused { in_flight: 1 },
        ] {
            assert_eq!(fixed.on(Duration::from_secs(1), event), None);
        }
        assert_eq!(fixed.limit(), 4);
        assert_eq!(fixed.tick_every(), None);
    }

    #[test]
    fn zero_would_stall_the_run() {
        assert_eq!(Fixed::new(0).limit(), 1);
    }
}
