//! What signals to us do, and the steps of a stop.

use rustix::process::Signal;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGTSTP};

use super::{Dispatcher, signal_trees};
use crate::engine::event::{RunEvent, StopCause};
use crate::engine::stop::Phase;
use crate::spawn::{Exit, reap, signal_group, stop_self};

/// Ended jobs that are dealt with before anything else gets its turn. Where the cores are crowded,
/// starting one job takes as long as others take to end: there is always another.
const REAPED_PER_TURN: u32 = 32;

impl Dispatcher<'_> {
    pub(super) fn on_signal(&mut self, signal: i32) {
        let count = self.signals.count(signal);
        match signal {
            SIGCHLD => {
                for turn in 0.. {
                    if turn == REAPED_PER_TURN {
                        // There may be more: come back, after whatever else has happened.
                        let _ = signal_hook::low_level::raise(SIGCHLD);
                        break;
                    }
                    let Some(reaped) = reap() else {
                        break;
                    };
                    let Some(place) = self.on_reaped(&reaped) else {
                        continue;
                    };
                    // A core has nothing to do until the next job runs: start that first. Unless
                    // this end may decide that there is no next one.
                    if reaped.exit == Exit::Code(0) && self.options.halt.is_none() {
                        self.start_jobs();
                    }
                    self.on_ended(place);
                }
            }
            SIGTSTP => self.suspend(),
            SIGINT => {
                for _ in 0..count {
                    let now = self.start.elapsed();
                    let moved =
                        self.stop
                            .interrupt(now, self.options.grace, StopCause::Signal(signal));
                    self.stop_moved(moved);
                }
            }
            SIGTERM | SIGHUP => {
                let now = self.start.elapsed();
                let moved = self
                    .stop
                    .terminate(now, self.options.grace, StopCause::Signal(signal));
                self.stop_moved(moved);
            }
            _ => {}
        }
    }

    /// Ctrl-Z: the jobs are in groups of their own and would go on without us.
    pub(super) fn suspend(&mut self) {
        let groups: Vec<i32> = self
            .in_flight
            .iter_running()
            .map(|(_, attempt)| attempt.pid)
            .collect();
        groups
            .iter()
            .for_each(|group| signal_group(*group, Signal::STOP));
        self.emit(&RunEvent::Suspended);
        let stopped_at = self.start.elapsed();
        stop_self();
        // All stood still: so did our clock, by which limits, rests and levels are measured.
        let stood_still = self.start.elapsed().saturating_sub(stopped_at);
        self.start += stood_still;
        self.stood_still += stood_still;
        if let Some(lookout) = &mut self.lookout {
            lookout.stood_still(stood_still);
        }
        groups
            .iter()
            .for_each(|group| signal_group(*group, Signal::CONT));
    }

    pub(super) fn stop_moved(&mut self, moved: Option<Phase>) {
        let Some(phase) = moved else { return };
        let cause = self.stop.cause().unwrap_or(StopCause::Signal(0));
        let running = self.in_flight.running();
        self.emit(&RunEvent::Stopping {
            cause,
            now: phase >= Phase::Terminating,
            running,
        });
        self.feed.close();
        let signal = match phase {
            Phase::Terminating => Signal::TERM,
            Phase::Killing => Signal::KILL,
            Phase::Running | Phase::Draining => return,
        };
        let running: Vec<(usize, i32)> = self
            .in_flight
            .iter_running()
            .map(|(place, a)| (place, a.pid))
            .collect();
        for (place, _) in &running {
            if let Some(attempt) = self.in_flight.get_mut(*place) {
                attempt.stopped_by_us = true;
            }
        }
        let pids: Vec<i32> = running.into_iter().map(|(_, pid)| pid).collect();
        signal_trees(&pids, signal);
        // Streams that only leftovers hold open are not waited for any more.
        for place in self.in_flight.lingering() {
            self.attempt_is_over(place);
        }
    }
}
