//! The processes that the program starts and waits for.

use std::collections::{BTreeMap, BTreeSet};

use super::{lifetime, ratio, requests, seconds_in};
use crate::profile::{Class, Profile, Target};

/// A process that only waited at least this share of its life is a sleeper.
const SLEEPER: f64 = 0.7;
/// A thread that stands by for this share of its life has no work.
const STANDS_BY: f64 = 0.9;
/// What it waited for then: nothing that any more of it would bring about.
const SLEEPS: [Class; 7] = [
    Class::Sleep,
    Class::Poll,
    Class::Pipe,
    Class::Idle,
    Class::Condition,
    Class::Lock,
    Class::Other,
];
/// CPU time that starting a process takes: fork, exec, the dynamic linker, exit …
const STARTING: f64 = 0.005;
/// … and an interpreter, which has its own modules to load.
const STARTING_INTERPRETER: f64 = 0.04;
const INTERPRETERS: [&str; 6] = ["python", "pypy", "node", "ruby", "php", "java"];
/// Processes that live shorter than this are over before enough looks have met them …
const SHORT: f64 = 0.25;
/// … and so many of them come one after the other.
const MANY: usize = 8;
/// For these a process of this name is the way to pause.
pub(super) const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "zsh", "ksh"];
const PAUSE: &str = "sleep";
/// One that lived for this share of the wall is no step in a sequence.
const LASTING: f64 = 0.5;

/// What is known of child processes.
#[derive(Clone, Debug, Default)]
pub(in crate::verdict) struct Children {
    /// How many processes there were besides the first.
    pub(in crate::verdict) count: usize,
    /// How many a second.
    pub(in crate::verdict) rate: f64,
    /// CPU seconds of one that starts no others: where a CPU second of theirs goes, it goes to a
    /// process of this length.
    pub(in crate::verdict) cpu_each: f64,
    /// Of the CPU seconds of those that start no others, what starting them takes.
    pub(in crate::verdict) starting: f64,
    /// Of all compute, what processes do that are started.
    pub(in crate::verdict) computing: f64,
    /// They are many, and too short for looks to tell what each of them did.
    pub(in crate::verdict) fleeting: bool,
    /// How many waits for a child there were, weighted by length.
    pub(in crate::verdict) waits: f64,
    /// Steps that slept, or waited for nothing that came, for most of their life; without the pauses of a
    /// shell.
    pub(in crate::verdict) sleepers: usize,
    /// Short-lived ones that waited for input or output for part of it.
    pub(in crate::verdict) io_waiters: usize,
    /// How many ran at once, on average.
    pub(in crate::verdict) at_once: f64,
    /// Of the wall, so many of them were there and stood by for work, all of their threads.
    pub(in crate::verdict) stood_by: f64,
    /// The name of the one waited for longest.
    pub(in crate::verdict) name: Option<String>,
}

impl Children {
    pub(super) fn of(profile: &Profile) -> Self {
        let wall = profile.wall.as_secs_f64();
        let parents: BTreeSet<i32> = profile.threads.iter().map(|thread| thread.parent).collect();
        let shells: BTreeSet<i32> = profile
            .threads
            .iter()
            .filter(|thread| SHELLS.contains(&thread.name.as_str()))
            .map(|thread| thread.pid)
            .collect();
        let mut processes = BTreeMap::<i32, Process>::new();
        for thread in &profile.threads {
            let process = processes.entry(thread.pid).or_default();
            process.cpu += thread.time[Class::Cpu].as_secs_f64();
            process.sleeps += seconds_in(thread, &SLEEPS);
            process.interpreter |= INTERPRETERS
                .iter()
                .any(|name| thread.name.starts_with(name));
            process.io += seconds_in(
                thread,
                &[Class::Disk, Class::PageFault, Class::Network, Class::Poll],
            );
            process.life = process.life.max(lifetime(thread));
            process.works |= ratio(
                seconds_in(thread, &[Class::Idle, Class::Join]),
                lifetime(thread),
            ) < STANDS_BY;
            process.pauses |= thread.name == PAUSE && shells.contains(&thread.parent);
            process.is_child |= thread.parent != 0;
            process.starts_others |= parents.contains(&thread.pid);
        }
        let count = profile.processes_seen.saturating_sub(1);
        let leaves = || {
            processes
                .values()
                .filter(|process| process.is_child && !process.starts_others)
        };
        let steps = || leaves().filter(|process| process.life < LASTING * wall);

        // The compute of those that were too short to be seen one by one is what the others leave.
        let described: f64 = processes.values().map(|process| process.cpu).sum();
        let unseen = (profile.time[Class::Cpu].as_secs_f64() - described).max(0.0);
        let unseen_count = profile.processes_seen.saturating_sub(processes.len()) as f64;
        let cpu: f64 = leaves().map(|process| process.cpu).sum();
        let children = processes.values().filter(|process| process.is_child);
        let of_children: f64 = children.map(|process| process.cpu).sum();
        let squares: f64 = leaves().map(|process| process.cpu * process.cpu).sum();
        let starting: f64 = leaves()
            .map(|process| process.cpu.min(process.starting()))
            .sum();
        // The unseen ones are taken to be of the same kinds.
        let starting_each = match leaves().count() {
            0 => STARTING,
            n => leaves().map(Process::starting).sum::<f64>() / n as f64,
        };
        // To take a process down is a part of it, and in nobody's counters where all were seen.
        let unseen_starting = unseen.min((starting_each * count as f64 - starting).max(0.0));
        let unseen_each = if unseen_count > 0.0 {
            unseen / unseen_count
        } else {
            ratio(cpu + unseen, count as f64)
        };
        let waits = requests::effective_count(profile, |wait| wait.class == Class::Child);
        let lives: f64 = leaves().map(|process| process.life).sum();
        let life = if lives > 0.0 {
            ratio(
                leaves().map(|process| process.life * process.life).sum(),
                lives,
            )
        } else {
            ratio(profile.time[Class::Child].as_secs_f64(), waits)
        };
        Self {
            count,
            rate: ratio(count as f64, wall),
            cpu_each: ratio(squares + unseen * unseen_each, cpu + unseen),
            starting: ratio(starting + unseen_starting, cpu + unseen).min(1.0),
            computing: ratio(of_children + unseen, described + unseen).min(1.0),
            fleeting: count >= MANY && life < SHORT,
            waits,
            sleepers: steps()
                .filter(|process| !process.pauses && ratio(process.sleeps, process.life) >= SLEEPER)
                .count(),
            io_waiters: steps()
                .filter(|process| ratio(process.io, process.life) >= 0.3)
                .count(),
            at_once: ratio(leaves().map(|process| process.life).sum(), wall),
            stood_by: ratio(
                leaves()
                    .filter(|process| !process.works)
                    .map(|process| process.life)
                    .sum(),
                wall,
            ),
            name: requests::longest(profile, |wait| wait.class == Class::Child)
                .and_then(|index| profile.waits.get(index))
                .and_then(|wait| match &wait.target {
                    Target::Child(name) => Some(name.clone()),
                    _ => None,
                }),
        }
    }
}

#[derive(Default)]
struct Process {
    cpu: f64,
    sleeps: f64,
    io: f64,
    life: f64,
    /// One of its threads at least.
    works: bool,
    pauses: bool,
    interpreter: bool,
    is_child: bool,
    starts_others: bool,
}

impl Process {
    /// CPU seconds that starting it takes.
    fn starting(&self) -> f64 {
        if self.interpreter {
            STARTING_INTERPRETER
        } else {
            STARTING
        }
    }
}
