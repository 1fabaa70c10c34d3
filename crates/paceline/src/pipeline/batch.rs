//! A stage at which several items become one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::budget::Ticket;
use super::control::{Armed, Control};
use super::leg::Way;
use super::order::Order;
use super::queue::{Cargo, Inlet, Over, Packet, Queue};
use super::station::Station;
use crate::retry::Tries;

/// When a batch is full. It is passed on then, at the end, and also when the budget lets nothing more
/// in that could fill it.
///
/// ```
/// use std::time::Duration;
/// use paceline::Batch;
///
/// let batch = Batch::items(500).bytes(1 << 20).within(Duration::from_secs(1));
/// assert_eq!(batch, batch.clone());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Batch {
    items: usize,
    bytes: u64,
    within: Option<Duration>,
}

impl Batch {
    /// With so many items. 0 is taken as 1.
    ///
    /// ```
    /// assert_eq!(paceline::Batch::items(500), paceline::Batch::from(500));
    /// ```
    pub fn items(items: usize) -> Self {
        Self {
            items: items.max(1),
            bytes: u64::MAX,
            within: None,
        }
    }

    /// Or with so many bytes, as [`Pipeline::weigh`](crate::Pipeline::weigh) counts them. The item
    /// that reaches them is in it.
    ///
    /// ```
    /// let megabytes = paceline::Batch::items(usize::MAX).bytes(1 << 20);
    /// ```
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Or when so long has passed since its first item.
    ///
    /// ```
    /// let each_second = paceline::Batch::items(500).within(std::time::Duration::from_secs(1));
    /// ```
    pub fn within(mut self, time: Duration) -> Self {
        self.within = Some(time);
        self
    }
}

impl From<usize> for Batch {
    fn from(items: usize) -> Self {
        Self::items(items)
    }
}

/// Gathers items, on a task of its own, and numbers the batches.
pub(super) struct Gatherer<T: Send + 'static> {
    pub(super) control: Arc<Control>,
    pub(super) station: Arc<Station>,
    pub(super) queue: Arc<Queue<T>>,
    pub(super) out: Inlet<Vec<T>>,
    /// That items come on, and that batches leave on.
    pub(super) from: Arc<Way>,
    pub(super) to: Arc<Way>,
    pub(super) batch: Batch,
    pub(super) held: Vec<T>,
    pub(super) ticket: Ticket,
    pub(super) began: Option<Instant>,
    pub(super) seq: u64,
}

impl<T: Send + 'static> Gatherer<T> {
    pub(super) async fn run(mut self) {
        let armed = Armed::new(&self.control);
        if self.gather().await.is_ok() {
            let _ = self.pass_on().await;
        }
        armed.disarm();
    }

    async fn gather(&mut self) -> Result<(), Over> {
        let mut order = Order::new(self.control.ordered);
        while let Some(next) = self.next().await? {
            self.queue.settle();
            let mut next = order.put(next);
            while let Some(packet) = next {
                self.take(packet).await?;
                next = order.take();
            }
        }
        Ok(())
    }

    /// The next item, or `None` if there is none; passes on what can wait no longer.
    async fn next(&mut self) -> Result<Option<Packet<T>>, Over> {
        loop {
            let (purse, from) = (Arc::clone(&self.control.purse), Arc::clone(&self.from));
            // Both are asked to tell before they are looked at, so that nothing is missed.
            let mut waits = std::pin::pin!(purse.waits.notified());
            let mut empty = std::pin::pin!(from.empty.notified());
            waits.as_mut().enable();
            empty.as_mut().enable();
            let stuck = purse.is_waited_for() && from.is_empty() && self.queue.len() == 0;
            if stuck && !self.held.is_empty() {
                self.pass_on().await?;
                continue;
            }
            let due = self.batch.within.zip(self.began);
            let due = due.and_then(|(within, began)| began.checked_add(within));
            let began = Instant::now();
            let queue = Arc::clone(&self.queue);
            tokio::select! {
                biased;
                packet = queue.take() => {
                    self.station.meter.add_starved(began.elapsed());
                    return if self.control.is_cancelled() { Err(Over) } else { Ok(packet) };
                }
                () = sleep_until(due) => self.pass_on().await?,
                () = waits => {}
                () = empty => {}
            }
        }
    }

    async fn take(&mut self, packet: Packet<T>) -> Result<(), Over> {
        let Packet {
            cargo,
            ticket,
            label,
            leg,
            ..
        } = packet;
        drop(leg);
        match cargo {
            Cargo::Item(item) => {
                self.held.push(item);
                self.ticket.merge(ticket);
                self.began.get_or_insert_with(Instant::now);
                self.station.meter.done.fetch_add(1, Ordering::Relaxed);
                if self.held.len() >= self.batch.items || self.ticket.charged() >= self.batch.bytes
                {
                    self.pass_on().await?;
                }
                Ok(())
            }
            Cargo::Failed(failure) => self.put(Cargo::Failed(failure), ticket, label).await,
            Cargo::Gone => Ok(()),
        }
    }

    async fn pass_on(&mut self) -> Result<(), Over> {
        self.began = None;
        if self.held.is_empty() {
            return Ok(());
        }
        let items = std::mem::take(&mut self.held);
        let ticket = std::mem::take(&mut self.ticket);
        self.put(Cargo::Item(items), ticket, None).await
    }

    async fn put(
        &mut self,
        cargo: Cargo<Vec<T>>,
        ticket: Ticket,
        label: Option<Arc<str>>,
    ) -> Result<(), Over> {
        let packet = Packet {
            seq: self.seq,
            cargo,
            ticket,
            label,
            leg: Some(self.to.enter().await),
            tries: Tries::default(),
        };
        self.seq += 1;
        let waited = self.out.put(packet).await?;
        self.station.meter.add_blocked(waited);
        Ok(())
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
