//! The end of a process, of an attempt, of a job.

use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use paceline_control::{self as control, Event};
use paceline_journal::{JobRecord, JobState};
use rustix::process::Signal;

use super::busy::times;
use super::{Dispatcher, Due, LINGER, ORDER_BYTES, STDERR_TAIL_BYTES};
use crate::engine::RunError;
use crate::engine::attempt::Job;
use crate::engine::event::{Ending, Finished, RunEvent, StopCause};
use crate::engine::stop::Phase;
use crate::output::{Capture, Delivery, Ended, Fill, OutputMode};
use crate::policy::HaltWhen;
use crate::spawn::{Exit, Reaped, Tree, exit_record, signal_group};

/// The signal of which a process dies that we kill.
pub(super) const KILLED: i32 = Signal::KILL.as_raw();

impl Dispatcher<'_> {
    /// Notes the end of a process; the place of its attempt, if it was one.
    pub(super) fn on_reaped(&mut self, reaped: &Reaped) -> Option<usize> {
        let now = self.start.elapsed();
        if self
            .guardian
            .as_ref()
            .is_some_and(|guardian| guardian.pid() == reaped.pid)
        {
            self.emit(&RunEvent::GuardianLost);
        }
        // Anyone else is an orphan that a job left to us.
        let place = self.in_flight.reaped(reaped.pid)?;
        if let Some(guardian) = &self.guardian {
            guardian.note(place, 0);
        }
        let by_kernel = self.killed_by_kernel(place, reaped.exit);
        let attempt = self.in_flight.get_mut(place)?;
        attempt.ended = Some((reaped.exit, now));
        if by_kernel {
            attempt.shed = Some(Tree::of_killed(reaped.pid, attempt.job.item.seq));
        }
        if attempt.timed_out {
            // What it started and did not take along has had its chance too.
            signal_group(reaped.pid, Signal::KILL);
        }
        if reaped.exit != Exit::Signal(KILLED) && !by_kernel {
            // It had ended by itself before we killed it.
            attempt.shed = None;
        }
        let (slot, number) = (attempt.slot, attempt.number);
        let wall = now.saturating_sub(attempt.started);
        let cpu = reaped.user + reaped.system;
        attempt.job.user += reaped.user;
        attempt.job.system += reaped.system;
        attempt.job.peak_rss_bytes = attempt.job.peak_rss_bytes.max(reaped.peak_rss_bytes);
        let outcome = match reaped.exit {
            // Whatever it exits with when it is asked to end.
            _ if attempt.timed_out => control::Outcome::TimedOut,
            Exit::Code(0) => control::Outcome::Done,
            _ if attempt.stopped_by_us => control::Outcome::Cancelled,
            _ if attempt.shed.is_some() => control::Outcome::Shed,
            Exit::Code(code) if self.options.busy.codes.contains(code) => control::Outcome::Busy,
            _ => control::Outcome::Failed,
        };
        self.cpu += cpu;
        self.peak_rss_bytes = self.peak_rss_bytes.max(reaped.peak_rss_bytes);
        self.in_flight.free_slot(slot);
        if outcome == control::Outcome::Done {
            let unknown = self.time_limit.now().is_none();
            self.time_limit.succeeded(wall);
            if unknown && self.time_limit.moves() {
                // The median has just become known: those that run have a limit now.
                self.next_limit = Some(now);
            }
        }
        let attempt_report = control::Attempt {
            outcome,
            wall,
            cpu,
            run_queue_delay: None,
            peak_rss_bytes: reaped.peak_rss_bytes,
        };
        self.held_slots.ended(now, &attempt_report);
        self.tell_controller(Event::Finished {
            job: u64::from(number),
            attempt: attempt_report,
        });
        Some(place)
    }

    /// Takes in what an attempt whose process has ended wrote last.
    pub(super) fn on_ended(&mut self, place: usize) {
        let now = self.start.elapsed();
        let Some(attempt) = self.in_flight.get_mut(place) else {
            return;
        };
        if attempt.shed.is_some() {
            self.attempt_is_over(place);
            return;
        }
        let number = attempt.number;
        let mut held_open = false;
        let mut failure = None;
        for capture in [&mut attempt.stdout, &mut attempt.stderr]
            .into_iter()
            .flatten()
        {
            let (poll, watched) = (&self.poll, attempt.listened_to);
            let before_closing = |pipe: &OwnedFd| {
                if watched {
                    poll.remove(pipe);
                }
            };
            match capture.fill(&mut self.buffer, true, before_closing) {
                Ok(Fill::Ended) => {}
                Ok(Fill::Open) => held_open = true,
                Err(error) => failure = Some(error),
            }
        }
        attempt.lost_output |= failure.is_some();
        if let Some(error) = failure {
            self.output_failed(RunError::system(
                "hold the output of a job (is the temporary directory full?)",
            )(error));
        }
        if held_open && self.stop.phase() < Phase::Terminating {
            self.listen(place);
            self.timers.set(
                now + LINGER,
                Due::Linger {
                    place,
                    attempt: number,
                },
            );
        } else {
            self.attempt_is_over(place);
        }
    }

    /// Its process is gone, and so are its streams or our patience with them.
    pub(super) fn attempt_is_over(&mut self, place: usize) {
        let Some(mut attempt) = self.in_flight.remove(place) else {
            return;
        };
        for capture in [&mut attempt.stdout, &mut attempt.stderr]
            .into_iter()
            .flatten()
        {
            if let Some(pipe) = capture.pipe() {
                self.poll.remove(pipe);
            }
            capture.close();
        }
        let Some((exit, _)) = attempt.ended else {
            return;
        };
        if attempt.lost_output {
            return;
        }
        let ending = match exit {
            Exit::Code(0) if !attempt.timed_out => Ending::Exit(0),
            _ if attempt.timed_out => Ending::TimedOut,
            Exit::Code(code) => Ending::Exit(code),
            Exit::Signal(signal) => Ending::Signal(signal),
        };
        let mut job = attempt.job;
        // What we stopped did not fail: it runs again when the run is resumed.
        if attempt.stopped_by_us && !ending.is_success() {
            return;
        }
        if let Some(tree) = attempt.shed {
            self.taken_back(job, tree);
            return;
        }
        if let Ending::Exit(code) = ending
            && self.options.busy.codes.contains(code)
        {
            self.turned_away(job, code, attempt.stdout, attempt.stderr);
            return;
        }
        self.busy.interrupted();
        if !ending.is_success() {
            job.turned_away = None;
            if let Some(rest) = self.options.retry.rest_after(job.attempts, fastrand::f64()) {
                // It has attempts left, but not in this session.
                if self.stop.phase() == Phase::Running {
                    job.failed_before = true;
                    self.retry_later(job, ending, rest);
                }
                return;
            }
        }
        self.job_is_over(
            job,
            ending,
            exit_record(exit),
            None,
            attempt.stdout,
            attempt.stderr,
        );
    }

    pub(super) fn retry_later(&mut self, job: Job, ending: Ending, rest: Duration) {
        self.emit(&RunEvent::Retrying {
            joined: &job.item.joined,
            attempts: job.attempts,
            ending,
            rest,
        });
        self.rest(job, rest);
    }

    /// Keeps a job until it may be started again.
    pub(super) fn rest(&mut self, job: Job, rest: Duration) {
        let id = job.place;
        self.resting.insert(id, job);
        let now = self.start.elapsed();
        self.timers.set(now + rest, Due::Retry { job: id });
    }

    pub(super) fn job_is_over(
        &mut self,
        job: Job,
        ending: Ending,
        exit: paceline_journal::Exit,
        note: Option<&str>,
        stdout: Option<Capture>,
        stderr: Option<Capture>,
    ) {
        let now = self.start.elapsed();
        let success = ending.is_success();
        if success {
            self.tally.done += 1;
        } else {
            self.tally.failed += 1;
        }
        let busy_before = (note.is_none() && job.busy_answers > 0)
            .then(|| format!("busy {} before", times(job.busy_answers)));
        let note = note.or(busy_before.as_deref());
        let bytes_out = stdout.as_ref().map_or(0, Capture::total_bytes);
        let (mut stdout, mut stderr) = (stdout, stderr);
        let stderr_tail = match &mut stderr {
            Some(stderr) if !success => stderr.tail(STDERR_TAIL_BYTES),
            _ => Vec::new(),
        };
        let (started, started_at) = job.first_start.unwrap_or((now, SystemTime::now()));
        let wall = now.saturating_sub(started);
        self.emit(&RunEvent::Finished(&Finished {
            seq: job.item.seq,
            joined: &job.item.joined,
            ending,
            attempts: job.attempts,
            started_at,
            wall,
            bytes_out,
            note,
            stderr_tail: &stderr_tail,
        }));
        let record = self.journal.is_some().then(|| JobRecord {
            seq: job.item.seq,
            args: job.item.joined.clone(),
            state: if success {
                JobState::Done
            } else {
                JobState::Failed
            },
            exit,
            timed_out: ending == Ending::TimedOut,
            started_at,
            wall,
            user: job.user,
            system: job.system,
            peak_rss_bytes: job.peak_rss_bytes,
            attempts: job.attempts,
            bytes_out,
            stderr_tail: (!stderr_tail.is_empty()).then_some(stderr_tail),
            note: note.map(str::to_owned),
        });
        let delivery = Delivery {
            stdout: stdout.as_mut().map(Capture::take).unwrap_or_default(),
            stderr: stderr.as_mut().map(Capture::take).unwrap_or_default(),
            tag: self.output.tag.then(|| job.item.joined.clone()),
            end_line: self.output.mode == OutputMode::Lines,
            ended: Some(Box::new(Ended {
                seq: job.item.seq,
                joined: job.item.joined,
                record,
            })),
        };
        self.pass_on(job.place, delivery);
        let inputs = self.feed.progress().total;
        // Where inputs are packed, they are not as many as jobs.
        let total = inputs.filter(|_| self.packer.is_none());
        if let Some(halt) = self.halt.after(self.tally, total) {
            let cause = StopCause::Halt(ending);
            let moved = match halt.when {
                HaltWhen::Soon => self.stop.drain(cause),
                HaltWhen::Now => self.stop.terminate(now, self.options.grace, cause),
            };
            self.stop_moved(moved);
        }
    }

    pub(super) fn pass_on(&mut self, place: u64, delivery: Delivery) {
        if !self.output.keep_order {
            self.sink.deliver(delivery);
            return;
        }
        self.order_bytes += delivery.memory_bytes();
        self.order_files += delivery.files();
        self.order.put(place, delivery);
        while let Some(next) = self.order.pop() {
            self.order_bytes -= next.memory_bytes();
            self.order_files -= next.files();
            self.sink.deliver(next);
        }
        if self.order_bytes > ORDER_BYTES {
            for waiting in self.order.waiting_longest_first() {
                let before = waiting.memory_bytes();
                // With the temporary directory full they stay in memory: better than lost.
                let _ = waiting.unload(&mut self.spool);
                self.order_bytes -= before - waiting.memory_bytes();
            }
        }
    }
}
