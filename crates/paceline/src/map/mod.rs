//! `map`: a closure over items, on as many threads as the work deserves.

mod engine;
mod outcome;
mod results;

use std::fmt;
use std::sync::Arc;
use std::thread::{Builder, Scope};

use crossbeam_channel::unbounded;

pub use outcome::{Failed, MapError, MapResult, Mapped};
pub use results::Results;

use crate::limit::Limit;
use crate::on_error::OnError;
use crate::retry::{ErrorKind, Patience, Retry};
use engine::{Engine, Out};

/// Items that [`Results`] may be ahead of its reader.
const WINDOW: usize = 1024;

/// Calls `work` on each item, on several threads, and finds out how many.
///
/// Nothing is done until [`Map::run`] or [`Map::results`]. Work that computes gets one thread per core;
/// work that waits gets more, as many as get more done. `work` borrows the item, so that a failure
/// can give it back and a retry needs no copy. If it panics, that is the item's failure.
///
/// ```
/// let mapped = paceline::map(["3", "4", "x"], |text| text.parse::<u32>())
///     .on_error(paceline::OnError::Collect)
///     .ordered()
///     .run()
///     .expect("failures are collected");
/// assert_eq!(mapped.values, [3, 4]);
/// assert_eq!(mapped.failures[0].item, "x");
/// ```
pub fn map<I, F, U, E>(items: I, work: F) -> Map<I::IntoIter, F, E>
where
    I: IntoIterator,
    F: Fn(&I::Item) -> Result<U, E> + Sync,
{
    Map {
        items: items.into_iter(),
        work,
        options: Options {
            limit: Limit::Auto,
            patience: Patience::default(),
            classify: None,
            on_error: None,
            ordered: false,
        },
    }
}

/// A `map` that is not begun yet; see [`map`].
///
/// ```
/// let map = paceline::map(["7"], |text| text.parse::<u32>()).limit(2).ordered();
/// assert_eq!(map.run().expect("7 is a number").values, [7]);
/// ```
#[must_use = "nothing is done before `run` or `results`"]
pub struct Map<I, F, E> {
    items: I,
    work: F,
    options: Options<E>,
}

/// Says what kind an error is of.
type Classify<E> = Arc<dyn Fn(&E) -> ErrorKind + Send + Sync>;

struct Options<E> {
    limit: Limit,
    patience: Patience,
    classify: Option<Classify<E>>,
    on_error: Option<OnError>,
    ordered: bool,
}

impl<I, F, E> Map<I, F, E> {
    /// So many at once, or within such bounds; the level is found unless it is fixed here.
    ///
    /// ```
    /// let squares = || paceline::map(0..8, |n| Ok::<_, String>(n * n));
    /// let four_at_once = squares().limit(4).run().expect("none fails");
    /// let at_most_two = squares().limit(..=2).run().expect("none fails");
    /// assert!(at_most_two.report.stages[0].peak <= 2);
    /// # assert_eq!(four_at_once.values.len(), 8);
    /// ```
    pub fn limit(mut self, limit: impl Into<Limit>) -> Self {
        self.options.limit = limit.into();
        self
    }

    /// How often an item is tried; once unless set.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use std::time::Duration;
    /// use paceline::Retry;
    ///
    /// let calls = AtomicU32::new(0);
    /// let flaky = |_: &u8| match calls.fetch_add(1, Ordering::Relaxed) {
    ///     0 => Err("not yet"),
    ///     _ => Ok("done"),
    /// };
    /// let mapped = paceline::map([7], flaky).retry(Retry::exponential(3, Duration::from_millis(1)));
    /// assert_eq!(mapped.run().expect("the second attempt succeeds").values, ["done"]);
    /// ```
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.patience.failed = retry;
        self
    }

    /// How often an item is tried that is turned away with [`ErrorKind::Busy`]; [`Retry::BUSY`]
    /// unless set.
    ///
    /// ```
    /// use paceline::{ErrorKind, Retry};
    /// use std::time::Duration;
    ///
    /// let stopped = paceline::map([503], |status| Err::<(), u16>(*status))
    ///     .classify(|_| ErrorKind::Busy)
    ///     .busy_retry(Retry::exponential(2, Duration::from_millis(1)))
    ///     .run()
    ///     .expect_err("it stays busy");
    /// assert_eq!(stopped.first.attempts, 2);
    /// ```
    pub fn busy_retry(mut self, retry: Retry) -> Self {
        self.options.patience.busy = retry;
        self
    }

    /// What an error says about trying again; unless set, all are [`ErrorKind::Transient`].
    ///
    /// ```
    /// use paceline::{ErrorKind, Retry};
    /// use std::time::Duration;
    ///
    /// let refuse = |status: &u16| Err::<(), u16>(*status);
    /// let stopped = paceline::map([503], refuse)
    ///     .classify(|status| match status {
    ///         429 | 503 => ErrorKind::Busy,
    ///         _ => ErrorKind::Permanent,
    ///     })
    ///     .busy_retry(Retry::exponential(2, Duration::from_millis(1)))
    ///     .run()
    ///     .expect_err("it stays busy");
    /// assert_eq!(stopped.first.attempts, 2);
    /// ```
    pub fn classify(mut self, judge: impl Fn(&E) -> ErrorKind + Send + Sync + 'static) -> Self {
        self.options.classify = Some(Arc::new(judge));
        self
    }

    /// What is done about failures. Unless set, [`Map::run`] stops at the first one, and
    /// [`Map::results`] hands out each.
    ///
    /// ```
    /// use paceline::OnError;
    ///
    /// let halves = |n: &u32| if n % 2 == 0 { Ok(n / 2) } else { Err("odd") };
    /// let mapped = paceline::map(0..10, halves).on_error(OnError::Collect).run();
    /// assert_eq!(mapped.expect("failures are collected").failures.len(), 5);
    /// ```
    pub fn on_error(mut self, policy: OnError) -> Self {
        self.options.on_error = Some(policy);
        self
    }

    /// Values come in the order of their items, not as they are done.
    ///
    /// ```
    /// let mapped = paceline::map(0..100, |n| Ok::<_, String>(n + 1)).ordered().run();
    /// assert!(mapped.expect("none fails").values.is_sorted());
    /// ```
    pub fn ordered(mut self) -> Self {
        self.options.ordered = true;
        self
    }
}

impl<I, F, U, E> Map<I, F, E>
where
    I: Iterator + Send,
    I::Item: Send,
    F: Fn(&I::Item) -> Result<U, E> + Sync,
    U: Send,
    E: Send,
{
    /// Does it all, and comes back when the last thread has ended. The items and the closure may
    /// borrow from the caller.
    ///
    /// # Errors
    ///
    /// If an item failed and failures are not collected: the first one, beside all that was done.
    ///
    /// # Panics
    ///
    /// If the iterator over the items panics, or not even one thread can be started.
    ///
    /// ```
    /// let words = ["tell", "me", "more"];
    /// let mapped = paceline::map(&words, |word| Ok::<_, String>(word.len())).ordered().run();
    /// assert_eq!(mapped.expect("none fails").values, [4, 2, 4]);
    /// ```
    pub fn run(self) -> MapResult<I::Item, U, E> {
        let on_error = self.options.on_error.unwrap_or(OnError::Stop);
        let ordered = self.options.ordered;
        let (sender, receiver) = unbounded();
        let limit = self.options.limit;
        let engine = Engine::new(self.items, self.work, self.options, on_error, None, sender);
        let mut values = Vec::new();
        let mut failures = Vec::new();
        let mut panic = None;
        std::thread::scope(|scope| {
            let engine = &engine;
            assert!(start(scope, engine), "no thread can be started");
            if !engine.level.is_constant() {
                let more = move || start(scope, engine);
                let watch = move || engine.watch(&more);
                // Without it the level stands where it is, but all is done.
                let _ = Builder::new()
                    .name("paceline-level".to_owned())
                    .spawn_scoped(scope, watch);
            }
            for out in &receiver {
                match out {
                    Out::Value(seq, value) => values.push((seq, value)),
                    Out::Failed(failed) => failures.push(failed),
                    Out::Over(of_source) => {
                        panic = of_source;
                        break;
                    }
                }
            }
        });
        if let Some(panic) = panic {
            std::panic::resume_unwind(panic);
        }
        if ordered {
            values.sort_unstable_by_key(|(seq, _)| *seq);
        }
        let report = outcome::report(&engine.level, &engine.meter, limit, engine.origin);
        let mapped = Mapped {
            values: values.into_iter().map(|(_, value)| value).collect(),
            failures,
            report,
        };
        if on_error == OnError::Stop {
            mapped.or_first_failure()
        } else {
            Ok(mapped)
        }
    }
}

/// Starts a worker that can start others.
fn start<'scope, I, F, U, E>(
    scope: &'scope Scope<'scope, '_>,
    engine: &'scope Engine<I, F, U, E>,
) -> bool
where
    I: Iterator + Send,
    I::Item: Send,
    F: Fn(&I::Item) -> Result<U, E> + Sync,
    U: Send,
    E: Send,
{
    Builder::new()
        .name("paceline-map".to_owned())
        .spawn_scoped(scope, move || engine.work(&move || start(scope, engine)))
        .is_ok()
}

impl<I, F, U, E> Map<I, F, E>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
    F: Fn(&I::Item) -> Result<U, E> + Send + Sync + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
    /// Begins, and hands out each result as it comes, or in order. The threads run ahead of the
    /// reader by up to 1,024 items. Dropping the iterator begins nothing new and waits for what runs.
    ///
    /// # Panics
    ///
    /// If not even one thread can be started.
    ///
    /// ```
    /// let mut sum = 0;
    /// for result in paceline::map(1..=10, |n| Ok::<u32, String>(n * n)).results() {
    ///     sum += result.expect("none fails");
    /// }
    /// assert_eq!(sum, 385);
    /// ```
    pub fn results(self) -> Results<I, F, U, E> {
        Results::begin(self)
    }
}

/// The same as [`Map::results`]: `for result in map(…)`.
impl<I, F, U, E> IntoIterator for Map<I, F, E>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
    F: Fn(&I::Item) -> Result<U, E> + Send + Sync + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
    type Item = Result<U, Failed<I::Item, E>>;
    type IntoIter = Results<I, F, U, E>;

    fn into_iter(self) -> Self::IntoIter {
        self.results()
    }
}

impl<I, F, E> fmt::Debug for Map<I, F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("limit", &self.options.limit)
            .field("patience", &self.options.patience)
            .field("on_error", &self.options.on_error)
            .field("ordered", &self.options.ordered)
            .finish_non_exhaustive()
    }
}
