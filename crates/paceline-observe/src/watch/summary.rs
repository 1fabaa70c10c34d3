//! From what was seen to a profile.

use std::collections::HashMap;
use std::time::Duration;

use super::bounds::Bounds;
use super::ledger::{Ledger, Origin, Sums, ThreadSums};
use super::loops::{Candidate, Language, event_loop};
use super::outside::OutsideBase;
use super::peers::Peers;
use super::pools::{Member, pools};
use super::python::Python;
use super::sources::switches::Name;
use super::switching::Switching;
use super::tree::Tree;
use super::watched::Watched;
use crate::profile::{
    Class, CpuTime, Ending, FileBytes, MOST_THREADS, MemoryUse, ObserverCost, Outside, Profile,
    ShortLived, Source, Sources, ThreadProfile, Wait,
};

/// The calls in which threads sleep are the heart of it; without them only the state of a thread is known.
const BLIND: &str = "the system does not say in which calls threads sleep (/proc/PID/syscall cannot be read); \
     only the disk is told from other waits";

/// To take a process down after its end takes no longer than this, unless it has much memory, and then looks met it.
const TAKEN_DOWN: Duration = Duration::from_micros(500);

/// Names of threads are kept for this many that have ended.
const MOST_NAMES: usize = 4096;

/// What is kept of processes and threads that have ended.
#[derive(Default)]
pub(crate) struct Ended {
    names: HashMap<i32, (String, i32)>,
    processes: HashMap<i32, (Language, bool)>,
    files: FileBytes,
    user: Duration,
    system: Duration,
    private_bytes: u64,
    rss_bytes: u64,
    /// What those were charged with whose parent is not watched, or has ended before them.
    charged: Duration,
    /// What the others were charged with before they were watched: their parents were charged with that too.
    before: Duration,
}

impl Ended {
    pub(crate) fn thread(&mut self, process: &Watched, tid: i32) {
        if self.names.len() < MOST_NAMES
            && let Some(task) = process.tasks.get(&tid)
        {
            self.names.insert(tid, (task.name.clone(), process.parent));
        }
    }

    pub(crate) fn process(&mut self, process: &Watched) {
        add_files(&mut self.files, process.files);
        self.user += process.last.user.saturating_sub(process.base.user);
        self.system += process.last.system.saturating_sub(process.base.system);
        self.private_bytes = self.private_bytes.max(process.most_private_bytes);
        if self.processes.len() < MOST_NAMES {
            let known = (process.language, process.sockets_in_epoll);
            self.processes.insert(process.pid, known);
        }
    }

    /// One that is watched is charged with all that this process ever was.
    pub(crate) fn charged_to_its_parent(&mut self, process: &Watched) {
        self.before += process.base.cpu() + process.base.children;
    }

    /// Nobody that is watched has been charged with what this process was.
    pub(crate) fn orphan(&mut self, process: &Watched) {
        self.charged += charged(process);
    }

    pub(crate) fn measure(&mut self, rss_bytes: u64) {
        self.rss_bytes = self.rss_bytes.max(rss_bytes);
    }
}

/// With its children that have ended and were waited for.
fn charged(process: &Watched) -> Duration {
    let own = process.last.cpu().saturating_sub(process.base.cpu());
    own + process.last.children.saturating_sub(process.base.children)
}

fn add_files(sum: &mut FileBytes, more: FileBytes) {
    sum.read_calls += more.read_calls;
    sum.write_calls += more.write_calls;
    sum.from_disk += more.from_disk;
    sum.to_disk += more.to_disk;
    sum.read_count += more.read_count;
    sum.write_count += more.write_count;
}

/// All that was seen.
pub(crate) struct Summary {
    pub(crate) ending: Ending,
    pub(crate) wall: Duration,
    pub(crate) began: Duration,
    pub(crate) looks: u64,
    pub(crate) cost: Duration,
    pub(crate) lowered_to: Option<f64>,
    pub(crate) blind: bool,
    pub(crate) tree: Tree,
    pub(crate) ended: Ended,
    pub(crate) ledger: Ledger,
    pub(crate) peers: Peers,
    pub(crate) outside: OutsideBase,
    pub(crate) bounds: Bounds,
    pub(crate) switches: Switching,
    pub(crate) python: Python,
}

impl Summary {
    pub(crate) fn into_profile(mut self) -> Profile {
        let mut kept = std::mem::take(&mut self.ended);
        for process in self.tree.processes.values() {
            for tid in process.tasks.keys() {
                kept.thread(process, *tid);
            }
            kept.process(process);
        }
        let counted = self.ledger.cpu();
        let uncounted = self.uncounted(&kept, counted);
        let unmet = self.unmet();
        let mut sums = self.ledger.finish();
        sums.time[Class::Cpu] += uncounted;
        let short_lived = ShortLived {
            processes: unmet,
            cpu: sums.unmet_cpu + uncounted,
        };
        // It was spent while others waited for it.
        let mut left = uncounted;
        for class in [Class::Child, Class::Pipe, Class::Idle] {
            let moved = left.min(sums.foremost[class]);
            sums.foremost[class] -= moved;
            sums.foremost[Class::Cpu] += moved;
            sums.overlap.compute += moved;
            left -= moved;
        }
        for progress in &mut sums.course {
            progress.at = progress.at.saturating_sub(self.began);
        }
        let cpu = sums.time[Class::Cpu];
        let busy = self.outside.busy_since();
        let (network, sockets) = self.peers.into_profile();
        let threads = describe(&sums, &kept, &self.python, self.began);
        Profile {
            wall: self.wall,
            ending: self.ending,
            cores: self.bounds.cores(),
            time: sums.time,
            of_wall: sums.of_wall,
            foremost: sums.foremost,
            overlap: sums.overlap,
            course: sums.course,
            cpu: cpu_time(&kept, cpu),
            file_bytes: kept.files,
            threads,
            threads_seen: sums.threads_seen,
            processes_seen: self.tree.seen + short_lived.processes as usize,
            short_lived,
            waits: sums.waits,
            network,
            outside: Outside {
                others_cpu: busy.saturating_sub(cpu + self.cost),
                throttled: self.bounds.throttled(),
            },
            memory: MemoryUse {
                rss_bytes: kept.rss_bytes,
                private_bytes: kept.private_bytes,
                stack_bytes: 0,
            },
            sources: Sources {
                proc: if self.blind {
                    Source::Missing(BLIND.to_owned())
                } else {
                    Source::Used
                },
                sockets,
                switches: self.switches.source(),
                python: self.python.source(),
            },
            observer: ObserverCost {
                cpu: self.cost,
                looks: self.looks,
                lowered_to: self.lowered_to,
                lost_switches: self.switches.lost(),
            },
        }
    }

    /// What the processes were charged with and no thread that we know of used. It belongs to processes and threads
    /// that came and went between looks. Switches tell of those, but not of how a process is taken down after its end,
    /// which is most of what a short one uses.
    fn uncounted(&self, kept: &Ended, counted: Duration) -> Duration {
        let there: Duration = self.tree.processes.values().map(charged).sum();
        let charged = (kept.charged + there).saturating_sub(kept.before);
        let mut unseen = charged.saturating_sub(counted);
        if self.switches.source() == Source::Used {
            unseen = unseen.min(TAKEN_DOWN * u32::try_from(self.unmet()).unwrap_or(u32::MAX));
        }
        // Each figure of each process is rounded down to a tick.
        if unseen > self.tree.tick * 2 {
            unseen
        } else {
            Duration::ZERO
        }
    }

    /// Processes that no look met, as far as switches tell.
    fn unmet(&self) -> u64 {
        // The first process was there.
        (self.switches.processes() + 1).saturating_sub(self.tree.seen as u64)
    }
}

/// User and system time in the proportion in which the kernel charges them, which is coarse.
fn cpu_time(kept: &Ended, cpu: Duration) -> CpuTime {
    let charged = (kept.user + kept.system).as_secs_f64();
    let system = if charged > 0.0 {
        kept.system.as_secs_f64() / charged
    } else {
        0.0
    };
    let system = cpu.mul_f64(system.clamp(0.0, 1.0));
    CpuTime {
        user: cpu.saturating_sub(system),
        system,
    }
}

fn describe(sums: &Sums, kept: &Ended, python: &Python, began: Duration) -> Vec<ThreadProfile> {
    let nobody = (String::new(), 0);
    let threads: Vec<&ThreadSums> = sums.threads.iter().take(MOST_THREADS).collect();
    let unmet = of_unmet(&threads, kept);
    let members: Vec<Member<'_>> = threads
        .iter()
        .map(|thread| {
            let known = kept.names.get(&thread.tid);
            let known = known.or_else(|| unmet.get(&thread.tid));
            let known = known.or_else(|| sister(thread, &threads, kept));
            let known = known.or_else(|| unmet.get(&thread.pid));
            let (name, parent) = known.unwrap_or(&nobody);
            Member {
                pid: thread.pid,
                tid: thread.tid,
                parent: *parent,
                name,
            }
        })
        .collect();
    let pools = pools(&members);
    let polls = |thread: &&ThreadSums| {
        thread.time[Class::Poll] > Duration::ZERO || slept_in_poll(thread, sums) > Duration::ZERO
    };
    let polling: Vec<(i32, i32)> = sums
        .threads
        .iter()
        .filter(polls)
        .map(|thread| (thread.pid, thread.tid))
        .collect();
    threads
        .iter()
        .zip(members)
        .zip(pools)
        .map(|((thread, member), pool)| {
            let (language, sockets_in_epoll) =
                kept.processes.get(&thread.pid).copied().unwrap_or_default();
            let candidate = Candidate {
                name: member.name,
                main: thread.pid == thread.tid,
                time: &thread.time,
                python: python.event_loop(thread.tid),
                language,
                sockets_in_epoll,
                another_polls: polling
                    .iter()
                    .any(|(pid, tid)| *pid == thread.pid && *tid != thread.tid),
            };
            let event_loop = (thread.met).then(|| event_loop(candidate)).flatten();
            ThreadProfile {
                pid: thread.pid,
                parent: member.parent,
                tid: thread.tid,
                name: member.name.to_owned(),
                began: thread.began.saturating_sub(began),
                alive: thread.alive,
                time: thread.time,
                spare: thread.spare,
                slices: thread.slices,
                slept_in_poll: slept_in_poll(thread, sums),
                loop_blocked_by: event_loop
                    .as_ref()
                    .and_then(|_| blocking_wait(thread, sums)),
                event_loop,
                pool,
            }
        })
        .collect()
}

/// Names and parents of processes that no look met. They have the names of those they come from, unless they became
/// other programs.
fn of_unmet(threads: &[&ThreadSums], kept: &Ended) -> HashMap<i32, (String, i32)> {
    let mut origins: Vec<(Duration, i32, Origin)> = threads
        .iter()
        .filter_map(|thread| Some((thread.began, thread.tid, thread.origin?)))
        .collect();
    // Parents come first.
    origins.sort_by_key(|(began, ..)| *began);
    let mut known: HashMap<i32, (String, i32)> = HashMap::new();
    for (_, tid, origin) in origins {
        let name = origin.name.map(Name::text).or_else(|| {
            let parent = kept.names.get(&origin.parent);
            let parent = parent.or_else(|| known.get(&origin.parent));
            parent.map(|(name, _)| name.clone())
        });
        known.insert(tid, (name.unwrap_or_default(), origin.parent));
    }
    known
}

/// What is known of the thread that began nearest to one that no look met, in the same process: threads that are
/// made together are made for the same work.
fn sister<'a>(
    thread: &ThreadSums,
    threads: &[&ThreadSums],
    kept: &'a Ended,
) -> Option<&'a (String, i32)> {
    let apart = |other: &ThreadSums| other.began.abs_diff(thread.began);
    let met = threads
        .iter()
        .filter(|other| other.met && other.pid == thread.pid && other.tid != other.pid);
    let nearest = met
        .min_by_key(|other| apart(other))
        .map_or(thread.pid, |other| other.tid);
    kept.names.get(&nearest)
}

fn in_poll(call: &str) -> bool {
    call.starts_with("epoll")
}

/// Time in polls that nothing could end but a timer.
fn slept_in_poll(thread: &ThreadSums, sums: &Sums) -> Duration {
    let waits = thread.waits.iter().filter(|(place, _)| {
        let wait = sums.waits.get(*place);
        wait.is_some_and(|wait| wait.class == Class::Sleep && in_poll(wait.call))
    });
    waits.map(|(_, time)| *time).sum()
}

/// The longest wait of a thread in a call that is not its poll.
fn blocking_wait(thread: &ThreadSums, sums: &Sums) -> Option<usize> {
    let blocking =
        |wait: &Wait| wait.class != Class::Poll && !wait.class.is_standby() && !in_poll(wait.call);
    let mut waits = thread.waits.iter();
    waits
        .find(|(place, _)| sums.waits.get(*place).is_some_and(blocking))
        .map(|(place, _)| *place)
}
