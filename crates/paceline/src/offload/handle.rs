//! The handle to a pool, by which callers hand it jobs.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::map_reduce::MapReduce;
use super::policy::Shape;
use super::pool::Pool;
use super::work::{Call, Work};
use super::{Job, OffloadBuilder, OffloadError, Pending, Snapshot};
use crate::cx::Cx;

/// A pool of threads for work that would hold up an event loop.
///
/// It pays for work of some 100 µs and more; less is done sooner in place. Handles are cheap to
/// clone. When the last one is dropped, jobs that wait end with [`OffloadError::ShutDown`], those
/// that run are told ([`Cx::is_cancelled`]), and dropping waits for the threads to end, unless it
/// happens on one of them.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use std::time::Duration;
/// use paceline::offload::{Offload, OffloadError};
///
/// let cpu = Offload::builder().max_wait(Duration::from_millis(200)).build()?;
///
/// match cpu.run(|_| (1..=20_u64).product::<u64>()).await {
///     Ok(product) => assert_eq!(product, 2_432_902_008_176_640_000),
///     Err(OffloadError::Overloaded { retry_after, .. }) => println!("busy, {retry_after:?}"),
///     Err(other) => println!("{other}"),
/// }
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Offload {
    handle: Arc<Handle>,
}

impl Offload {
    /// Says what the pool is to be like.
    ///
    /// ```
    /// let cpu = paceline::offload::Offload::builder().threads(2).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn builder() -> OffloadBuilder {
        OffloadBuilder::default()
    }

    pub(super) fn new(handle: Handle) -> Self {
        Self {
            handle: Arc::new(handle),
        }
    }

    /// Hands a job of normal priority to the pool. The future is its result.
    ///
    /// Whether the job is taken is decided here, not when the future is polled.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let cpu = paceline::offload::Offload::builder().threads(1).build()?;
    /// assert_eq!(cpu.run(|_| "rendered").await, Ok("rendered"));
    /// # Ok::<(), std::io::Error>(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn run<T, F>(&self, call: F) -> Pending<T>
    where
        F: FnOnce(&Cx) -> T + Send + 'static,
        T: Send + 'static,
    {
        self.run_as(Job::new(), call)
    }

    /// The same with a priority, a deadline or a name.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let cpu = paceline::offload::Offload::builder().threads(1).build()?;
    /// use paceline::offload::{Job, Priority};
    ///
    /// let job = Job::named("preview").priority(Priority::High);
    /// assert_eq!(cpu.run_as(job, |_| 1 + 1).await, Ok(2));
    /// # Ok::<(), std::io::Error>(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn run_as<T, F>(&self, job: Job, call: F) -> Pending<T>
    where
        F: FnOnce(&Cx) -> T + Send + 'static,
        T: Send + 'static,
    {
        let work = Arc::new(Call::new(call, &job));
        let pool = &self.handle.pool;
        match pool.offer(&job, Shape::Whole, Arc::<Call<F, T>>::clone(&work)) {
            Ok(ticket) => Pending::taken(work, Arc::clone(pool), ticket),
            Err(error) => Pending::refused(error),
        }
    }

    /// Hands a job to the pool and waits for its result, without an executor.
    ///
    /// Called on a thread of the pool itself it runs the job there and then: waiting for another
    /// thread could be waiting for ever.
    ///
    /// ```
    /// let cpu = paceline::offload::Offload::builder().threads(1).build()?;
    /// assert_eq!(cpu.run_blocking(|_| 6 * 7), Ok(42));
    ///
    /// let inner = cpu.clone();
    /// assert_eq!(cpu.run_blocking(move |_| inner.run_blocking(|_| 1)), Ok(Ok(1)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no result: the job was refused, came too late, panicked, or the pool is closed.
    pub fn run_blocking<T, F>(&self, call: F) -> Result<T, OffloadError>
    where
        F: FnOnce(&Cx) -> T + Send + 'static,
        T: Send + 'static,
    {
        self.run_blocking_as(Job::new(), call)
    }

    /// The same with a priority, a deadline or a name.
    ///
    /// ```
    /// use paceline::offload::{Job, Priority};
    /// # let cpu = paceline::offload::Offload::builder().threads(1).build()?;
    /// let job = Job::new().priority(Priority::Batch);
    /// assert_eq!(cpu.run_blocking_as(job, |_| 6 * 7), Ok(42));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no result: the job was refused, came too late, panicked, or the pool is closed.
    pub fn run_blocking_as<T, F>(&self, job: Job, call: F) -> Result<T, OffloadError>
    where
        F: FnOnce(&Cx) -> T + Send + 'static,
        T: Send + 'static,
    {
        if self.handle.pool.is_member() {
            let work = Arc::new(Call::new(call, &job));
            Arc::<Call<F, T>>::clone(&work).run();
            return pollster::block_on(Pending::here(work));
        }
        pollster::block_on(self.run_as(job, call))
    }

    /// Maps items on all threads, and reduces what comes of them in the order of the items.
    ///
    /// The items are cut into pieces that take about a millisecond by what they were seen to cost;
    /// the first and the last ones are smaller. Between pieces, jobs of higher priority have their
    /// turn. `init` is what an empty sequence comes to, and the first left-hand side of `reduce`.
    /// Mapped items whose predecessors are not yet mapped are held in memory.
    ///
    /// It counts as one job: it is taken or refused as a whole, a panic or a deadline ends it as a
    /// whole, and dropping the future stops it between two items.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let cpu = paceline::offload::Offload::builder().threads(2).build()?;
    /// use paceline::offload::Job;
    ///
    /// let words = ["one", "two", "three", "four"];
    /// let joined = cpu
    ///     .map_reduce(
    ///         Job::named("shout"),
    ///         words,
    ///         |_, word| word.to_uppercase(),
    ///         String::new(),
    ///         |line, word| line + &word + "! ",
    ///     )
    ///     .await;
    /// assert_eq!(joined.as_deref(), Ok("ONE! TWO! THREE! FOUR! "));
    /// # Ok::<(), std::io::Error>(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn map_reduce<I, M, T, A, R>(
        &self,
        job: Job,
        items: I,
        map: M,
        init: A,
        reduce: R,
    ) -> Pending<A>
    where
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        I::Item: Send + 'static,
        M: Fn(&Cx, I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
        A: Send + 'static,
        R: FnMut(A, T) -> A + Send + 'static,
    {
        let pool = &self.handle.pool;
        let work = Arc::new(MapReduce::new(
            items.into_iter(),
            map,
            init,
            reduce,
            pool.threads(),
            &job,
        ));
        let handed: Arc<dyn Work> = Arc::<MapReduce<_, _, _, _, _>>::clone(&work);
        match pool.offer(&job, Shape::Split, handed) {
            Ok(ticket) => Pending::taken(work, Arc::clone(pool), ticket),
            Err(error) => Pending::refused(error),
        }
    }

    /// How the pool is doing, and what it has done so far.
    ///
    /// ```
    /// # let cpu = paceline::offload::Offload::builder().threads(1).build()?;
    /// assert_eq!(cpu.snapshot().done, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        self.handle.pool.snapshot()
    }

    /// Takes no more jobs; those that were taken are done. Callers get
    /// [`OffloadError::ShutDown`] from now on.
    ///
    /// ```
    /// use paceline::offload::OffloadError;
    /// # let cpu = paceline::offload::Offload::builder().threads(1).build()?;
    /// cpu.close();
    /// assert_eq!(cpu.run_blocking(|_| ()), Err(OffloadError::ShutDown));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close(&self) {
        self.handle.pool.close();
    }
}

impl fmt::Debug for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offload")
            .field("snapshot", &self.snapshot().to_string())
            .finish_non_exhaustive()
    }
}

/// Ends the threads when it is dropped.
pub(super) struct Handle {
    pool: Arc<Pool>,
    threads: Vec<JoinHandle<()>>,
}

impl Handle {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            threads: Vec::new(),
        }
    }

    pub(super) fn spawn(
        &mut self,
        name: String,
        life: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let thread = thread::Builder::new().name(name).spawn(life)?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.pool.end();
        if self.pool.is_member() {
            // One of them would wait for itself. They end by themselves.
            return;
        }
        for thread in self.threads.drain(..) {
            // It cannot have panicked: what may is caught where it is called.
            let _ = thread.join();
        }
    }
}
