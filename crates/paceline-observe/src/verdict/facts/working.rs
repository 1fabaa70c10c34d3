//! Which thread-seconds are work or waits for work, and which only stand by.
//!
//! A shell that waits for the child that computes, a main thread that waits for its workers, an event
//! loop at rest while an executor works, a run-time system's thread that looks around every few
//! milliseconds: their time says nothing about the work. It is left out, as far as others explain it.

use super::{lifetime, ratio, seconds_in};
use crate::profile::{ByClass, Class, Profile, ThreadProfile};

/// A thread that does less than this share of its life itself only attends to others.
const ATTENDS: f64 = 0.05;
/// A housekeeper computes less than this share of its life …
const HOUSEKEEPER_CPU: f64 = 0.03;
/// … sleeps at least this share of it …
const HOUSEKEEPER_SLEEP: f64 = 0.9;
/// … and wakes at least so often a second.
const HOUSEKEEPER_WAKES: f64 = 5.0;

/// Classes in which a thread may wait for others of the program to do the work.
const ATTENDING: [Class; 6] = [
    Class::Join,
    Class::Idle,
    Class::Condition,
    Class::Poll,
    Class::Child,
    Class::Pipe,
];

/// Classes in which any thread waits for others, of the program if they are seen.
const FOR_OTHERS: [Class; 2] = [Class::Child, Class::Pipe];

/// Thread-seconds in each class, without standing by.
pub(super) fn of(profile: &Profile, foremost: &ByClass<f64>) -> ByClass<f64> {
    let wall = profile.wall.as_secs_f64();
    // The part of an attending wait that nothing else explains.
    let unexplained = |class: Class| {
        ratio(
            foremost[class] * wall,
            profile.of_wall[class].as_secs_f64().min(wall),
        )
        .min(1.0)
    };
    let mut rest = ByClass::<f64>::default();
    for (class, time) in profile.time.iter() {
        rest[class] = time.as_secs_f64();
    }
    let mut working = ByClass::<f64>::default();
    for thread in &profile.threads {
        let attends = ratio(
            lifetime(thread) - seconds_in(thread, &ATTENDING),
            lifetime(thread),
        ) < ATTENDS;
        let housekeeps = is_housekeeper(thread, profile);
        for (class, time) in thread.time.iter() {
            let seconds = time.as_secs_f64();
            rest[class] = (rest[class] - seconds).max(0.0);
            working[class] += if class.is_standby() || (housekeeps && !class.is_compute()) {
                0.0
            } else if FOR_OTHERS.contains(&class) || (attends && ATTENDING.contains(&class)) {
                seconds * unexplained(class)
            } else {
                seconds
            };
        }
    }
    // Threads that the profile does not describe one by one.
    for (class, seconds) in rest.iter() {
        working[class] += match class {
            Class::Join | Class::Idle => 0.0,
            class if FOR_OTHERS.contains(&class) => seconds * unexplained(class),
            _ => *seconds,
        };
    }
    working
}

/// A thread of a run-time system that wakes to look around: Go's monitor, a ticker, a sampler.
pub(super) fn is_housekeeper(thread: &ThreadProfile, profile: &Profile) -> bool {
    let life = lifetime(thread);
    let computes = ratio(seconds_in(thread, &[Class::Cpu, Class::RunQueue]), life);
    let sleeps = ratio(thread.time[Class::Sleep].as_secs_f64(), life);
    thread.tid != thread.pid
        && sleeps >= HOUSEKEEPER_SLEEP
        && computes <= HOUSEKEEPER_CPU
        && ratio(thread.slices as f64, life) >= HOUSEKEEPER_WAKES
        // Among threads that all sleep, sleeping is the work.
        && profile.threads.iter().any(|other| {
            let waits = seconds_in(other, &[Class::Join, Class::Idle, Class::Condition, Class::Sleep]);
            other.pid == thread.pid && ratio(lifetime(other) - waits, lifetime(other)) > 0.5
        })
}
