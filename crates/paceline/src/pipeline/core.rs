//! What stages that work on items have in common: their workers, and what becomes of each attempt.
//!
//! A stage begins without a worker. Whoever puts an item into its queue starts one if none is idle and
//! the level allows another; so does a worker that leaves items behind in the queue, and the watch
//! over the levels. A worker above the level ends. The last word is the queue's: it closes when all
//! that were put in are settled, and then all workers end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::control::Control;
use super::failure::Failure;
use super::queue::{Cargo, Grow, Inlet, Packet, Queue};
use super::stage::Config;
use super::stage::sealed::Spare;
use super::station::Station;
use crate::failure::{BoxError, FailureKind, SharedError};
use crate::level::Ending;
use crate::on_error::OnError;
use crate::report::StageKind;
use crate::retry::ErrorKind;

/// Items that take longer than this are not held back: beside them, what it costs to wake a thread is
/// nothing.
const BRIEF: Duration = Duration::from_millis(10);

/// One stage that turns each `T` into a `U`; `K` says how.
pub(super) struct Core<T: Send + 'static, U: Send + 'static, K> {
    pub(super) station: Arc<Station>,
    pub(super) control: Arc<Control>,
    pub(super) queue: Arc<Queue<T>>,
    pub(super) out: Inlet<U>,
    pub(super) config: Config,
    spare: Spare<T>,
    pub(super) on_error: OnError,
    pub(super) kind: K,
    workers: AtomicUsize,
    idle: AtomicUsize,
}

/// How a stage's workers are started.
pub(super) trait Launch: Send + Sync {
    /// Starts another one; its place is taken already.
    fn launch(self: Arc<Self>) -> bool;
}

/// What an attempt came to.
pub(super) enum Tried<U> {
    Value(U),
    Failed(FailureKind, ErrorKind),
}

impl<U> Tried<U> {
    pub(super) fn ending(&self) -> Ending {
        match self {
            Self::Value(_) => Ending::Done,
            Self::Failed(_, ErrorKind::Busy | ErrorKind::BusyFor(_)) => Ending::Busy,
            Self::Failed(..) => Ending::Failed,
        }
    }
}

impl<T, U, K> Core<T, U, K>
where
    T: Send + 'static,
    U: Send + 'static,
    K: Send + Sync + 'static,
    Self: Launch,
{
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        station: Arc<Station>,
        control: &Arc<Control>,
        out: Inlet<U>,
        config: Config,
        spare: Spare<T>,
        on_error: OnError,
        kind: K,
    ) -> Arc<Self> {
        let core = Arc::new(Self {
            station: Arc::clone(&station),
            control: Arc::clone(control),
            queue: Queue::new(control),
            out,
            on_error: config.on_error.unwrap_or(on_error),
            config,
            spare,
            kind,
            workers: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
        });
        let grow: Arc<dyn Grow> = core.clone();
        if core.may_hold_back() {
            control.crew.add(Arc::downgrade(&grow));
        }
        control.add(station, Some(Arc::downgrade(&grow)));
        core
    }

    /// Where items for this stage are put.
    pub(super) fn inlet(self: &Arc<Self>) -> Inlet<T> {
        Inlet::new(Arc::clone(&self.queue), Some(self.clone()))
    }

    /// Starts a worker if there is something to do, nobody to do it, and room for one more.
    fn grow_if_needed(self: &Arc<Self>) {
        let limit = self.station.level.limit();
        if self.idle.load(Ordering::SeqCst) > 0
            || self.workers.load(Ordering::SeqCst) >= limit
            || self.control.is_cancelled()
            || self.queue.len() == 0
        {
            return;
        }
        if self.workers.fetch_add(1, Ordering::SeqCst) >= limit {
            self.workers.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        if Arc::clone(self).launch() {
            return;
        }
        let left = self.workers.fetch_sub(1, Ordering::SeqCst) - 1;
        self.station.level.refused(left);
        if left == 0 {
            self.control.stop(Failure {
                stage: Arc::clone(&self.config.name),
                seq: 0,
                label: None,
                attempts: 0,
                kind: FailureKind::Error(SharedError::from(BoxError::from(
                    "no thread can be started",
                ))),
            });
        }
    }

    /// Whether items for this stage may lie for a moment though workers sleep. Not where the user has
    /// set the level: then nobody may be watching over those that lie.
    fn may_hold_back(&self) -> bool {
        self.station.kind == StageKind::Blocking && !self.station.level.is_constant()
    }

    /// Whether this worker is one too many; if so it has lost its place.
    pub(super) fn is_surplus(&self) -> bool {
        let limit = self.station.level.limit();
        let surplus = |workers: usize| (workers > limit).then(|| workers - 1);
        let surplus = self
            .workers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, surplus)
            .is_ok();
        if surplus {
            self.queue.release();
        }
        surplus
    }

    /// This worker ends because nothing more will come.
    pub(super) fn leave(&self) {
        self.workers.fetch_sub(1, Ordering::SeqCst);
    }

    /// This worker has nothing to do. To be asked for items once more after it, since who put one in
    /// before may have counted on others.
    pub(super) fn idles(&self) {
        self.idle.fetch_add(1, Ordering::SeqCst);
    }

    /// It has again; others may be needed for the rest.
    pub(super) fn resumes(self: &Arc<Self>, idled: bool) {
        if idled {
            self.idle.fetch_sub(1, Ordering::SeqCst);
        }
        self.grow_if_needed();
    }

    /// What becomes of the item after an attempt: what goes on to the next stage, if anything.
    pub(super) fn settle(
        self: &Arc<Self>,
        mut packet: Packet<()>,
        spare: Option<T>,
        tried: Tried<U>,
    ) -> Option<Packet<U>> {
        let (failure, kind) = match tried {
            Tried::Value(value) => return Some(packet.with(Cargo::Item(value))),
            Tried::Failed(failure, kind) => (failure, kind),
        };
        let meter = &self.station.meter;
        if matches!(kind, ErrorKind::Busy | ErrorKind::BusyFor(_)) {
            meter.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        let patience = &self.config.patience;
        let rest = patience.rest(&mut packet.tries, kind, fastrand::f64());
        if let (Some(rest), Some(spare)) = (rest, spare) {
            meter.retried.fetch_add(1, Ordering::Relaxed);
            self.rest(packet, spare, rest);
            return None;
        }
        meter.failed.fetch_add(1, Ordering::Relaxed);
        let failure = Failure {
            stage: Arc::clone(&self.config.name),
            seq: packet.seq,
            label: packet.label.clone(),
            attempts: packet.tries.all,
            kind: failure,
        };
        let cargo = match self.on_error {
            OnError::Stop => {
                self.control.stop(failure);
                return None;
            }
            OnError::Collect => {
                self.control.collect(failure);
                Cargo::Gone
            }
            OnError::Emit => Cargo::Failed(Box::new(failure)),
        };
        if matches!(cargo, Cargo::Gone) && !self.control.ordered {
            self.queue.settle();
            return None;
        }
        Some(packet.with(cargo))
    }

    /// Puts the item back after a rest, which holds no worker.
    fn rest(self: &Arc<Self>, packet: Packet<()>, item: T, rest: Duration) {
        let core = Arc::clone(self);
        let tries = packet.tries;
        let mut packet = packet.with(Cargo::Item(item));
        packet.tries = tries;
        self.control.task(async move {
            tokio::time::sleep(rest).await;
            core.queue.put_back(packet).await;
            core.grow_if_needed();
        });
    }

    /// A copy for the next attempt, if there may be one.
    pub(super) fn spare(&self, item: &T) -> Option<T> {
        catch_unwind(AssertUnwindSafe(|| (self.spare)(item)))
            .ok()
            .flatten()
    }

    /// Judges an error.
    pub(super) fn judge(&self, error: SharedError) -> (FailureKind, ErrorKind) {
        if let Some(exit) = error.downcast_ref::<super::command::Exit>() {
            let kind = FailureKind::Exit {
                status: exit.status,
                stderr: exit.stderr.clone(),
            };
            let busy = exit.status.code() == Some(super::command::BUSY_EXIT);
            let says = match &self.config.classify {
                Some(judge) => judge(&error),
                None if busy => ErrorKind::Busy,
                None => ErrorKind::Transient,
            };
            return (kind, says);
        }
        let says = match &self.config.classify {
            Some(judge) => judge(&error),
            None => ErrorKind::Transient,
        };
        (FailureKind::Error(error), says)
    }

    pub(super) fn deadline(&self, began: Instant) -> Option<Instant> {
        self.config
            .timeout
            .and_then(|timeout| began.checked_add(timeout))
    }
}

impl<T, U, K> Grow for Core<T, U, K>
where
    T: Send + 'static,
    U: Send + 'static,
    K: Send + Sync + 'static,
    Self: Launch,
{
    fn grow(self: Arc<Self>) {
        self.grow_if_needed();
    }

    fn release(self: Arc<Self>) {
        self.queue.release();
        self.grow_if_needed();
    }

    /// One for each worker that is at work, if all cores compute and items are short: then an item
    /// waits for no longer than one takes.
    fn can_wait(&self, queued: usize) -> bool {
        if !self.may_hold_back() || !self.control.crew.is_full() {
            return false;
        }
        let idle = self.idle.load(Ordering::SeqCst);
        let at_work = self.workers.load(Ordering::SeqCst).saturating_sub(idle);
        queued <= at_work && self.station.meter.mean().is_some_and(|mean| mean < BRIEF)
    }
}

/// Splits an item from what travels with it, or passes on what is none.
pub(super) fn unpack<T, U>(packet: Packet<T>) -> Result<(Packet<()>, T), Packet<U>> {
    let Packet {
        seq,
        cargo,
        ticket,
        label,
        leg,
        tries,
    } = packet;
    let packet = Packet {
        seq,
        cargo: Cargo::Item(()),
        ticket,
        label,
        leg,
        tries,
    };
    match cargo {
        Cargo::Item(item) => Ok((packet, item)),
        Cargo::Failed(failure) => Err(packet.with(Cargo::Failed(failure))),
        Cargo::Gone => Err(packet.with(Cargo::Gone)),
    }
}
