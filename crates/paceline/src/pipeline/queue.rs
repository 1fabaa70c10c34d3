//! What goes from one stage to the next, and the queue that it goes through.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};

use super::budget::Ticket;
use super::control::Control;
use super::failure::Failure;
use super::leg::Leg;
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
    sender: Sender<Packet<T>>,
    receiver: Receiver<Packet<T>>,
    /// Items that were put in and are not settled, and one for whoever puts them in.
    pending: AtomicUsize,
}

impl<T: Send + 'static> Queue<T> {
    pub(super) fn new(control: &Control) -> Arc<Self> {
        let (sender, receiver) = bounded(control.queue);
        let closes = sender.clone();
        control.on_cancel(move || {
            closes.close();
        });
        Arc::new(Self {
            sender,
            receiver,
            pending: AtomicUsize::new(1),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.receiver.len()
    }

    pub(super) fn try_take(&self) -> Result<Packet<T>, TryRecvError> {
        self.receiver.try_recv()
    }

    /// The next item; `None` if nothing more will come.
    pub(super) async fn take(&self) -> Option<Packet<T>> {
        self.receiver.recv().await.ok()
    }

    pub(super) fn take_blocking(&self) -> Option<Packet<T>> {
        self.receiver.recv_blocking().ok()
    }

    pub(super) fn receiver(&self) -> Receiver<Packet<T>> {
        self.receiver.clone()
    }

    /// Puts an item back that was taken and is not settled.
    pub(super) async fn put_back(&self, packet: Packet<T>) {
        // Closed only when all is given up.
        let _ = self.sender.send(packet).await;
    }

    /// An item that was taken will not be put back.
    pub(super) fn settle(&self) {
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.sender.close();
        }
    }
}

/// Makes more of itself if there is more to do than it has workers for.
pub(super) trait Grow: Send + Sync {
    fn grow(self: Arc<Self>);
}

type Weigh<T> = Arc<dyn Fn(&T) -> usize + Send + Sync>;
type Name<T> = Arc<dyn Fn(&T) -> String + Send + Sync>;

/// The end of a queue where items are put in. Dropping it says that no more will come.
pub(super) struct Inlet<T: Send + 'static> {
    queue: Arc<Queue<T>>,
    grow: Option<Arc<dyn Grow>>,
    weigh: Option<Weigh<T>>,
    name: Option<Name<T>>,
}

/// Everything was given up.
#[derive(Debug)]
pub(super) struct Over;

impl<T: Send + 'static> Inlet<T> {
    pub(super) fn new(queue: Arc<Queue<T>>, grow: Option<Arc<dyn Grow>>) -> Self {
        Self {
            queue,
            grow,
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
            Some(packet) => {
                let began = Instant::now();
                self.queue.sender.send(packet).await.map_err(|_| Over)?;
                self.grow();
                Ok(began.elapsed())
            }
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
            Some(packet) => {
                full();
                let began = Instant::now();
                self.queue.sender.send_blocking(packet).map_err(|_| Over)?;
                self.grow();
                Ok(began.elapsed())
            }
        }
    }

    /// Puts it in if there is room, or gives it back.
    fn begin(&self, mut packet: Packet<T>) -> Result<Option<Packet<T>>, Over> {
        if let Cargo::Item(item) = &packet.cargo {
            if let Some(weight) = self.weight(item) {
                packet.ticket.weigh(weight);
            }
            if let Some(name) = &self.name {
                packet.label = Some(name(item).into());
            }
        }
        self.queue.pending.fetch_add(1, Ordering::AcqRel);
        match self.queue.sender.try_send(packet) {
            Ok(()) => {
                self.grow();
                Ok(None)
            }
            Err(TrySendError::Full(packet)) => Ok(Some(packet)),
            Err(TrySendError::Closed(_)) => Err(Over),
        }
    }

    fn grow(&self) {
        if let Some(grow) = &self.grow {
            Arc::clone(grow).grow();
        }
    }
}

impl<T: Send + 'static> Drop for Inlet<T> {
    fn drop(&mut self) {
        self.queue.settle();
    }
}
