//! What processes of one program wait for. Those that no look met are taken to be like those that one did.

use std::collections::HashMap;

use super::waits::WaitId;
use crate::watch::sources::switches::Name;

/// Of all programs that processes became while we watched.
#[derive(Default)]
pub(super) struct Kin {
    /// Of those that looks have met.
    names: HashMap<i32, Name>,
    /// In seconds, of those that have ended.
    waited: HashMap<Name, HashMap<WaitId, f64>>,
}

impl Kin {
    /// A look has met this process, of this program.
    pub(super) fn met(&mut self, tid: i32, name: Name) {
        self.names.insert(tid, name);
    }

    /// One that looks have met has ended.
    pub(super) fn ended(&mut self, tid: i32, waits: &HashMap<WaitId, f64>) {
        let Some(name) = self.names.get(&tid) else {
            return;
        };
        let waited = self.waited.entry(*name).or_default();
        for (id, seconds) in waits {
            *waited.entry(*id).or_default() += seconds;
        }
    }

    /// What processes of this program waited for most.
    pub(super) fn usual(&self, name: Name) -> Option<WaitId> {
        let waited = self.waited.get(&name)?.iter();
        let most = waited.max_by(|a, b| a.1.total_cmp(b.1))?;
        (*most.1 > 0.0).then_some(*most.0)
    }

    /// The same of one that looks have met.
    pub(super) fn usual_of_met(&self, tid: i32) -> Option<WaitId> {
        self.usual(*self.names.get(&tid)?)
    }
}
