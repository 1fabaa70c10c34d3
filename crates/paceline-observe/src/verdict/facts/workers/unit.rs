//! Who works beside others of its kind: the threads of a pool, or processes with all that comes from them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::children::SHELLS;
use super::super::{ratio, seconds_in};
use crate::profile::{Class, Profile, ThreadProfile};

/// A pedigree is followed up to here: numbers are given again, so it might be a ring.
const MOST_GENERATIONS: usize = 32;
/// A process that a shell has started and that waits for pipes for this share of its life is a stage of a pipeline:
/// it has work of another kind than the others.
const STAGE: f64 = 0.1;

/// Waits that no other worker ends.
const HELD_UP: [Class; 6] = [
    Class::Disk,
    Class::PageFault,
    Class::Network,
    Class::Sleep,
    Class::Lock,
    Class::Gil,
];

/// One of them, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) tid: i32,
    pub(super) began: f64,
    pub(super) ended: f64,
    /// On a core.
    pub(super) ran: f64,
    /// On a core or ready for one.
    pub(super) ready: f64,
    /// See [`ThreadProfile::spare`].
    pub(super) spare: f64,
    /// It waited for a signal.
    pub(super) signals: f64,
    /// It waited for what no other worker does.
    pub(super) held_up: f64,
}

impl Unit {
    pub(super) fn of(thread: &ThreadProfile) -> Self {
        let began = thread.began.as_secs_f64();
        Self {
            tid: thread.tid,
            began,
            ended: began + thread.alive.as_secs_f64(),
            ran: seconds_in(thread, &[Class::Cpu]),
            ready: seconds_in(thread, &[Class::Cpu, Class::RunQueue]),
            spare: thread.spare.as_secs_f64(),
            signals: seconds_in(thread, &[Class::Condition]),
            held_up: seconds_in(thread, &HELD_UP),
        }
    }

    /// What another one does is this one's too.
    fn take_in(&mut self, other: &Self) {
        self.ran += other.ran;
        self.ready += other.ready;
        self.spare += other.spare;
        self.held_up += other.held_up;
    }

    pub(super) fn alive(&self) -> f64 {
        self.ended - self.began
    }
}

/// Those that were made for the same work.
pub(super) struct Group<'a> {
    pub(super) units: Vec<Unit>,
    /// The first thread of their process, if they are threads, and whether they all have its name.
    pub(super) main: Option<(&'a ThreadProfile, bool)>,
}

/// All groups of a program.
pub(super) fn groups(profile: &Profile) -> Vec<Group<'_>> {
    let mut pools = BTreeMap::<_, Vec<&ThreadProfile>>::new();
    for thread in &profile.threads {
        if thread.tid != thread.pid
            && let Some(pool) = thread.pool
        {
            pools.entry((thread.pid, pool)).or_default().push(thread);
        }
    }
    let pools = pools.into_iter().map(|((pid, _), threads)| {
        let mut all = profile.threads.iter();
        let main = all.find(|thread| thread.pid == pid && thread.tid == pid);
        let named = |main: &ThreadProfile| threads.iter().all(|thread| thread.name == main.name);
        Group {
            main: main.map(|main| (main, named(main))),
            units: threads.iter().map(|thread| Unit::of(thread)).collect(),
        }
    });
    pools.chain(of_processes(profile)).collect()
}

/// Processes of one name whose ancestors have the same names: one parent's, or those of parents that are of a kind,
/// such as the compilers below the one `make` after the other.
fn of_processes(profile: &Profile) -> Vec<Group<'_>> {
    let firsts: HashMap<i32, &ThreadProfile> = profile
        .threads
        .iter()
        .filter(|thread| thread.tid == thread.pid)
        .map(|thread| (thread.pid, thread))
        .collect();
    let mut units: BTreeMap<i32, Unit> = firsts
        .values()
        .filter(|first| first.parent != 0)
        .map(|first| (first.pid, Unit::of(first)))
        .collect();
    let mut below: HashMap<i32, f64> = HashMap::new();
    for thread in &profile.threads {
        let own = Unit::of(thread);
        if thread.tid != thread.pid
            && let Some(unit) = units.get_mut(&thread.pid)
        {
            unit.take_in(&own);
        }
        for ancestor in ancestors(thread.parent, &firsts) {
            if let Some(unit) = units.get_mut(&ancestor.pid) {
                unit.take_in(&own);
                *below.entry(ancestor.pid).or_default() += own.ready;
            }
        }
    }
    let stages: HashSet<i32> = units
        .values()
        .filter(|unit| is_stage(unit, below.get(&unit.tid).copied(), &firsts))
        .map(|unit| unit.tid)
        .collect();
    let mut groups = BTreeMap::<Vec<(&str, i32)>, Vec<Unit>>::new();
    for (pid, unit) in units {
        // Those below one stage have nothing in common with those below another.
        let pedigree = ancestors(pid, &firsts).map(|ancestor| {
            let stage = if stages.contains(&ancestor.pid) {
                ancestor.pid
            } else {
                0
            };
            (ancestor.name.as_str(), stage)
        });
        groups.entry(pedigree.collect()).or_default().push(unit);
    }
    let groups = groups.into_values();
    groups.map(|units| Group { units, main: None }).collect()
}

/// Whether a process is a stage of a shell's pipeline. Who reads what a child of its own writes, which computes for
/// so long, has work all the same.
fn is_stage(unit: &Unit, below: Option<f64>, firsts: &HashMap<i32, &ThreadProfile>) -> bool {
    let first = firsts.get(&unit.tid);
    let parent = first.and_then(|first| firsts.get(&first.parent));
    let of_shell = parent.is_some_and(|parent| SHELLS.contains(&parent.name.as_str()));
    let pipes = first.map_or(0.0, |first| seconds_in(first, &[Class::Pipe]));
    of_shell && ratio(pipes - below.unwrap_or_default(), unit.alive()) >= STAGE
}

/// The first threads of a process and of those that it comes from.
fn ancestors<'a>(
    pid: i32,
    firsts: &'a HashMap<i32, &'a ThreadProfile>,
) -> impl Iterator<Item = &'a ThreadProfile> {
    let first = firsts.get(&pid).copied();
    std::iter::successors(first, |thread| firsts.get(&thread.parent).copied())
        .take(MOST_GENERATIONS)
}
