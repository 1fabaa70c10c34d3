//! The end of a run whose values are collected: workers of the last stage put them there themselves, so
//! that nobody has to be woken for each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::control::Control;
use super::order::Order;
use super::queue::{Cargo, Over, Packet};

pub(super) struct Sink<T> {
    control: Arc<Control>,
    state: Mutex<State<T>>,
    /// Nothing more will come.
    over: CancellationToken,
}

struct State<T> {
    order: Order<T>,
    values: Vec<T>,
}

impl<T: Send + 'static> Sink<T> {
    pub(super) fn new(control: &Arc<Control>) -> Arc<Self> {
        let over = CancellationToken::new();
        let given_up = over.clone();
        control.on_cancel(move || given_up.cancel());
        Arc::new(Self {
            control: Arc::clone(control),
            state: Mutex::new(State {
                order: Order::new(control.ordered),
                values: Vec::new(),
            }),
            over,
        })
    }

    /// Something came out.
    pub(super) fn put(&self, packet: Packet<T>) -> Result<(), Over> {
        if self.control.is_cancelled() {
            return Err(Over);
        }
        let mut state = self.lock();
        let mut next = state.order.put(packet);
        while let Some(packet) = next {
            match packet.cargo {
                Cargo::Item(value) => state.values.push(value),
                Cargo::Failed(failure) => self.control.collect(*failure),
                Cargo::Gone => {}
            }
            next = state.order.take();
        }
        Ok(())
    }

    /// Nothing more will be put in.
    pub(super) fn close(&self) {
        self.over.cancel();
    }

    /// Waits for the end, or until all is given up.
    pub(super) async fn is_over(&self) {
        self.over.cancelled().await;
    }

    /// What came out.
    pub(super) fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.lock().values)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
