//! A job, and one try at it.

use std::time::{Duration, SystemTime};

use crate::input::Item;
use crate::output::Capture;
use crate::spawn::{Exit, Tree};

/// An item on its way through the run, from its first start to its end.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) item: Item,
    /// Counted from 0 in the order in which jobs were begun.
    pub(super) place: u64,
    /// Those that count: an attempt that was turned away as busy or killed to free memory does not.
    pub(super) attempts: u32,
    /// How often the kernel killed it because memory ran out.
    pub(super) killed_by_kernel: u32,
    /// Its last attempt failed.
    pub(super) failed_before: bool,
    /// Its last attempts were turned away as busy.
    pub(super) turned_away: Option<TurnedAway>,
    /// Attempts in all that were turned away as busy.
    pub(super) busy_answers: u32,
    /// When its first attempt was started: on our clock, and on the wall's.
    pub(super) first_start: Option<(Duration, SystemTime)>,
    /// Over all attempts.
    pub(super) user: Duration,
    pub(super) system: Duration,
    pub(super) peak_rss_bytes: u64,
}

impl Job {
    pub(super) fn new(item: Item, place: u64) -> Self {
        Self {
            item,
            place,
            attempts: 0,
            killed_by_kernel: 0,
            failed_before: false,
            turned_away: None,
            busy_answers: 0,
            first_start: None,
            user: Duration::ZERO,
            system: Duration::ZERO,
            peak_rss_bytes: 0,
        }
    }
}

/// Busy answers of a job in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct TurnedAway {
    pub(super) times: u32,
    pub(super) since: Duration,
}

/// A process that works on a job.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Tells it from earlier tenants of its place.
    pub(super) number: u32,
    pub(super) job: Job,
    /// `{%}`, counted from 1.
    pub(super) slot: usize,
    pub(super) pid: i32,
    pub(super) started: Duration,
    /// `None` where the job writes to our stream itself.
    pub(super) stdout: Option<Capture>,
    pub(super) stderr: Option<Capture>,
    /// Its streams are watched. Most short jobs end before that is worth it.
    pub(super) listened_to: bool,
    pub(super) timed_out: bool,
    /// Some of what it wrote could not be held: it does not count as done.
    pub(super) lost_output: bool,
    /// We asked it to end, because the run ends.
    pub(super) stopped_by_us: bool,
    /// We killed it to free memory. What it consisted of at that moment.
    pub(super) shed: Option<Tree>,
    /// Set when its process is gone; its streams may be held open by others.
    pub(super) ended: Option<(Exit, Duration)>,
}
