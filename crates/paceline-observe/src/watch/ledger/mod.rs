//! Where the time went: looks at threads in, sums by class and by wait out.
//!
//! No clock, no `/proc`: times come with the looks, so that all of it is tested by hand-made ones. A round is
//! the time between two looks at the whole program.

mod account;
mod chance;
mod course;
mod kin;
mod lengths;
mod sleeps;
mod sweep;
mod union;
mod unmet;
mod waits;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::profile::{ByClass, Class, Overlap, Progress, Wait};

pub(crate) use account::{Doing, Seen};
pub(crate) use unmet::Origin;
pub(crate) use waits::{WaitId, seconds};

use super::sources::switches::{Name, Switch};
use account::Account;
use chance::by_chance;
use course::Course;
use kin::Kin;
use lengths::Lengths;
use sleeps::sleeps;
use sweep::Union;
use union::{Follower, Glimpse, Loose};
use unmet::Unmet;
use waits::Waits;

/// Who waits on a condition variable this long, on average, has no work.
const REST: Duration = Duration::from_millis(500);

/// Threads beyond this many that have ended are kept in the sums alone. The first ones are kept, so that of
/// threads that are made in rounds whole rounds are.
const MOST_ENDED: usize = 1024;

/// Where the time of a program went.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) waits: Waits,
    threads: HashMap<i32, Account>,
    ended: Vec<(i32, Account)>,
    threads_seen: usize,
    forgotten: ByClass<f64>,
    glimpses: Vec<Glimpse>,
    follower: Follower,
    lengths: Lengths,
    unmet: Unmet,
    kin: Kin,
    /// Those that have ended, as far as switches tell.
    over: HashSet<i32>,
    /// Places in `ended` of those whose last switches may be still to come.
    ending: HashMap<i32, usize>,
    /// Threads that were met for the first time in this round, without their beginning being known.
    fresh: HashSet<i32>,
    of_wall: ByClass<f64>,
    foremost: ByClass<f64>,
    behind_signals: ByClass<f64>,
    compute: f64,
    io: f64,
    both: f64,
    io_in_flight: f64,
    course: Course,
    last_round: Option<Duration>,
}

/// A thread's sums.
pub(crate) struct ThreadSums {
    pub(crate) tid: i32,
    pub(crate) pid: i32,
    /// A look met it; else it is known by its switches alone, and what it waited for is not.
    pub(crate) met: bool,
    /// Of a process that no look met.
    pub(crate) origin: Option<Origin>,
    /// On the clock of the looks.
    pub(crate) began: Duration,
    pub(crate) alive: Duration,
    pub(crate) slices: u64,
    pub(crate) time: ByClass<Duration>,
    /// See [`Union::spare`].
    pub(crate) spare: Duration,
    /// By the place in [`Sums::waits`].
    pub(crate) waits: Vec<(usize, Duration)>,
}

/// All sums.
pub(crate) struct Sums {
    pub(crate) time: ByClass<Duration>,
    pub(crate) of_wall: ByClass<Duration>,
    pub(crate) foremost: ByClass<Duration>,
    pub(crate) overlap: Overlap,
    /// On the clock of the looks.
    pub(crate) course: Vec<Progress>,
    pub(crate) threads: Vec<ThreadSums>,
    pub(crate) threads_seen: usize,
    pub(crate) waits: Vec<Wait>,
    /// Of processes that no look met, and of threads that are not among `threads`; in `time` too.
    pub(crate) unmet_cpu: Duration,
}

impl Ledger {
    /// Enters a look at a thread. Of one that is not known yet, `new` says whether it was started since
    /// the last round, so that what it did before this look counts.
    pub(crate) fn enter(&mut self, pid: i32, tid: i32, seen: Seen, new: bool) {
        if !self.threads.contains_key(&tid) && self.over.contains(&tid) {
            return;
        }
        if let Doing::Waiting(id) = seen.doing {
            self.lengths.met(tid, seen.at, id);
        }
        if !self.threads.contains_key(&tid) {
            self.threads_seen += 1;
            let birth = self.unmet.take_birth(tid);
            let account = match &birth {
                Some(birth) if new => Account::born(pid, birth.at),
                _ => Account::open(pid, seen, new),
            };
            self.threads.insert(tid, account);
            if birth.is_none() || !new {
                self.fresh.insert(tid);
                return;
            }
            // Its counters tell of it from its beginning.
            self.unmet.forget(tid);
        }
        let Some(account) = self.threads.get_mut(&tid) else {
            return;
        };
        let before = waited_for(account.last.doing, &self.waits);
        let round = self
            .last_round
            .map_or(Duration::ZERO, |last| seen.at.saturating_sub(last));
        let part = account.enter(seen, round.as_secs_f64(), &mut self.waits);
        self.glimpses.push(Glimpse {
            tid,
            at: seen.at,
            before,
            after: waited_for(seen.doing, &self.waits),
            latest: account.latest_wait.map(|id| self.waits.class(id)),
            part,
        });
    }

    /// Whether looks keep missing waits of a thread that they find each time.
    pub(crate) fn misses_waits(&self) -> bool {
        self.threads.values().any(Account::is_missed)
    }

    /// From now on, the program may use so many cores.
    pub(crate) fn may_use(&mut self, cores: f64) {
        self.follower.cores = cores;
    }

    /// A thread has begun.
    pub(crate) fn begin(&mut self, pid: i32, tid: i32, parent: i32, at: Duration) {
        if pid == tid {
            self.kin.begin(pid, parent);
        } else {
            self.kin.forget(tid);
        }
        let known = account(&mut self.threads, &mut self.ended, &self.ending, tid);
        if known.is_some_and(|account| account.last.at >= at) {
            // Looks have met it before its beginning was heard of, and perhaps found its end.
            return;
        }
        self.over.remove(&tid);
        self.ending.remove(&tid);
        self.unmet.begin(pid, tid, parent, at);
    }

    /// A process has become the program of this name.
    pub(crate) fn becomes(&mut self, tid: i32, name: Name) {
        self.kin.becomes(tid, name);
        self.unmet.becomes(tid, name);
    }

    /// A thread is over, by its switches. Looks may find it a little longer.
    pub(crate) fn is_over(&mut self, tid: i32, at: Duration) {
        let Some(birth) = self.unmet.take_birth(tid) else {
            return;
        };
        self.over.insert(tid);
        // A look may have met it before its beginning was heard of.
        if !self.threads.contains_key(&tid) {
            let room = self.has_room();
            self.unmet.ends(tid, birth, at, room);
        }
    }

    /// For one more that has ended.
    fn has_room(&self) -> bool {
        self.ended.len() + self.unmet.described() < MOST_ENDED
    }

    /// A thread is gone.
    pub(crate) fn end(&mut self, tid: i32, now: Duration) {
        let Some(mut account) = self.threads.remove(&tid) else {
            return;
        };
        self.follower.forget(tid, now);
        account.close(&mut self.waits);
        self.kin.ended(tid, &account.waits);
        if self.has_room() {
            self.ending.insert(tid, self.ended.len());
            self.ended.push((tid, account));
        } else {
            for (class, seconds) in account.time.iter() {
                self.forgotten[class] += seconds;
            }
        }
    }

    /// A thread was not met in a round of this length: before its first look, or after its last one.
    fn add_loose(&mut self, loose: Loose, round: f64) {
        let usual = self.kin.usual(loose.tid);
        let waited_for = if let Some(account) =
            account(&mut self.threads, &mut self.ended, &self.ending, loose.tid)
        {
            account.add_unmet(&loose, round, usual, &mut self.waits)
        } else {
            if let Some(id) = usual {
                self.waits.goes_on(id, loose.waited, round);
            }
            self.unmet.add(loose);
            usual
        };
        if waited_for.is_some_and(|id| self.waits.class(id).is_io()) {
            self.io_in_flight += loose.waited;
        }
    }

    fn add_spare(&mut self, tid: i32, seconds: f64) {
        if let Some(account) = account(&mut self.threads, &mut self.ended, &self.ending, tid) {
            account.spare += seconds;
        } else {
            self.unmet.add_spare(tid, seconds);
        }
    }

    /// All threads were looked at. `requests` are in flight over sockets that threads poll; `switches`
    /// are those since the last round, if they are known.
    pub(crate) fn close_round(
        &mut self,
        at: Duration,
        requests: usize,
        switches: Option<&[Switch]>,
    ) {
        let glimpses = std::mem::take(&mut self.glimpses);
        let Some(last) = self.last_round.replace(at) else {
            return;
        };
        let length = at.saturating_sub(last).as_secs_f64();
        let polled = requests > 0;
        let union = if let Some(switches) = switches {
            self.lengths.follow(switches, &mut self.waits);
            let mut follower = std::mem::take(&mut self.follower);
            let usual = |tid| Some(self.waits.class(self.kin.usual(tid)?));
            let (union, loose) = follower.round(last, at, switches, &glimpses, polled, &usual);
            self.follower = follower;
            for loose in loose {
                if !self.fresh.contains(&loose.tid) {
                    self.add_loose(loose, length);
                }
            }
            union
        } else {
            self.lengths.go_silent(&mut self.waits);
            by_chance(&glimpses, length, polled, self.follower.cores)
        };
        for (tid, seconds) in &union.spare {
            if !self.fresh.contains(tid) {
                self.add_spare(*tid, *seconds);
            }
        }
        self.fresh.clear();
        self.add(&union);
        let disk = self.foremost[Class::Disk] + self.foremost[Class::PageFault];
        self.course.add(at, self.compute, self.io, disk);
        let io = |glimpse: &Glimpse| -> f64 {
            let by_class = glimpse.part.by_class.iter();
            by_class
                .filter(|(class, _)| class.is_io())
                .map(|(_, seconds)| seconds)
                .sum()
        };
        self.io_in_flight += glimpses.iter().map(io).sum::<f64>() + length * requests as f64;
        self.waits.close_round(length);
        self.glimpses = glimpses;
        self.glimpses.clear();
    }

    fn add(&mut self, union: &Union) {
        for class in Class::ALL {
            self.of_wall[class] += union.of_wall[class];
            self.foremost[class] += union.foremost[class];
            self.behind_signals[class] += union.behind_signals[class];
        }
        self.compute += union.compute;
        self.io += union.io;
        self.both += union.both;
    }

    /// CPU time so far of all threads that were ever met or followed.
    pub(crate) fn cpu(&self) -> Duration {
        let accounts = self
            .threads
            .values()
            .chain(self.ended.iter().map(|(_, account)| account));
        let met: f64 = accounts.map(|account| account.time[Class::Cpu]).sum();
        seconds(met + self.unmet.sum().cpu + self.forgotten[Class::Cpu])
    }

    /// Who waited for a signal for so much of the wall only stood by: what comes behind it was foremost.
    fn stands_by(&mut self, of_wall: f64) {
        let moved = of_wall.min(self.foremost[Class::Condition]);
        let behind: f64 = self.behind_signals.iter().map(|(_, seconds)| seconds).sum();
        self.foremost[Class::Condition] -= moved;
        for class in Class::ALL {
            let part = if behind > 0.0 {
                self.behind_signals[class] / behind
            } else {
                0.0
            };
            self.foremost[class] += moved * part;
        }
    }

    /// Of what was taken for waits for a signal, some turn out to be for a lock, for others, for time to pass, or to
    /// be rest.
    fn name_signals(&mut self) {
        let known = self.waits.reclassify_known();
        let locks = self.waits.reclassify_locks();
        let locks = locks.into_iter().map(|id| (id, Class::Lock));
        let sleeps = self.sleeps();
        self.waits.take_for_sleeps(&sleeps);
        let sleeps = sleeps.into_iter().map(|id| (id, Class::Sleep));
        for (id, class) in known.into_iter().chain(locks).chain(sleeps) {
            self.reclassify_signal(id, class);
            if class.is_standby() {
                self.stands_by(self.waits.of_wall(id));
            } else {
                let moved = (self.waits.of_wall(id)).min(self.foremost[Class::Condition]);
                self.foremost[Class::Condition] -= moved;
                self.foremost[class] += moved;
            }
        }
        for id in self.waits.reclassify_idle(REST) {
            self.reclassify_signal(id, Class::Idle);
            self.stands_by(self.waits.of_wall(id));
        }
    }

    /// Waits for a signal that nobody could give.
    fn sleeps(&self) -> Vec<WaitId> {
        // Threads that are in the sums alone may have given it.
        if !self.has_room() {
            return Vec::new();
        }
        let unmet = |pid| self.unmet.was_in(pid);
        sleeps(&self.waits.with_deadlines(), &self.ended, unmet)
    }

    fn reclassify_signal(&mut self, id: WaitId, to: Class) {
        for (_, account) in &mut self.ended {
            account.reclassify(id, Class::Condition, to);
        }
        let moved = (self.waits.of_wall(id)).min(self.of_wall[Class::Condition]);
        self.of_wall[Class::Condition] -= moved;
        self.of_wall[to] += moved;
    }

    /// Closes all accounts.
    pub(crate) fn finish(mut self) -> Sums {
        let running: Vec<i32> = self.threads.keys().copied().collect();
        for tid in running {
            if let Some(mut account) = self.threads.remove(&tid) {
                account.close(&mut self.waits);
                self.ended.push((tid, account));
            }
        }
        if let Some(now) = self.last_round {
            std::mem::take(&mut self.lengths).finish(now, &mut self.waits);
        }
        self.name_signals();
        let of_unmet = self.unmet.sum();
        let unmet = std::mem::take(&mut self.unmet);
        let unmet_seen = unmet.seen;
        let (waited, unmet_time) = self.give_usual_waits(&unmet);
        let mut unmet = self.describe(unmet);
        let (waits, places) = self.waits.into_profile();
        let mut time = self.forgotten;
        time[Class::Cpu] += of_unmet.cpu;
        time[Class::RunQueue] += of_unmet.queued;
        for (class, seconds) in unmet_time.iter() {
            time[class] += seconds;
        }
        for thread in &mut unmet {
            let waited = waited.get(&thread.tid);
            if let Some((place, time)) = waited.and_then(|(id, time)| Some((places.get(id)?, time)))
            {
                thread.time[waits[*place].class] += *time;
                thread.waits.push((*place, *time));
            }
        }
        let mut threads = Vec::new();
        for (tid, account) in &self.ended {
            for (class, seconds) in account.time.iter() {
                time[class] += seconds;
            }
            let mut waits: Vec<(usize, Duration)> = account
                .waits
                .iter()
                .filter_map(|(id, time)| Some((*places.get(id)?, seconds(*time))))
                .collect();
            waits.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
            threads.push(ThreadSums {
                tid: *tid,
                pid: account.pid,
                met: true,
                origin: None,
                began: account.first,
                alive: account.last.at.saturating_sub(account.first),
                slices: account.slices,
                time: durations(&account.time),
                spare: seconds(account.spare),
                waits,
            });
        }
        let threads_of_known = unmet.iter().filter(|thread| thread.origin.is_none());
        let described: Duration = threads_of_known.map(|thread| thread.time[Class::Cpu]).sum();
        threads.extend(unmet);
        let cpu = |thread: &ThreadSums| std::cmp::Reverse(thread.time[Class::Cpu]);
        threads.sort_by_key(|thread| (cpu(thread), thread.tid));
        Sums {
            time: durations(&time),
            of_wall: durations(&self.of_wall),
            foremost: durations(&self.foremost),
            overlap: Overlap {
                compute: seconds(self.compute),
                io: seconds(self.io),
                both: seconds(self.both),
                io_in_flight: seconds(self.io_in_flight),
            },
            course: self.course.into_profile(),
            threads,
            threads_seen: self.threads_seen + unmet_seen,
            waits,
            unmet_cpu: seconds(of_unmet.cpu).saturating_sub(described),
        }
    }

    /// Processes that no look met waited for what their like did. Says for what each, and how long all did.
    fn give_usual_waits(
        &mut self,
        unmet: &Unmet,
    ) -> (HashMap<i32, (WaitId, Duration)>, ByClass<f64>) {
        let (mut of_each, mut time) = (HashMap::new(), ByClass::<f64>::default());
        for (tid, did) in unmet.all() {
            let Some(id) = self.kin.usual(tid).filter(|_| did.waited > 0.0) else {
                continue;
            };
            let count = did.waits.max(1);
            self.waits.add(id, did.waited, 0.0);
            self.waits.end(id, count, did.waited / count as f64);
            self.waits.add_thread(id);
            time[self.waits.class(id)] += did.waited;
            of_each.insert(tid, (id, seconds(did.waited)));
        }
        (of_each, time)
    }

    /// Threads and processes that came and went between looks, and come from processes that are known.
    fn describe(&self, unmet: Unmet) -> Vec<ThreadSums> {
        let known: HashSet<i32> = self.ended.iter().map(|(_, account)| account.pid).collect();
        let described = unmet.describe(known).into_iter().map(|one| {
            let mut time = ByClass::default();
            time[Class::Cpu] = seconds(one.did.cpu);
            time[Class::RunQueue] = seconds(one.did.queued);
            ThreadSums {
                tid: one.tid,
                pid: one.pid,
                met: false,
                origin: one.origin,
                began: one.began,
                alive: one.ended.saturating_sub(one.began),
                slices: 0,
                time,
                spare: seconds(one.did.spare),
                waits: Vec::new(),
            }
        });
        described.collect()
    }
}

/// Of a thread that looks have met, also if it has ended just now.
fn account<'a>(
    threads: &'a mut HashMap<i32, Account>,
    ended: &'a mut [(i32, Account)],
    ending: &HashMap<i32, usize>,
    tid: i32,
) -> Option<&'a mut Account> {
    threads.get_mut(&tid).or_else(|| {
        let place = ending.get(&tid)?;
        ended.get_mut(*place).map(|(_, account)| account)
    })
}

fn waited_for(doing: Doing, waits: &Waits) -> Option<Class> {
    match doing {
        Doing::Running => None,
        Doing::Waiting(id) => Some(waits.class(id)),
    }
}

fn durations(values: &ByClass<f64>) -> ByClass<Duration> {
    let mut durations = ByClass::default();
    for (class, value) in values.iter() {
        durations[class] = seconds(*value);
    }
    durations
}

#[cfg(test)]
mod tests;
