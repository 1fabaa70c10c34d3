//! Lines of Python, from the memory of the interpreters.
//!
//! What a thread of Python waits in is a line of the program that `/proc` cannot name. py-spy finds the
//! interpreter's frames in the memory of the process, without stopping it: what is read while it changes
//! is dropped. A thread of its own does that, some tens of times a second, and keeps the last stack of
//! each thread for whoever asks.

mod budget;
mod detect;
mod event_loops;
mod frame;
mod lock_line;
mod quiet;
mod reader;
mod stack;
mod tids;
mod waits;
mod worker;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub(crate) use self::event_loops::Doing;
#[cfg(test)]
pub(crate) use self::event_loops::LoopTurn;
pub(crate) use self::stack::Stack;
pub(crate) use self::waits::WaitsFor;
use self::worker::{Order, Worker};
use super::Missing;
use crate::profile::Source;

/// Reads the stacks of Python's threads, until it is dropped.
pub(crate) struct PythonLines {
    shared: Arc<Shared>,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread has found so far.
#[derive(Default)]
struct Shared {
    findings: Mutex<Findings>,
    cpu_ns: AtomicU64,
}

#[derive(Default)]
struct Findings {
    /// By the number of the thread, with that of its process.
    stacks: HashMap<i32, (i32, Arc<Stack>)>,
    used: bool,
    missing: Option<Missing>,
}

impl PythonLines {
    /// Starts the thread, which waits until there is a process to read.
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let (orders, incoming) = channel();
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("paceline-python".to_owned())
            .spawn(move || Worker::new(for_thread, incoming).run());
        if let Err(error) = &thread {
            shared.findings().missing = Some(Missing(format!("no thread for it: {error}")));
        }
        Self {
            shared,
            orders: Some(orders),
            thread: thread.ok(),
        }
    }

    /// Follows a process, if it runs Python or begins to within two seconds. Asked again for one that it
    /// has given up, it tries again.
    pub(crate) fn watch(&self, pid: i32) {
        self.order(Order::Watch(pid));
    }

    /// Follows it no longer.
    pub(crate) fn forget(&self, pid: i32) {
        self.order(Order::Forget(pid));
    }

    /// The last stack of a thread. Threads without a line of Python have none.
    pub(crate) fn latest(&self, tid: i32) -> Option<Arc<Stack>> {
        let findings = self.shared.findings();
        findings
            .stacks
            .get(&tid)
            .map(|(_, stack)| Arc::clone(stack))
    }

    /// Whether it has spoken.
    pub(crate) fn source(&self) -> Source {
        let findings = self.shared.findings();
        match &findings.missing {
            _ if findings.used => Source::Used,
            Some(missing) => Source::Missing(missing.to_string()),
            None => Source::NotNeeded,
        }
    }

    /// CPU time of the thread, as of its last round.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.shared.cpu_ns.load(Ordering::Relaxed))
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // It is gone only if it could not be started, which is said.
            let _ = orders.send(order);
        }
    }
}

impl Drop for PythonLines {
    fn drop(&mut self) {
        // Without anyone to give orders it ends.
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// No one panics while holding it; if one did, what is in it is whole.
    fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Findings {
    /// Takes the place of what was known of the process.
    fn replace(&mut self, pid: i32, stacks: impl IntoIterator<Item = (i32, Arc<Stack>)>) {
        self.stacks.retain(|_, (of, _)| *of != pid);
        self.stacks
            .extend(stacks.into_iter().map(|(tid, stack)| (tid, (pid, stack))));
    }
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn monotonic() -> Duration {
    clock(ClockId::Monotonic)
}

/// Of the thread that asks.
fn cpu_time() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

#[cfg(test)]
mod tests;
