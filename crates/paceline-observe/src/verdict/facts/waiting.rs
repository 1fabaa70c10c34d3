//! What is waited for while nothing computes, as shares of the wall.

use super::{ratio, working::is_housekeeper};
use crate::profile::{ByClass, Class, Profile, Source, Target};

/// Shares of the wall in which nothing stronger happened.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::verdict) struct Waiting {
    /// For time to pass: sleeps, and polls and condition variables with a time limit that nothing
    /// else explains.
    pub(in crate::verdict) timer: f64,
    /// For a lock, while nobody works who could hold it.
    pub(in crate::verdict) lock: f64,
    /// For a child of which nothing is seen.
    pub(in crate::verdict) child: f64,
    /// For the other end of a pipe that is none of ours.
    pub(in crate::verdict) pipe: f64,
    /// What of the waits for pipes is for such of which nobody who is watched has the other end.
    pub(in crate::verdict) far_end: f64,
    /// For something that has no name.
    pub(in crate::verdict) other: f64,
    /// In an event poll or for a signal, without limit, and nobody seen who would end it.
    pub(in crate::verdict) event: f64,
}

impl Waiting {
    /// `io` is the share of the wall with an input or output in flight and no compute.
    pub(super) fn of(profile: &Profile, foremost: &ByClass<f64>, io: f64) -> Self {
        let seen = foremost[Class::Disk] + foremost[Class::PageFault] + foremost[Class::Network];
        // Requests that a poll waits for are in no thread's class. They take the time from what the
        // threads themselves seem to do.
        let mut polled = (io - seen).max(0.0);
        let mut without_requests = |class: Class| {
            let share = foremost[class];
            let taken = polled.min(share);
            polled -= taken;
            share - taken
        };
        let poll = without_requests(Class::Poll);
        let condition = without_requests(Class::Condition);
        let mut sleep = without_requests(Class::Sleep);
        let sleepers = profile
            .threads
            .iter()
            .filter(|thread| !thread.time[Class::Sleep].is_zero());
        if profile.threads_seen <= profile.threads.len()
            && sleepers.clone().count() > 0
            && sleepers
                .clone()
                .all(|thread| is_housekeeper(thread, profile))
        {
            sleep = 0.0;
        }
        let timed_poll = poll * timed_share(profile, Class::Poll);
        let timed_condition = condition * timed_share(profile, Class::Condition);
        Self {
            timer: (sleep + timed_poll + timed_condition).min(1.0),
            lock: foremost[Class::Lock],
            child: foremost[Class::Child],
            pipe: foremost[Class::Pipe],
            far_end: far_end(profile),
            // Who is not told in which calls threads sleep finds no name for any of them.
            other: match profile.sources.proc {
                Source::Missing(_) => 0.0,
                Source::Used | Source::NotNeeded => foremost[Class::Other],
            },
            event: (poll - timed_poll) + (condition - timed_condition),
        }
    }
}

/// Of the time in waits for pipes and terminals, the share in those that lead out of what is watched.
fn far_end(profile: &Profile) -> f64 {
    let (mut time, mut out) = (0.0, 0.0);
    for wait in (profile.waits.iter()).filter(|wait| wait.class == Class::Pipe) {
        let seconds = wait.time.as_secs_f64();
        time += seconds;
        if !matches!(&wait.target, Target::Pipe { other: Some(_), .. }) {
            out += seconds;
        }
    }
    ratio(out, time).min(1.0)
}

/// Of the waits of a class, the share of time in calls with a limit.
pub(super) fn timed_share(profile: &Profile, class: Class) -> f64 {
    let (mut time, mut timed) = (0.0, 0.0);
    for wait in profile.waits.iter().filter(|wait| wait.class == class) {
        time += wait.time.as_secs_f64();
        timed += wait.timed.as_secs_f64();
    }
    ratio(timed, time).min(1.0)
}
