//! `-k`: passing outputs on in the order in which their jobs were begun.

use std::collections::BTreeMap;

/// Things that become ready out of order, given out in order.
#[derive(Debug)]
pub(crate) struct Order<T> {
    next: u64,
    waiting: BTreeMap<u64, T>,
}

impl<T> Order<T> {
    pub(crate) fn new() -> Self {
        Self {
            next: 0,
            waiting: BTreeMap::new(),
        }
    }

    /// Puts in the thing with this place, counted from 0 without gaps.
    pub(crate) fn put(&mut self, place: u64, thing: T) {
        self.waiting.insert(place, thing);
    }

    /// Takes out the next in order, if it is there.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let thing = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(thing)
    }

    /// How many wait for one before them.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// All that wait, in order, gaps or not: nobody will fill them any more.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.waiting).into_values()
    }

    /// Those that wait, first the one that will wait longest.
    pub(crate) fn waiting_longest_first(&mut self) -> impl Iterator<Item = &mut T> {
        self.waiting.values_mut().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_is_restored(places in Just((0_u64..50).collect::<Vec<_>>()).prop_shuffle()) {
            let mut order = Order::new();
            let mut out = Vec::new();
            for place in places {
                order.put(place, place);
                while let Some(thing) = order.pop() {
                    out.push(thing);
                }
            }
            prop_assert_eq!(out, (0..50).collect::<Vec<_>>());
            prop_assert_eq!(order.len(), 0);
        }
    }
}
