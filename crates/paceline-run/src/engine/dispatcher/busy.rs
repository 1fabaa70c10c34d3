//! Attempts that were turned away: what they depend on is busy.

use std::time::{Duration, SystemTime};

use super::{Dispatcher, STDERR_READ_BYTES};
use crate::engine::attempt::{Job, TurnedAway};
use crate::engine::event::{Ending, RunEvent};
use crate::engine::stop::Phase;
use crate::output::Capture;
use crate::policy::retry_after;

/// After so many busy answers in a row, of all jobs and at least as many as the limit, new inputs
/// are begun more slowly.
const ALL_BUSY: u64 = 8;
/// Then a new input is begun only when so long nobody was turned away.
const QUIET: Duration = Duration::from_secs(1);

/// Busy answers of all jobs.
#[derive(Debug, Default)]
pub(super) struct BusyTally {
    /// In all.
    pub(super) answers: u64,
    /// Since an attempt last ended otherwise.
    in_a_row: u64,
    begin_none_before: Duration,
}

impl BusyTally {
    fn answered(&mut self, now: Duration, limit: usize) {
        self.answers += 1;
        self.in_a_row += 1;
        if self.in_a_row >= ALL_BUSY.max(limit as u64) {
            self.begin_none_before = now + QUIET;
        }
    }

    /// An attempt ended otherwise.
    pub(super) fn interrupted(&mut self) {
        self.in_a_row = 0;
        self.begin_none_before = Duration::ZERO;
    }

    /// Until when no new input is to be begun, if that is not yet over.
    pub(super) fn begin_none_before(&self, now: Duration) -> Option<Duration> {
        (now < self.begin_none_before).then_some(self.begin_none_before)
    }
}

impl Dispatcher<'_> {
    /// A job said that what it depends on is busy. It has not failed, and rests.
    pub(super) fn turned_away(
        &mut self,
        mut job: Job,
        code: i32,
        stdout: Option<Capture>,
        mut stderr: Option<Capture>,
    ) {
        let now = self.start.elapsed();
        let asked = stderr.as_mut().and_then(|stderr| {
            let mut tail = stderr.tail(STDERR_READ_BYTES);
            if tail.len() == STDERR_READ_BYTES {
                // It begins somewhere in a line.
                tail.drain(..memchr::memchr(b'\n', &tail).unwrap_or(tail.len()));
            }
            retry_after(&tail, SystemTime::now())
        });
        let row = job.turned_away.get_or_insert(TurnedAway {
            times: 0,
            since: now,
        });
        row.times = row.times.saturating_add(1);
        let TurnedAway {
            times: in_a_row,
            since,
        } = *row;
        let rest = self
            .options
            .busy
            .rest_after(in_a_row, asked, fastrand::f64());
        let Some(rest) = rest else {
            let note = format!(
                "busy {} in a row, over {:.0} s: given up",
                times(in_a_row),
                now.saturating_sub(since).as_secs_f64()
            );
            let exit = paceline_journal::Exit::Code(code);
            self.job_is_over(job, Ending::Exit(code), exit, Some(&note), stdout, stderr);
            return;
        };
        if self.stop.phase() != Phase::Running {
            // It will run again on resume.
            return;
        }
        job.attempts -= 1;
        job.busy_answers = job.busy_answers.saturating_add(1);
        self.busy.answered(now, self.controller.limit());
        self.emit(&RunEvent::Busy {
            joined: &job.item.joined,
            in_a_row,
            rest,
        });
        self.rest(job, rest);
    }
}

/// `once`, `2 times`.
pub(super) fn times(count: u32) -> String {
    if count == 1 {
        "once".to_owned()
    } else {
        format!("{count} times")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_inputs_wait_only_while_everybody_is_turned_away() {
        let mut tally = BusyTally::default();
        let now = Duration::from_secs(5);
        (0..11).for_each(|_| tally.answered(now, 12));
        assert_eq!(tally.begin_none_before(now), None);
        tally.answered(now, 12);
        let until = now + QUIET;
        assert_eq!(tally.begin_none_before(now), Some(until));
        assert_eq!(tally.begin_none_before(until), None, "one may try");
        tally.answered(until, 1);
        assert_eq!(tally.begin_none_before(until), Some(until + QUIET));
        tally.interrupted();
        assert_eq!(tally.begin_none_before(until), None);
        assert_eq!(tally.answers, 13);
    }
}
