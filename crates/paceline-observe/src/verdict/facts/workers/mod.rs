//! Threads or processes that do the same work side by side, and how evenly.
//!
//! Workers may live as long as the program, or be made anew for each round of the work and joined at its
//! end: rounds are told apart by lives that overlap, and added up.

mod unit;

use super::{ratio, seconds_in};
use crate::profile::{Class, Profile, ThreadProfile};
use unit::{Group, Unit, groups};

/// One that computed less than this share of the busiest one's time has no part in the work.
const TAKES_PART: f64 = 0.02;
/// A main thread that works with the others does at most this many times their average: beyond it, they
/// help it now and then.
const MAIN_DOES: f64 = 10.0;
/// And so do they if one of them does more than this many times what all others do.
const ONE_DOES: f64 = 10.0;
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
    /// How many of them computed at once, while any did.
    pub(in crate::verdict) crowd: f64,
    /// Core-seconds that they might have used and did not, while some of them computed.
    pub(in crate::verdict) missed: f64,
    /// For how long any of them computed, in seconds.
    pub(in crate::verdict) of_wall: f64,
    /// What they waited for was nothing that others of them do, for so many seconds.
    pub(in crate::verdict) held_up: f64,
    /// For how long they lived and waited for signals, in seconds.
    lives: f64,
    signals_waited: f64,
    /// See [`ThreadProfile::spare`].
    spare: f64,
}

impl Workers {
    pub(super) fn of(profile: &Profile) -> Self {
        let all =
            profile.time[Class::Cpu].as_secs_f64() + profile.time[Class::RunQueue].as_secs_f64();
        let found = groups(profile).into_iter().map(|group| {
            let scale = undescribed(profile, all, group.main.is_some());
            let mut workers = Self::of_group(&group.units, scale);
            if let Some((main, named_so)) = group.main {
                workers.compare(main, named_so, &group, scale);
            }
            workers.share = ratio(workers.ready.sum, all).min(1.0);
            workers
        });
        let busiest = found
            .filter(|workers| workers.count >= 2 && !workers.one_does_all())
            .max_by(|a, b| a.ready.sum.total_cmp(&b.ready.sum));
        let mut workers = busiest.unwrap_or_default();
        workers.look_for_gaps(profile);
        workers
    }

    fn of_group(units: &[Unit], scale: f64) -> Self {
        let mut group = units.to_vec();
        group.sort_by(|a, b| b.ready.total_cmp(&a.ready));
        let least = TAKES_PART * group.first().map_or(0.0, |unit| unit.ready);
        group.retain(|unit| unit.ready > least);
        let mut workers = Self::default();
        while let Some(longest) = group.first().copied() {
            let (round, others) = group.into_iter().partition::<Vec<_>, _>(|unit| {
                unit.tid == longest.tid || side_by_side(unit, &longest)
            });
            group = others;
            let at_once = at_once(&round);
            workers.count = workers.count.max(at_once);
            workers.work.add(&round, at_once, |unit| unit.ran);
            workers.ready.add(&round, at_once, |unit| unit.ready);
            round.iter().for_each(|unit| workers.add_life(unit));
        }
        workers.work.scale(scale);
        workers.ready.scale(scale);
        workers.spare *= scale;
        workers.held_up *= scale;
        workers
    }

    fn add_life(&mut self, unit: &Unit) {
        self.lives += unit.alive();
        self.signals_waited += unit.signals;
        self.spare += unit.spare;
        self.held_up += unit.held_up;
    }

    /// Of their lives, the share that they waited for a signal: of each other, if they do the work.
    pub(in crate::verdict) fn signals(&self) -> f64 {
        ratio(self.signals_waited, self.lives).min(1.0)
    }

    /// The others help one of them now and then.
    fn one_does_all(&self) -> bool {
        self.ready.most > ONE_DOES * (self.ready.sum - self.ready.most)
    }

    /// What cores had to do for them, and what not, while any of them computed.
    fn look_for_gaps(&mut self, profile: &Profile) {
        let cores = if profile.cores.is_finite() {
            profile.cores
        } else {
            1.0
        };
        if self.count < 2 || cores <= 1.0 {
            return;
        }
        let spare: f64 = (profile.threads.iter())
            .map(|thread| thread.spare.as_secs_f64())
            .sum();
        // Who computes alone has all cores but one to spare.
        let others = (spare - self.spare).max(0.0) / (cores - 1.0);
        self.of_wall = (profile.overlap.compute.as_secs_f64() - others).max(0.0);
        self.crowd = ratio(self.ready.sum, self.of_wall);
        // More cores than there are of them cannot have been meant for them.
        let beyond = (cores - self.count as f64).max(0.0) * self.of_wall;
        self.missed = (self.spare - beyond).max(0.0);
    }

    /// Takes the main thread in, if it does the same work as a pool of its process.
    ///
    /// Threads that are given no name have that of the main thread, and a team such as `OpenMP`'s has the main
    /// thread in it. A main thread that does much more than all others, who do alike, has a part of its own. So
    /// has one that waits for as long as they live: it makes ready what they then do.
    fn compare(&mut self, main: &ThreadProfile, named_so: bool, group: &Group<'_>, scale: f64) {
        let of_main = seconds_in(main, &[Class::Cpu, Class::RunQueue]);
        let (most, average) = (self.ready.most, self.ready.even);
        let covered = covered(&group.units) * scale;
        // The rest of their lives is all that it can share in.
        let waits = seconds_in(main, &[Class::Join, Class::Idle, Class::Condition]);
        let beside_them = (covered - waits).max(0.0);
        let alike = self.count > 1 && most < ALIKE * average;
        let has_own_work =
            (alike && of_main > ALIKE * most) || beside_them < BESIDE * of_main.min(covered);
        if named_so
            && of_main > TAKES_PART * most
            && of_main <= MAIN_DOES * average
            && !has_own_work
        {
            self.join(&Unit::of(main));
        } else {
            self.apart = (of_main - beside_them).max(0.0);
        }
    }

    /// The main thread works in every round, as one more.
    fn join(&mut self, main: &Unit) {
        self.work.join(main.ran, self.count);
        self.ready.join(main.ready, self.count);
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
    fn add(&mut self, round: &[Unit], at_once: usize, of: fn(&Unit) -> f64) {
        let sum: f64 = round.iter().map(of).sum();
        self.most += round.iter().map(of).fold(0.0, f64::max);
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

/// By how much the threads of pools that are described, or the processes, stand for more. The others are taken to
/// be like them.
fn undescribed(profile: &Profile, all: f64, pool: bool) -> f64 {
    let threads = || profile.threads.iter();
    let firsts = || threads().filter(|thread| thread.tid == thread.pid);
    let computed = |thread: &ThreadProfile| seconds_in(thread, &[Class::Cpu, Class::RunQueue]);
    let of_firsts: f64 = firsts().map(computed).sum();
    let described: f64 = threads().map(computed).sum();
    if pool && profile.threads_seen > profile.threads.len() {
        ratio(all - of_firsts, described - of_firsts).max(1.0)
    } else if !pool && profile.processes_seen > firsts().count() {
        ratio(all, described).max(1.0)
    } else {
        1.0
    }
}

/// For how long at least one of them lived.
fn covered(units: &[Unit]) -> f64 {
    let mut lives: Vec<(f64, f64)> = units.iter().map(|unit| (unit.began, unit.ended)).collect();
    lives.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut sum, mut until) = (0.0, 0.0_f64);
    for (began, ended) in lives {
        sum += (ended - began.max(until)).max(0.0);
        until = until.max(ended);
    }
    sum
}

fn side_by_side(a: &Unit, b: &Unit) -> bool {
    let overlap = a.ended.min(b.ended) - a.began.max(b.began);
    overlap > SIDE_BY_SIDE * a.alive().min(b.alive())
}

/// The most of them that lived at one time: one that takes the place of another is no lane more.
fn at_once(round: &[Unit]) -> usize {
    round
        .iter()
        .map(|at| {
            let middle = at.began + 0.5 * at.alive();
            let lives =
                |unit: &&Unit| unit.tid == at.tid || (unit.began <= middle && middle < unit.ended);
            round.iter().filter(lives).count()
        })
        .max()
        .unwrap_or(0)
}
