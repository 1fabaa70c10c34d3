//! What the threads of a program come to, moment by moment, from when each of them began to do something else.

use std::collections::HashMap;
use std::time::Duration;

use crate::profile::{ByClass, Class};

/// Seconds of a round in which something was done by at least one thread.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Union {
    pub(crate) of_wall: ByClass<f64>,
    /// Each moment given to what takes precedence.
    pub(crate) foremost: ByClass<f64>,
    /// What waits for signals have of `foremost`, given to what takes precedence next: if those who wait for
    /// them turn out to stand by, that is what the program was at.
    pub(crate) behind_signals: ByClass<f64>,
    pub(crate) compute: f64,
    pub(crate) io: f64,
    pub(crate) both: f64,
    /// By thread: core-seconds that had nothing to do while it computed, shared out among those that did.
    pub(crate) spare: HashMap<i32, f64>,
}

/// A thread begins to do something else, or ends.
pub(super) struct Change {
    pub(super) at: Duration,
    pub(super) tid: i32,
    /// What it does from then on; nothing if it is not there.
    pub(super) class: Option<Class>,
}

/// The round from one time to another, on so many cores.
pub(super) fn sweep(
    mut changes: Vec<Change>,
    from: Duration,
    to: Duration,
    requests: bool,
    cores: f64,
) -> Union {
    changes.sort_by_key(|change| change.at);
    let mut now = Moment::default();
    let mut union = Union::default();
    let mut time = from;
    for change in changes {
        now.lasts(change.at.saturating_sub(time), requests, cores, &mut union);
        time = change.at.max(time);
        now.change(change.tid, change.class);
    }
    now.lasts(to.saturating_sub(time), requests, cores, &mut union);
    union
}

/// What all threads do at some moment.
#[derive(Default)]
struct Moment {
    at_it: HashMap<i32, Class>,
    counts: ByClass<usize>,
    computing: Vec<i32>,
}

impl Moment {
    fn change(&mut self, tid: i32, class: Option<Class>) {
        let before = match class {
            Some(class) => self.at_it.insert(tid, class),
            None => self.at_it.remove(&tid),
        };
        if let Some(before) = before {
            self.counts[before] -= 1;
        }
        if let Some(class) = class {
            self.counts[class] += 1;
        }
        let computes = |class: Option<Class>| class.is_some_and(Class::is_compute);
        match (computes(before), computes(class)) {
            (false, true) => self.computing.push(tid),
            (true, false) => self.computing.retain(|other| *other != tid),
            _ => {}
        }
    }

    /// It goes on like this.
    fn lasts(&self, length: Duration, requests: bool, cores: f64, union: &mut Union) {
        let length = length.as_secs_f64();
        if length <= 0.0 {
            return;
        }
        let (mut compute, mut io, mut foremost, mut next) = (false, requests, None, None);
        for class in Class::PRECEDENCE {
            if self.counts[class] > 0 {
                union.of_wall[class] += length;
                compute |= class.is_compute();
                io |= class.is_io();
                foremost = foremost.or(Some(class));
                if class != Class::Condition {
                    next = next.or(Some(class));
                }
            }
        }
        union.foremost[foremost.unwrap_or(Class::Idle)] += length;
        if foremost == Some(Class::Condition) {
            union.behind_signals[next.unwrap_or(Class::Idle)] += length;
        }
        union.compute += if compute { length } else { 0.0 };
        union.io += if io { length } else { 0.0 };
        union.both += if compute && io { length } else { 0.0 };
        let at_once = self.computing.len() as f64;
        if at_once < cores {
            for tid in &self.computing {
                *union.spare.entry(*tid).or_default() += length * (cores - at_once) / at_once;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn spare(changes: &[(u64, i32, Option<Class>)], cores: f64) -> Vec<(i32, i64)> {
        let changes = changes.iter().map(|&(at, tid, class)| Change {
            at: ms(at),
            tid,
            class,
        });
        let union = sweep(changes.collect(), ms(0), ms(100), false, cores);
        let mut spare: Vec<(i32, i64)> = union
            .spare
            .into_iter()
            .map(|(tid, seconds)| (tid, (seconds * 1000.0).round() as i64))
            .collect();
        spare.sort_unstable();
        spare
    }

    #[test]
    fn cores_that_rest_are_owed_by_those_that_compute_meanwhile() {
        let two = [
            (0, 1, Some(Class::Cpu)),
            (0, 2, Some(Class::RunQueue)),
            (30, 2, Some(Class::Idle)),
            (90, 1, None),
        ];
        // The first one is alone for 60 ms.
        assert_eq!(spare(&two, 2.0), [(1, 60)]);
        // With two cores more, they owe them both while they are two.
        assert_eq!(spare(&two, 4.0), [(1, 30 + 180), (2, 30)]);
        assert_eq!(spare(&two, 1.5), [(1, 30)]);
        assert_eq!(spare(&two, 1.0), []);
        assert_eq!(spare(&two, 0.0), []);
        // Nobody owes what rests while nobody computes.
        assert_eq!(spare(&[(0, 1, Some(Class::Disk))], 2.0), []);
    }
}
