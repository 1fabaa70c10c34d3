//! Where a run stands, and how it ends.

use std::time::{Duration, Instant};

use paceline_control::Left;
use rustix::process::Signal;

use super::{CLEAN_UP, Dispatcher};
use crate::engine::event::Status;
use crate::engine::pack::Packer;
use crate::engine::stop::Phase;
use crate::engine::{Outcome, RunError};
use crate::output::SinkTrouble;
use crate::spawn::{descendants, reap, signal_process};

impl Dispatcher<'_> {
    pub(super) fn left(&self) -> Left {
        let progress = self.feed.progress();
        let held = self.packer.as_ref().map_or(0, Packer::held);
        let again = (self.again.len() + self.resting.len() + self.leaving.len()) as u64;
        match progress.total {
            Some(total) if self.packer.is_none() => {
                Left::Exactly(total.saturating_sub(progress.skipped + self.jobs_begun) + again)
            }
            _ => Left::AtLeast(progress.queued + held + again),
        }
    }

    pub(super) fn status(&self) -> Status {
        let progress = self.feed.progress();
        let total = if self.packer.is_none() {
            progress.total
        } else {
            None
        };
        Status {
            done: self.tally.done,
            failed: self.tally.failed,
            skipped: progress.skipped,
            retried: self.retried,
            busy: self.busy.answers,
            shed: self.shed,
            running: self.in_flight.running(),
            waiting: self.left().known(),
            total: total.or_else(|| {
                let ended = self.inputs_ended && self.stop.phase() == Phase::Running;
                ended.then_some(self.jobs_begun + progress.skipped)
            }),
            limit: self.controller.limit(),
        }
    }

    /// When a run has been stopped, jobs that will not come hold nobody up any longer.
    pub(super) fn pass_on_the_rest(&mut self) {
        let stopped = self.stop.phase() >= Phase::Draining;
        if stopped && self.in_flight.is_empty() && self.order.len() > 0 {
            for waiting in self.order.drain() {
                self.sink.deliver(waiting);
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        if !self.in_flight.is_empty() {
            return false;
        }
        let nothing_left = self.inputs_ended && self.again.is_empty() && self.resting.is_empty();
        let all_gone = self.leaving.is_empty();
        let all_written = self.sink.is_idle() || self.sink_broken;
        match self.stop.phase() {
            Phase::Running => nothing_left && all_gone && all_written,
            Phase::Draining => all_gone && all_written,
            Phase::Terminating | Phase::Killing => true,
        }
    }

    pub(super) fn finish(mut self) -> Outcome {
        let ours = std::process::id().cast_signed();
        let stopped = self.stop.phase() >= Phase::Terminating;
        let leftovers = || {
            let mut found = descendants(ours);
            found.retain(|pid| !self.spared.contains(pid));
            found
        };
        let left_running = if stopped {
            let deadline = Instant::now() + CLEAN_UP;
            loop {
                while reap().is_some() {}
                let found = leftovers();
                if found.is_empty() || Instant::now() > deadline {
                    break found.len();
                }
                found
                    .iter()
                    .for_each(|pid| signal_process(*pid, Signal::KILL));
                std::thread::sleep(Duration::from_millis(1));
            }
        } else {
            while reap().is_some() {}
            leftovers().len()
        };
        let status = self.status();
        if self.stop.phase() >= Phase::Terminating && !self.sink.is_idle() {
            self.sink.abandon();
        } else if let Some(SinkTrouble::Output(error)) = self.sink.close() {
            self.output_error
                .get_or_insert_with(|| RunError::system("write the output")(error));
        }
        if let Some(guardian) = self.guardian {
            guardian.dismiss();
        }
        Outcome {
            status,
            stopped: self.stop.cause(),
            wall: self.start.elapsed() + self.stood_still,
            cpu: self.cpu,
            peak_rss_bytes: self.peak_rss_bytes,
            max_limit: self.max_limit,
            learned: self.controller.learned(),
            left_running,
            broken: self.input_error.or(self.output_error),
        }
    }
}
