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
    /// Of their lives, the share that they waited for a signal: of each other, if they do the work.
    pub(in crate::verdict) signals: f64,
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
        for (&(pid, pool, _), group) in &mut groups {
            if let Some(main) = pool.and_then(|_| main_among(group, pid, profile)) {
                group.push(main);
            }
        }
        let all =
            profile.time[Class::Cpu].as_secs_f64() + profile.time[Class::RunQueue].as_secs_f64();
        groups
            .into_values()
            .filter_map(|group| Self::of_group(group, all))
            .max_by(|a, b| a.ready.sum.total_cmp(&b.ready.sum))
            .unwrap_or_default()
    }

    fn of_group(mut group: Vec<&ThreadProfile>, all: f64) -> Option<Self> {
        group.sort_by(|a, b| compute(b).total_cmp(&compute(a)));
        let least = TAKES_PART * group.first().map_or(0.0, |thread| compute(thread));
        group.retain(|thread| compute(thread) > least);
        let mut workers = Self::default();
        let (mut lives, mut signals) = (0.0, 0.0);
        while let Some(longest) = group.first().copied() {
            let (round, others) = group.into_iter().partition::<Vec<_>, _>(|thread| {
                thread.tid == longest.tid || side_by_side(thread, longest)
            });
            group = others;
            let at_once = at_once(&round);
            workers.count = workers.count.max(at_once);
            workers.work.add(&round, at_once, ran);
            workers.ready.add(&round, at_once, compute);
            lives += round.iter().map(|t| t.alive.as_secs_f64()).sum::<f64>();
            signals += round
                .iter()
                .map(|thread| seconds_in(thread, &[Class::Condition]))
                .sum::<f64>();
        }
        (workers.count >= 2).then(|| Self {
            share: ratio(workers.ready.sum, all).min(1.0),
            signals: ratio(signals, lives).min(1.0),
            ..workers
        })
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

    /// The largest part over an even share; 1 if all are the same.
    pub(in crate::verdict) fn unevenness(&self) -> f64 {
        ratio(self.most, self.even)
    }
}

/// The main thread, if it does the same work as a pool of its process.
///
/// Threads that are given no name have that of the main thread, and a team such as `OpenMP`'s has the main
/// thread in it. A main thread that does much more than all others, who do alike, has a part of its own.
fn main_among<'a>(
    group: &[&ThreadProfile],
    pid: i32,
    profile: &'a Profile,
) -> Option<&'a ThreadProfile> {
    let main = profile
        .threads
        .iter()
        .find(|thread| thread.pid == pid && thread.tid == pid)?;
    let of_main = compute(main);
    let part = || {
        group
            .iter()
            .map(|thread| compute(thread))
            .filter(|work| *work > TAKES_PART * of_main)
    };
    let count = part().count();
    let average = ratio(part().sum(), count as f64);
    let most = part().fold(0.0, f64::max);
    let has_own_work = count > 1 && most < ALIKE * average && of_main > ALIKE * most;
    (group.iter().all(|thread| thread.name == main.name)
        && count > 0
        && of_main > TAKES_PART * most
        && of_main <= MAIN_DOES * average
        && !has_own_work)
        .then_some(main)
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
