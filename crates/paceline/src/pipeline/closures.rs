//! Stages of closures, `.cpu` and `.blocking`: worker threads of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::buffer::Nothing;
use super::core::{Core, Launch, Tried, unpack};
use super::crew::Place;
use super::queue::Packet;
use super::sync::{Condvar, Mutex};
use crate::cx::Cx;
use crate::failure::{FailureKind, SharedError, panic_message};
use crate::level::Shift;
use crate::meter::Tally;
use crate::report::StageKind;
use crate::retry::ErrorKind;

/// A closure, and the cores that it shares with other stages that compute.
pub(super) struct Closure<F> {
    pub(super) work: F,
    pub(super) cores: Option<Arc<Cores>>,
}

/// A worker looks so often whether something has come before it goes to sleep, if items are so short
/// that waking it would cost more than they do. Where they are longer, all that sleep take a core from
/// the work each time that one of them looks.
const LOOKS: u32 = 8;
const SHORT: Duration = Duration::from_micros(50);

impl<T, U, F> Launch for Core<T, U, Closure<F>>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(&Cx, T) -> Result<U, SharedError> + Send + Sync + 'static,
{
    fn launch(self: Arc<Self>) -> bool {
        let control = Arc::clone(&self.control);
        let name = format!("paceline-{}", self.config.name);
        control.thread(name.get(..15).unwrap_or(&name), move || {
            let handle = self.control.handle.clone();
            let _entered = handle.enter();
            self.work();
        })
    }
}

impl<T, U, F> Core<T, U, Closure<F>>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(&Cx, T) -> Result<U, SharedError> + Send + Sync + 'static,
{
    /// A worker thread, from its start to its end.
    fn work(self: Arc<Self>) {
        let station = Arc::clone(&self.station);
        let mut hand = Hand {
            shift: Shift::begin(&station.level, &station.roster),
            tally: Tally::new(&station.meter),
            cx: Cx::new(Arc::<AtomicBool>::clone(&self.control.cancelled), None),
            last: Duration::ZERO,
            place: Place::take((station.kind == StageKind::Cpu).then_some(&self.control.crew)),
        };
        loop {
            let Some(packet) = self.next(&mut hand) else {
                self.leave();
                return;
            };
            let out = match unpack(packet) {
                Ok((packet, item)) => {
                    station.meter.works();
                    let out = self.attempt(packet, item, &mut hand);
                    station.meter.rests();
                    out
                }
                Err(passed_on) => Some(passed_on),
            };
            if let Some(out) = out {
                let put = self.out.put_blocking(out, || hand.pauses());
                hand.place.computes();
                self.queue.settle();
                match put {
                    Ok(waited) if waited.is_zero() => {}
                    Ok(waited) => station.meter.add_blocked(waited),
                    Err(_) => return self.leave(),
                }
            }
            if self.is_surplus() {
                return;
            }
        }
    }

    fn next(self: &Arc<Self>, hand: &mut Hand<'_>) -> Option<Packet<T>> {
        for look in (0..hand.looks()).rev() {
            match self.queue.try_take() {
                Ok(packet) => {
                    self.resumes(false);
                    return self.unless_cancelled(packet);
                }
                Err(Nothing::Ever) => return None,
                Err(Nothing::Yet) if look > 0 => std::thread::yield_now(),
                Err(Nothing::Yet) => {}
            }
        }
        hand.shift.pauses();
        let began = Instant::now();
        hand.tally.add_up(began);
        self.idles();
        hand.place.pauses();
        let packet = self.queue.take_blocking();
        hand.place.computes();
        self.resumes(true);
        self.station.meter.add_starved(began.elapsed());
        self.unless_cancelled(packet?)
    }

    fn unless_cancelled(&self, packet: Packet<T>) -> Option<Packet<T>> {
        (!self.control.is_cancelled()).then_some(packet)
    }

    fn attempt(
        self: &Arc<Self>,
        packet: Packet<()>,
        item: T,
        hand: &mut Hand<'_>,
    ) -> Option<Packet<U>> {
        let spare = self.spare(&item);
        let turn = self.kind.cores.as_deref().map(Cores::turn);
        hand.shift.item_begins();
        let began = Instant::now();
        let deadline = self.deadline(began);
        hand.cx.next(packet.tries.all.saturating_add(1), deadline);
        let tried = catch_unwind(AssertUnwindSafe(|| {
            (self.kind.work)(&hand.cx, item).map_err(|error| self.judge(error))
        }));
        let now = Instant::now();
        drop(turn);
        let tried = match tried {
            _ if deadline.is_some_and(|deadline| now > deadline) => Tried::Failed(
                FailureKind::TimedOut(self.config.timeout.unwrap_or_default()),
                ErrorKind::Transient,
            ),
            Ok(Ok(value)) => Tried::Value(value),
            Ok(Err(_)) if self.control.is_cancelled() => return None,
            Ok(Err((failure, kind))) => Tried::Failed(failure, kind),
            Err(panic) => {
                let message = panic_message(&*panic);
                // Dropping what was thrown may throw again.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
                Tried::Failed(FailureKind::Panic(message), ErrorKind::Transient)
            }
        };
        hand.last = now.saturating_duration_since(began);
        hand.shift.item_ended(hand.last, tried.ending());
        hand.tally.attempt(now, hand.last);
        if matches!(tried, Tried::Value(_)) {
            hand.tally.done();
        }
        self.settle(packet, spare, tried)
    }
}

/// What a worker thread takes along from item to item.
struct Hand<'a> {
    shift: Shift<'a>,
    tally: Tally<'a>,
    cx: Cx,
    /// How long the last attempt took.
    last: Duration,
    place: Place<'a>,
}

impl Hand<'_> {
    /// It has nothing to do, or no room for what it did.
    fn pauses(&mut self) {
        self.shift.pauses();
        self.place.pauses();
    }

    fn looks(&self) -> u32 {
        if self.last < SHORT { LOOKS } else { 1 }
    }
}

/// The cores, shared by all stages that compute: one turn per core.
#[derive(Debug)]
pub(super) struct Cores {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Cores {
    pub(super) fn new(cores: usize) -> Self {
        Self {
            free: Mutex::new(cores.max(1)),
            freed: Condvar::new(),
        }
    }

    /// Waits for a core that is free.
    pub(super) fn turn(&self) -> Turn<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self
                .freed
                .wait(free)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Turn(self)
    }
}

/// A turn at a core, until it is dropped.
pub(super) struct Turn<'a>(&'a Cores);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
