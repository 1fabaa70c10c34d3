//! A stage at which one item becomes several.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::control::Control;
use super::failure::Failure;
use super::leg::Way;
use super::order::Order;
use super::queue::{Cargo, Inlet, Over, Packet, Queue};
use super::station::Station;
use crate::failure::{FailureKind, panic_message};
use crate::on_error::OnError;
use crate::retry::Tries;

/// Splits items, on a thread of its own, and numbers what comes out anew.
pub(super) struct Splitter<T: Send + 'static, U: Send + 'static, F> {
    pub(super) control: Arc<Control>,
    pub(super) station: Arc<Station>,
    pub(super) queue: Arc<Queue<T>>,
    pub(super) out: Inlet<U>,
    pub(super) way: Arc<Way>,
    pub(super) on_error: OnError,
    pub(super) split: F,
    pub(super) seq: u64,
}

impl<T, U, F, I> Splitter<T, U, F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T) -> I + Send + 'static,
    I: IntoIterator<Item = U>,
{
    pub(super) fn run(mut self) {
        let mut order = Order::new(self.control.ordered);
        loop {
            let began = Instant::now();
            let Some(packet) = super::block_on(self.queue.take()) else {
                return;
            };
            self.station.meter.add_starved(began.elapsed());
            let mut next = order.put(packet);
            while let Some(packet) = next {
                if self.control.is_cancelled() || self.split(packet).is_err() {
                    return;
                }
                self.queue.settle();
                next = order.take();
            }
        }
    }

    fn split(&mut self, packet: Packet<T>) -> Result<(), Over> {
        let Packet {
            cargo,
            ticket,
            label,
            leg,
            ..
        } = packet;
        // It has arrived; what comes out is on the next leg.
        drop(leg);
        let item = match cargo {
            Cargo::Item(item) => item,
            Cargo::Failed(failure) => return self.put(Cargo::Failed(failure), ticket, label),
            Cargo::Gone => return Ok(()),
        };
        self.station.meter.works();
        let began = Instant::now();
        let mut blocked = std::time::Duration::ZERO;
        let mut parts = match catch_unwind(AssertUnwindSafe(|| (self.split)(item).into_iter())) {
            Ok(parts) => Some(parts),
            Err(panic) => {
                self.failed(&*panic, &ticket, label.as_ref())?;
                None
            }
        };
        while let Some(all) = &mut parts {
            match catch_unwind(AssertUnwindSafe(|| all.next())) {
                Ok(Some(part)) => {
                    let put = Instant::now();
                    self.put(Cargo::Item(part), ticket.child(), label.clone())?;
                    blocked += put.elapsed();
                }
                Ok(None) => break,
                Err(panic) => {
                    self.failed(&*panic, &ticket, label.as_ref())?;
                    self.station.meter.rests();
                    return Ok(());
                }
            }
        }
        if parts.is_some() {
            self.station.meter.done.fetch_add(1, Ordering::Relaxed);
        }
        self.station.meter.add_blocked(blocked);
        self.station
            .meter
            .add_busy(began.elapsed().saturating_sub(blocked));
        self.station.meter.rests();
        Ok(())
    }

    fn put(
        &mut self,
        cargo: Cargo<U>,
        ticket: super::budget::Ticket,
        label: Option<Arc<str>>,
    ) -> Result<(), Over> {
        let token = self.control.token.clone();
        let leg = super::block_on(async {
            tokio::select! {
                biased;
                leg = self.way.enter() => Ok(leg),
                () = token.cancelled() => Err(Over),
            }
        })?;
        let packet = Packet {
            seq: self.seq,
            cargo,
            ticket,
            label,
            leg: Some(leg),
            tries: Tries::default(),
        };
        self.seq += 1;
        self.out.put_blocking(packet, || {}).map(drop)
    }

    fn failed(
        &mut self,
        panic: &(dyn std::any::Any + Send),
        ticket: &super::budget::Ticket,
        label: Option<&Arc<str>>,
    ) -> Result<(), Over> {
        self.station.meter.failed.fetch_add(1, Ordering::Relaxed);
        let failure = Failure {
            stage: Arc::clone(&self.station.name),
            seq: self.seq,
            label: label.cloned(),
            attempts: 1,
            kind: FailureKind::Panic(panic_message(panic)),
        };
        match self.on_error {
            OnError::Stop => {
                self.control.stop(failure);
                Err(Over)
            }
            OnError::Collect => {
                self.control.collect(failure);
                Ok(())
            }
            OnError::Emit => self.put(
                Cargo::Failed(Box::new(failure)),
                ticket.child(),
                label.cloned(),
            ),
        }
    }
}
