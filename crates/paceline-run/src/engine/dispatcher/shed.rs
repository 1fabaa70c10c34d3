//! Attempts that are killed to free memory, and their jobs put back.

use std::collections::HashSet;
use std::time::Duration;

use super::Dispatcher;
use super::ending::KILLED;
use crate::engine::attempt::Job;
use crate::engine::event::{Ending, RunEvent};
use crate::engine::stop::Phase;
use crate::spawn::{Exit, Process, Tree, descendants_among, processes};

/// Between two looks for what is left of a killed job: the first, and no longer than.
const SWEEP_EVERY: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));
/// A job whose processes cannot be killed for so long is given up.
const GIVE_UP: Duration = Duration::from_secs(60);

/// What a shell exits with when its command was killed.
const KILLED_IN_SHELL: i32 = 128 + KILLED;
/// A job that the kernel has killed so often for memory has failed.
const MOST_KERNEL_KILLS: u32 = 8;

/// A job whose attempt was killed, and of which something may be left.
#[derive(Debug)]
pub(super) struct Leaving {
    job: Job,
    tree: Tree,
    since: Duration,
}

impl Dispatcher<'_> {
    /// Kills the attempts that the controller names.
    pub(super) fn shed_jobs(&mut self) {
        for _ in 0..=self.in_flight.running() {
            let Some(id) = self.controller.shed() else {
                return;
            };
            // One that is not found has ended by itself, and the controller heard of it.
            let place = self
                .in_flight
                .iter_running()
                .find(|(_, attempt)| u64::from(attempt.number) == id)
                .map(|(place, _)| place);
            let Some(attempt) = place.and_then(|place| self.in_flight.get_mut(place)) else {
                continue;
            };
            let tree = Tree::kill(attempt.pid, attempt.job.item.seq);
            // What is being ended for another reason stays ended for that one.
            if !attempt.stopped_by_us && !attempt.timed_out {
                attempt.shed = Some(tree);
            }
        }
    }

    /// Whether an attempt that ended so was killed because memory ran out before we could make
    /// room. One that was alone needs more than there is, and would be killed again.
    pub(super) fn killed_by_kernel(&mut self, place: usize, exit: Exit) -> bool {
        let killed = matches!(exit, Exit::Signal(KILLED) | Exit::Code(KILLED_IN_SHELL));
        let alone = self.in_flight.running() == 0;
        let Some(attempt) = self.in_flight.get_mut(place) else {
            return false;
        };
        let by_us = attempt.stopped_by_us || attempt.timed_out || attempt.shed.is_some();
        if !killed || alone || by_us || self.lookout.is_none() {
            return false;
        }
        let kills = paceline_observe::out_of_memory_kills();
        if kills <= self.kernel_kills || attempt.job.killed_by_kernel >= MOST_KERNEL_KILLS {
            return false;
        }
        self.kernel_kills += 1;
        attempt.job.killed_by_kernel += 1;
        true
    }

    /// The first process of a job that we killed is gone. It does not count as an attempt.
    pub(super) fn taken_back(&mut self, mut job: Job, tree: Tree) {
        let now = self.start.elapsed();
        job.attempts -= 1;
        if self.stop.phase() == Phase::Running {
            self.shed += 1;
            self.emit(&RunEvent::Shed {
                joined: &job.item.joined,
            });
        }
        self.leaving.push(Leaving {
            job,
            tree,
            since: now,
        });
        self.next_sweep = Some(now);
    }

    /// Puts those jobs back of which nothing is left. Before that, another attempt could meet the
    /// files, or the standard input, of the one before.
    pub(super) fn sweep(&mut self, now: Duration) {
        let orphans = self.orphans();
        let mut soonest: Option<Duration> = None;
        for leaving in std::mem::take(&mut self.leaving) {
            let waited = now.saturating_sub(leaving.since);
            if !leaving.tree.kill_rest(&orphans, &self.run_mark) {
                if self.stop.phase() == Phase::Running {
                    self.again.push_front(leaving.job);
                }
            } else if waited >= GIVE_UP {
                let note = "killed to free memory, but not all of its processes went";
                let killed = libc::SIGKILL;
                let exit = paceline_journal::Exit::Signal(killed);
                let ending = Ending::Signal(killed);
                self.job_is_over(leaving.job, ending, exit, Some(note), None, None);
            } else {
                let next = now + (waited / 2).clamp(SWEEP_EVERY.0, SWEEP_EVERY.1);
                soonest = Some(soonest.map_or(next, |soonest| soonest.min(next)));
                self.leaving.push(leaving);
            }
        }
        self.next_sweep = soonest;
    }

    /// Processes that descend from us, but from no attempt in flight.
    fn orphans(&self) -> Vec<Process> {
        let mut all = processes();
        let running: Vec<i32> = self.in_flight.iter_running().map(|(_, a)| a.pid).collect();
        let mut of_jobs: HashSet<i32> = descendants_among(&all, &running).into_iter().collect();
        of_jobs.extend(running);
        let ours = descendants_among(&all, &[std::process::id().cast_signed()]);
        let ours: HashSet<i32> = ours.into_iter().collect();
        all.retain(|process| ours.contains(&process.pid) && !of_jobs.contains(&process.pid));
        all
    }
}
