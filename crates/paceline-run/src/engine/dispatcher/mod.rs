//! The loop itself, and all state that it owns.

mod busy;
mod end;
mod ending;
mod shed;
mod signals;
mod start;
mod streams;
mod time;

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{CString, c_char};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use paceline_control::{Controller, Event, HeldSlots};
use paceline_journal::Writer;
use rustix::process::Signal;

use crate::engine::attempt::Job;
use crate::engine::event::{Observer, RunEvent};
use crate::engine::in_flight::InFlight;
use crate::engine::observe::Lookout;
use crate::engine::pack::Packer;
use crate::engine::poll::{Poll, Ready};
use crate::engine::signals::Signals;
use crate::engine::stop::Stop;
use crate::engine::timers::Timers;
use crate::engine::{JobOptions, Outcome, Plan, RunError, null_device, packs};
use crate::input::Feed;
use crate::output::{Delivery, Order, OutputOptions, READ_BYTES, Sink, Spool};
use crate::policy::{HaltState, Tally, TimeLimit};
use crate::spawn::{
    Environment, Guardian, Spawner, be_served_first, descendants, descendants_among, find_program,
    processes, run_mark, signal_group, signal_process,
};
use crate::template::{Argv, Template};
use busy::BusyTally;
use shed::Leaving;

/// A job that lives longer than this has its streams watched. A pipe holds what it may write until
/// then; most short jobs never need it.
const LISTEN_AFTER: Duration = Duration::from_millis(2);
/// How long we go on listening when a job has ended but others hold its streams open.
const LINGER: Duration = Duration::from_secs(1);
/// What is kept of a failed job's standard error.
const STDERR_TAIL_BYTES: usize = 2048;
/// The end of a job's standard error in which we look for what it says to us: an answer's headers fit.
const STDERR_READ_BYTES: usize = 8192;
/// The reorder window of `-k`: jobs that may wait for an earlier one.
const ORDER_JOBS: usize = 8192;
/// What they may hold in memory before it moves to a file.
const ORDER_BYTES: usize = 2 << 20;
/// How many of them may hold a file of their own.
const ORDER_FILES: usize = 256;
/// Jobs that may rest before another attempt while new ones are still begun.
const RESTING_JOBS: usize = 8192;
/// Between two tries when the system refuses to make a process and no job of ours is left to end.
const REFUSED_REST: Duration = Duration::from_millis(100);
/// Then the job is given up.
const REFUSED_TRIES: u32 = 100;
/// How long killed processes may take to go.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// What becomes due.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The attempt's streams are worth watching.
    Listen { place: usize, attempt: u32 },
    /// The attempt was asked to end and has not.
    Kill { place: usize, attempt: u32 },
    /// Nobody listens any longer to streams that others hold open.
    Linger { place: usize, attempt: u32 },
    /// The job has rested.
    Retry { job: u64 },
}

pub(super) struct Dispatcher<'a> {
    template: Template,
    feed: Feed,
    options: JobOptions,
    output: OutputOptions,
    controller: Box<dyn Controller>,
    journal: Option<Arc<Writer>>,
    guardian: Option<Guardian>,
    observer: &'a mut dyn Observer,

    /// Where our clock began: later by as long as we have stood still, suspended.
    start: Instant,
    stood_still: Duration,
    poll: Poll,
    signals: Signals,
    spawner: Spawner,
    handled_signals: Vec<i32>,
    environment: Environment,
    environment_bytes: usize,
    null: OwnedFd,
    program: Option<CString>,
    directory: Option<CString>,
    argv: Argv,
    pointers: Vec<*const c_char>,
    buffer: Vec<u8>,

    in_flight: InFlight,
    timers: Timers<Due>,
    resting: HashMap<u64, Job>,
    again: VecDeque<Job>,
    /// Killed to free memory, and not quite gone yet.
    leaving: Vec<Leaving>,
    next_sweep: Option<Duration>,
    run_mark: Vec<u8>,
    packer: Option<Packer>,
    inputs_ended: bool,
    sink: Sink,
    order: Order<Delivery>,
    order_bytes: usize,
    order_files: usize,
    spool: Spool,
    time_limit: TimeLimit,
    halt: HaltState,
    stop: Stop,
    lookout: Option<Lookout>,

    attempts_started: u32,
    jobs_begun: u64,
    tally: Tally,
    retried: u64,
    busy: BusyTally,
    held_slots: HeldSlots,
    shed: u64,
    /// Kills by the kernel for want of memory that have been accounted for.
    kernel_kills: u64,
    cpu: Duration,
    peak_rss_bytes: u64,
    max_limit: usize,
    next_start: Duration,
    /// A job could start, but not before this.
    held_back: Option<Duration>,
    next_tick: Duration,
    next_beat: Duration,
    /// When an attempt may reach its time limit next.
    next_limit: Option<Duration>,
    refused: u32,
    journal_trouble_told: bool,
    input_error: Option<RunError>,
    output_error: Option<RunError>,
    sink_broken: bool,
    /// Processes that were here before us.
    spared: HashSet<i32>,
}

impl<'a> Dispatcher<'a> {
    pub(super) fn new(plan: Plan, observer: &'a mut dyn Observer) -> Result<Self, RunError> {
        // Whatever a job leaves behind becomes our child, so that it can be found.
        rustix::process::set_child_subreaper(Some(rustix::process::Pid::INIT)).map_err(
            |error| RunError::system("become the reaper of orphaned processes")(error.into()),
        )?;
        let start = Instant::now();
        let poll = Poll::new().map_err(RunError::system("wait for events"))?;
        let signals = Signals::listen(&poll).map_err(RunError::system("listen to signals"))?;
        let sink = Sink::new(plan.gate, &plan.output, plan.journal.clone())
            .map_err(RunError::system("prepare the output"))?;
        poll.add(plan.feed.wake_fd(), Ready::Inputs)
            .map_err(RunError::system("wait for inputs"))?;
        poll.add(sink.wake_fd(), Ready::Output)
            .map_err(RunError::system("wait for the output"))?;
        let run_name = plan
            .guardian
            .as_ref()
            .map_or("unguarded", Guardian::run_name);
        let run_mark = run_mark(run_name);
        let environment = Environment::new(std::env::vars_os(), &plan.jobs.environment, run_name);
        let environment_bytes = environment.size_bytes();
        let packer = packs(&plan.jobs, plan.template.insert())
            .then(|| Packer::new(&plan.template, environment_bytes, &plan.jobs));
        // A program with an input in its name is looked up for each job.
        let program = plan.template.fixed_program().and_then(|program| {
            find_program(
                program,
                plan.jobs.search_path().as_deref(),
                plan.jobs.directory.as_deref(),
            )
            .ok()
        });
        let directory = plan
            .jobs
            .directory
            .as_ref()
            .and_then(|dir| CString::new(dir.as_os_str().as_bytes()).ok());
        let lookout = plan.controller.tick_every().map(|_| Lookout::new(start));
        if lookout.is_some() {
            be_served_first();
        }
        Ok(Self {
            max_limit: plan.controller.limit(),
            time_limit: TimeLimit::new(plan.jobs.timeout),
            halt: HaltState::new(plan.jobs.halt),
            spared: descendants(std::process::id().cast_signed())
                .into_iter()
                .collect(),
            template: plan.template,
            feed: plan.feed,
            options: plan.jobs,
            output: plan.output,
            controller: plan.controller,
            journal: plan.journal,
            guardian: plan.guardian,
            observer,
            start,
            stood_still: Duration::ZERO,
            poll,
            handled_signals: signals.handled(),
            signals,
            spawner: Spawner::new()
                .map_err(RunError::system("get memory for starting processes"))?,
            environment,
            environment_bytes,
            null: null_device().map_err(RunError::system("open /dev/null"))?,
            program,
            directory,
            argv: Argv::new(),
            pointers: Vec::new(),
            buffer: vec![0; READ_BYTES],
            in_flight: InFlight::default(),
            timers: Timers::new(),
            resting: HashMap::new(),
            again: VecDeque::new(),
            leaving: Vec::new(),
            next_sweep: None,
            run_mark,
            packer,
            inputs_ended: false,
            sink,
            order: Order::new(),
            order_bytes: 0,
            order_files: 0,
            spool: Spool::default(),
            stop: Stop::default(),
            lookout,
            attempts_started: 0,
            jobs_begun: 0,
            tally: Tally::default(),
            retried: 0,
            busy: BusyTally::default(),
            held_slots: HeldSlots::default(),
            shed: 0,
            kernel_kills: paceline_observe::out_of_memory_kills(),
            cpu: Duration::ZERO,
            peak_rss_bytes: 0,
            next_start: Duration::ZERO,
            held_back: None,
            next_tick: Duration::ZERO,
            next_beat: Duration::ZERO,
            next_limit: None,
            refused: 0,
            journal_trouble_told: false,
            input_error: None,
            output_error: None,
            sink_broken: false,
        })
    }

    pub(super) fn run(mut self) -> Result<Outcome, RunError> {
        loop {
            let now = self.start.elapsed();
            self.do_what_is_due(now);
            self.start_jobs();
            self.pass_on_the_rest();
            if self.is_over() {
                break;
            }
            let timeout = self.time_until_next(self.start.elapsed());
            let ready = self
                .poll
                .wait(timeout)
                .map_err(RunError::system("wait for events"))?;
            for ready in ready {
                match ready {
                    Ready::Signal(signal) => self.on_signal(signal.cast_signed()),
                    Ready::Inputs => self.feed.clear_wake(),
                    Ready::Output => self.on_output_news(),
                    Ready::Stream {
                        attempt,
                        place,
                        is_stderr,
                    } => self.on_stream(place as usize, attempt, is_stderr),
                }
            }
        }
        Ok(self.finish())
    }

    fn emit(&mut self, event: &RunEvent<'_>) {
        let now = self.start.elapsed();
        self.observer.event(now, event);
    }

    fn tell_controller(&mut self, event: Event) {
        let now = self.start.elapsed();
        if let Some(decision) = self.controller.on(now, event) {
            self.max_limit = self.max_limit.max(decision.limit);
            self.held_slots.decided(&decision);
            self.observer.event(now, &RunEvent::Decided(&decision));
        }
    }
}

/// Signals jobs' process groups, and whatever of their descendants has left them.
fn signal_trees(pids: &[i32], signal: Signal) {
    if pids.is_empty() {
        return;
    }
    let others = descendants_among(&processes(), pids);
    for pid in pids {
        signal_group(*pid, signal);
    }
    for pid in others {
        signal_process(pid, signal);
    }
    if signal != Signal::KILL {
        // A stopped process could not act on it.
        for pid in pids {
            signal_group(*pid, Signal::CONT);
        }
    }
}
