//! The loop body of watching: one look at everything, and when the next is due.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::activity::{activity, plain};
use super::around::Around;
use super::attach::{AttachError, check};
use super::bounds::Bounds;
use super::call::Now;
use super::clock;
use super::kernel_file::Allowance;
use super::ledger::{Doing, Ledger, Seen};
use super::outside::OutsideBase;
use super::pace::Pace;
use super::peers::Peers;
use super::pipe_ends::PipeEnds;
use super::place::Place;
use super::python::Python;
use super::sources::switches::{Kind, Switch};
use super::summary::{Ended, Summary};
use super::switching::Switching;
use super::task::{Asleep, Counters, Does, Glance, Sight, Task};
use super::tree::Tree;
use crate::profile::{Class, Ending, Profile, Source};

/// What to watch of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The process and all that come from it.
    Tree,
    /// Only what comes from it: for a program that watches its own children.
    Below,
}

/// How to watch.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Processes that are not looked at, nor what comes from them.
    pub leave_out: Vec<i32>,
    /// The process has not begun yet: it waits to become the program that is meant.
    pub starting: bool,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// There is something left to watch. Once false, the process has ended, and its numbers are best read
    /// before it is waited for: call [`Watcher::finish`] first.
    pub alive: bool,
    /// When to look again.
    pub at: Instant,
}

/// New processes and threads are looked for this often, and in the beginning with every look.
const SCAN: Duration = Duration::from_millis(20);
const BEGINNING: Duration = Duration::from_millis(500);

/// Where switches tell of those that come and go, in case that one escapes them.
const SEARCH: Duration = Duration::from_millis(200);

/// Memory and bytes are read this often.
const MEASURE: Duration = Duration::from_millis(200);

/// The same wait is described again at the next look, then after this long, and whenever it has become twice as long:
/// what a thread waits for may become known later, and what a poll looks at may change while it lasts …
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// … and in the end this often.
const LOOK_AGAIN_AT_LAST: Duration = Duration::from_secs(1);

/// Names of threads are read again this often.
const NAMES: Duration = Duration::from_secs(1);

/// Waking for a look may cost as much as the look. What this thread did since the last one is taken for that, up to
/// this: it may have work of its own.
const WAKING: Duration = Duration::from_micros(40);

/// So many threads are looked at before anything else. One that shares its core with us may be in a short wait
/// when we wake, and then be kept from its core by nothing but our look.
const FIRST: usize = 8;

/// Files that we hold open at most, whatever the limit.
const MOST_FILES: u64 = 60_000;

/// Watches a program.
pub struct Watcher {
    tree: Tree,
    ledger: Ledger,
    peers: Peers,
    pipes: PipeEnds,
    outside: OutsideBase,
    bounds: Bounds,
    pace: Pace,
    ended: Ended,
    began: Duration,
    page_bytes: u64,
    scan_due: Duration,
    /// When it may be done at the earliest.
    next_scan: Duration,
    measure_due: Duration,
    names_due: Duration,
    looks: u64,
    cost: Duration,
    /// What this thread had used after the last look.
    used: Duration,
    python: Python,
    switches: Switching,
    place: Place,
    finishing: bool,
    /// The process that waits for the word to become the program, and how often it had a core when it was
    /// first seen: until then its wait is none of the program's.
    held: Option<(i32, Option<u64>)>,
    /// Processes with a thread in a poll, and sockets that a thread waits for by itself.
    polling: HashSet<i32>,
    waited_for: HashSet<u64>,
    /// The kernel does not tell us in which calls threads sleep.
    blind: bool,
    last: Duration,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher")
            .field("processes", &self.tree.processes.len())
            .field("looks", &self.looks)
            .finish_non_exhaustive()
    }
}

impl Watcher {
    /// Begins to watch. What the process did before does not count.
    ///
    /// # Errors
    ///
    /// If there is no such process, or it may not be watched.
    pub fn attach(pid: i32, scope: Scope, options: Options) -> Result<Self, AttachError> {
        if scope == Scope::Tree {
            check(pid)?;
        }
        let cost = clock::of_this_thread();
        // What comes below a process has to be found before it can be followed.
        let switches = match scope {
            Scope::Tree => Switching::open(pid, options.starting, options.leave_out.clone()),
            Scope::Below => Switching::not_needed(),
        };
        let began = clock::now();
        let mut watcher = Self {
            tree: Tree::new(
                pid,
                scope,
                options.leave_out,
                Allowance::of(files_to_hold()),
            ),
            ledger: Ledger::default(),
            peers: Peers::new(began),
            pipes: PipeEnds::default(),
            outside: OutsideBase::now(),
            bounds: Bounds::of(pid, began),
            pace: Pace::new(),
            ended: Ended::default(),
            began,
            page_bytes: rustix::param::page_size() as u64,
            scan_due: began,
            next_scan: began,
            measure_due: began,
            names_due: began,
            looks: 0,
            cost: Duration::ZERO,
            used: clock::of_this_thread(),
            python: Python::default(),
            switches,
            place: Place::default(),
            finishing: false,
            held: options.starting.then_some((pid, None)),
            polling: HashSet::new(),
            waited_for: HashSet::new(),
            blind: false,
            last: began,
            buffer: vec![0; 8192],
        };
        watcher.look();
        if scope == Scope::Tree && watcher.tree.root().is_none() {
            return Err(AttachError::Gone { pid });
        }
        watcher.cost = clock::of_this_thread().saturating_sub(cost);
        Ok(watcher)
    }

    /// Looks at everything once.
    pub fn look(&mut self) -> Next {
        let now = clock::now();
        let instant = Instant::now();
        self.glance(now);
        // By this clock, which costs next to nothing.
        let glancing = clock::now().saturating_sub(now);
        let begins = clock::of_this_thread();
        let waking = begins.saturating_sub(self.used).min(WAKING + glancing);
        self.looks += 1;
        self.switches.drain(self.finishing);
        self.follow_births(now);
        if now >= self.scan_due {
            self.scan(now);
        }
        self.peers.refresh(
            now,
            &mut self.tree.processes,
            &self.polling,
            &self.waited_for,
        );
        self.polling.clear();
        self.waited_for.clear();
        let mut gone = Vec::new();
        for process in self.tree.processes.values_mut() {
            let mut tasks_gone = Vec::new();
            for (tid, task) in &mut process.tasks {
                let mut look = LookAtTask {
                    ledger: &mut self.ledger,
                    buffer: &mut self.buffer,
                    blind: &mut self.blind,
                    held: &mut self.held,
                    stacks: process.python.is_there().then_some(&mut self.python),
                    around: Around {
                        pid: process.pid,
                        tid: *tid,
                        now,
                        state: None,
                        descriptors: &mut process.descriptors,
                        python: &process.python,
                        peers: &mut self.peers,
                        pipes: &mut self.pipes,
                    },
                };
                match look.at(task) {
                    Found::There => {}
                    Found::Ended => gone.push(*tid),
                    Found::Gone => tasks_gone.push(*tid),
                }
                if let Some(wait) = task.wait {
                    self.waited_for.extend(wait.socket);
                    if self.ledger.waits.class(wait.id) == Class::Poll {
                        self.polling.insert(process.pid);
                    }
                }
            }
            for tid in tasks_gone {
                self.ended.thread(process, tid);
                process.forget_task(tid);
                gone.push(tid);
            }
        }
        if !gone.is_empty() {
            // A process is still seen to run for a moment after its end is heard of.
            self.scan_due = self.scan_due.min(self.next_scan);
        }
        for tid in gone {
            self.ledger.end(tid, now);
        }
        let requests = self.peers.polled_requests(&self.waited_for);
        self.ledger
            .close_round(now, requests, self.switches.since_last());
        self.place.after(self.ledger.misses_waits());
        self.last = now;
        self.used = clock::of_this_thread();
        let cost = self.used.saturating_sub(begins) + waking;
        self.cost += cost;
        Next {
            alive: !self.tree.has_ended(),
            at: instant + self.pace.after(now, cost),
        }
    }

    /// What the first threads do, before looking at the rest takes time.
    fn glance(&mut self, now: Duration) {
        let processes = self.tree.processes.values_mut();
        let tasks = processes.flat_map(|process| process.tasks.values_mut());
        for task in tasks.filter(|task| !task.ended).take(FIRST) {
            task.glance = Glance::of(task, now, &mut self.buffer);
        }
    }

    /// Ends watching, with a last look.
    pub fn finish(mut self, ending: Ending) -> Profile {
        self.finishing = true;
        self.scan_due = Duration::ZERO;
        self.measure_due = Duration::ZERO;
        self.names_due = Duration::ZERO;
        self.look();
        self.place.give_up();
        Summary {
            ending,
            wall: self.last.saturating_sub(self.began),
            began: self.began,
            looks: self.looks,
            cost: self.cost + self.python.cpu(),
            lowered_to: self.pace.lowered_to(),
            blind: self.blind,
            tree: self.tree,
            ended: self.ended,
            ledger: self.ledger,
            peers: self.peers,
            outside: self.outside,
            bounds: self.bounds,
            switches: self.switches,
            python: self.python,
        }
        .into_profile()
    }

    /// Where switches are known, they tell of what was made and what ended since the last look.
    fn follow_births(&mut self, now: Duration) {
        let Some(switches) = self.switches.since_last() else {
            return;
        };
        let changes = |switch: &Switch| {
            matches!(
                switch.kind,
                Kind::Forked { .. } | Kind::Exec(_) | Kind::Exit
            )
        };
        if switches.iter().any(changes) {
            self.scan_due = self.scan_due.min(self.next_scan);
        }
        let mut begun = Vec::new();
        for switch in switches {
            match switch.kind {
                Kind::Forked { parent_pid, .. } => {
                    (self.ledger).begin(switch.pid, switch.tid, parent_pid, switch.at);
                    begun.push((switch.pid, switch.tid, parent_pid));
                }
                Kind::Exit => {
                    self.ledger.is_over(switch.tid, switch.at);
                    begun.retain(|(_, tid, _)| *tid != switch.tid);
                }
                Kind::Exec(name) => self.ledger.becomes(switch.tid, name),
                _ => {}
            }
        }
        for (pid, tid, parent) in begun {
            self.tree.begun(pid, tid, parent, now);
        }
        for switch in switches {
            if matches!(switch.kind, Kind::Exec(_))
                && let Some(process) = self.tree.processes.get_mut(&switch.pid)
            {
                process.exec(now);
            }
        }
    }

    fn scan(&mut self, now: Duration) {
        let every_look = now.saturating_sub(self.began) < BEGINNING;
        self.next_scan = if every_look { now } else { now + SCAN };
        self.scan_due = match self.switches.source() {
            Source::Used => now + SEARCH,
            _ => self.next_scan,
        };
        let gone = self.tree.scan(now, &mut self.buffer);
        let gone_too: HashSet<i32> = gone.iter().map(|process| process.pid).collect();
        for process in gone {
            for tid in process.tasks.keys() {
                self.ended.thread(&process, *tid);
                self.ledger.end(*tid, now);
            }
            self.ended.process(&process);
            // By now another may have taken it on.
            let parent = process.last.parent;
            if self.tree.processes.contains_key(&parent) || gone_too.contains(&parent) {
                self.ended.charged_to_its_parent(&process);
            } else {
                self.ended.orphan(&process);
            }
            self.python.forget(process.pid);
        }
        let names = self.tree.processes.values();
        self.pipes
            .set_processes(names.map(|process| (process.pid, process.name.as_str())));
        let measure = now >= self.measure_due;
        let rename = now >= self.names_due;
        let mut rss_bytes = 0;
        for process in self.tree.processes.values_mut() {
            if measure {
                process.read_memory(self.page_bytes, &mut self.buffer);
                process.read_files(&mut self.buffer);
            }
            if rename || process.new_program {
                process.tasks.values_mut().for_each(Task::read_name);
            }
            process.new_program = false;
            if process.python.is_there() && !process.stacks_are_read {
                process.stacks_are_read = true;
                self.python.watch(process.pid);
            }
            rss_bytes += process.rss_bytes;
        }
        self.ended.measure(rss_bytes);
        let alive = !self.tree.has_ended();
        let processes = self.tree.processes.keys().copied();
        self.bounds.look(now, self.finishing, alive, processes);
        self.ledger.may_use(self.bounds.cores());
        if measure {
            self.measure_due = now + MEASURE;
        }
        if rename {
            self.names_due = now + NAMES;
        }
    }
}

/// How many files to hold open: some are left for others in this process.
fn files_to_hold() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let limit = limit.current.unwrap_or(MOST_FILES).min(MOST_FILES);
    limit.saturating_sub(256) as usize
}

/// What became of a thread.
enum Found {
    There,
    /// It has just ended, and its files still tell of it.
    Ended,
    Gone,
}

/// A look at one thread, and what it needs.
struct LookAtTask<'a> {
    ledger: &'a mut Ledger,
    buffer: &'a mut [u8],
    blind: &'a mut bool,
    held: &'a mut Option<(i32, Option<u64>)>,
    /// If the process runs Python.
    stacks: Option<&'a mut Python>,
    around: Around<'a>,
}

impl LookAtTask<'_> {
    fn at(&mut self, task: &mut Task) -> Found {
        if task.ended {
            return Found::There;
        }
        let early = task.glance.take();
        let Some(glance) = early.or_else(|| Glance::of(task, clock::now(), self.buffer)) else {
            return Found::Gone;
        };
        let (at, counters) = (glance.at, glance.counters);
        if self.is_held(counters) {
            let id = (self.ledger.waits).intern(plain(Class::Idle, "", ""), None);
            self.enter(task, at, counters, Doing::Waiting(id));
            return Found::There;
        }
        let same = task.same_wait(counters);
        let since = same.map_or(at, |wait| wait.since);
        let (settled, (doing, socket)) = match glance.sight {
            Sight::Same(wait) => (Some(wait), (Doing::Waiting(wait.id), wait.socket)),
            Sight::Does(does) => (None, self.describe(task, does, since, same.is_none())),
        };
        let doing = match (doing, same) {
            (Doing::Waiting(now), Some(known)) => {
                Doing::Waiting(self.ledger.waits.better(known.id, now))
            }
            _ => doing,
        };
        if task.ended {
            // Until then it ran: nobody waits to end.
            self.enter(task, at, counters, Doing::Running);
            return Found::Ended;
        }
        task.wait = match doing {
            Doing::Running => {
                // A loop that computes is never seen to wait.
                if let Some(stacks) = &mut self.stacks {
                    stacks.note(self.around.tid);
                }
                None
            }
            Doing::Waiting(id) => Some(Asleep {
                id,
                socket,
                counters,
                since,
                look_again: settled.map_or_else(
                    || at + self.look_again(same.map(|wait| at.saturating_sub(wait.since))),
                    |wait| wait.look_again,
                ),
            }),
        };
        self.enter(task, at, counters, doing);
        Found::There
    }

    /// Whether it still waits for the word to begin.
    fn is_held(&mut self, counters: Counters) -> bool {
        let Some((tid, slices)) = *self.held else {
            return false;
        };
        if tid != self.around.tid {
            return false;
        }
        let first = slices.unwrap_or(counters.slices);
        let waits = first == counters.slices;
        *self.held = waits.then_some((tid, Some(first)));
        waits
    }

    /// How soon to describe a wait anew, which was described for the first time, or again after so long.
    fn look_again(&self, lasted: Option<Duration>) -> Duration {
        match (lasted, &self.stacks) {
            (None, _) => Duration::ZERO,
            // Stacks come some tens of times a second.
            (Some(lasted), Some(_)) => lasted.clamp(LOOK_AGAIN / 4, LOOK_AGAIN_AT_LAST / 4),
            (Some(lasted), None) => lasted.clamp(LOOK_AGAIN, LOOK_AGAIN_AT_LAST),
        }
    }

    fn enter(&mut self, task: &Task, at: Duration, counters: Counters, doing: Doing) {
        let seen = Seen {
            at,
            ran: counters.ran,
            queued: counters.queued,
            slices: counters.slices,
            doing,
        };
        let (pid, tid) = (self.around.pid, self.around.tid);
        self.ledger.enter(pid, tid, seen, task.new);
    }

    /// What a thread does, and the one socket that it waits for. `begins` if no look has met this wait before.
    fn describe(
        &mut self,
        task: &mut Task,
        does: Does,
        since: Duration,
        begins: bool,
    ) -> (Doing, Option<u64>) {
        let Does { now, state } = does;
        self.around.state = state;
        task.ended = matches!(state, Some('Z' | 'X'));
        let activity = match now {
            // It went on before its call could be told to wait for a disk or not.
            Some(Now::InCall(_)) if state == Some('R') => None,
            Some(now) => activity(now, &mut self.around),
            None => match state {
                Some('R' | 'Z' | 'X') | None => None,
                Some(state) => {
                    *self.blind = true;
                    let class = if state == 'D' {
                        Class::Disk
                    } else {
                        Class::Other
                    };
                    Some(plain(class, "", ""))
                }
            },
        };
        match activity {
            None => (Doing::Running, None),
            Some(activity) => {
                let (activity, line) = match &mut self.stacks {
                    Some(stacks) => stacks.refine(self.around.tid, activity, since),
                    None => (activity, None),
                };
                let (socket, word) = (activity.socket, activity.word);
                let id = self.ledger.waits.intern(activity, line);
                if let Some(word) = word.filter(|_| begins) {
                    self.ledger.waits.found(id, word);
                }
                (Doing::Waiting(id), socket)
            }
        }
    }
}
