//! Waits for locks that are fought over, as opposed to a pool at rest.

use super::{lifetime, ratio, seconds_in};
use crate::profile::{Class, Futex, Profile, Target, ThreadProfile, Wait};

/// A thread that takes part waits for locks at least this share of its life …
const WAITS: f64 = 0.05;
/// … and works itself at least this share.
const WORKS: f64 = 0.02;
/// More threads than this at work on average do not take turns.
const TURNS: f64 = 1.5;
/// And with fewer than this nobody holds the lock: all wait for someone else.
const HELD: f64 = 0.5;

/// Where files are waited for this many times as long as those who take part wait for locks, it is for others.
const FOR_OTHERS: f64 = 1.5;

/// How locks are waited for.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::verdict) struct LockUse {
    /// Of the wall: at least one thread waited for a lock.
    pub(in crate::verdict) of_wall: f64,
    /// Threads that waited for one, on average.
    pub(in crate::verdict) waiting: f64,
    /// Slices that the waiting threads got: none in a pool at rest.
    pub(in crate::verdict) slices: f64,
    /// Threads that take part.
    pub(in crate::verdict) threads: usize,
    /// Threads that worked among them, on average.
    pub(in crate::verdict) working: f64,
    /// What of that was compute.
    pub(in crate::verdict) compute: f64,
    /// The wait with the most time, as an index into the profile's.
    pub(in crate::verdict) longest: Option<usize>,
}

impl LockUse {
    pub(super) fn of(profile: &Profile, python: bool) -> Self {
        let wall = profile.wall.as_secs_f64();
        let part = |thread: &ThreadProfile, classes: &[Class]| {
            ratio(seconds_in(thread, classes), lifetime(thread))
        };
        let fights = |thread: &ThreadProfile| part(thread, &[Class::Lock]) >= WAITS;
        let some_fight = profile.threads.iter().any(fights);
        let taking_part = profile.threads.iter().filter(|thread| {
            part(thread, &[Class::Lock, Class::Condition]) >= WAITS
                && ratio(work(thread), lifetime(thread)) >= WORKS
                // A main thread that prepares the work and then waits for those who do it is none of them.
                && (thread.pool.is_some() || !some_fight || fights(thread))
        });
        let threads = taking_part.clone().count();
        let computes = |thread: &ThreadProfile| seconds_in(thread, &[Class::Cpu, Class::RunQueue]);
        let mut working = ratio(taking_part.clone().map(work).sum(), wall);
        let mut compute = ratio(taking_part.clone().map(computes).sum(), wall);
        // A lock of Python's that is fought over looks like any wait for a signal. But its conditions
        // have a futex for each waiter: several threads at one address, who do the work themselves and
        // in turns, fight over a lock.
        let in_turns = python && threads >= 2 && (HELD..=TURNS).contains(&working);
        let is_lock = |wait: &Wait| {
            wait.class == Class::Lock
                || (in_turns
                    && wait.class == Class::Condition
                    && wait.threads >= 2
                    && wait.futex != Some(Futex::Timed)
                    && matches!(wait.target, Target::Lock { .. }))
        };
        // A main thread that waits for its workers may do so at a lock. It does not count.
        let fought_over: f64 = if profile.threads_seen > profile.threads.len() {
            profile.time[Class::Lock].as_secs_f64()
        } else {
            taking_part
                .map(|thread| thread.time[Class::Lock].as_secs_f64())
                .sum()
        };
        let (mut fought_over, mut threads) = (fought_over, threads);
        // A process that waits for a locked file may do so for its children (flock FILE COMMAND).
        let of_files = (profile.waits.iter())
            .filter(|wait| wait.class == Class::Lock && matches!(wait.target, Target::File(_)))
            .map(|wait| wait.time.as_secs_f64())
            .sum::<f64>();
        let by_all = ratio(profile.threads.iter().map(work).sum(), wall);
        if of_files > FOR_OTHERS * fought_over && by_all >= HELD {
            fought_over = of_files;
            working = by_all;
            compute = ratio(profile.threads.iter().map(computes).sum(), wall);
            threads = threads.max((ratio(of_files, wall) + by_all).round() as usize);
        }
        let mut of_wall = profile.of_wall[Class::Lock].as_secs_f64().min(fought_over);
        let mut waiting = fought_over;
        let mut slices = 0_u64;
        for wait in profile.waits.iter().filter(|wait| is_lock(wait)) {
            slices = slices.saturating_add(wait.slices);
            if wait.class != Class::Lock {
                of_wall = of_wall.max(wait.of_wall.as_secs_f64());
                waiting += wait.time.as_secs_f64();
            }
        }
        Self {
            of_wall: ratio(of_wall, wall).min(1.0),
            waiting: ratio(waiting, wall),
            slices: slices as f64,
            threads,
            working,
            compute,
            longest: super::requests::longest(profile, is_lock),
        }
    }
}

/// Seconds in which the thread did or waited for something of its own.
fn work(thread: &ThreadProfile) -> f64 {
    use Class::{Cpu, Disk, Network, Other, PageFault, RunQueue, Sleep};
    seconds_in(
        thread,
        &[Cpu, RunQueue, Disk, PageFault, Network, Sleep, Other],
    )
}
