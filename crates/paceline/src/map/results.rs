//! The results of a `map`, one by one.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, unbounded};

use super::engine::{Engine, Out};
use super::{Failed, Map, WINDOW, outcome};
use crate::limit::Limit;
use crate::on_error::OnError;
use crate::report::Report;

/// An iterator over the results of a [`map`](crate::map); see [`Map::results`](crate::Map::results).
///
/// ```
/// let mut results = paceline::map(0..3, |n| Ok::<_, String>(n + 1)).ordered().results();
/// assert_eq!(results.next().and_then(Result::ok), Some(1));
/// ```
#[must_use = "dropping it ends the run"]
pub struct Results<I, F, U, E>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
    F: Fn(&I::Item) -> Result<U, E> + Send + Sync + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
    engine: Arc<Engine<I, F, U, E>>,
    receiver: Receiver<Out<I::Item, U, E>>,
    threads: Threads,
    limit: Limit,
    /// Those that came before their turn, if there are turns.
    early: Option<Early<I::Item, U, E>>,
    next: u64,
    over: bool,
    on_error: OnError,
    collected: Vec<Failed<I::Item, E>>,
}

/// The result of one item.
type One<T, U, E> = Result<U, Failed<T, E>>;
/// Results by the place of their items.
type Early<T, U, E> = BTreeMap<u64, One<T, U, E>>;
/// All threads of the run.
type Threads = Arc<Mutex<Vec<JoinHandle<()>>>>;

impl<I, F, U, E> Results<I, F, U, E>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
    F: Fn(&I::Item) -> Result<U, E> + Send + Sync + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
    pub(super) fn begin(map: Map<I, F, E>) -> Self {
        let Map {
            items,
            work,
            options,
        } = map;
        let on_error = options.on_error.unwrap_or(OnError::Emit);
        let (limit, ordered) = (options.limit, options.ordered);
        let (sender, receiver) = unbounded();
        let engine = Engine::new(items, work, options, on_error, Some(WINDOW), sender);
        let engine = Arc::new(engine);
        let threads = Threads::default();
        assert!(start(&engine, &threads), "no thread can be started");
        if !engine.level.is_constant() {
            let (watched, others) = (Arc::clone(&engine), Arc::clone(&threads));
            keep(&threads, "paceline-level", move || {
                watched.watch(&|| start(&watched, &others));
            });
        }
        Self {
            engine,
            receiver,
            threads,
            limit,
            early: ordered.then(BTreeMap::new),
            next: 0,
            over: false,
            on_error,
            collected: Vec::new(),
        }
    }

    /// How it goes so far.
    ///
    /// ```
    /// let mut results = paceline::map(0..5, |n| Ok::<_, String>(n + 1)).results();
    /// assert_eq!(results.by_ref().count(), 5);
    /// assert_eq!(results.snapshot().stages[0].done, 5);
    /// ```
    pub fn snapshot(&self) -> Report {
        outcome::report(
            &self.engine.level,
            &self.engine.meter,
            self.limit,
            self.engine.origin,
        )
    }

    /// The failures so far, where they are collected.
    ///
    /// ```
    /// use paceline::OnError;
    ///
    /// let mut results = paceline::map(["1", "x"], |text| text.parse::<u8>())
    ///     .on_error(OnError::Collect)
    ///     .results();
    /// assert_eq!(results.by_ref().count(), 1);
    /// assert_eq!(results.failures()[0].item, "x");
    /// ```
    pub fn failures(&self) -> &[Failed<I::Item, E>] {
        &self.collected
    }

    /// The next result whose turn it is.
    fn take(&mut self) -> Option<One<I::Item, U, E>> {
        loop {
            if let Some(early) = &mut self.early {
                let ready = if self.over {
                    // Those in between will never come.
                    early.pop_first().map(|(_, result)| result)
                } else {
                    early.remove(&self.next)
                };
                if ready.is_some() {
                    self.next += 1;
                    return ready;
                }
            }
            if self.over {
                return None;
            }
            let (seq, result) = match self.receiver.recv() {
                Ok(Out::Value(seq, value)) => (seq, Ok(value)),
                Ok(Out::Failed(failed)) => (failed.seq, Err(failed)),
                Ok(Out::Over(panic)) => {
                    self.over = true;
                    self.join();
                    if let Some(panic) = panic {
                        std::panic::resume_unwind(panic);
                    }
                    continue;
                }
                Err(_) => {
                    self.over = true;
                    continue;
                }
            };
            match &mut self.early {
                Some(early) => {
                    early.insert(seq, result);
                }
                None => return Some(result),
            }
        }
    }

    fn join(&self) {
        loop {
            let taken =
                std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
            if taken.is_empty() {
                return;
            }
            for thread in taken {
                // Workers catch what the work throws.
                let _ = thread.join();
            }
        }
    }
}

impl<I, F, U, E> Iterator for Results<I, F, U, E>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
    F: Fn(&I::Item) -> Result<U, E> + Send + Sync + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
    type Item = One<I::Item, U, E>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let result = self.take()?;
            self.engine.delivered();
            match result {
                Err(failed) if self.on_error == OnError::Collect => self.collected.push(failed),
                result => return Some(result),
            }
        }
    }
}

impl<I, F, U, E> FusedIterator for Results<I, F, U, E>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
    F: Fn(&I::Item) -> Result<U, E> + Send + Sync + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
}

impl<I, F, U, E> Drop for Results<I, F, U, E>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
    F: Fn(&I::Item) -> Result<U, E> + Send + Sync + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
    fn drop(&mut self) {
        self.engine.stop();
        self.join();
    }
}

impl<I, F, U, E> fmt::Debug for Results<I, F, U, E>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
    F: Fn(&I::Item) -> Result<U, E> + Send + Sync + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results")
            .field("limit", &self.limit)
            .field("level", &self.engine.level)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// Starts a worker that can start others.
fn start<I, F, U, E>(engine: &Arc<Engine<I, F, U, E>>, threads: &Threads) -> bool
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
    F: Fn(&I::Item) -> Result<U, E> + Send + Sync + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
    let (engine, others) = (Arc::clone(engine), Arc::clone(threads));
    keep(threads, "paceline-map", move || {
        engine.work(&|| start(&engine, &others));
    })
}

/// Starts a thread and keeps what is needed to wait for its end.
fn keep(threads: &Threads, name: &str, body: impl FnOnce() + Send + 'static) -> bool {
    // Held while it starts: whoever collects the threads must find this one.
    let mut held = threads.lock().unwrap_or_else(PoisonError::into_inner);
    match Builder::new().name(name.to_owned()).spawn(body) {
        Ok(thread) => {
            held.retain(|thread| !thread.is_finished());
            held.push(thread);
            true
        }
        Err(_) => false,
    }
}
