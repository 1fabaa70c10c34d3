//! Putting back in order what came as it was done.

use std::collections::BTreeMap;

use super::queue::Packet;

/// Holds back what comes before its turn. The leg's window bounds how much that can be.
#[derive(Debug)]
pub(super) struct Order<T> {
    /// `None` if no order is kept.
    early: Option<BTreeMap<u64, Packet<T>>>,
    next: u64,
}

impl<T> Order<T> {
    pub(super) fn new(ordered: bool) -> Self {
        Self {
            early: ordered.then(BTreeMap::new),
            next: 0,
        }
    }

    /// Something came; it is given back if no order is kept.
    pub(super) fn put(&mut self, packet: Packet<T>) -> Option<Packet<T>> {
        match &mut self.early {
            Some(early) => {
                early.insert(packet.seq, packet);
                self.take()
            }
            None => Some(packet),
        }
    }

    /// What is next, if it is there.
    pub(super) fn take(&mut self) -> Option<Packet<T>> {
        let packet = self.early.as_mut()?.remove(&self.next)?;
        self.next += 1;
        Some(packet)
    }
}
