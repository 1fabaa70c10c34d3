//! One station at work: who is inside, how far each has got, and who is out next.
//!
//! All who are served at a station get on equally fast, so one clock is enough for all of them:
//! it shows how much work each has been given since the beginning. Who enters when the clock
//! shows `w` and needs `a` leaves when it shows `w + a`, however often the speed changes.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use super::stations::{Law, Station};

/// One attempt, by its place among those in flight and its number among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) place: usize,
    pub(super) serial: u64,
}

/// What each thread that was served at a station all the time has got, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Clocks {
    /// Work done.
    pub(super) progress: f64,
    /// Time on a core.
    pub(super) on_core: f64,
    /// Time spent ready, but without a core.
    pub(super) delay: f64,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    at: f64,
    ticket: Ticket,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at
            .total_cmp(&other.at)
            .then(self.ticket.serial.cmp(&other.ticket.serial))
    }
}

/// A station at work.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) station: Station,
    pub(super) clocks: Clocks,
    /// How fast each clock goes.
    speed: Clocks,
    /// Attempts here: served, or waiting at the gate.
    pub(super) present: usize,
    serving: usize,
    threads: f64,
    /// Seconds of work done here.
    pub(super) delivered: f64,
    /// Waiting for a slot.
    queue: VecDeque<Ticket>,
    leaving: BinaryHeap<Reverse<Due>>,
    /// When the next one may be let in.
    next_token: f64,
}

impl Service {
    pub(super) fn new(station: Station) -> Self {
        Self {
            station,
            clocks: Clocks::default(),
            speed: Clocks::default(),
            present: 0,
            serving: 0,
            threads: 0.0,
            delivered: 0.0,
            queue: VecDeque::new(),
            leaving: BinaryHeap::new(),
            next_token: f64::NEG_INFINITY,
        }
    }

    /// One more would be told "busy".
    pub(super) fn rejects(&self, now: f64) -> bool {
        let limit = self.station.reject_above;
        let too_many = limit.is_some_and(|limit| self.present as f64 >= limit);
        too_many || self.station.rejects_early && self.next_token_at(now) > now
    }

    /// When the rate limit lets in one who comes `now`.
    fn next_token_at(&self, now: f64) -> f64 {
        let Some(per_second) = self.station.per_second else {
            return now;
        };
        self.next_token
            .max(now - (self.station.burst - 1.0) / per_second)
    }

    /// When one who comes `now` is let in by the rate limit.
    pub(super) fn take_token(&mut self, now: f64) -> f64 {
        let Some(per_second) = self.station.per_second else {
            return now;
        };
        let token = self.next_token_at(now);
        self.next_token = token + 1.0 / per_second;
        token.max(now)
    }

    /// Somebody could be served at once.
    pub(super) fn has_slot(&self) -> bool {
        let slots = self.station.slots;
        slots.is_none_or(|slots| (self.serving as f64) < slots)
    }

    /// Waits for a slot, behind the others.
    pub(super) fn wait(&mut self, ticket: Ticket) {
        self.queue.push_back(ticket);
    }

    /// The first who waits for a slot. Those ended meanwhile are among them.
    pub(super) fn first_waiting(&mut self) -> Option<Ticket> {
        self.queue.pop_front()
    }

    /// Serves `amount` to each of `threads`.
    pub(super) fn serve(&mut self, ticket: Ticket, amount: f64, threads: f64, pace: f64) {
        let at = self.clocks.progress + amount;
        self.leaving.push(Reverse(Due { at, ticket }));
        self.serving += 1;
        self.threads += threads;
        self.set_speed(pace);
    }

    /// One who was served with this many threads is gone.
    pub(super) fn served(&mut self, threads: f64, pace: f64) {
        self.serving -= 1;
        self.threads = if self.serving == 0 {
            0.0
        } else {
            self.threads - threads
        };
        self.set_speed(pace);
    }

    /// To be called after the station or `pace`, at which everything goes, changed.
    pub(super) fn set_speed(&mut self, pace: f64) {
        if self.serving == 0 {
            self.speed = Clocks::default();
            return;
        }
        let law = &self.station.law;
        let on_core = law.on_core(self.threads);
        self.speed = Clocks {
            progress: law.rate(self.threads) / self.station.slowdown * pace,
            on_core: on_core * pace,
            delay: (1.0 - on_core) * pace,
        };
    }

    /// How fast each thread gets on.
    pub(super) fn rate(&self) -> f64 {
        self.speed.progress
    }

    /// Cores that nobody here wants; none if this is no station of cores.
    pub(super) fn idle_cores(&self) -> f64 {
        match self.station.law {
            Law::Cpu { cores } => (cores - self.threads).max(0.0),
            _ => 0.0,
        }
    }

    /// Seconds until the next one leaves if nothing changes. One who was ended meanwhile counts.
    pub(super) fn next(&self) -> Option<f64> {
        let Reverse(due) = self.leaving.peek()?;
        if self.speed.progress > 0.0 {
            Some(((due.at - self.clocks.progress) / self.speed.progress).max(0.0))
        } else {
            // Only those who were ended are left.
            Some(0.0)
        }
    }

    /// Seconds until so much work is done here, if nothing changes and it is not yet done.
    pub(super) fn until(&self, delivered: f64) -> Option<f64> {
        let left = delivered - self.delivered;
        let rate = self.speed.progress * self.threads;
        (left > 0.0 && rate > 0.0).then(|| left / rate)
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, seconds: f64) {
        self.clocks.progress += self.speed.progress * seconds;
        self.delivered += self.speed.progress * seconds * self.threads;
        self.clocks.on_core += self.speed.on_core * seconds;
        self.clocks.delay += self.speed.delay * seconds;
    }

    /// The one who leaves now.
    pub(super) fn take_due(&mut self) -> Option<Ticket> {
        let Reverse(due) = self.leaving.pop()?;
        if self.serving > 0 {
            // Rounding must not make the same moment come again and again.
            self.clocks.progress = self.clocks.progress.max(due.at);
        }
        Some(due.ticket)
    }
}
