//! The thread that reads the stacks: which processes, when, and what becomes of those that fail.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use super::super::Missing;
use super::budget::{Allowance, Pace};
use super::detect::{Looks, looks};
use super::lock_line::LockLines;
use super::reader::{Failure, Reader, Thread};
use super::stack::{Hub, stack};
use super::{Shared, cpu_time, monotonic};

/// No more interpreters are read at once.
const MOST_PROCESSES: usize = 8;

/// Others wait to be looked at, so that a flood of short-lived ones costs nothing.
const MOST_CANDIDATES: usize = 64;

/// From one try to find the interpreter to the next: it takes some time to start. Two seconds in all.
const TRIES: [Duration; 7] = [
    Duration::from_millis(20),
    Duration::from_millis(30),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(450),
    Duration::from_millis(600),
    Duration::from_millis(600),
];

/// After so many failures in a row the interpreter is looked for anew: the process may have become
/// another program.
const MOST_FAILURES: u32 = 20;

/// What the thread is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Watch(i32),
    Forget(i32),
}

/// The thread's own state.
pub(super) struct Worker {
    shared: Arc<Shared>,
    orders: Receiver<Order>,
    processes: BTreeMap<i32, Process>,
    pace: Pace,
    allowance: Allowance,
    /// When the open ones are read next.
    next_round: Duration,
}

enum Process {
    Candidate { tries: usize, next: Duration },
    Open(Box<Open>),
}

struct Open {
    reader: Reader,
    failures: u32,
    hubs: HashMap<i32, Hub>,
    lock_lines: LockLines,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, orders: Receiver<Order>) -> Self {
        let now = monotonic();
        Self {
            shared,
            orders,
            processes: BTreeMap::new(),
            pace: Pace::default(),
            allowance: Allowance::new(now),
            next_round: now,
        }
    }

    /// Works until nobody can give orders any more.
    pub(super) fn run(mut self) {
        while self.take_orders() {
            self.try_candidates();
            if monotonic() >= self.next_round {
                self.read_open();
            }
            let cpu_ns = cpu_time().as_nanos() as u64;
            self.shared.cpu_ns.store(cpu_ns, Ordering::Relaxed);
        }
    }

    /// Waits until there is something to do; false if there is nobody left to do it for.
    fn take_orders(&mut self) -> bool {
        let first = match self.pause() {
            None => self
                .orders
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
            Some(pause) => self.orders.recv_timeout(pause),
        };
        match first {
            Ok(order) => self.take(order),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        loop {
            match self.orders.try_recv() {
                Ok(order) => self.take(order),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// How long there is nothing to do; `None`: until the next order.
    fn pause(&self) -> Option<Duration> {
        let due = self.processes.values().map(|process| match process {
            Process::Candidate { next, .. } => *next,
            Process::Open(_) => self.next_round,
        });
        due.min().map(|due| due.saturating_sub(monotonic()))
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Watch(pid) => {
                let candidates = self.candidates().count();
                if candidates < MOST_CANDIDATES {
                    self.processes.entry(pid).or_insert_with(candidate);
                }
            }
            Order::Forget(pid) => self.drop_process(pid),
        }
    }

    fn candidates(&self) -> impl Iterator<Item = (i32, usize, Duration)> {
        self.processes
            .iter()
            .filter_map(|(pid, process)| match process {
                Process::Candidate { tries, next } => Some((*pid, *tries, *next)),
                Process::Open(_) => None,
            })
    }

    fn try_candidates(&mut self) {
        let now = monotonic();
        let due: Vec<_> = self
            .candidates()
            .filter(|(_, _, next)| *next <= now)
            .collect();
        for (pid, tries, _) in due {
            match looks(pid) {
                Looks::Gone => self.drop_process(pid),
                Looks::Other => self.try_later(pid, tries, None),
                Looks::Python => {
                    let open = self.processes.len() - self.candidates().count();
                    if open >= MOST_PROCESSES || !self.allowance.is_there(monotonic()) {
                        // It stays in line.
                        self.await_turn(pid, tries);
                        continue;
                    }
                    self.try_to_open(pid, tries);
                }
            }
        }
    }

    fn try_to_open(&mut self, pid: i32, tries: usize) {
        let before = cpu_time();
        // An interpreter that has just begun has no stack to read yet.
        let opened = Reader::open(pid).and_then(|mut reader| {
            let threads = reader.read()?;
            Ok((reader, threads))
        });
        self.allowance.spend(cpu_time().saturating_sub(before));
        match opened {
            Ok((reader, threads)) => {
                let mut open = Box::new(Open {
                    reader,
                    failures: 0,
                    hubs: HashMap::new(),
                    lock_lines: LockLines::default(),
                });
                publish(&self.shared, pid, &mut open, threads, monotonic());
                self.processes.insert(pid, Process::Open(open));
            }
            Err(Failure::Passing(missing)) => self.try_later(pid, tries, Some(missing)),
            Err(Failure::Lasting(missing)) => self.give_up(pid, Some(missing)),
        }
    }

    fn try_later(&mut self, pid: i32, tries: usize, missing: Option<Missing>) {
        match TRIES.get(tries) {
            Some(pause) => {
                let next = monotonic() + *pause;
                let tries = tries + 1;
                self.processes
                    .insert(pid, Process::Candidate { tries, next });
            }
            None => self.give_up(pid, missing),
        }
    }

    fn await_turn(&mut self, pid: i32, tries: usize) {
        let next = monotonic() + Duration::from_millis(200);
        self.processes
            .insert(pid, Process::Candidate { tries, next });
    }

    fn give_up(&mut self, pid: i32, missing: Option<Missing>) {
        if let Some(missing) = missing {
            // The first reason is as good as any: without one that speaks it is told to the user.
            let mut findings = self.shared.findings();
            findings.missing.get_or_insert(missing);
        }
        self.drop_process(pid);
    }

    fn drop_process(&mut self, pid: i32) {
        if self.processes.remove(&pid).is_some() {
            self.shared.findings().replace(pid, None);
        }
    }

    fn read_open(&mut self) {
        let before = cpu_time();
        let mut failed = Vec::new();
        for (pid, process) in &mut self.processes {
            let Process::Open(open) = process else {
                continue;
            };
            let at = monotonic();
            match open.reader.read() {
                Ok(threads) => {
                    open.failures = 0;
                    publish(&self.shared, *pid, open, threads, at);
                }
                Err(Failure::Lasting(missing)) => failed.push((*pid, Some(missing))),
                // It changed while it was read, or the process has ended.
                Err(Failure::Passing(_)) => {
                    open.failures += 1;
                    let looks_gone = open.failures.is_power_of_two() && looks(*pid) == Looks::Gone;
                    if looks_gone || open.failures >= MOST_FAILURES {
                        failed.push((*pid, None));
                    }
                }
            }
        }
        for (pid, missing) in failed {
            let again = missing.is_none();
            self.give_up(pid, missing);
            if again && looks(pid) != Looks::Gone {
                self.processes.insert(pid, candidate());
            }
        }
        let cost = cpu_time().saturating_sub(before);
        self.next_round = monotonic() + self.pace.pause_after(cost);
    }
}

fn candidate() -> Process {
    Process::Candidate {
        tries: 1,
        // Most that live shorter are not worth a look.
        next: monotonic() + TRIES[0],
    }
}

fn publish(shared: &Shared, pid: i32, open: &mut Open, threads: Vec<Thread>, at: Duration) {
    let Open {
        hubs, lock_lines, ..
    } = open;
    let stacks: Vec<_> = threads
        .into_iter()
        .map(|thread| {
            let hub = hubs.entry(thread.tid).or_default();
            let stack = stack(at, thread.owns_gil, &thread.frames, hub, |frame| {
                lock_lines.takes_lock(pid, &frame.file, frame.line)
            });
            (thread.tid, Arc::new(stack))
        })
        .collect();
    hubs.retain(|tid, _| stacks.iter().any(|(known, _)| known == tid));
    let mut findings = shared.findings();
    findings.used |= !stacks.is_empty();
    findings.replace(pid, stacks);
}
