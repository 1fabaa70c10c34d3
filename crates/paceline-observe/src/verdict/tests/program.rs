//! A program as an observer would have seen it, put together by hand.

use std::time::Duration;

use crate::profile::{
    ByClass, Class, Ending, EventLoop, Profile, Source, SourceLine, Target, ThreadProfile, Wait,
};

/// Builds a [`Profile`]. What follows from the threads' times is worked out: sums, the time of the wall,
/// and compute and input/output as far apart as they can lie. Tests set what differs.
pub(super) struct Program {
    pub(super) profile: Profile,
    next: i32,
}

const MAIN: i32 = 100;

impl Program {
    /// Watched for `wall` seconds, on `cores` cores, well enough.
    pub(super) fn watched(wall: f64, cores: f64) -> Self {
        let mut profile = Profile {
            wall: seconds(wall),
            ending: Ending::ProgramEnded,
            cores,
            processes_seen: 1,
            ..Profile::default()
        };
        profile.observer.looks = (wall * 100.0) as u64;
        profile.sources.proc = Source::Used;
        Self {
            profile,
            next: MAIN,
        }
    }

    /// A thread of the first process; the first one is the main thread.
    pub(super) fn thread(mut self, name: &str, times: &[(Class, f64)]) -> Self {
        let tid = self.next;
        self.push(MAIN, tid, 0, name, times);
        self
    }

    /// Threads of the first process that were made for the same work.
    pub(super) fn pool(mut self, count: usize, times: &[(Class, f64)]) -> Self {
        for _ in 0..count {
            self = self
                .thread("worker", times)
                .last(|thread| thread.pool = Some(1));
        }
        self
    }

    /// A process that the first one started, seen from `began` until its times are used up.
    pub(super) fn child(mut self, name: &str, began: f64, times: &[(Class, f64)]) -> Self {
        let pid = self.next;
        self.push(pid, pid, MAIN, name, times);
        self.profile.processes_seen += 1;
        self.last(|thread| thread.began = seconds(began))
    }

    /// Changes the last thread.
    pub(super) fn last(mut self, change: impl FnOnce(&mut ThreadProfile)) -> Self {
        change(self.profile.threads.last_mut().expect("a thread"));
        self
    }

    /// The last thread runs this loop.
    pub(super) fn runs(self, event_loop: EventLoop) -> Self {
        self.last(|thread| thread.event_loop = Some(event_loop))
    }

    /// What was waited for, `count` times for `time` seconds in all.
    pub(super) fn wait(mut self, class: Class, target: Target, time: f64, count: f64) -> Self {
        self.profile.waits.push(Wait {
            call: "",
            class,
            target,
            line: None,
            syncs: false,
            time: seconds(time),
            timed: if class == Class::Sleep {
                seconds(time)
            } else {
                Duration::ZERO
            },
            of_wall: seconds(time).min(self.profile.wall),
            effective_count: count,
            longest: seconds(time / count.max(1.0)),
            threads: 1,
            slices: count as u64,
            futex: None,
        });
        self
    }

    /// Changes the last wait.
    pub(super) fn last_wait(mut self, change: impl FnOnce(&mut Wait)) -> Self {
        change(self.profile.waits.last_mut().expect("a wait"));
        self
    }

    /// Works out what follows from the threads, then lets the test change it.
    pub(super) fn seen(mut self, change: impl FnOnce(&mut Profile)) -> Profile {
        let profile = &mut self.profile;
        profile.threads_seen = profile.threads.len();
        for thread in &profile.threads {
            for (class, time) in thread.time.iter() {
                profile.time[class] += *time;
            }
        }
        for class in Class::ALL {
            profile.of_wall[class] = profile.time[class].min(profile.wall);
        }
        profile.cpu.user = profile.time[Class::Cpu];
        let sum = |classes: &[Class]| classes.iter().map(|c| profile.time[*c]).sum::<Duration>();
        let io = sum(&[Class::Disk, Class::PageFault, Class::Network]);
        profile.overlap.compute = sum(&[Class::Cpu, Class::RunQueue]).min(profile.wall);
        profile.overlap.io = io.min(profile.wall);
        profile.overlap.io_in_flight = io;
        profile.overlap.both =
            (profile.overlap.compute + profile.overlap.io).saturating_sub(profile.wall);
        change(profile);
        self.profile
    }

    /// As it is.
    pub(super) fn done(self) -> Profile {
        self.seen(|_| {})
    }

    fn push(&mut self, pid: i32, tid: i32, parent: i32, name: &str, times: &[(Class, f64)]) {
        let mut time = ByClass::default();
        for (class, of_it) in times {
            time[*class] = seconds(*of_it);
        }
        self.profile.threads.push(ThreadProfile {
            pid,
            parent,
            tid,
            name: name.into(),
            alive: times.iter().map(|(_, of_it)| seconds(*of_it)).sum(),
            time,
            slices: 100,
            ..ThreadProfile::default()
        });
        self.next += 1;
    }
}

pub(super) fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value.max(0.0))
}

pub(super) fn peer() -> Target {
    Target::Peer("tcp 10.0.0.7:80".into())
}

pub(super) fn line(file: &str, line: u32) -> SourceLine {
    SourceLine {
        file: file.into(),
        line,
        function: "work".into(),
    }
}
