//! One worker thread's account of its items, told to the level in stints.

use std::sync::Arc;
use std::time::Duration;

use super::{Level, Stint};
use crate::threads::{Member, Roster, cpu_time};

/// How an attempt at an item ended, as far as the level is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Failed,
    /// What it depends on was busy.
    Busy,
}

/// From when a worker thread starts until it ends.
#[derive(Debug)]
pub(crate) struct Shift<'a> {
    level: &'a Level,
    roster: &'a Roster,
    member: Arc<Member>,
    stint: Option<Stint>,
    /// The thread's CPU time when the stint began.
    cpu: Duration,
}

impl<'a> Shift<'a> {
    /// Begins one for the calling thread.
    pub(crate) fn begin(level: &'a Level, roster: &'a Roster) -> Self {
        Self {
            level,
            roster,
            member: roster.enter(),
            stint: None,
            cpu: Duration::ZERO,
        }
    }

    /// An item begins.
    pub(crate) fn item_begins(&mut self) {
        if self.level.is_constant() || self.stint.is_some() {
            return;
        }
        self.cpu = cpu_time();
        self.stint = Some(self.level.begin());
        self.member.set_at_work(true);
    }

    /// It ended after `wall`.
    pub(crate) fn item_ended(&mut self, wall: Duration, ending: Ending) {
        let Some(mut stint) = self.stint.take() else {
            return;
        };
        if ending == Ending::Busy {
            stint.wall += wall;
            self.level.turned_away(stint, self.used());
            self.member.set_at_work(false);
        } else if self.level.count(&mut stint, wall, ending == Ending::Failed) {
            self.level.end(stint, self.used());
            self.member.set_at_work(false);
        } else {
            self.stint = Some(stint);
        }
    }

    /// The worker has to wait for its next item, or for room.
    pub(crate) fn pauses(&mut self) {
        if let Some(stint) = self.stint.take() {
            self.level.end_early(stint, self.used());
            self.member.set_at_work(false);
        }
    }

    fn used(&self) -> Duration {
        cpu_time().saturating_sub(self.cpu)
    }
}

impl Drop for Shift<'_> {
    fn drop(&mut self) {
        self.pauses();
        self.roster.leave(&self.member);
    }
}
