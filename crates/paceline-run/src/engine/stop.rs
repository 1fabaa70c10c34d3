//! How a run ends early, as states: running, draining, terminating, killing.
//!
//! ```text
//!           Ctrl-C, halt soon            Ctrl-C, TERM, halt now            grace over, Ctrl-C
//! Running ───────────────────► Draining ────────────────────────► Terminating ─────────────► Killing
//!    └──────────────────── TERM, HUP, halt now ──────────────────────►
//! ```
//!
//! The whole story: `docs/design/death.md`.

use std::time::Duration;

use super::event::StopCause;

/// How far the stop has come. Only ever goes forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Jobs are started.
    #[default]
    Running,
    /// No new jobs; running ones are waited for.
    Draining,
    /// Running jobs have been asked to end.
    Terminating,
    /// Running jobs have been killed.
    Killing,
}

/// The state machine. Knows no clock: times are since the start of the run.
#[derive(Debug, Default)]
pub(super) struct Stop {
    phase: Phase,
    cause: Option<StopCause>,
    kill_at: Option<Duration>,
}

impl Stop {
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn cause(&self) -> Option<StopCause> {
        self.cause
    }

    /// When running jobs are to be killed, if nothing else happens.
    pub(super) fn kill_at(&self) -> Option<Duration> {
        self.kill_at
    }

    /// Ctrl-C: each press goes a step further.
    pub(super) fn interrupt(
        &mut self,
        now: Duration,
        grace: Duration,
        cause: StopCause,
    ) -> Option<Phase> {
        match self.phase {
            Phase::Running => self.advance(Phase::Draining, now, grace, cause),
            Phase::Draining => self.advance(Phase::Terminating, now, grace, cause),
            Phase::Terminating => self.advance(Phase::Killing, now, grace, cause),
            Phase::Killing => None,
        }
    }

    /// Wait for running jobs.
    pub(super) fn drain(&mut self, cause: StopCause) -> Option<Phase> {
        self.advance(Phase::Draining, Duration::ZERO, Duration::ZERO, cause)
    }

    /// Ask running jobs to end, and kill those that have not after `grace`.
    pub(super) fn terminate(
        &mut self,
        now: Duration,
        grace: Duration,
        cause: StopCause,
    ) -> Option<Phase> {
        self.advance(Phase::Terminating, now, grace, cause)
    }

    /// The time that `kill_at` told of has come.
    pub(super) fn tick(&mut self, now: Duration) -> Option<Phase> {
        let due = self.kill_at.is_some_and(|at| now >= at);
        let cause = self.cause?;
        if due {
            self.advance(Phase::Killing, now, Duration::ZERO, cause)
        } else {
            None
        }
    }

    fn advance(
        &mut self,
        to: Phase,
        now: Duration,
        grace: Duration,
        cause: StopCause,
    ) -> Option<Phase> {
        if to <= self.phase {
            return None;
        }
        self.phase = to;
        // What began the stop is what the exit code tells, but a signal outweighs a halt.
        match (self.cause, cause) {
            (None, _) | (Some(StopCause::Halt(_)), StopCause::Signal(_)) => {
                self.cause = Some(cause)
            }
            _ => {}
        }
        self.kill_at = (to == Phase::Terminating).then(|| now + grace);
        Some(to)
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Ending;
    use super::*;
    use proptest::prelude::*;

    const GRACE: Duration = Duration::from_secs(10);
    const INT: StopCause = StopCause::Signal(2);

    #[test]
    fn each_interrupt_goes_a_step_further() {
        let mut stop = Stop::default();
        let now = Duration::from_secs(1);
        let phases: Vec<_> = (0..4).map(|_| stop.interrupt(now, GRACE, INT)).collect();
        assert_eq!(
            phases,
            [
                Some(Phase::Draining),
                Some(Phase::Terminating),
                Some(Phase::Killing),
                None
            ]
        );
    }

    #[test]
    fn the_grace_time_ends_in_a_kill() {
        let mut stop = Stop::default();
        stop.terminate(Duration::from_secs(5), GRACE, INT);
        assert_eq!(stop.kill_at(), Some(Duration::from_secs(15)));
        assert_eq!(stop.tick(Duration::from_secs(14)), None);
        assert_eq!(stop.tick(Duration::from_secs(15)), Some(Phase::Killing));
        assert_eq!(stop.tick(Duration::from_secs(16)), None);
    }

    #[test]
    fn a_signal_outweighs_a_halt() {
        let mut stop = Stop::default();
        stop.drain(StopCause::Halt(Ending::Exit(3)));
        stop.interrupt(Duration::ZERO, GRACE, INT);
        assert_eq!(stop.cause(), Some(INT));
    }

    proptest! {
        #[test]
        fn never_goes_back(steps in proptest::collection::vec((0_u8..4, 0_u64..100), 0..30)) {
            let mut stop = Stop::default();
            let mut now = Duration::ZERO;
            for (step, seconds) in steps {
                now += Duration::from_secs(seconds);
                let before = stop.phase();
                let moved = match step {
                    0 => stop.interrupt(now, GRACE, INT),
                    1 => stop.drain(INT),
                    2 => stop.terminate(now, GRACE, INT),
                    _ => stop.tick(now),
                };
                prop_assert!(stop.phase() >= before);
                prop_assert_eq!(moved.is_some(), stop.phase() > before);
                prop_assert_eq!(stop.kill_at().is_some(), stop.phase() == Phase::Terminating);
            }
        }
    }
}
