//! Which of the processes under observation hold which sockets, and so who is at the other end of a unix one.

use std::collections::{HashMap, HashSet};

/// Ends of connections to others that are remembered; more are asked about again.
const MOST_OUTSIDE: usize = 4096;

/// The sockets of the processes.
#[derive(Default)]
pub(crate) struct Holders {
    by_socket: HashMap<u64, Vec<i32>>,
    names: HashMap<i32, String>,
    /// Ends that were asked about and that nobody held.
    asked: HashSet<u64>,
    /// Those of them that nobody held either when all were looked through.
    outside: HashSet<u64>,
    /// An end was asked about since all were looked through.
    in_use: bool,
}

/// Who holds the other end of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// The process itself and no other.
    Own,
    /// Another process that is watched.
    Within {
        /// Its name.
        name: String,
        /// The process itself holds it as well. One of the two may have got it from the other when it was made,
        /// without use for it.
        also_own: bool,
    },
    /// Nobody who is watched.
    Outside,
}

impl Holders {
    /// What each process holds, after all were looked through.
    pub(crate) fn set<'a>(&mut self, all: impl Iterator<Item = (i32, &'a str, &'a [u64])>) {
        self.by_socket.clear();
        self.names.clear();
        for (pid, name, sockets) in all {
            self.names.insert(pid, name.to_owned());
            for inode in sockets {
                self.add(*inode, pid);
            }
        }
        if self.outside.len() >= MOST_OUTSIDE {
            self.outside.clear();
        }
        self.outside.extend(self.asked.drain());
        let held = &self.by_socket;
        self.outside.retain(|inode| !held.contains_key(inode));
        self.in_use = false;
    }

    /// A process holds a socket. Says whether nobody was known to.
    pub(crate) fn add(&mut self, inode: u64, pid: i32) -> bool {
        let holders = self.by_socket.entry(inode).or_default();
        let first = holders.is_empty();
        if !holders.contains(&pid) {
            holders.push(pid);
        }
        first
    }

    /// Those who hold a socket.
    pub(crate) fn of(&self, inode: u64) -> &[i32] {
        self.by_socket.get(&inode).map_or(&[], Vec::as_slice)
    }

    /// All sockets with those who hold them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &[i32])> {
        self.by_socket
            .iter()
            .map(|(inode, holders)| (*inode, holders.as_slice()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_socket.is_empty()
    }

    /// Who holds the other end of a process's socket.
    pub(crate) fn end(&mut self, other: u64, pid: i32) -> Held {
        self.in_use = true;
        let holders = self.of(other);
        let also_own = holders.contains(&pid);
        // Who was made later is at work; who made it may still hold what it set up.
        match holders.iter().filter(|holder| **holder != pid).max() {
            Some(holder) => Held::Within {
                name: self.names.get(holder).cloned().unwrap_or_default(),
                also_own,
            },
            None if also_own => Held::Own,
            None => {
                if !self.outside.contains(&other) {
                    self.asked.insert(other);
                }
                Held::Outside
            }
        }
    }

    /// Whether an answer may change when all are looked through again: somebody was made since, or an end was asked
    /// about that is new.
    pub(crate) fn are_out_of_date(&self, mut processes: impl Iterator<Item = i32>) -> bool {
        self.in_use
            && (!self.asked.is_empty() || processes.any(|pid| !self.names.contains_key(&pid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Process 1 holds sockets 10 and 11, process 2 holds 11 and 20.
    fn two() -> Holders {
        let mut holders = Holders::default();
        let all: [(i32, &str, &[u64]); 2] = [(1, "app", &[10, 11]), (2, "worker", &[11, 20])];
        holders.set(all.into_iter());
        holders
    }

    fn within(name: &str, also_own: bool) -> Held {
        Held::Within {
            name: name.into(),
            also_own,
        }
    }

    #[test]
    fn an_end_is_own_within_or_outside() {
        let mut holders = two();
        assert_eq!(holders.end(10, 1), Held::Own);
        assert_eq!(holders.end(11, 1), within("worker", true));
        assert_eq!(holders.end(20, 1), within("worker", false));
        assert_eq!(holders.end(10, 2), within("app", false));
        assert_eq!(holders.end(30, 1), Held::Outside);
    }

    #[test]
    fn all_are_looked_through_again_for_what_is_new() {
        let mut holders = two();
        let out_of_date =
            |holders: &Holders, all: &[i32]| holders.are_out_of_date(all.iter().copied());
        // Nobody has asked.
        assert!(!out_of_date(&holders, &[1, 2, 3]));
        holders.end(10, 1);
        assert!(!out_of_date(&holders, &[1, 2]));
        assert!(out_of_date(&holders, &[1, 2, 3]));
        // A server outside is asked about once.
        holders.end(30, 1);
        assert!(out_of_date(&holders, &[1, 2]));
        let all: [(i32, &str, &[u64]); 1] = [(1, "app", &[10])];
        holders.set(all.into_iter());
        holders.end(30, 1);
        assert!(!out_of_date(&holders, &[1]));
        assert!(holders.add(30, 1));
        assert!(!holders.add(30, 1));
        assert_eq!(holders.end(30, 1), Held::Own);
    }
}
