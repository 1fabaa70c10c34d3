//! The thread that watches a runtime.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};

use super::detect::{Counters, Detector, Finding};
use super::threads::Threads;
use super::{Held, stack};

/// How often the watch looks, at most and at least.
const LOOKS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(25));

type Tell = Box<dyn FnMut(&Held) + Send>;

/// Prepares a runtime to be watched.
///
/// This sets the builder's `on_thread_park` and `on_thread_unpark`, which takes the place of what
/// was set before.
///
/// ```
/// let mut builder = tokio::runtime::Builder::new_current_thread();
/// let watch = paceline::watchdog::watch(&mut builder);
/// let runtime = builder.build()?;
/// let guard = watch.start(runtime.handle())?;
/// drop(guard);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn watch(builder: &mut Builder) -> Watch {
    let threads = Arc::new(Threads::new());
    let (parks, wakes) = (Arc::clone(&threads), Arc::clone(&threads));
    builder.on_thread_park(move || parks.parks());
    builder.on_thread_unpark(move || wakes.wakes());
    Watch {
        threads,
        threshold: Duration::from_millis(50),
        tell: None,
    }
}

/// A watch that has not begun yet; made by [`watch`].
///
/// ```
/// use paceline::watchdog::{Watch, watch};
/// let watch: Watch = watch(&mut tokio::runtime::Builder::new_current_thread());
/// # let _ = watch;
/// ```
#[must_use = "it begins with `start`"]
pub struct Watch {
    threads: Arc<Threads>,
    threshold: Duration,
    tell: Option<Tell>,
}

impl Watch {
    /// How long a worker may be busy without looking for events; 50 ms unless said otherwise, and a
    /// millisecond at least.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let watch = paceline::watchdog::watch(&mut tokio::runtime::Builder::new_current_thread())
    ///     .threshold(Duration::from_millis(10));
    /// # let _ = watch;
    /// ```
    pub fn threshold(self, time: Duration) -> Self {
        Self {
            threshold: time.max(Duration::from_millis(1)),
            ..self
        }
    }

    /// What to do when a worker is held, and when it moves again; unless given, that is written to
    /// standard error when it is over. Runs on the watching thread.
    ///
    /// ```
    /// let watch = paceline::watchdog::watch(&mut tokio::runtime::Builder::new_current_thread())
    ///     .on_held(|held| eprintln!("{held}"));
    /// # let _ = watch;
    /// ```
    pub fn on_held(self, tell: impl FnMut(&Held) + Send + 'static) -> Self {
        Self {
            tell: Some(Box::new(tell)),
            ..self
        }
    }

    /// Begins to watch the runtime that was built, until the guard is dropped.
    ///
    /// ```
    /// # let mut builder = tokio::runtime::Builder::new_current_thread();
    /// # let watch = paceline::watchdog::watch(&mut builder);
    /// # let runtime = builder.build()?;
    /// let _guard = watch.start(runtime.handle())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the system gives us no thread.
    pub fn start(self, runtime: &Handle) -> io::Result<Guard> {
        stack::install();
        let (stop, stopped) = mpsc::channel();
        let runtime = runtime.clone();
        let thread = std::thread::Builder::new()
            .name("loop-watch".into())
            .spawn(move || self.run(&runtime, &stopped))?;
        Ok(Guard {
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    fn run(mut self, runtime: &Handle, stopped: &mpsc::Receiver<()>) {
        let metrics = runtime.metrics();
        let mut detector = Detector::new(self.threshold);
        let mut told: Vec<Held> = Vec::new();
        let pause = (self.threshold / 4).clamp(LOOKS.0, LOOKS.1);
        while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let counters: Vec<_> = (0..metrics.num_workers())
                .map(|worker| Counters {
                    parks: metrics.worker_park_unpark_count(worker),
                    busy: metrics.worker_total_busy_duration(worker),
                })
                .collect();
            let now = self.threads.now();
            for finding in detector.look(now, &counters) {
                let held = self.describe(now, finding, &mut told);
                match &mut self.tell {
                    Some(tell) => tell(&held),
                    None if held.is_over => eprintln!("{held}"),
                    None => {}
                }
            }
        }
    }

    /// Asks the thread where it is, or says again what it said when the hold was found.
    fn describe(&self, now: Duration, finding: Finding, told: &mut Vec<Held>) -> Held {
        let held_for = now.saturating_sub(finding.since);
        let before = told.iter().position(|held| held.worker == finding.worker);
        if let Some(before) = before.map(|index| told.swap_remove(index))
            && finding.over
        {
            return Held {
                held_for,
                is_over: true,
                ..before
            };
        }
        let thread = self.threads.awake_since(finding.since);
        let held = Held {
            worker: finding.worker,
            thread,
            held_for,
            is_over: finding.over,
            stack: thread.map(stack::of_thread).unwrap_or_default(),
        };
        if !finding.over {
            told.push(held.clone());
        }
        held
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}

/// Watches until it is dropped.
///
/// ```
/// # let mut builder = tokio::runtime::Builder::new_current_thread();
/// # let watch = paceline::watchdog::watch(&mut builder);
/// # let runtime = builder.build()?;
/// use paceline::watchdog::Guard;
/// let guard: Guard = watch.start(runtime.handle())?;
/// drop(guard);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping it ends the watch"]
pub struct Guard {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // If what it told panicked, that has been printed.
            let _ = thread.join();
        }
    }
}
