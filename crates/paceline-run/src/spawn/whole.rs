//! Killing a job with all that it started, and telling when nothing of it is left.

use std::collections::HashSet;
use std::fs;

use rustix::process::Signal;

use super::environment::{carries, seq_mark};
use super::guardian::is_guardian;
use super::tree::{Process, descendants_among, process, signal_group, signal_process};

/// All processes of one job that was killed.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The job's first process, which leads its group.
    root: i32,
    /// What each of the job's processes carries in its environment, unless it cleared that.
    mark: Vec<u8>,
    /// Those that were there when it was killed: process, and when that was started.
    members: HashSet<(i32, u64)>,
}

impl Tree {
    /// Kills the job whose first process is `root` and whose number is `seq`.
    pub(crate) fn kill(root: i32, seq: u64) -> Self {
        // Who descends from it can be told only while it lives. A look at its tree alone takes some
        // microseconds; one at all processes would leave it time to take more memory.
        let below = below(root);
        // First the first one: it is not to see what happens to the others.
        signal_process(root, Signal::KILL);
        signal_group(root, Signal::KILL);
        for (pid, _) in &below {
            kill_unless_guardian(*pid);
        }
        Self {
            root,
            mark: seq_mark(seq),
            members: below.into_iter().collect(),
        }
    }

    /// What a job whose first process somebody else has killed may have left.
    pub(crate) fn of_killed(root: i32, seq: u64) -> Self {
        Self {
            root,
            mark: seq_mark(seq),
            members: HashSet::default(),
        }
    }

    /// Kills what is left of it, and says whether that was anything. `orphans` are processes that
    /// descend from us but from no job in flight.
    pub(crate) fn kill_rest(&self, orphans: &[Process], run_mark: &[u8]) -> bool {
        let roots: Vec<i32> = orphans
            .iter()
            .filter(|process| {
                process.group == self.root
                    || self.members.contains(&(process.pid, process.started))
                    || carries(process.pid, &[run_mark, &self.mark])
            })
            .map(|process| process.pid)
            .collect();
        let mut left: Vec<i32> = orphans
            .iter()
            .filter(|process| !process.is_zombie && roots.contains(&process.pid))
            .map(|process| process.pid)
            .collect();
        left.extend(descendants_among(orphans, &roots));
        left.iter().for_each(|pid| kill_unless_guardian(*pid));
        !left.is_empty()
    }
}

/// The descendants of a process, with the times of their starts; the kernel tells them by parent.
fn below(root: i32) -> Vec<(i32, u64)> {
    let mut found = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut frontier = vec![root];
    while let Some(parent) = frontier.pop() {
        let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else {
            continue;
        };
        for thread in threads.flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            for child in children.split_ascii_whitespace() {
                if let Some(child) = child.parse().ok().and_then(process)
                    && seen.insert(child.pid)
                {
                    frontier.push(child.pid);
                    found.push((child.pid, child.started));
                }
            }
        }
    }
    found
}

/// A job may itself be a run of ours; its guardian ends by itself when it has done its work.
fn kill_unless_guardian(pid: i32) {
    if !is_guardian(pid) {
        signal_process(pid, Signal::KILL);
    }
}
