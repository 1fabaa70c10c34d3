//! What is due, and how long to wait for it.

use std::time::Duration;

use paceline_control::Event;
use rustix::process::Signal;

use super::{Dispatcher, Due, signal_trees};
use crate::engine::event::RunEvent;

impl Dispatcher<'_> {
    pub(super) fn do_what_is_due(&mut self, now: Duration) {
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Listen { place, attempt } => {
                    if self.in_flight.get_if(place, attempt).is_some() {
                        self.listen(place);
                    }
                }
                Due::Kill { place, attempt } => {
                    if let Some(attempt) = self
                        .in_flight
                        .get_if(place, attempt)
                        .filter(|a| a.ended.is_none())
                    {
                        signal_trees(&[attempt.pid], Signal::KILL);
                    }
                }
                Due::Linger { place, attempt } => {
                    if self.in_flight.get_if(place, attempt).is_some() {
                        self.attempt_is_over(place);
                    }
                }
                Due::Retry { job } => self.again.extend(self.resting.remove(&job)),
            }
        }
        if self.next_sweep.is_some_and(|at| now >= at) {
            self.sweep(now);
        }
        if self.next_limit.is_some_and(|at| now >= at) {
            self.enforce_time_limit(now);
        }
        let moved = self.stop.tick(now);
        self.stop_moved(moved);
        if let Some(lookout) = &mut self.lookout
            && now >= self.next_tick
        {
            let signals = if lookout.is_memory_enough(now) {
                lookout.look_at_memory(self.in_flight.running())
            } else {
                let running = self.in_flight.iter_running();
                let running: Vec<(i32, Duration)> =
                    running.map(|(_, a)| (a.pid, a.started)).collect();
                lookout.look(now, &running, self.controller.wants_peers())
            };
            self.tell_controller(Event::Tick(signals));
            self.shed_jobs();
            let every = self.controller.tick_every().unwrap_or(Duration::MAX);
            self.next_tick = now.saturating_add(every);
        }
        if !self.journal_trouble_told
            && let Some(trouble) = self.journal.as_ref().and_then(|journal| journal.trouble())
        {
            self.journal_trouble_told = true;
            self.emit(&RunEvent::JournalTrouble(&trouble));
        }
        if let Some(every) = self.observer.beat_every()
            && now >= self.next_beat
        {
            self.next_beat = now + every;
            let status = self.status();
            self.emit(&RunEvent::Beat(&status));
        }
    }

    /// Ends the attempts that have taken too long. One look at those in flight, when the first of
    /// them may be due, instead of a timer for each job that would outlive most of them.
    fn enforce_time_limit(&mut self, now: Duration) {
        self.next_limit = None;
        let Some(limit) = self.time_limit.now() else {
            return;
        };
        let mut late = Vec::new();
        for (place, attempt) in self
            .in_flight
            .iter_running()
            .filter(|(_, a)| !a.timed_out && a.shed.is_none())
        {
            let ends = attempt.started + limit;
            if ends <= now {
                late.push(place);
            } else {
                self.next_limit = Some(self.next_limit.map_or(ends, |next| next.min(ends)));
            }
        }
        let mut pids = Vec::with_capacity(late.len());
        for place in late {
            if let Some(attempt) = self.in_flight.get_mut(place) {
                attempt.timed_out = true;
                pids.push(attempt.pid);
                let number = attempt.number;
                self.timers.set(
                    now + self.options.grace,
                    Due::Kill {
                        place,
                        attempt: number,
                    },
                );
            }
        }
        signal_trees(&pids, Signal::TERM);
    }

    pub(super) fn time_until_next(&mut self, now: Duration) -> Option<Duration> {
        let mut next = self.timers.next();
        let mut sooner = |at: Option<Duration>| {
            if let Some(at) = at {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        };
        sooner(self.next_limit);
        sooner(self.stop.kill_at());
        sooner(self.lookout.as_ref().map(|_| self.next_tick));
        sooner(self.observer.beat_every().map(|_| self.next_beat));
        sooner(self.held_back.take());
        sooner(self.next_sweep);
        next.map(|at| at.saturating_sub(now))
    }
}
