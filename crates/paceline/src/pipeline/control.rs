//! What all parts of a run share: whether it goes on, what failed, and who must have ended before it
//! is over.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::budget::Purse;
use super::crew::Crew;
use super::failure::Failure;
use super::queue::Grow;
use super::station::Station;
use crate::failure::FailureKind;
use crate::report::Report;

pub(super) struct Control {
    pub(super) origin: Instant,
    pub(super) cores: f64,
    pub(super) handle: Handle,
    pub(super) ordered: bool,
    /// Items between two stages.
    pub(super) queue: usize,
    pub(super) purse: Arc<Purse>,
    pub(super) crew: Crew,
    /// Ours alone; a child of the user's, if there is one.
    pub(super) token: CancellationToken,
    /// For closures that ask.
    pub(super) cancelled: Arc<AtomicBool>,
    /// Items that the source gave, and nanoseconds that it took for them.
    pub(super) items: AtomicU64,
    pub(super) source_waited: AtomicU64,
    state: Mutex<State>,
    /// The run is over.
    over: Condvar,
    ended: CancellationToken,
}

/// A stage, and what gives it workers, if it has several.
type Placed = (Arc<Station>, Option<Weak<dyn Grow>>);

#[derive(Default)]
struct State {
    closers: Vec<Box<dyn Fn() + Send>>,
    stations: Vec<Placed>,
    failures: Vec<Failure>,
    /// What ended the run early.
    first: Option<Failure>,
    threads: Vec<JoinHandle<()>>,
    tasks: JoinSet<()>,
    is_over: bool,
}

impl Control {
    pub(super) fn new(
        handle: Handle,
        purse: Purse,
        ordered: bool,
        queue: usize,
        token: CancellationToken,
    ) -> Arc<Self> {
        let cores = paceline_observe::cores();
        Arc::new(Self {
            origin: Instant::now(),
            cores,
            crew: Crew::new(cores),
            handle,
            ordered,
            queue,
            purse: Arc::new(purse),
            token,
            cancelled: Arc::default(),
            items: AtomicU64::new(0),
            source_waited: AtomicU64::new(0),
            state: Mutex::default(),
            over: Condvar::new(),
            ended: CancellationToken::new(),
        })
    }

    /// Calls `close` when the run is given up.
    pub(super) fn on_cancel(&self, close: impl Fn() + Send + 'static) {
        self.lock().closers.push(Box::new(close));
    }

    /// Adds a stage, in front of those that were added before.
    pub(super) fn add(&self, station: Arc<Station>, grow: Option<Weak<dyn Grow>>) {
        self.lock().stations.insert(0, (station, grow));
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Begins nothing new, ends what can be ended, and lets go of what is queued.
    pub(super) fn cancel(&self) {
        if self.cancelled.swap(true, Ordering::AcqRel) {
            return;
        }
        self.token.cancel();
        let mut state = self.lock();
        let closers = std::mem::take(&mut state.closers);
        state.tasks.abort_all();
        drop(state);
        for close in closers {
            close();
        }
    }

    /// An item's failure ends the run.
    pub(super) fn stop(&self, failure: Failure) {
        self.lock().first.get_or_insert(failure);
        self.cancel();
    }

    /// The user gave up.
    pub(super) fn cancelled_by_user(&self) {
        self.stop(Failure {
            stage: "run".into(),
            seq: 0,
            label: None,
            attempts: 0,
            kind: FailureKind::Cancelled,
        });
    }

    pub(super) fn collect(&self, failure: Failure) {
        self.lock().failures.push(failure);
    }

    /// What ended the run early.
    pub(super) fn first(&self) -> Option<Failure> {
        self.lock().first.clone()
    }

    /// Starts a thread that must have ended before the run is over.
    pub(super) fn thread(
        self: &Arc<Self>,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) -> bool {
        let control = Arc::clone(self);
        let body = move || {
            let armed = Armed::new(&control);
            body();
            armed.disarm();
        };
        let mut state = self.lock();
        // A name with a zero in it would be refused by a panic.
        match Builder::new().name(name.replace('\0', "?")).spawn(body) {
            Ok(thread) => {
                state.threads.retain(|thread| !thread.is_finished());
                state.threads.push(thread);
                true
            }
            Err(_) => false,
        }
    }

    /// The same for a task.
    pub(super) fn task(&self, body: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.lock();
        while state.tasks.try_join_next().is_some() {}
        let abort = state.tasks.spawn_on(body, &self.handle);
        drop(state);
        if self.is_cancelled() {
            abort.abort();
        }
    }

    /// Waits for all threads and tasks.
    pub(super) async fn join(&self) {
        self.end();
        loop {
            let mut tasks = std::mem::take(&mut self.lock().tasks);
            let threads = std::mem::take(&mut self.lock().threads);
            if tasks.is_empty() && threads.is_empty() {
                return;
            }
            while tasks.join_next().await.is_some() {}
            let joined = self.handle.spawn_blocking(|| {
                for thread in threads {
                    // Workers catch what the work throws.
                    let _ = thread.join();
                }
            });
            let _ = joined.await;
        }
    }

    /// Gives the run up when the user cancels the token.
    pub(super) fn follow_token(self: &Arc<Self>) {
        let control = Arc::clone(self);
        self.task(async move {
            tokio::select! {
                () = control.ended.cancelled() => {}
                () = control.token.cancelled() => {
                    if !control.is_cancelled() {
                        control.cancelled_by_user();
                    }
                }
            }
        });
    }

    /// Nothing more is to be watched.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
        self.over.notify_all();
        self.ended.cancel();
    }

    /// Tells the levels what is seen of the work, until the run is over, and gives stages the workers
    /// that their level allows. Nothing is held back for longer than it takes to come round.
    pub(super) fn watch(&self) {
        let mut lookouts: Vec<super::station::Eyes> = Vec::new();
        let mut state = self.lock();
        while !state.is_over {
            let gaps = state.stations.iter();
            let gap = gaps
                .filter_map(|(station, _)| station.level.tick_every())
                .min();
            let gap = gap.unwrap_or(Duration::from_millis(25));
            state = self
                .over
                .wait_timeout(state, gap)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if state.is_over {
                return;
            }
            let stations = state.stations.clone();
            drop(state);
            lookouts.resize_with(stations.len(), Default::default);
            for ((station, grow), lookout) in stations.iter().zip(&mut lookouts) {
                station.look(lookout, Instant::now());
                if let Some(grow) = grow.as_ref().and_then(Weak::upgrade) {
                    grow.release();
                }
            }
            state = self.lock();
        }
    }

    /// Whether any level moves.
    pub(super) fn needs_watch(&self) -> bool {
        let state = self.lock();
        let mut stations = state.stations.iter();
        stations.any(|(station, _)| !station.level.is_constant())
    }

    pub(super) fn report(&self) -> Report {
        let wall = self.origin.elapsed();
        let state = self.lock();
        let stages = state.stations.iter();
        let stages = stages.map(|(station, _)| station.report(wall)).collect();
        let failures = state.failures.clone();
        drop(state);
        let waited = Duration::from_nanos(self.source_waited.load(Ordering::Relaxed));
        let (peak_items, peak_bytes, held) = self.purse.summary();
        Report::of_pipeline(
            wall,
            stages,
            failures,
            self.items.load(Ordering::Relaxed),
            (waited, held),
            (peak_items, peak_bytes),
        )
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("cancelled", &self.cancelled)
            .field("items", &self.items)
            .finish_non_exhaustive()
    }
}

/// Gives the run up if it is dropped before [`Armed::disarm`]: who holds it was ended from outside.
pub(super) struct Armed(Option<Arc<Control>>);

impl Armed {
    pub(super) fn new(control: &Arc<Control>) -> Self {
        Self(Some(Arc::clone(control)))
    }

    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let Some(control) = self.0.take() else { return };
        if std::thread::panicking() {
            // All that is called is caught, so it was something that was dropped.
            control.stop(Failure {
                stage: "run".into(),
                seq: 0,
                label: None,
                attempts: 0,
                kind: FailureKind::Panic("a value panicked when it was dropped".into()),
            });
        } else if !control.is_cancelled() {
            control.cancelled_by_user();
        }
    }
}
