//! Threads and processes that came and went between looks: what switches alone tell of them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::union::Loose;
use crate::watch::sources::switches::Name;

/// All of them.
#[derive(Default)]
pub(super) struct Unmet {
    /// Those that no look has met yet.
    births: HashMap<i32, Birth>,
    /// What such threads did so far.
    loose: HashMap<i32, Did>,
    /// Those of them that have ended.
    lives: HashMap<i32, Life>,
    /// How many there were.
    pub(super) seen: usize,
}

/// A beginning that was heard of.
pub(super) struct Birth {
    pid: i32,
    parent: i32,
    pub(super) at: Duration,
    name: Option<Name>,
}

/// In seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Did {
    pub(super) cpu: f64,
    pub(super) queued: f64,
    pub(super) spare: f64,
    /// For what is not known, in so many waits.
    pub(super) waited: f64,
    pub(super) waits: u64,
}

/// When one lived that no look met.
struct Life {
    birth: Birth,
    ended: Duration,
}

/// Where a process that no look met comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) parent: i32,
    /// Of the program that it became; else it has that of its parent.
    pub(crate) name: Option<Name>,
}

/// What is known of one that has ended.
pub(super) struct Described {
    pub(super) pid: i32,
    pub(super) tid: i32,
    /// If it is a process.
    pub(super) origin: Option<Origin>,
    pub(super) began: Duration,
    pub(super) ended: Duration,
    pub(super) did: Did,
}

impl Unmet {
    pub(super) fn begin(&mut self, pid: i32, tid: i32, parent: i32, at: Duration) {
        let birth = Birth {
            pid,
            parent,
            at,
            name: None,
        };
        self.births.insert(tid, birth);
    }

    /// It runs another program now.
    pub(super) fn becomes(&mut self, tid: i32, name: Name) {
        if let Some(birth) = self.births.get_mut(&tid) {
            birth.name = Some(name);
        }
    }

    /// A look has met it, or it has ended: of its beginning no more than this is known.
    pub(super) fn take_birth(&mut self, tid: i32) -> Option<Birth> {
        self.births.remove(&tid)
    }

    /// One that has begun so ended before a look met it. It is described if there is `room`.
    pub(super) fn ends(&mut self, tid: i32, birth: Birth, at: Duration, room: bool) {
        self.seen += 1;
        if room {
            let ended = at.max(birth.at);
            self.lives.insert(tid, Life { birth, ended });
        }
    }

    /// What each did.
    pub(super) fn all(&self) -> impl Iterator<Item = (i32, Did)> {
        self.loose.iter().map(|(tid, did)| (*tid, *did))
    }

    /// How many of them will be described.
    pub(super) fn described(&self) -> usize {
        self.lives.len()
    }

    /// Whether one of them was a thread of this process, or may have been.
    pub(super) fn was_in(&self, pid: i32) -> bool {
        self.seen > self.lives.len() || self.lives.values().any(|life| life.birth.pid == pid)
    }

    pub(super) fn add(&mut self, loose: Loose) {
        let did = self.loose.entry(loose.tid).or_default();
        did.cpu += loose.cpu;
        did.queued += loose.queued;
        did.waited += loose.waited;
        did.waits += loose.waits;
    }

    pub(super) fn add_spare(&mut self, tid: i32, seconds: f64) {
        self.loose.entry(tid).or_default().spare += seconds;
    }

    /// The counters of one that was met tell of it from its beginning.
    pub(super) fn forget(&mut self, tid: i32) {
        self.loose.remove(&tid);
    }

    /// What all did, described or not.
    pub(super) fn sum(&self) -> Did {
        let mut sum = Did::default();
        for did in self.loose.values() {
            sum.cpu += did.cpu;
            sum.queued += did.queued;
        }
        sum
    }

    /// Those that come from processes that are known.
    pub(super) fn describe(self, mut known: HashSet<i32>) -> Vec<Described> {
        let mut lives: Vec<(i32, Life)> = self.lives.into_iter().collect();
        // Parents before their children, and the first thread before the others.
        lives.sort_by_key(|(tid, life)| (life.birth.at, *tid != life.birth.pid));
        let mut described = Vec::new();
        for (tid, Life { birth, ended }) in lives {
            let is_process = tid == birth.pid;
            if is_process && known.contains(&birth.parent) {
                known.insert(tid);
            }
            if known.contains(&birth.pid) {
                described.push(Described {
                    pid: birth.pid,
                    tid,
                    origin: is_process.then_some(Origin {
                        parent: birth.parent,
                        name: birth.name,
                    }),
                    began: birth.at,
                    ended,
                    did: self.loose.get(&tid).copied().unwrap_or_default(),
                });
            }
        }
        described
    }
}
