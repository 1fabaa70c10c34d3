//! What goes from one stage to the next, and the queue that it goes through.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::budget::Ticket;
use super::buffer::{Buffer, Nothing, Outlet, Refused};
use super::control::Control;
use super::failure::Failure;
use super::leg::Leg;
use super::sink::Sink;
use crate::retry::Tries;

/// One item on its way, with all that belongs to it.
#[derive(Debug)]
pub(super) struct Packet<T> {
    /// Its place among those of its leg.
    pub(super) seq: u64,
    pub(super) cargo: Cargo<T>,
    pub(super) ticket: Ticket,
    pub(super) label: Option<Arc<str>>,
    pub(super) leg: Option<Leg>,
    /// In the stage that it is at.
    pub(super) tries: Tries,
}

#[derive(Debug)]
pub(super) enum Cargo<T> {
    Item(T),
    /// It failed, and that is to come out.
    Failed(Box<Failure>),
    /// It failed, and its place is empty.
    Gone,
}

impl<T> Packet<T> {
    /// The same with another cargo, for the next stage.
    pub(super) fn with<U>(self, cargo: Cargo<U>) -> Packet<U> {
        Packet {
            seq: self.seq,
            cargo,
            ticket: self.ticket,
            label: self.label,
            leg: self.leg,
            tries: Tries::default(),
        }
    }
}

/// A bounded queue that knows when nothing more will come, though items may be put back into it.
#[derive(Debug)]
pub(super) struct Queue<T> {
    buffer: Arc<Buffer<Packet<T>>>,
    /// Items that were put in and are not settled, and one for whoever puts them in.
    pending: AtomicUsize,
}

impl<T: Send + 'static> Queue<T> {
    pub(super) fn new(control: &Control) -> Arc<Self> {
        let buffer = Arc::new(Buffer::new(control.queue));
        let closes = Arc::clone(&buffer);
        control.on_cancel(move || closes.close());
        Arc::new(Self {
            buffer,
            pending: AtomicUsize::new(1),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Wakes those that wait, if something was held back from them.
    pub(super) fn release(&self) {
        self.buffer.release();
    }

    pub(super) fn try_take(&self) -> Result<Packet<T>, Nothing> {
        self.buffer.try_take()
    }

    /// The next item; `None` if nothing more will come.
    pub(super) async fn take(&self) -> Option<Packet<T>> {
        self.buffer.take().await
    }

    pub(super) fn take_blocking(&self) -> Option<Packet<T>> {
        super::block_on(self.buffer.take())
    }

    pub(super) fn outlet(&self) -> Outlet<Packet<T>> {
        Outlet::new(&self.buffer)
    }

    /// Puts an item back that was taken and is not settled.
    pub(super) async fn put_back(&self, packet: Packet<T>) {
        // Closed only when all is given up.
        self.buffer.put(packet).await;
    }

    /// An item that was taken will not be put back.
    pub(super) fn settle(&self) {
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.buffer.close();
        }
    }
}

/// A stage as seen by whoever puts items into its queue.
pub(super) trait Grow: Send + Sync {
    /// Makes another worker if there is more to do than there are workers for.
    fn grow(self: Arc<Self>);

    /// Holds nothing back any longer.
    fn release(self: Arc<Self>);

    /// With so many items in its queue, those at work will come for them soon enough.
    fn can_wait(&self, queued: usize) -> bool;
}

type Weigh<T> = Arc<dyn Fn(&T) -> usize + Send + Sync>;
type Name<T> = Arc<dyn Fn(&T) -> String + Send + Sync>;

/// Where a stage puts its items. Dropping it says that no more will come.
pub(super) struct Inlet<T: Send + 'static> {
    to: To<T>,
    weigh: Option<Weigh<T>>,
    name: Option<Name<T>>,
}

enum To<T: Send + 'static> {
    /// The queue of the next stage, and what makes more of its workers.
    Queue(Arc<Queue<T>>, Option<Arc<dyn Grow>>),
    Sink(Arc<Sink<T>>),
}

/// Everything was given up.
#[derive(Debug)]
pub(super) struct Over;

impl<T: Send + 'static> Inlet<T> {
    pub(super) fn new(queue: Arc<Queue<T>>, grow: Option<Arc<dyn Grow>>) -> Self {
        Self::to(To::Queue(queue, grow))
    }

    pub(super) fn into_sink(sink: Arc<Sink<T>>) -> Self {
        Self::to(To::Sink(sink))
    }

    fn to(to: To<T>) -> Self {
        Self {
            to,
            weigh: None,
            name: None,
        }
    }

    pub(super) fn weighing(mut self, weigh: Weigh<T>) -> Self {
        self.weigh = Some(weigh);
        self
    }

    pub(super) fn naming(mut self, name: Name<T>) -> Self {
        self.name = Some(name);
        self
    }

    /// What an item weighs, if that is known here.
    pub(super) fn weight(&self, item: &T) -> Option<u64> {
        self.weigh.as_ref().map(|weigh| weigh(item) as u64)
    }

    /// Puts an item in; says how long that had to wait for room.
    pub(super) async fn put(&self, packet: Packet<T>) -> Result<Duration, Over> {
        match self.begin(packet)? {
            None => Ok(Duration::ZERO),
            Some(waits) => waits.put().await,
        }
    }

    /// The same, blocking; `full` is called before it waits.
    pub(super) fn put_blocking(
        &self,
        packet: Packet<T>,
        full: impl FnOnce(),
    ) -> Result<Duration, Over> {
        match self.begin(packet)? {
            None => Ok(Duration::ZERO),
            Some(waits) => {
                full();
                super::block_on(waits.put())
            }
        }
    }

    /// Puts it in if there is room.
    fn begin(&self, mut packet: Packet<T>) -> Result<Option<Waits<'_, T>>, Over> {
        if let Cargo::Item(item) = &packet.cargo {
            if let Some(weight) = self.weight(item) {
                packet.ticket.weigh(weight);
            }
            if let Some(name) = &self.name {
                packet.label = Some(name(item).into());
            }
        }
        let (queue, grow) = match &self.to {
            To::Queue(queue, grow) => (queue, grow.as_ref()),
            To::Sink(sink) => return sink.put(packet).map(|()| None),
        };
        queue.pending.fetch_add(1, Ordering::AcqRel);
        let can_wait = |queued| grow.is_some_and(|stage| stage.can_wait(queued));
        match queue.buffer.try_put(packet, can_wait) {
            Ok(()) => {
                more(grow);
                Ok(None)
            }
            Err(Refused::Full(packet)) => Ok(Some(Waits {
                packet,
                queue,
                grow,
            })),
            Err(Refused::Closed) => Err(Over),
        }
    }
}

fn more(grow: Option<&Arc<dyn Grow>>) {
    if let Some(grow) = grow {
        Arc::clone(grow).grow();
    }
}

/// A packet for which there is no room yet.
struct Waits<'a, T> {
    packet: Packet<T>,
    queue: &'a Queue<T>,
    grow: Option<&'a Arc<dyn Grow>>,
}

impl<T: Send + 'static> Waits<'_, T> {
    /// Puts it in as soon as there is room; says how long that took.
    async fn put(self) -> Result<Duration, Over> {
        let began = Instant::now();
        if !self.queue.buffer.put(self.packet).await {
            return Err(Over);
        }
        more(self.grow);
        Ok(began.elapsed())
    }
}

impl<T: Send + 'static> Drop for Inlet<T> {
    fn drop(&mut self) {
        match &self.to {
            To::Queue(queue, _) => queue.settle(),
            To::Sink(sink) => sink.close(),
        }
    }
}
