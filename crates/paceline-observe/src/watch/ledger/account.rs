//! One thread's time between looks, given to what it did and waited for.
//!
//! How long a thread ran and queued comes from exact counters; the rest of the time it waited, and what
//! for is told by the looks on either side. So a wait is never lost for being short, only its kind can be
//! guessed wrong.

use std::collections::HashMap;
use std::time::Duration;

use super::union::Loose;
use super::waits::{WaitId, Waits};
use crate::profile::{ByClass, Class};

/// What a thread was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// On a core or ready to be.
    Running,
    /// Asleep.
    Waiting(WaitId),
}

/// One look at a thread. Times are those of its counters so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) at: Duration,
    pub(crate) ran: Duration,
    pub(crate) queued: Duration,
    /// How often it was put on a core.
    pub(crate) slices: u64,
    pub(crate) doing: Doing,
}

/// The counters of a running thread are brought up to date by the clock tick, every 4 ms or oftener on
/// common kernels; until then its time looks like a wait.
const TICK: f64 = 0.0042;

/// Of the rounds in which this part was waited, looks at random would miss so many in a row once in ten times, and
/// none of those that were waited for the most part.
const MISSED_PART: f64 = 0.25;
const MISSED_ROUNDS: u32 = 8;

/// What a thread did in a round, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    pub(crate) length: f64,
    pub(crate) by_class: ByClass<f64>,
}

/// A thread's time so far.
pub(crate) struct Account {
    pub(crate) pid: i32,
    pub(crate) first: Duration,
    pub(crate) last: Seen,
    pub(crate) time: ByClass<f64>,
    pub(crate) waits: HashMap<WaitId, f64>,
    pub(crate) slices: u64,
    /// See [`Union::spare`](super::sweep::Union::spare).
    pub(crate) spare: f64,
    /// Seconds that may still turn out to have been spent running or queueing; below zero if more was
    /// counted as such than has passed.
    held: f64,
    /// How long the present wait has lasted.
    open: f64,
    /// Waits of which no kind is known yet.
    nameless: f64,
    /// Rounds in a row in which it waited for a good part, though it was found running before and after.
    missed: u32,
    /// The last kind of wait that is known.
    pub(crate) latest_wait: Option<WaitId>,
}

impl Account {
    /// Opens one with a first look. Times in `seen` count from zero if the thread is new, and are a
    /// base line otherwise.
    pub(crate) fn open(pid: i32, seen: Seen, new: bool) -> Self {
        let mut account = Self {
            pid,
            first: seen.at,
            last: seen,
            time: ByClass::default(),
            waits: HashMap::new(),
            slices: 0,
            spare: 0.0,
            held: 0.0,
            open: 0.0,
            nameless: 0.0,
            missed: 0,
            latest_wait: match seen.doing {
                Doing::Waiting(id) => Some(id),
                Doing::Running => None,
            },
        };
        if new {
            account.first = seen.at.saturating_sub(seen.ran + seen.queued);
            account.slices = seen.slices;
            account.time[Class::Cpu] = seen.ran.as_secs_f64();
            account.time[Class::RunQueue] = seen.queued.as_secs_f64();
        }
        account
    }

    /// Opens one for a thread whose beginning is known; the first look is entered next.
    pub(crate) fn born(pid: i32, at: Duration) -> Self {
        let nothing = Seen {
            at,
            ran: Duration::ZERO,
            queued: Duration::ZERO,
            // Nothing was waited for before the first.
            slices: 1,
            doing: Doing::Running,
        };
        Self {
            slices: 1,
            ..Self::open(pid, nothing, false)
        }
    }

    /// Adds what switches tell of the time after the last look, in seconds. What it waited for then is taken
    /// to be what it waited for last, or what its like usually wait for. Says what that is.
    pub(crate) fn add_unmet(
        &mut self,
        loose: &Loose,
        round: f64,
        usual: Option<WaitId>,
        waits: &mut Waits,
    ) -> Option<WaitId> {
        self.time[Class::Cpu] += loose.cpu;
        self.time[Class::RunQueue] += loose.queued;
        let waited = loose.waited;
        let latest = self.latest_wait.filter(|id| waits.recurs(*id)).or(usual);
        let id = latest.filter(|_| waited > 0.0)?;
        waits.prolong(id, self.open, waited, round);
        self.open += waited;
        self.time[waits.class(id)] += waited;
        *self.waits.entry(id).or_default() += waited;
        Some(id)
    }

    /// Enters a look. Says what the thread did since the last one, as a part of the round, of which it may have
    /// missed the beginning.
    pub(crate) fn enter(&mut self, seen: Seen, round: f64, waits: &mut Waits) -> Part {
        let since = |now: Duration, then: Duration| now.saturating_sub(then).as_secs_f64();
        let length = since(seen.at, self.last.at);
        let ran = since(seen.ran, self.last.ran);
        let queued = since(seen.queued, self.last.queued);
        let slices = seen.slices.saturating_sub(self.last.slices);
        let before = self.last.doing;
        self.last = seen;
        self.slices += slices;
        let mut part = Part {
            length: length.max(round),
            ..Part::default()
        };
        part.by_class[Class::Cpu] = ran;
        part.by_class[Class::RunQueue] = queued;

        let waited = length - ran - queued + self.held;
        self.held = match (before, seen.doing) {
            _ if waited <= 0.0 => waited,
            (_, Doing::Waiting(_)) => 0.0,
            // It runs, or queues since before this round; the counters will tell.
            (Doing::Running, Doing::Running) if slices == 0 => waited,
            (_, Doing::Running) => waited.min(TICK),
        };
        let waited = (waited - self.held).max(0.0);
        self.split(before, slices, waited, &mut part, waits);
        let met = [before, seen.doing] != [Doing::Running; 2];
        if met {
            self.missed = 0;
        } else if slices > 0 && waited > MISSED_PART * length {
            self.missed += 1;
        }
        if seen.doing == Doing::Running && slices == 0 {
            // For the round's sake; the counters follow.
            part.by_class[Class::Cpu] = (length - queued).max(ran);
        }
        self.time[Class::Cpu] += ran;
        self.time[Class::RunQueue] += queued;
        part
    }

    /// Whether looks have missed its waits so often that it is hardly chance.
    pub(crate) fn is_missed(&self) -> bool {
        self.missed >= MISSED_ROUNDS
    }

    /// Ends the account: a wait that goes on counts as far as it went.
    pub(crate) fn close(&mut self, waits: &mut Waits) {
        if let Doing::Waiting(id) = self.last.doing {
            waits.end(id, 1, self.open);
        } else {
            self.open = 0.0;
        }
        if self.held > TICK {
            self.time[Class::RunQueue] += self.held;
        } else if self.held > 0.0 {
            self.time[Class::Cpu] += self.held;
        }
        self.held = 0.0;
        self.time[Class::Other] += std::mem::take(&mut self.nameless);
    }

    /// A kind of wait has another class than was thought.
    pub(crate) fn reclassify(&mut self, id: WaitId, from: Class, to: Class) {
        if let Some(seconds) = self.waits.get(&id) {
            self.time[from] -= seconds;
            self.time[to] += seconds;
        }
    }

    /// Gives the time of a round that was waited to the waits in it. Each slice on a core ended one.
    fn split(
        &mut self,
        before: Doing,
        slices: u64,
        waited: f64,
        part: &mut Part,
        waits: &mut Waits,
    ) {
        let now = self.last.doing;
        if slices == 0 {
            match (before, now) {
                // Still the same wait, perhaps better described by now.
                (_, Doing::Waiting(id)) => {
                    if let Doing::Waiting(old) = before
                        && old != id
                    {
                        self.transfer(old, id, waits);
                    }
                    self.wait(id, waited, part, waits);
                    self.open += waited;
                }
                (_, Doing::Running) => {
                    let id = match before {
                        Doing::Waiting(id) => Some(id),
                        Doing::Running => self.latest_wait,
                    };
                    self.guess(id, waited, part, waits);
                }
            }
            return;
        }
        let first = match before {
            Doing::Waiting(id) => Some(id),
            Doing::Running => None,
        };
        let last = match now {
            Doing::Waiting(id) => Some(id),
            Doing::Running => None,
        };
        let pieces = slices + u64::from(last.is_some());
        let each = waited / pieces as f64;
        let mut between = pieces;
        if let Some(id) = first {
            self.wait(id, each, part, waits);
            waits.end(id, 1, self.open + each);
            between -= 1;
        }
        self.open = 0.0;
        if let Some(id) = last.filter(|_| between > 0) {
            self.wait(id, each, part, waits);
            self.open = each;
            between -= 1;
        }
        if between > 0 {
            let mut known = [last, first, self.latest_wait].into_iter().flatten();
            let id = known.find(|id| waits.recurs(*id));
            self.guess(id, each * between as f64, part, waits);
            if let Some(id) = id {
                waits.end(id, between, each);
            }
        }
    }

    fn transfer(&mut self, from: WaitId, to: WaitId, waits: &mut Waits) {
        let seconds = self.open;
        waits.transfer(from, to, seconds);
        self.time[waits.class(from)] -= seconds;
        self.time[waits.class(to)] += seconds;
        *self.waits.entry(from).or_default() -= seconds;
        *self.waits.entry(to).or_insert_with(|| {
            waits.add_thread(to);
            0.0
        }) += seconds;
    }

    fn guess(&mut self, id: Option<WaitId>, seconds: f64, part: &mut Part, waits: &mut Waits) {
        match id {
            Some(id) => self.wait(id, seconds, part, waits),
            None => self.nameless += seconds,
        }
    }

    fn wait(&mut self, id: WaitId, seconds: f64, part: &mut Part, waits: &mut Waits) {
        self.latest_wait = Some(id);
        let class = waits.class(id);
        part.by_class[class] += seconds;
        waits.add(id, seconds, part.length);
        let seconds = seconds + std::mem::take(&mut self.nameless);
        self.time[class] += seconds;
        *self.waits.entry(id).or_insert_with(|| {
            waits.add_thread(id);
            0.0
        }) += seconds;
    }
}
