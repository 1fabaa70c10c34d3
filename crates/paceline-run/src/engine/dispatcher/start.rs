//! Starting attempts: the next job, its arguments, its process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::SystemTime;

use paceline_control::Event;
use rustix::pipe::{PipeFlags, pipe_with};

use super::{
    Dispatcher, Due, LISTEN_AFTER, ORDER_FILES, ORDER_JOBS, REFUSED_REST, REFUSED_TRIES,
    RESTING_JOBS,
};
use crate::engine::attempt::{Attempt, Job};
use crate::engine::event::{Ending, StopCause};
use crate::engine::pack::arguments_limit_bytes;
use crate::engine::stop::Phase;
use crate::input::{Block, Next};
use crate::output::{Capture, OutputMode};
use crate::spawn::{Leads, Spawn, find_program};
use crate::template::JobContext;

impl Dispatcher<'_> {
    pub(super) fn start_jobs(&mut self) {
        if self.lookout.is_some() {
            let left = self.left();
            self.tell_controller(Event::Queue(left));
        }
        while self.stop.phase() == Phase::Running
            && self.in_flight.running() < self.controller.limit()
            && !self.sink.is_congested()
            // What is leaving was killed for its memory, and comes first when it is gone.
            && self.leaving.is_empty()
        {
            let now = self.start.elapsed();
            let held = self.held_slots.count(now);
            if held > 0 && self.in_flight.running() + held >= self.controller.limit() {
                self.held_back = self.held_slots.next();
                return;
            }
            if now < self.next_start {
                self.held_back = Some(self.next_start);
                return;
            }
            let Some(job) = self.next_job() else {
                return;
            };
            if !self.start_job(job) {
                return;
            }
            if !self.options.delay.is_zero() {
                self.next_start = self.start.elapsed() + self.options.delay;
            }
        }
    }

    pub(super) fn next_job(&mut self) -> Option<Job> {
        if let Some(job) = self.again.pop_front() {
            return Some(job);
        }
        if let Some(until) = self.busy.begin_none_before(self.start.elapsed()) {
            self.held_back = Some(until);
            return None;
        }
        // Jobs that rest are held in memory: no more of them than that.
        if self.resting.len() >= RESTING_JOBS {
            return None;
        }
        // The reorder window of -k is full: only the jobs that it waits for may go on.
        if self.inputs_ended || self.order.len() >= ORDER_JOBS || self.order_files >= ORDER_FILES {
            return None;
        }
        let next = match &mut self.packer {
            None => self.feed.take_next(),
            Some(packer) => {
                // A level that is still to be found will not end below the cores.
                let least = if self.lookout.is_some() {
                    paceline_observe::cores() as usize
                } else {
                    1
                };
                let level = self.controller.limit().max(least);
                packer.next(&mut self.feed, &self.template, level)
            }
        };
        match next {
            Next::Item(item) => {
                let place = self.jobs_begun;
                self.jobs_begun += 1;
                Some(Job::new(item, place))
            }
            Next::Wait => None,
            Next::End => {
                self.inputs_ended = true;
                None
            }
            Next::Failed(error) => {
                self.inputs_ended = true;
                self.input_error = Some(error.into());
                self.stop.drain(StopCause::InputFailed);
                None
            }
        }
    }

    /// Starts an attempt. False if the system has no room for a process now.
    pub(super) fn start_job(&mut self, mut job: Job) -> bool {
        let now = self.start.elapsed();
        job.first_start
            .get_or_insert_with(|| (now, SystemTime::now()));
        job.attempts += 1;
        let slot = self.in_flight.take_slot();
        let context = JobContext {
            args: &job.item.args(),
            seq: job.item.seq,
            slot,
        };
        if let Err(error) = self.template.render(&context, &mut self.argv) {
            self.in_flight.free_slot(slot);
            self.never_started(job, Ending::NotStarted, &error.to_string());
            return true;
        }
        match self.spawn(job.item.seq, slot, job.item.block.as_ref()) {
            Ok((pid, stdout, stderr)) => {
                self.refused = 0;
                self.attempts_started = self.attempts_started.wrapping_add(1);
                let number = self.attempts_started;
                if std::mem::take(&mut job.failed_before) {
                    self.retried += 1;
                }
                let listens = stdout.is_some();
                let place = self.in_flight.insert(Attempt {
                    number,
                    job,
                    slot,
                    pid,
                    started: now,
                    stdout,
                    stderr,
                    listened_to: false,
                    timed_out: false,
                    lost_output: false,
                    stopped_by_us: false,
                    shed: None,
                    ended: None,
                });
                if let Some(guardian) = &self.guardian {
                    guardian.note(place, pid);
                }
                if listens {
                    self.timers.set(
                        now + LISTEN_AFTER,
                        Due::Listen {
                            place,
                            attempt: number,
                        },
                    );
                }
                if let Some(limit) = self.time_limit.now() {
                    let ends = now + limit;
                    self.next_limit = Some(self.next_limit.map_or(ends, |next| next.min(ends)));
                }
                self.tell_controller(Event::Started {
                    job: u64::from(number),
                });
                true
            }
            Err(error) => {
                self.in_flight.free_slot(slot);
                self.spawn_failed(job, &error)
            }
        }
    }

    #[allow(clippy::type_complexity)]
    pub(super) fn spawn(
        &mut self,
        seq: u64,
        slot: usize,
        block: Option<&Block>,
    ) -> io::Result<(i32, Option<Capture>, Option<Capture>)> {
        let looked_up;
        let program = if let Some(program) = &self.program {
            program.as_c_str()
        } else {
            let name = self.argv.program().to_bytes();
            let path = self.options.search_path();
            looked_up = find_program(name, path.as_deref(), self.options.directory.as_deref())
                .map_err(|error| io::Error::from_raw_os_error(error.errno()))?;
            looked_up.as_c_str()
        };
        let caught = self.output.mode != OutputMode::Ungrouped;
        // The ends that we keep do not block; those of the job are its own business.
        let make = || -> io::Result<(OwnedFd, OwnedFd)> {
            let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(&ours, true)?;
            Ok((ours, theirs))
        };
        let (stdout, stderr) = if caught {
            (Some(make()?), Some(make()?))
        } else {
            (None, None)
        };
        if let Some(block) = block {
            // An earlier attempt may have read it.
            rustix::fs::seek(&block.file, rustix::fs::SeekFrom::Start(0))?;
        }
        self.argv.pointers(&mut self.pointers);
        let request = Spawn {
            program,
            argv: &self.pointers,
            envp: self.environment.of_job(seq, slot),
            stdin: block.map_or(self.null.as_fd(), |block| block.file.as_fd()),
            stdout: stdout.as_ref().map(|(_, theirs)| theirs.as_fd()),
            stderr: stderr.as_ref().map(|(_, theirs)| theirs.as_fd()),
            directory: self.directory.as_deref(),
            nice: self.options.nice,
            open_files: self.options.open_files,
            handled_signals: &self.handled_signals,
            leads: Leads::Group,
        };
        let pid = match self.spawner.spawn(&request) {
            // A script without its first line: shells run those, and so does execvp(3).
            Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) => {
                let mut through_shell = vec![c"/bin/sh".as_ptr(), program.as_ptr()];
                through_shell.extend_from_slice(&self.pointers[1..]);
                self.spawner.spawn(&Spawn {
                    program: c"/bin/sh",
                    argv: &through_shell,
                    ..request
                })?
            }
            result => result?,
        };
        let capture = |ends: Option<(OwnedFd, OwnedFd)>| ends.map(|(ours, _)| Capture::new(ours));
        Ok((pid, capture(stdout), capture(stderr)))
    }

    /// A job that could not be started: because of itself, or because the system is full. False in
    /// the second case.
    pub(super) fn spawn_failed(&mut self, mut job: Job, error: &io::Error) -> bool {
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE) => {
                job.attempts -= 1;
                self.refused += 1;
                let in_flight = self.in_flight.running();
                self.tell_controller(Event::SpawnRefused { in_flight });
                if self.refused > REFUSED_TRIES && in_flight == 0 {
                    self.refused = 0;
                    let note = format!(
                        "the system refused to start a process {REFUSED_TRIES} times: {error}"
                    );
                    self.never_started(job, Ending::NotStarted, &note);
                    return true;
                }
                self.again.push_front(job);
                self.next_start = self.start.elapsed() + REFUSED_REST;
                false
            }
            Some(libc::E2BIG) => {
                let note = format!(
                    "argument list too long: {} bytes, the longest argument {}; the kernel takes {} in all, {} in one",
                    self.argv.size_bytes() + self.environment_bytes,
                    self.argv.longest(),
                    arguments_limit_bytes(),
                    (128 << 10) - 1,
                );
                self.never_started(job, Ending::NotStarted, &note);
                true
            }
            code => {
                let (ending, what) = match code {
                    Some(libc::ENOENT | libc::ENOTDIR) => (Ending::Exit(127), "command not found"),
                    _ => (Ending::Exit(126), "cannot be executed"),
                };
                let note = format!(
                    "{what}: {} ({error})",
                    String::from_utf8_lossy(self.argv.program().to_bytes())
                );
                self.never_started(job, ending, &note);
                true
            }
        }
    }

    pub(super) fn never_started(&mut self, job: Job, ending: Ending, note: &str) {
        let exit = match ending {
            Ending::Exit(code) => paceline_journal::Exit::Code(code),
            _ => paceline_journal::Exit::NotStarted,
        };
        self.job_is_over(job, ending, exit, Some(note), None, None);
    }
}
