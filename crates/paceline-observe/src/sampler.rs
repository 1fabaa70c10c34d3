//! Looking at trees of processes, again and again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::peer_load::{PeerLoad, PeerLookUp};
use crate::process::Process;
use crate::syscall::Waiting;

/// What some trees of processes did since the last look, and what they are doing now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Trees that were there to be looked at.
    pub sampled: usize,
    /// Time their threads ran on a core since the last look at each.
    pub ran: Duration,
    /// Time their threads were ready to run but had no core, since the last look at each.
    pub run_queue_delay: Duration,
    /// The time since the last look at each tree, summed up.
    pub observed: Duration,
    /// Threads that run or are ready to.
    pub runnable_threads: usize,
    /// Threads in uninterruptible sleep, mostly for a disk.
    pub disk_threads: usize,
    /// Trees that wait for nothing but time to pass.
    pub timer_only: usize,
    /// Memory of their own in use, in bytes: without the contents of files, which give way when it is
    /// needed, and without memory shared on purpose.
    pub rss_bytes: u64,
    /// By how much that has grown in the trees that were looked at before, in bytes.
    pub grown_bytes: u64,
}

/// A tree of processes to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tree {
    seen: u64,
    looked: Instant,
    rss_bytes: u64,
}

/// A process that was met.
struct Known {
    process: Process,
    seen: u64,
    /// The root of its tree.
    root: i32,
}

/// Looks at trees of processes with their files held open.
pub struct Sampler {
    processes: HashMap<i32, Known>,
    peers: PeerLookUp,
    trees: HashMap<i32, Tree>,
    round: u64,
    page_bytes: u64,
    buffer: Vec<u8>,
}

/// No tree is followed further: a job with thousands of processes is judged by its first ones.
const MOST_PROCESSES: usize = 64;

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}

impl Sampler {
    /// Knows of no process yet.
    pub fn new() -> Self {
        Self {
            processes: HashMap::new(),
            peers: PeerLookUp::default(),
            trees: HashMap::new(),
            round: 0,
            page_bytes: rustix::param::page_size() as u64,
            buffer: vec![0; 4096],
        }
    }

    /// Looks at the trees below these processes, each with the time it was started. What is not
    /// named again is forgotten.
    pub fn look(
        &mut self,
        roots: impl IntoIterator<Item = (i32, Instant)>,
        now: Instant,
    ) -> Observation {
        self.round += 1;
        let mut sum = Observation::default();
        for (root, started) in roots {
            let before = self.trees.get(&root).copied();
            let last = before.map_or(started, |tree| tree.looked);
            let held_by_others = sum.rss_bytes;
            if self.look_at_tree(root, &mut sum) {
                sum.sampled += 1;
                sum.observed += now.saturating_duration_since(last);
                let rss_bytes = sum.rss_bytes - held_by_others;
                if let Some(before) = before {
                    sum.grown_bytes += rss_bytes.saturating_sub(before.rss_bytes);
                }
                self.trees.insert(
                    root,
                    Tree {
                        seen: self.round,
                        looked: now,
                        rss_bytes,
                    },
                );
            }
        }
        let round = self.round;
        self.processes.retain(|_, known| known.seen == round);
        self.trees.retain(|_, tree| tree.seen == round);
        sum
    }

    /// Whom the trees of the last look are connected to; `None` if the kernel does not tell. Much dearer than a
    /// look: it goes through their descriptors, and through all TCP sockets of the machine.
    pub fn peers(&mut self) -> Option<PeerLoad> {
        let all = self.processes.iter();
        let all: Vec<(i32, i32)> = all.map(|(pid, known)| (known.root, *pid)).collect();
        self.peers.look(&all)
    }

    fn look_at_tree(&mut self, root: i32, sum: &mut Observation) -> bool {
        let mut to_visit = vec![root];
        let mut visited = 0;
        let mut timers = 0;
        let mut only_timers = true;
        while let Some(pid) = to_visit.pop() {
            if visited == MOST_PROCESSES {
                only_timers = false;
                break;
            }
            let process = match self.processes.entry(pid) {
                std::collections::hash_map::Entry::Occupied(known) => Some(known.into_mut()),
                std::collections::hash_map::Entry::Vacant(new) => {
                    Process::open(pid).map(|process| {
                        new.insert(Known {
                            process,
                            seen: self.round,
                            root,
                        })
                    })
                }
            };
            let Some(known) = process else {
                continue;
            };
            let Some(look) = known.process.look(&mut self.buffer) else {
                self.processes.remove(&pid);
                continue;
            };
            known.seen = self.round;
            visited += 1;
            sum.ran += look.times.ran;
            sum.run_queue_delay += look.times.run_queue_delay;
            sum.runnable_threads += look.runnable_threads;
            sum.disk_threads += look.disk_threads;
            sum.rss_bytes += look.own_pages * self.page_bytes;
            match look.waiting {
                Waiting::Timer => timers += 1,
                Waiting::Child => {}
                Waiting::Running | Waiting::Shared => only_timers = false,
            }
            to_visit.extend(look.children);
        }
        sum.timer_only += usize::from(only_timers && timers > 0);
        visited > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    struct Running(Child);

    impl Running {
        fn start(program: &str, args: &[&str]) -> Self {
            Self(
                Command::new(program)
                    .args(args)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::null())
                    .process_group(0)
                    .spawn()
                    .expect("starts"),
            )
        }

        fn pid(&self) -> i32 {
            self.0.id().cast_signed()
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            // A shell's child goes with it.
            let group = rustix::process::Pid::from_child(&self.0);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = self.0.wait();
        }
    }

    /// Looks until what is seen fits; what never does hangs until the test is ended from outside.
    fn look_until(running: &Running, fits: impl Fn(&Observation) -> bool) -> Observation {
        let started = Instant::now();
        let mut sampler = Sampler::new();
        loop {
            let seen = sampler.look([(running.pid(), started)], Instant::now());
            if fits(&seen) {
                return seen;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_sleeper_waits_for_time_alone() {
        let fits = |seen: &Observation| seen.timer_only == 1 && seen.runnable_threads == 0;
        let seen = look_until(&Running::start("sleep", &["60"]), fits);
        assert_eq!((seen.sampled, seen.runnable_threads), (1, 0));
        assert!(seen.rss_bytes > 0);
    }

    #[test]
    fn so_does_a_shell_that_waits_for_a_sleeper() {
        look_until(&Running::start("sh", &["-c", "sleep 60; true"]), |seen| {
            seen.timer_only == 1
        });
    }

    #[test]
    fn a_reader_of_a_pipe_does_not() {
        let running = Running::start("cat", &[]);
        let started = Instant::now();
        let seen = look_until(&running, |seen| {
            seen.sampled == 1 && seen.runnable_threads == 0
        });
        assert_eq!(seen.timer_only, 0);
        let mut sampler = Sampler::new();
        for _ in 0..3 {
            assert_eq!(
                sampler
                    .look([(running.pid(), started)], Instant::now())
                    .timer_only,
                0
            );
        }
    }

    #[test]
    fn a_burner_is_seen_to_run() {
        let running = Running::start("sh", &["-c", "while :; do :; done"]);
        let seen = look_until(&running, |seen| {
            seen.ran > Duration::ZERO && seen.runnable_threads == 1
        });
        assert_eq!(seen.timer_only, 0);
    }

    #[test]
    fn what_is_gone_is_not_counted() {
        let pid = Running::start("true", &[]).pid();
        assert_eq!(
            Sampler::new()
                .look([(pid, Instant::now())], Instant::now())
                .sampled,
            0
        );
    }
}
