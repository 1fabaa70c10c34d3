//! Threads or processes that do the same work side by side, and how evenly.
//!
//! Workers may live as long as the program, or be made anew for each round of the work and joined at its
//! end: rounds are told apart by lives that overlap, and added up.

use std::collections::BTreeMap;

use super::{ratio, seconds_in};
use crate::profile::{Class, Profile, ThreadProfile};

/// One that computed less than this share of the busiest one's time has no part in the work.
const TAKES_PART: f64 = 0.02;
/// A main thread that works with the others does at most this many times their average: beyond it, they
/// help it now and then.
const MAIN_DOES: f64 = 10.0;
/// Workers that differ by less than this have even shares; a main thread that does more has work of its own.
const ALIKE: f64 = 1.15;
/// A main thread that works with the others does so for this much of their lives, or of what it does.
const BESIDE: f64 = 0.5;
/// Two lives that overlap by this share of the shorter one were side by side.
const SIDE_BY_SIDE: f64 = 0.5;

/// The group of workers that computed most.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::verdict) struct Workers {
    /// How many were at work at once, at most; 0 if nothing was done side by side.
    pub(in crate::verdict) count: usize,
    /// Their CPU time: what each has to do, whoever else is on the cores.
    pub(in crate::verdict) work: Parts,
    /// Their time on a core or ready for one: how long each took.
    pub(in crate::verdict) ready: Parts,
    /// Of all compute, the share that was theirs.
    pub(in crate::verdict) share: f64,
    /// What the main thread computed when none of them lived, in seconds; 0 if it is one of them.
    pub(in crate::verdict) apart: f64,
    /// For how long they lived and waited for signals, in seconds.
    lives: f64,
    signals_waited: f64,
}

impl Workers {
    pub(super) fn of(profile: &Profile) -> Self {
        let mut groups = BTreeMap::<_, Vec<&ThreadProfile>>::new();
        for thread in &profile.threads {
            if thread.tid != thread.pid
                && let Some(pool) = thread.pool
            {
                groups
                    .entry((thread.pid, Some(pool), ""))
                    .or_default()
                    .push(thread);
            } else if thread.tid == thread.pid && thread.parent != 0 {
                // Processes that one parent started under one name.
                groups
                    .entry((thread.parent, None, thread.name.as_str()))
                    .or_default()
                    .push(thread);
            }
        }
        let all =
            profile.time[Class::Cpu].as_secs_f64() + profile.time[Class::RunQueue].as_secs_f64();
        let scale = undescribed(profile, all);
        groups
            .into_iter()
            .map(|((pid, pool, _), group)| {
                let mut workers = Self::of_group(&group, scale);
                if let Some(main) = pool.and_then(|_| first_thread(pid, profile)) {
                    workers.compare(main, &group, scale);
                }
                Self {
                    share: ratio(workers.ready.sum, all).min(1.0),
                    ..workers
                }
            })
            .filter(|workers| workers.count >= 2)
            .max_by(|a, b| a.ready.sum.total_cmp(&b.ready.sum))
            .unwrap_or_default()
    }

    fn of_group(group: &[&ThreadProfile], scale: f64) -> Self {
        let mut group = group.to_vec();
        group.sort_by(|a, b| compute(b).total_cmp(&compute(a)));
        let least = TAKES_PART * group.first().map_or(0.0, |thread| compute(thread));
        group.retain(|thread| compute(thread) > least);
        let mut workers = Self::default();
        while let Some(longest) = group.first().copied() {
            let (round, others) = group.into_iter().partition::<Vec<_>, _>(|thread| {
                thread.tid == longest.tid || side_by_side(thread, longest)
            });
            group = others;
            let at_once = at_once(&round);
            workers.count = workers.count.max(at_once);
            workers.work.add(&round, at_once, ran);
            workers.ready.add(&round, at_once, compute);
            round.iter().for_each(|thread| workers.add_life(thread));
        }
        workers.work.scale(scale);
        workers.ready.scale(scale);
        workers
    }

    fn add_life(&mut self, thread: &ThreadProfile) {
        self.lives += thread.alive.as_secs_f64();
        self.signals_waited += seconds_in(thread, &[Class::Condition]);
    }

    /// Of their lives, the share that they waited for a signal: of each other, if they do the work.
    pub(in crate::verdict) fn signals(&self) -> f64 {
        ratio(self.signals_waited, self.lives).min(1.0)
    }

    /// Takes the main thread in, if it does the same work as a pool of its process.
    ///
    /// Threads that are given no name have that of the main thread, and a team such as `OpenMP`'s has the main
    /// thread in it. A main thread that does much more than all others, who do alike, has a part of its own. So
    /// has one that waits for as long as they live: it makes ready what they then do.
    fn compare(&mut self, main: &ThreadProfile, group: &[&ThreadProfile], scale: f64) {
        let of_main = compute(main);
        let (most, average) = (self.ready.most, self.ready.even);
        let covered = covered(group) * scale;
        // The rest of their lives is all that it can share in.
        let waits = seconds_in(main, &[Class::Join, Class::Idle, Class::Condition]);
        let beside_them = (covered - waits).max(0.0);
        let alike = self.count > 1 && most < ALIKE * average;
        let has_own_work =
            (alike && of_main > ALIKE * most) || beside_them < BESIDE * of_main.min(covered);
        if group.iter().all(|thread| thread.name == main.name)
            && of_main > TAKES_PART * most
            && of_main <= MAIN_DOES * average
            && !has_own_work
        {
            self.join(main);
        } else {
            self.apart = (of_main - beside_them).max(0.0);
        }
    }

    /// The main thread works in every round, as one more.
    fn join(&mut self, main: &ThreadProfile) {
        self.work.join(ran(main), self.count);
        self.ready.join(compute(main), self.count);
        self.count += 1;
        self.add_life(main);
    }
}

/// A kind of time, divided among workers, in seconds. That of each round is added up.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::verdict) struct Parts {
    /// Of the one that had most.
    pub(in crate::verdict) most: f64,
    /// Of all.
    pub(in crate::verdict) sum: f64,
    /// What even shares would be.
    pub(in crate::verdict) even: f64,
}

impl Parts {
    fn add(&mut self, round: &[&ThreadProfile], at_once: usize, of: fn(&ThreadProfile) -> f64) {
        let sum: f64 = round.iter().map(|thread| of(thread)).sum();
        self.most += round.iter().map(|thread| of(thread)).fold(0.0, f64::max);
        self.sum += sum;
        self.even += ratio(sum, at_once as f64);
    }

    /// One more works beside `count` others all along.
    fn join(&mut self, part: f64, count: usize) {
        self.most = self.most.max(part);
        self.sum += part;
        self.even = ratio(self.even * count as f64 + part, count as f64 + 1.0);
    }

    fn scale(&mut self, by: f64) {
        self.most *= by;
        self.sum *= by;
        self.even *= by;
    }

    /// The largest part over an even share; 1 if all are the same.
    pub(in crate::verdict) fn unevenness(&self) -> f64 {
        ratio(self.most, self.even)
    }
}

/// By how much the threads of pools that are described stand for more. The others are taken to be like them.
fn undescribed(profile: &Profile, all: f64) -> f64 {
    if profile.threads_seen <= profile.threads.len() {
        return 1.0;
    }
    let of = |first: bool| -> f64 {
        let threads = profile.threads.iter();
        let wanted = threads.filter(|thread| (thread.tid == thread.pid) == first);
        wanted.map(compute).sum()
    };
    let (firsts, others) = (of(true), of(false));
    ratio(all - firsts, others).max(1.0)
}

fn first_thread(pid: i32, profile: &Profile) -> Option<&ThreadProfile> {
    let mut threads = profile.threads.iter();
    threads.find(|thread| thread.pid == pid && thread.tid == pid)
}

/// For how long at least one of them lived.
fn covered(group: &[&ThreadProfile]) -> f64 {
    let mut lives: Vec<(f64, f64)> = group
        .iter()
        .map(|thread| (thread.began.as_secs_f64(), ends(thread)))
        .collect();
    lives.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut sum, mut until) = (0.0, 0.0_f64);
    for (began, ended) in lives {
        sum += (ended - began.max(until)).max(0.0);
        until = until.max(ended);
    }
    sum
}

fn compute(thread: &ThreadProfile) -> f64 {
    seconds_in(thread, &[Class::Cpu, Class::RunQueue])
}

fn ran(thread: &ThreadProfile) -> f64 {
    seconds_in(thread, &[Class::Cpu])
}

fn ends(thread: &ThreadProfile) -> f64 {
    thread.began.as_secs_f64() + thread.alive.as_secs_f64()
}

fn side_by_side(a: &ThreadProfile, b: &ThreadProfile) -> bool {
    let overlap = ends(a).min(ends(b)) - a.began.max(b.began).as_secs_f64();
    let shorter = a.alive.min(b.alive).as_secs_f64();
    overlap > SIDE_BY_SIDE * shorter
}

/// The most of them that lived at one time: one that takes the place of another is no lane more.
fn at_once(round: &[&ThreadProfile]) -> usize {
    round
        .iter()
        .map(|at| {
            let middle = at.began.as_secs_f64() + 0.5 * at.alive.as_secs_f64();
            round
                .iter()
                .filter(|thread| {
                    thread.tid == at.tid
                        || (thread.began.as_secs_f64() <= middle && middle < ends(thread))
                })
                .count()
        })
        .max()
        .unwrap_or(0)
}
