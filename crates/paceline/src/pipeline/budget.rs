//! What may be in a pipeline at once: items, and bytes as weighed.
//!
//! Only the source waits for the budget. What an item was charged travels with it and is given back
//! when it leaves; if it grows on the way, the growth is a debt that holds the source back, but
//! nobody inside ever waits for it: whoever waited inside would hold what it waits for.
//!
//! An item that is weighed only after some stage is charged what earlier ones came to weigh. Until
//! the first has been weighed, few are let in.

use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::sync::{Mutex, MutexGuard};

/// How much may be in a pipeline at once.
///
/// The source is held back while there is more. An item that weighs more than the whole budget is
/// let in alone.
///
/// ```
/// use paceline::Budget;
///
/// let budget = Budget::items(512).bytes(64 << 20);
/// assert_eq!(Budget::default(), Budget::items(1024));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Budget {
    items: u64,
    bytes: u64,
}

impl Budget {
    /// So many items, and any number of bytes. 0 is taken as 1.
    ///
    /// ```
    /// assert_eq!(paceline::Budget::items(0), paceline::Budget::items(1));
    /// ```
    pub fn items(items: u64) -> Self {
        Self {
            items: items.max(1),
            bytes: u64::MAX,
        }
    }

    /// The same with so many bytes, as [`Pipeline::weigh`](crate::Pipeline::weigh) counts them.
    ///
    /// ```
    /// let budget = paceline::Budget::items(512).bytes(64 << 20);
    /// ```
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }
}

impl Default for Budget {
    /// 1,024 items, and any number of bytes.
    fn default() -> Self {
        Self::items(1024)
    }
}

/// Items let in before any weight is known, if bytes are counted.
const UNWEIGHED: u64 = 16;
/// The part of what is expected that one more weighing changes.
const LEARN: f64 = 0.25;

/// The accounts, as a plain state machine.
#[derive(Debug)]
pub(super) struct Ledger {
    budget: Budget,
    items: u64,
    bytes: u64,
    peak_items: u64,
    peak_bytes: u64,
    /// What an item comes to weigh.
    expected: Option<f64>,
}

impl Ledger {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            budget,
            items: 0,
            bytes: 0,
            peak_items: 0,
            peak_bytes: 0,
            expected: None,
        }
    }

    /// Lets an item in and says what it was charged, or `None` if it has to wait. `weight` is in
    /// bytes, where it is known.
    pub(super) fn admit(&mut self, weight: Option<u64>) -> Option<u64> {
        let charge = weight.unwrap_or(self.expected.unwrap_or(0.0) as u64);
        let counts_bytes = self.budget.bytes < u64::MAX;
        let most = match (weight, self.expected) {
            (None, None) if counts_bytes => self.budget.items.min(UNWEIGHED),
            _ => self.budget.items,
        };
        let fits = self.items < most && self.bytes.saturating_add(charge) <= self.budget.bytes;
        (fits || self.items == 0).then(|| {
            self.charge(1, charge);
            charge
        })
    }

    /// Adds to the accounts, whatever the budget says.
    fn charge(&mut self, items: u64, bytes: u64) {
        self.items += items;
        self.bytes = self.bytes.saturating_add(bytes);
        self.peak_items = self.peak_items.max(self.items);
        self.peak_bytes = self.peak_bytes.max(self.bytes);
    }

    fn give_back(&mut self, items: u64, bytes: u64) {
        self.items -= items;
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn learn(&mut self, weight: u64) {
        let weight = weight as f64;
        self.expected = Some(match self.expected {
            Some(expected) => expected + LEARN * (weight - expected),
            None => weight,
        });
    }
}

/// The budget of one run.
#[derive(Debug)]
pub(super) struct Purse {
    state: Mutex<State>,
    /// The source begins to wait.
    pub(super) waits: Notify,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    source: Option<Waker>,
    held: Duration,
}

impl Purse {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            state: Mutex::new(State {
                ledger: Ledger::new(budget),
                source: None,
                held: Duration::ZERO,
            }),
            waits: Notify::new(),
        }
    }

    /// Waits until an item may come in.
    pub(super) async fn admit(self: &Arc<Self>, weight: Option<u64>) -> Ticket {
        let mut began = None;
        let charged = poll_fn(|cx| self.poll_admit(weight, &mut began, cx)).await;
        if let Some(began) = began {
            self.lock().held += Instant::now().saturating_duration_since(began);
        }
        Ticket {
            purse: Some(Arc::clone(self)),
            items: 1,
            charged,
            weight,
        }
    }

    fn poll_admit(
        &self,
        weight: Option<u64>,
        began: &mut Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<u64> {
        let mut state = self.lock();
        if let Some(charged) = state.ledger.admit(weight) {
            state.source = None;
            return Poll::Ready(charged);
        }
        state.source = Some(cx.waker().clone());
        drop(state);
        began.get_or_insert_with(Instant::now);
        self.waits.notify_waiters();
        Poll::Pending
    }

    /// Whether the source waits for the budget.
    pub(super) fn is_waited_for(&self) -> bool {
        self.lock().source.is_some()
    }

    /// The most items and bytes at once, and for how long the source was held back.
    pub(super) fn summary(&self) -> (u64, u64, Duration) {
        let state = self.lock();
        (state.ledger.peak_items, state.ledger.peak_bytes, state.held)
    }

    /// Changes the accounts and wakes the source if it may now go on.
    fn change(&self, how: impl FnOnce(&mut Ledger)) {
        let mut state = self.lock();
        how(&mut state.ledger);
        let source = state.source.take();
        drop(state);
        if let Some(source) = source {
            source.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an item was charged; given back when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    purse: Option<Arc<Purse>>,
    items: u64,
    charged: u64,
    /// The most it weighed, once it was weighed.
    weight: Option<u64>,
}

impl Ticket {
    /// The item weighs this many bytes from now on.
    pub(super) fn weigh(&mut self, bytes: u64) {
        self.weight = Some(self.weight.map_or(bytes, |most| most.max(bytes)));
        let before = std::mem::replace(&mut self.charged, bytes);
        if let Some(purse) = &self.purse
            && before != bytes
        {
            if before > bytes {
                purse.change(|ledger| ledger.give_back(0, before - bytes));
            } else {
                purse.lock().ledger.charge(0, bytes - before);
            }
        }
    }

    /// Bytes that it is charged.
    pub(super) fn charged(&self) -> u64 {
        self.charged
    }

    /// Takes over what another was charged.
    pub(super) fn merge(&mut self, mut other: Ticket) {
        if self.purse.is_none() {
            *self = other;
            return;
        }
        self.items += std::mem::take(&mut other.items);
        self.charged = self
            .charged
            .saturating_add(std::mem::take(&mut other.charged));
        self.weight = Some(
            self.weight
                .unwrap_or(0)
                .saturating_add(other.weight.unwrap_or(0)),
        );
        other.purse = None;
    }

    /// One for an item made from this one's.
    pub(super) fn child(&self) -> Ticket {
        if let Some(purse) = &self.purse {
            purse.lock().ledger.charge(1, 0);
        }
        Ticket {
            purse: self.purse.clone(),
            items: 1,
            charged: 0,
            // Says nothing of what items from the source come to weigh.
            weight: None,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(purse) = self.purse.take() else {
            return;
        };
        let (items, charged) = (self.items, self.charged);
        let weight = self.weight;
        purse.change(|ledger| {
            ledger.give_back(items, charged);
            if let Some(weight) = weight.filter(|_| items > 0) {
                ledger.learn(weight / items);
            } else if ledger.expected.is_none() {
                // It came to the end unweighed.
                ledger.learn(0);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_bytes_are_bounded() {
        let mut ledger = Ledger::new(Budget::items(3).bytes(100));
        assert_eq!(ledger.admit(Some(60)), Some(60));
        assert_eq!(ledger.admit(Some(50)), None);
        assert_eq!(ledger.admit(Some(40)), Some(40));
        assert_eq!(ledger.admit(Some(0)), Some(0));
        assert_eq!(ledger.admit(Some(0)), None, "three items");
        ledger.give_back(1, 60);
        assert_eq!(ledger.admit(Some(60)), Some(60));
        assert_eq!((ledger.peak_items, ledger.peak_bytes), (3, 100));
    }

    #[test]
    fn what_is_too_large_is_let_in_alone() {
        let mut ledger = Ledger::new(Budget::items(3).bytes(100));
        assert_eq!(ledger.admit(Some(500)), Some(500));
        assert_eq!(ledger.admit(Some(1)), None);
        ledger.give_back(1, 500);
        assert_eq!(ledger.admit(Some(1)), Some(1));
        assert_eq!(ledger.admit(Some(500)), None);
    }

    #[test]
    fn what_is_weighed_later_is_charged_as_expected() {
        let purse = Arc::new(Purse::new(Budget::items(1000).bytes(100)));
        let admit = |weight| {
            let mut future = std::pin::pin!(purse.admit(weight));
            match future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Ready(ticket) => Some(ticket),
                Poll::Pending => None,
            }
        };
        let mut first: Vec<_> = std::iter::from_fn(|| admit(None)).collect();
        assert_eq!(first.len(), UNWEIGHED as usize);
        for ticket in &mut first {
            ticket.weigh(10);
        }
        assert_eq!(purse.summary().1, 160, "growth is a debt");
        assert!(admit(None).is_none());
        drop(first);
        let next: Vec<_> = std::iter::from_fn(|| admit(None)).collect();
        assert_eq!(next.len(), 10);
    }

    #[test]
    fn merged_ones_and_children_are_given_back_too() {
        let purse = Arc::new(Purse::new(Budget::items(4)));
        let admit = || {
            let mut future = std::pin::pin!(purse.admit(None));
            match future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Ready(ticket) => Some(ticket),
                Poll::Pending => None,
            }
        };
        let mut all = Ticket::default();
        for ticket in std::iter::from_fn(admit) {
            all.merge(ticket);
        }
        let children = [all.child(), all.child()];
        drop(all);
        // Dropped as they come, so only that the children leave room is seen.
        let rest: Vec<_> = std::iter::from_fn(admit).collect();
        assert_eq!(rest.len(), 4 - children.len());
        drop((rest, children));
        let items = purse.lock().ledger.items;
        assert_eq!(items, 0);
    }
}
