//! The processes under observation: one, and all that come from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::Scope;
use super::kernel_file::Allowance;
use super::stat::{Stat, tick};
use super::watched::Watched;

/// More processes at once are not looked at one by one.
const MOST_PROCESSES: usize = 4096;

/// Threads that came and went in equal numbers are found at this pace.
const ALL_TASKS: Duration = Duration::from_millis(100);

/// A process and all that it starts.
pub(crate) struct Tree {
    root: i32,
    scope: Scope,
    leave_out: Vec<i32>,
    pub(crate) processes: BTreeMap<i32, Watched>,
    /// How many there were so far.
    pub(crate) seen: usize,
    pub(crate) tick: Duration,
    allowance: Allowance,
    /// Older kernels and some configurations do not list children.
    lists_children: bool,
    all_tasks_due: Duration,
    first: bool,
}

impl Tree {
    pub(crate) fn new(root: i32, scope: Scope, leave_out: Vec<i32>, allowance: Allowance) -> Self {
        let own = rustix::process::getpid().as_raw_nonzero();
        Self {
            root,
            scope,
            leave_out,
            processes: BTreeMap::new(),
            seen: 0,
            tick: tick(),
            allowance,
            lists_children: Path::new(&format!("/proc/self/task/{own}/children")).exists(),
            all_tasks_due: Duration::ZERO,
            first: true,
        }
    }

    /// Finds processes and threads that came, and takes out those that went. Says which went.
    pub(crate) fn scan(&mut self, now: Duration, buffer: &mut [u8]) -> Vec<Watched> {
        let tick = self.tick;
        let gone: Vec<i32> = self
            .processes
            .iter_mut()
            .filter_map(|(pid, process)| (!process.read_stat(tick, buffer)).then_some(*pid))
            .collect();
        let gone = gone
            .iter()
            .filter_map(|pid| self.processes.remove(pid))
            .collect();
        let all = now >= self.all_tasks_due;
        if all {
            self.all_tasks_due = now + ALL_TASKS;
        }
        for process in self.processes.values_mut() {
            process.read_program(all, now);
            process.find_tasks(all, &self.allowance);
        }
        let mut found = Vec::new();
        match self.scope {
            Scope::Tree if !self.processes.contains_key(&self.root) && self.first => {
                found.push((self.root, 0));
            }
            Scope::Tree => {}
            Scope::Below => {
                let children = self.children_of_root();
                found.extend(children.into_iter().map(|child| (child, 0)));
            }
        }
        if self.lists_children {
            for process in self.processes.values() {
                add_children(process, buffer, &mut found);
            }
            while let Some((pid, parent)) = found.pop() {
                if let Some(process) = self.add(pid, parent, now) {
                    add_children(process, buffer, &mut found);
                }
            }
        } else {
            self.search(found, now);
        }
        self.first = false;
        gone
    }

    /// The process that was named, or all of a run's, have ended.
    pub(crate) fn has_ended(&self) -> bool {
        match self.scope {
            Scope::Tree => self
                .processes
                .get(&self.root)
                .is_none_or(|root| root.last.has_ended()),
            Scope::Below => false,
        }
    }

    pub(crate) fn root(&self) -> Option<&Watched> {
        self.processes.get(&self.root)
    }

    /// Adds a process or a thread of one that has just been made, as switches tell.
    pub(crate) fn begun(&mut self, pid: i32, tid: i32, parent: i32, now: Duration) {
        if pid == parent {
            if let Some(process) = self.processes.get_mut(&pid) {
                process.add_task(tid, &self.allowance);
            }
        } else if !self.leave_out.contains(&parent) {
            // The one that made it may have ended already.
            let parent = if self.processes.contains_key(&parent) {
                parent
            } else {
                0
            };
            self.add(pid, parent, now);
        }
    }

    fn add(&mut self, pid: i32, parent: i32, now: Duration) -> Option<&Watched> {
        let known = self.processes.contains_key(&pid);
        if known || self.leave_out.contains(&pid) || self.processes.len() >= MOST_PROCESSES {
            return None;
        }
        let mut process = Watched::open(pid, parent, !self.first, now, self.tick, &self.allowance)?;
        process.find_tasks(true, &self.allowance);
        self.seen += 1;
        Some(self.processes.entry(pid).or_insert(process))
    }

    fn children_of_root(&self) -> Vec<i32> {
        if !self.lists_children {
            return Vec::new();
        }
        let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", self.root)) else {
            return Vec::new();
        };
        let mut children = Vec::new();
        for task in tasks.flatten() {
            if let Ok(text) = fs::read_to_string(task.path().join("children")) {
                let pids = text.split_ascii_whitespace();
                children.extend(pids.filter_map(|pid| pid.parse::<i32>().ok()));
            }
        }
        children
    }

    /// Looks through all processes of the machine for children of ours.
    fn search(&mut self, mut found: Vec<(i32, i32)>, now: Duration) {
        let Ok(entries) = fs::read_dir("/proc") else {
            return;
        };
        let mut parents: Vec<(i32, i32)> = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let Ok(bytes) = fs::read(entry.path().join("stat")) else {
                continue;
            };
            if let Some(stat) = crate::process::text(&bytes).and_then(|t| Stat::parse(t, self.tick))
            {
                parents.push((pid, stat.parent));
            }
        }
        loop {
            let ours = |parent: &i32| {
                self.processes.contains_key(parent)
                    || found.iter().any(|(pid, _)| pid == parent)
                    || self.scope == Scope::Below && *parent == self.root
            };
            let more: Vec<(i32, i32)> = parents
                .iter()
                .filter(|(pid, parent)| {
                    ours(parent)
                        && !self.processes.contains_key(pid)
                        && !found.iter().any(|(known, _)| known == pid)
                })
                .copied()
                .collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        for (pid, parent) in found {
            self.add(pid, parent, now);
        }
    }
}

fn add_children(process: &Watched, buffer: &mut [u8], found: &mut Vec<(i32, i32)>) {
    let mut children = Vec::new();
    for task in process.tasks.values() {
        task.add_children(buffer, &mut children);
    }
    found.extend(children.into_iter().map(|child| (child, process.pid)));
}
