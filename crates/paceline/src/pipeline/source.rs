//! Where items come from. Only here do they wait for the budget.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::control::{Armed, Control};
use super::failure::Failure;
use super::leg::Way;
use super::queue::{Cargo, Inlet, Over, Packet};
use crate::failure::{FailureKind, panic_message};
use crate::retry::Tries;

/// Numbers items and lets them in.
struct Gate<T: Send + 'static> {
    control: Arc<Control>,
    way: Arc<Way>,
    out: Inlet<T>,
    seq: u64,
}

impl<T: Send + 'static> Gate<T> {
    async fn admit(&mut self, item: T) -> Packet<T> {
        // Who waits for the budget is not on the way yet: a batch must see that nothing more comes.
        let ticket = self.control.purse.admit(self.out.weight(&item)).await;
        let leg = self.way.enter().await;
        let seq = self.seq;
        self.seq += 1;
        self.control.items.store(self.seq, Ordering::Relaxed);
        Packet {
            seq,
            cargo: Cargo::Item(item),
            ticket,
            label: None,
            leg: Some(leg),
            tries: Tries::default(),
        }
    }

    async fn put(&mut self, item: T) -> Result<(), Over> {
        let packet = self.admit(item).await;
        self.out.put(packet).await.map(drop)
    }

    fn waited(&self, took: Duration) {
        self.control
            .source_waited
            .fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    fn panicked(&self, panic: &(dyn std::any::Any + Send)) {
        self.control.stop(Failure {
            stage: "source".into(),
            seq: self.seq,
            label: None,
            attempts: 1,
            kind: FailureKind::Panic(panic_message(panic)),
        });
    }
}

/// Starts a thread that pulls from an iterator, which may block.
pub(super) fn from_iter<T, I>(items: I, control: &Arc<Control>, way: Arc<Way>, out: Inlet<T>)
where
    T: Send + 'static,
    I: Iterator<Item = T> + Send + 'static,
{
    let mut gate = Gate {
        control: Arc::clone(control),
        way,
        out,
        seq: 0,
    };
    let mut items = items;
    let started = control.thread("paceline-source", move || {
        while !gate.control.is_cancelled() {
            let began = Instant::now();
            let item = match catch_unwind(AssertUnwindSafe(|| items.next())) {
                Ok(Some(item)) => item,
                Ok(None) => return,
                Err(panic) => return gate.panicked(&*panic),
            };
            gate.waited(began.elapsed());
            let token = gate.control.token.clone();
            let put = super::block_on(async {
                tokio::select! {
                    biased;
                    put = gate.put(item) => put,
                    () = token.cancelled() => Err(Over),
                }
            });
            if put.is_err() {
                return;
            }
        }
    });
    if !started {
        control.stop(Failure {
            stage: "source".into(),
            seq: 0,
            label: None,
            attempts: 0,
            kind: FailureKind::Panic("no thread can be started".into()),
        });
    }
}

/// Starts a task that takes from a stream.
pub(super) fn from_stream<T, S>(items: S, control: &Arc<Control>, way: Arc<Way>, out: Inlet<T>)
where
    T: Send + 'static,
    S: Stream<Item = T> + Send + 'static,
{
    let mut gate = Gate {
        control: Arc::clone(control),
        way,
        out,
        seq: 0,
    };
    control.task(async move {
        let armed = Armed::new(&gate.control);
        let mut items = pin!(items);
        loop {
            let began = Instant::now();
            let next = std::future::poll_fn(|cx| {
                match catch_unwind(AssertUnwindSafe(|| items.as_mut().poll_next(cx))) {
                    Ok(std::task::Poll::Pending) => std::task::Poll::Pending,
                    Ok(std::task::Poll::Ready(item)) => std::task::Poll::Ready(Ok(item)),
                    Err(panic) => std::task::Poll::Ready(Err(panic)),
                }
            });
            let item = match next.await {
                Ok(Some(item)) => item,
                Ok(None) => break,
                Err(panic) => {
                    gate.panicked(&*panic);
                    break;
                }
            };
            gate.waited(began.elapsed());
            if gate.put(item).await.is_err() {
                break;
            }
            tokio::task::coop::consume_budget().await;
        }
        armed.disarm();
    });
}
