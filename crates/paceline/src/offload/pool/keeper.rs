//! The thread that keeps watch while work waits: it refuses what has become late, also when all
//! threads are stuck, and lends a thread when niced ones get too little time.

use std::sync::PoisonError;
use std::time::Duration;

use super::{Phase, Pool};
use crate::offload::OffloadError;
use crate::offload::policy::{Floor, Glance};
use crate::offload::sync::lock;
use crate::offload::work::drop_safely;

/// How often it looks, unless something becomes late before.
const EVERY: Duration = Duration::from_millis(10);
/// How often it looks at most.
const AT_MOST_EVERY: Duration = Duration::from_millis(1);

impl Pool {
    /// The life of the keeper. `floor` is for pools with niced threads.
    pub(in crate::offload) fn keep(&self, mut floor: Option<Floor>) {
        let mut before = None;
        let mut state = lock(&self.state);
        loop {
            while !state.kept && state.phase == Phase::Open {
                before = None;
                state = self
                    .keep
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.phase == Phase::Ending {
                return;
            }
            let late_in = state
                .queue
                .late_at()
                .map_or(EVERY, |at| at.saturating_sub(self.now()));
            let pause = late_in.clamp(AT_MOST_EVERY, EVERY);
            state = self
                .keep
                .wait_timeout(state, pause)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            let late = state.queue.late(self.now());
            if !late.is_empty() {
                state.late += late.len() as u64;
                self.work_waits(&mut state);
                drop(state);
                for work in late {
                    work.refuse(OffloadError::DeadlinePassed);
                    drop_safely(work);
                }
                state = lock(&self.state);
            }
            if let Some(floor) = &mut floor {
                // Reading takes microseconds; submitters must not wait for it.
                let (schedules, busy) = (state.schedules.clone(), state.queue.busy());
                drop(state);
                let now = schedules
                    .iter()
                    .filter_map(|schedule| schedule.read())
                    .fold((Duration::ZERO, Duration::ZERO), |sum, one| {
                        (sum.0 + one.0, sum.1 + one.1)
                    });
                let since = before.replace(now).unwrap_or(now);
                let lends = floor.on(Glance {
                    ran: now.0.saturating_sub(since.0),
                    queued: now.1.saturating_sub(since.1),
                    // Those that have work, or were woken for some.
                    busy: busy.max(1),
                });
                state = lock(&self.state);
                state.lends = lends;
                if lends {
                    self.lend.notify_one();
                }
            }
            if state.queue.queued() == 0 && !state.lends {
                state.kept = false;
            }
        }
    }
}
