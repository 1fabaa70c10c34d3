//! The numbers that the rules look at, worked out once from a profile.
//!
//! All are plain ratios, finite and not negative whatever the profile holds. "Of the wall" means: as a
//! share of the time for which the program was watched.

mod children;
mod event_loop;
mod locks;
mod requests;
mod serial;
mod told;
mod waiting;
mod workers;
mod working;

use std::path::Path;

use crate::profile::{ByClass, Class, EventLoop, Profile, Source, ThreadProfile, Wait};

pub(super) use children::Children;
pub(super) use event_loop::Loop;
pub(super) use locks::LockUse;
pub(super) use requests::{Requests, effective_count};
pub(super) use serial::serial_compute;
pub(super) use told::Told;
pub(super) use waiting::Waiting;
pub(super) use workers::Workers;

/// Below this share of the wall, there is no compute or no input and output to speak of.
const NEXT_TO_NOTHING: f64 = 0.01;
/// Below this share of the wall, compute or waits are noise of the run-time system.
const NOISE: f64 = 0.1;
/// Compute that takes less than this part of the time of the waits hides none of them, wherever it lies.
const BESIDE: f64 = 0.4;
/// A loop with requests in flight for at least this share of the wall is one that asks others.
const SOME_REQUESTS: f64 = 0.1;

/// What the rules know of a program.
pub(super) struct Facts<'a> {
    /// Where it all comes from.
    pub(super) profile: &'a Profile,
    /// How long it was watched, in seconds.
    pub(super) wall: f64,
    /// Cores that it may use.
    pub(super) cores: f64,
    /// Cores that it used, on average.
    pub(super) run: f64,
    /// Threads that were ready but did not run, on average.
    pub(super) queue: f64,
    /// Threads that ran or were ready, averaged over the time in which at least one was.
    pub(super) crowd: f64,
    /// Of its cores, what it used or was ready to use: unlike the utilisation, it does not fall when
    /// others take cores away.
    pub(super) demand: f64,
    /// Cores that others used, on average.
    pub(super) others: f64,
    /// Of the wall: held by a quota.
    pub(super) throttled: f64,
    /// Of the wall: at least one thread ran or was ready.
    pub(super) compute: f64,
    /// Of the wall: at least one input or output was in flight.
    pub(super) io: f64,
    /// Of the wall: both.
    pub(super) both: f64,
    /// |C ∩ I| / min(C, I).
    pub(super) overlap: Option<f64>,
    /// The same, or 0 if one of them is so small that hiding it would not be seen, or that it hides nothing.
    pub(super) telling_overlap: f64,
    /// Inputs and outputs in flight while there was one.
    pub(super) concurrency: f64,
    /// Of its cores, what it used.
    pub(super) utilisation: f64,
    /// Of its CPU time, what it spent in the kernel.
    pub(super) system: f64,
    /// Thread-seconds, without those that only stood by.
    pub(super) working: ByClass<f64>,
    /// What it waits for when nothing computes.
    pub(super) waiting: Waiting,
    /// Python runs it: compute in threads takes turns.
    pub(super) python: bool,
    /// How many inputs and outputs there were.
    pub(super) requests: Requests,
    /// The event loop that is worst off.
    pub(super) event_loop: Option<Loop>,
    /// Waits for locks.
    pub(super) lock: LockUse,
    /// The threads or processes that do the same work side by side.
    pub(super) workers: Workers,
    /// The processes that it starts.
    pub(super) children: Children,
    /// The part of the wall of which something is known.
    pub(super) told: Told,
}

impl<'a> Facts<'a> {
    pub(super) fn of(profile: &'a Profile) -> Self {
        let wall = profile.wall.as_secs_f64();
        let cores = if profile.cores.is_finite() {
            profile.cores.clamp(0.01, 65_536.0)
        } else {
            1.0
        };
        let cpu = profile.time[Class::Cpu].as_secs_f64();
        let queued = profile.time[Class::RunQueue].as_secs_f64();
        let of_wall = |seconds: f64| ratio(seconds, wall).min(1.0);

        let overlap = &profile.overlap;
        let compute = of_wall(overlap.compute.as_secs_f64());
        let io = of_wall(overlap.io.as_secs_f64());
        let both = of_wall(overlap.both.as_secs_f64()).min(compute).min(io);

        let mut foremost = foremost(profile, wall);
        let children = Children::of(profile);
        // Who waits for a child that is seen to stand by has no work either.
        let stands_by = foremost[Class::Child].min(children.stood_by);
        foremost[Class::Child] -= stands_by;
        foremost[Class::Idle] += stands_by;
        let told = Told::by(profile, &mut foremost, &children, compute + io - both);
        let [compute, io, both] = [compute, io, both].map(|share| told.of_wall(share));
        let python = is_python(profile);
        let working = working::of(profile, &foremost);
        let requests = Requests::of(profile);
        for class in Class::ALL {
            foremost[class] = told.of_wall(foremost[class]);
        }
        let waiting = Waiting::of(profile, &foremost, (io - both).max(0.0));
        let least = compute.min(io);
        let cpu_time = profile.cpu.user.as_secs_f64() + profile.cpu.system.as_secs_f64();
        let crowd = ratio(cpu + queued, compute * wall);
        // The kernel adds up over cores what it held, and those that are held are ready.
        let throttled = profile.outside.throttled.as_secs_f64() / crowd.max(1.0);
        Self {
            profile,
            wall,
            cores,
            run: ratio(cpu, wall),
            queue: ratio(queued, wall),
            crowd,
            demand: ratio(ratio(cpu + queued, wall), cores),
            others: ratio(profile.outside.others_cpu.as_secs_f64(), wall),
            throttled: of_wall(throttled),
            compute,
            io,
            both,
            overlap: (least >= NEXT_TO_NOTHING).then(|| (both / least).clamp(0.0, 1.0)),
            telling_overlap: if least < NOISE || compute < BESIDE * io {
                0.0
            } else {
                both / least
            },
            // Of threads that no look met it is known when they waited, not how many did.
            concurrency: if io < NEXT_TO_NOTHING {
                0.0
            } else {
                ratio(overlap.io_in_flight.as_secs_f64(), overlap.io.as_secs_f64()).max(1.0)
            },
            utilisation: ratio(ratio(cpu, wall), cores).min(1.0),
            system: ratio(profile.cpu.system.as_secs_f64(), cpu_time),
            working,
            waiting,
            python,
            requests,
            event_loop: event_loop::worst(profile, cores),
            lock: LockUse::of(profile, python),
            workers: Workers::of(profile),
            children,
            told,
        }
    }

    /// Of the wall: at least one thread was in this class.
    pub(super) fn of_wall(&self, class: Class) -> f64 {
        self.told
            .of_wall(ratio(self.profile.of_wall[class].as_secs_f64(), self.wall))
    }

    /// Of the wall, an event loop that has requests in flight at other times does nothing but poll.
    pub(super) fn polling_alone(&self) -> f64 {
        if self.event_loop.is_none() || self.io < SOME_REQUESTS {
            return 0.0;
        }
        let busy = self.compute + self.io - self.both;
        // What polls do not wait for known requests. Other threads may rest meanwhile, or wait for the loop.
        let classes = [Class::Disk, Class::PageFault, Class::Network];
        let by_threads: f64 = classes.into_iter().map(|class| self.of_wall(class)).sum();
        let polled =
            self.of_wall(Class::Poll) * (1.0 - waiting::timed_share(self.profile, Class::Poll));
        (polled - (self.io - by_threads).max(0.0)).clamp(0.0, (1.0 - busy).max(0.0))
    }

    /// No other wait takes more of the wall than inputs and outputs. Requests too short to be met in flight are
    /// what a loop polls for that has others.
    pub(super) fn io_comes_first(&self) -> bool {
        let waiting = &self.waiting;
        let event = waiting.event - self.polling_alone();
        [waiting.timer, waiting.child, waiting.pipe, event]
            .into_iter()
            .all(|share| self.io >= share)
    }

    /// The wait of a class that takes most of the threads' time.
    pub(super) fn longest_wait(&self, class: Class) -> Option<&Wait> {
        let waits = self.profile.waits.iter();
        waits
            .filter(|wait| wait.class == class)
            .max_by_key(|wait| wait.time)
    }

    /// Seconds of input and output in flight.
    pub(super) fn io_in_flight(&self) -> f64 {
        self.concurrency * self.io * self.wall
    }

    /// Threads in this class on average.
    pub(super) fn threads_in(&self, class: Class) -> f64 {
        ratio(self.profile.time[class].as_secs_f64(), self.wall)
    }

    /// Thread-seconds of work in all classes.
    pub(super) fn work(&self) -> f64 {
        self.working.iter().map(|(_, seconds)| seconds).sum()
    }

    /// Every context switch was seen.
    pub(super) fn follows_switches(&self) -> bool {
        self.profile.sources.switches == Source::Used
    }

    /// Cores as a number of workers, at least 1.
    pub(super) fn whole_cores(&self) -> usize {
        (self.cores.round() as usize).max(1)
    }
}

/// `a / b`, or 0 where that is no number.
pub(super) fn ratio(a: f64, b: f64) -> f64 {
    let value = a / b;
    if value.is_finite() && value > 0.0 {
        value
    } else {
        0.0
    }
}

/// The seconds a thread spent in these classes.
fn seconds_in(thread: &ThreadProfile, classes: &[Class]) -> f64 {
    classes
        .iter()
        .map(|class| thread.time[*class].as_secs_f64())
        .sum()
}

/// The seconds of a thread's life that are accounted for.
fn lifetime(thread: &ThreadProfile) -> f64 {
    let accounted: f64 = thread.time.iter().map(|(_, time)| time.as_secs_f64()).sum();
    accounted.max(thread.alive.as_secs_f64())
}

/// The partition of the wall, as shares. If the profile has none, classes get their time of the wall
/// in the order of precedence until the wall is used up, which is exact for a program that does one
/// thing at a time.
fn foremost(profile: &Profile, wall: f64) -> ByClass<f64> {
    let mut shares = ByClass::<f64>::default();
    let taken: f64 = profile
        .foremost
        .iter()
        .map(|(_, time)| time.as_secs_f64())
        .sum();
    let mut left = wall;
    for class in Class::PRECEDENCE {
        let seconds = if taken > 0.0 {
            profile.foremost[class].as_secs_f64()
        } else {
            profile.of_wall[class].as_secs_f64().min(left)
        };
        left -= seconds;
        shares[class] = ratio(seconds, wall.max(taken));
    }
    shares
}

fn is_python(profile: &Profile) -> bool {
    profile.sources.python == Source::Used
        || !profile.time[Class::Gil].is_zero()
        || profile.threads.iter().any(|thread| {
            matches!(thread.event_loop, Some(EventLoop::Python(_)))
                || thread.name.starts_with("python")
                || thread.name.starts_with("pypy")
                // A script that is run by its own name.
                || Path::new(&thread.name).extension().is_some_and(|ending| ending == "py")
        })
}
