//! The bounded queue in front of the threads: admission, order, expiry.
//!
//! A job is taken only if it is expected to begin, and end, in time. What lies before it is known
//! from the measured cost of its kind and of those that wait and run; if that is too much, the
//! caller hears so at once, while there is still time to do something else.

use std::time::Duration;

use super::comeback::Comebacks;
use super::cost::{Costs, Kind};
use super::line::{Entry, Line};
use super::share::{CLASSES, Shares, Waiting};
use crate::offload::Priority;

/// What lies before a job may take so many times as long as expected, and it is still begun in time:
/// a refusal at once is worth more than a promise that is broken.
const LONGER: f64 = 1.1;

/// What bounds the queue.
#[derive(Clone, Copy, Debug)]
pub(in crate::offload) struct Limits {
    /// Jobs or pieces that run at once.
    pub(in crate::offload) threads: usize,
    /// Jobs that may wait beyond those that a free thread will take.
    pub(in crate::offload) capacity: usize,
    /// How long a job may wait.
    pub(in crate::offload) max_wait: Option<Duration>,
}

/// Whether a job runs as a whole or is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::offload) enum Shape {
    /// One thread takes it out.
    Whole,
    /// Threads take pieces of it, and it stays at the front until [`Queue::exhausted`].
    Split,
}

/// A job that asks to be taken.
#[derive(Clone, Copy, Debug)]
pub(in crate::offload) struct Request {
    pub(in crate::offload) name: &'static str,
    pub(in crate::offload) priority: Priority,
    /// By when it must have ended.
    pub(in crate::offload) deadline: Option<Duration>,
    pub(in crate::offload) shape: Shape,
}

/// Names a job that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::offload) struct Ticket {
    class: Priority,
    number: u64,
}

/// Why a job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::offload) enum Refusal {
    Overloaded {
        queued: usize,
        retry_after: Duration,
    },
    DeadlinePassed,
    Closed,
}

/// What a thread that is free is to do.
#[derive(Debug)]
pub(in crate::offload) enum Next<W> {
    /// Run this, or a piece of it.
    Run {
        ticket: Ticket,
        work: W,
        /// Since it was taken.
        waited: Duration,
        /// No piece of it was taken before.
        first: bool,
    },
    /// It waited too long; tell its caller, and ask again.
    Late(W),
    Nothing,
}

/// What a thread is doing.
#[derive(Clone, Copy, Debug)]
struct Running {
    ticket: Ticket,
    kind: Kind,
    split: bool,
    since: Duration,
}

/// The queue. `W` is what is to be done; a split job is handed out as clones of it.
#[derive(Debug)]
pub(in crate::offload) struct Queue<W> {
    limits: Limits,
    lines: [Line<W>; CLASSES],
    shares: Shares,
    costs: Costs,
    comebacks: Comebacks,
    /// By the number of the thread.
    running: Vec<Option<Running>>,
    busy: usize,
    /// Split jobs that have been handed out in full, with what they took so far.
    ending: Vec<(Ticket, Kind, Duration)>,
    next_number: u64,
    closed: bool,
}

impl<W: Clone> Queue<W> {
    /// A queue for threads numbered from 0; numbers beyond `limits.threads` may help out.
    pub(in crate::offload) fn new(limits: Limits) -> Self {
        Self {
            limits,
            lines: std::array::from_fn(|_| Line::default()),
            shares: Shares::default(),
            costs: Costs::default(),
            comebacks: Comebacks::default(),
            running: vec![None; limits.threads],
            busy: 0,
            ending: Vec::new(),
            next_number: 0,
            closed: false,
        }
    }

    /// Jobs that wait, and split ones with pieces left.
    pub(in crate::offload) fn queued(&self) -> usize {
        self.lines.iter().map(Line::len).sum()
    }

    /// Threads that have work.
    pub(in crate::offload) fn busy(&self) -> usize {
        self.busy
    }

    /// How many free threads would find work now.
    pub(in crate::offload) fn turns(&self) -> usize {
        self.turns_up_to(CLASSES - 1)
    }

    /// Takes a job or says why not; then the work is handed back.
    pub(in crate::offload) fn offer(
        &mut self,
        now: Duration,
        request: Request,
        work: W,
    ) -> Result<Ticket, (Refusal, W)> {
        if self.closed {
            return Err((Refusal::Closed, work));
        }
        if request.deadline.is_some_and(|at| at <= now) {
            return Err((Refusal::DeadlinePassed, work));
        }
        let split = request.shape == Shape::Split;
        let kind = self.costs.kind(request.name, split);
        let cost = self.costs.expected(kind);
        if let Some(refusal) = self.refusal(now, request, cost) {
            return Err((refusal, work));
        }
        self.next_number += 1;
        let ticket = Ticket {
            class: request.priority,
            number: self.next_number,
        };
        self.lines[ticket.class.index()].push(
            ticket.number,
            Entry {
                work,
                kind,
                split,
                arrived: now,
                begin_by: self.limits.max_wait.and_then(|wait| now.checked_add(wait)),
                end_by: request.deadline,
                begun: false,
                cost,
                spent: Duration::ZERO,
            },
        );
        Ok(ticket)
    }

    fn refusal(&mut self, now: Duration, request: Request, cost: f64) -> Option<Refusal> {
        let threads = self.limits.threads as f64;
        let queued = self.queued();
        let wait = LONGER * self.wait(now, request.priority);
        let alone = match request.shape {
            Shape::Whole => cost,
            Shape::Split => cost / threads,
        };
        let patience = |by: Duration| by.saturating_sub(now).as_secs_f64();
        let too_late = [
            self.limits.max_wait.map(|most| wait - most.as_secs_f64()),
            request.deadline.map(|by| wait + alone - patience(by)),
        ];
        let excess = too_late.into_iter().flatten().fold(0.0, f64::max);
        let full = queued >= self.limits.capacity + self.free();
        if excess <= 0.0 && !full {
            return None;
        }
        let takes = if cost > 0.0 {
            cost
        } else {
            self.costs.typical()
        } / threads;
        let retry_after = self.comebacks.promise(now, excess.max(takes), takes);
        Some(Refusal::Overloaded {
            queued,
            retry_after,
        })
    }

    /// Seconds until a job of this priority that comes now is expected to begin.
    fn wait(&self, now: Duration, priority: Priority) -> f64 {
        let class = priority.index();
        if self.turns_up_to(class) < self.free() {
            return 0.0;
        }
        let waiting: f64 = self.lines[..=class].iter().map(Line::cost).sum();
        let running: f64 = self
            .running
            .iter()
            .flatten()
            .map(|running| {
                let age = now.saturating_sub(running.since).as_secs_f64();
                let expected = if running.split {
                    0.0
                } else {
                    self.costs.expected(running.kind)
                };
                // What is overdue is expected to take as long again as it is overdue: a thread
                // that hangs must not look as if it were about to become free.
                (expected - age).abs()
            })
            .sum();
        (waiting + running) / self.limits.threads as f64
    }

    /// The expected wait of a job with normal priority that came now.
    pub(in crate::offload) fn expected_wait(&self, now: Duration) -> Duration {
        Duration::try_from_secs_f64(self.wait(now, Priority::Normal)).unwrap_or(Duration::MAX)
    }

    /// What the thread with that number, which is free, is to do.
    pub(in crate::offload) fn next(&mut self, now: Duration, thread: usize) -> Next<W> {
        let Some(class) = self.shares.pick(Self::waiting(&mut self.lines)) else {
            return Next::Nothing;
        };
        let line = &mut self.lines[class];
        let Some((number, entry)) = line.front() else {
            return Next::Nothing;
        };
        let ticket = Ticket {
            class: Priority::ALL[class],
            number,
        };
        if entry.is_late(now) {
            return self.remove(ticket).map_or(Next::Nothing, Next::Late);
        }
        let first = !std::mem::replace(&mut entry.begun, true);
        let waited = now.saturating_sub(entry.arrived);
        let running = Running {
            ticket,
            kind: entry.kind,
            split: entry.split,
            since: now,
        };
        let work = if entry.split {
            entry.work.clone()
        } else {
            match line.pop() {
                Some(entry) => entry.work,
                None => return Next::Nothing,
            }
        };
        if self.running.len() <= thread {
            self.running.resize(thread + 1, None);
        }
        self.running[thread] = Some(running);
        self.busy += 1;
        Next::Run {
            ticket,
            work,
            waited,
            first,
        }
    }

    /// The thread with that number has ended its job or piece. Of a split job, `left` says how long
    /// one thread would need for the rest, where that is known.
    pub(in crate::offload) fn finished(
        &mut self,
        now: Duration,
        thread: usize,
        left: Option<Duration>,
    ) {
        let Some(running) = self.running.get_mut(thread).and_then(Option::take) else {
            return;
        };
        self.busy -= 1;
        let took = now.saturating_sub(running.since);
        let ticket = running.ticket;
        let waiting = Self::waiting(&mut self.lines);
        self.shares.spent(ticket.class, took, waiting);
        if !running.split {
            self.costs.add(running.kind, took);
            return;
        }
        let line = &mut self.lines[ticket.class.index()];
        if let Some(entry) = line.get_mut(ticket.number) {
            entry.spent += took;
            if let Some(left) = left {
                line.set_cost(ticket.number, left.as_secs_f64());
            }
        }
        if let Some(index) = self.ending.iter().position(|ending| ending.0 == ticket) {
            self.ending[index].2 += took;
            let others = self.running.iter().flatten();
            if others.filter(|other| other.ticket == ticket).count() == 0 {
                let (_, kind, spent) = self.ending.swap_remove(index);
                self.costs.add(kind, spent);
            }
        }
    }

    /// No piece of this split job is left to hand out. To be told before the thread that found out
    /// has [`Queue::finished`].
    pub(in crate::offload) fn exhausted(&mut self, ticket: Ticket) -> Option<W> {
        let entry = self.lines[ticket.class.index()].take(ticket.number)?;
        self.ending.push((ticket, entry.kind, entry.spent));
        Some(entry.work)
    }

    /// Takes out a job that its caller does not want any more, or that cannot go on.
    pub(in crate::offload) fn remove(&mut self, ticket: Ticket) -> Option<W> {
        let entry = self.lines[ticket.class.index()].take(ticket.number)?;
        Some(entry.work)
    }

    /// Takes out all jobs that are late.
    pub(in crate::offload) fn late(&mut self, now: Duration) -> Vec<W> {
        self.lines
            .iter_mut()
            .flat_map(|line| {
                let late = line.late(now);
                late.into_iter()
                    .filter_map(|number| line.take(number).map(|entry| entry.work))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// When the next job becomes late.
    pub(in crate::offload) fn late_at(&self) -> Option<Duration> {
        self.lines.iter().filter_map(Line::late_at).min()
    }

    /// Takes no more jobs.
    pub(in crate::offload) fn close(&mut self) {
        self.closed = true;
    }

    /// Takes out everything that waits.
    pub(in crate::offload) fn clear(&mut self) -> Vec<W> {
        let mut all = Vec::new();
        for line in &mut self.lines {
            while let Some(entry) = line.pop() {
                all.push(entry.work);
            }
        }
        all
    }

    fn free(&self) -> usize {
        self.limits.threads.saturating_sub(self.busy)
    }

    /// How many threads would find work of that class or a higher one.
    fn turns_up_to(&self, class: usize) -> usize {
        let (whole, split) = self.lines[..=class]
            .iter()
            .map(Line::whole_and_split)
            .fold((0, 0), |sum, line| (sum.0 + line.0, sum.1 + line.1));
        whole + split * self.limits.threads
    }

    fn waiting(lines: &mut [Line<W>; CLASSES]) -> Waiting {
        let mut waiting = [None; CLASSES];
        for (line, waiting) in lines.iter_mut().zip(&mut waiting) {
            *waiting = line.front().map(|(_, entry)| {
                // A piece takes a millisecond, whatever the whole costs.
                if entry.split {
                    entry.cost.min(0.001)
                } else {
                    entry.cost
                }
            });
        }
        waiting
    }
}

#[cfg(test)]
mod tests;
