//! How a pool is made.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::handle::{Handle, Offload};
use super::nice;
use super::policy::{Floor, Limits};
use super::pool::Pool;

/// Says what an [`Offload`] is to be like.
///
/// ```
/// use std::time::Duration;
/// use paceline::offload::Offload;
///
/// let cpu = Offload::builder()
///     .threads(2)
///     .nice(10)
///     .queue(64)
///     .max_wait(Duration::from_millis(200))
///     .build()?;
/// assert_eq!(cpu.snapshot().threads, 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct OffloadBuilder {
    threads: Option<usize>,
    reserve_cores: usize,
    nice: u8,
    floor: f64,
    queue: usize,
    max_wait: Option<Duration>,
}

impl Default for OffloadBuilder {
    fn default() -> Self {
        Self {
            threads: None,
            reserve_cores: 0,
            nice: 10,
            floor: 0.2,
            queue: 64,
            max_wait: None,
        }
    }
}

impl OffloadBuilder {
    /// How many jobs run at once; at least 1. Unless said otherwise, one per core that this process
    /// may use (its affinity and its container's quota), less those reserved.
    ///
    /// ```
    /// # use paceline::offload::Offload;
    /// let cpu = Offload::builder().threads(3).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn threads(self, threads: usize) -> Self {
        Self {
            threads: Some(threads.max(1)),
            ..self
        }
    }

    /// Cores that the pool leaves alone; 0 unless said otherwise. Niceness is the better way to
    /// keep an event loop responsive, since it leaves no core idle.
    ///
    /// ```
    /// # use paceline::offload::Offload;
    /// let cpu = Offload::builder().reserve_cores(1).nice(0).build()?;
    /// assert!(cpu.snapshot().threads >= 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reserve_cores(self, cores: usize) -> Self {
        Self {
            reserve_cores: cores,
            ..self
        }
    }

    /// By how much the priority of the threads is lowered, from 0 (not at all) to 19; 10 unless said
    /// otherwise. The threads then use whatever the event loop leaves of the cores, and give way as
    /// soon as it has something to do.
    ///
    /// ```
    /// # use paceline::offload::Offload;
    /// let cpu = Offload::builder().threads(1).nice(5).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn nice(self, by: u8) -> Self {
        Self {
            nice: by.min(19),
            ..self
        }
    }

    /// The share of the time they want that niced threads should get at least, from 0 to 1; 0.2
    /// unless said otherwise. If other threads fill the cores and leave them less, one more thread
    /// with normal priority helps out, until they do better. 0 never lets it.
    ///
    /// ```
    /// # use paceline::offload::Offload;
    /// let cpu = Offload::builder().threads(1).floor(0.5).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn floor(self, share: f64) -> Self {
        Self {
            floor: if share.is_finite() {
                share.clamp(0.0, 1.0)
            } else {
                0.0
            },
            ..self
        }
    }

    /// How many jobs may wait, beyond those that a free thread is about to take; at least 1, and 64
    /// unless said otherwise. More are refused with [`Overloaded`](super::OffloadError::Overloaded).
    ///
    /// ```
    /// # use paceline::offload::Offload;
    /// let cpu = Offload::builder().threads(1).queue(1000).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn queue(self, jobs: usize) -> Self {
        Self {
            queue: jobs.max(1),
            ..self
        }
    }

    /// How long a job may wait; without a bound unless said. A job that is expected to wait longer
    /// is refused at once, with [`Overloaded`](super::OffloadError::Overloaded); one that did wait
    /// longer, because others took more time than expected, ends with
    /// [`DeadlinePassed`](super::OffloadError::DeadlinePassed).
    ///
    /// ```
    /// # use paceline::offload::Offload;
    /// use std::time::Duration;
    /// let cpu = Offload::builder()
    ///     .threads(1)
    ///     .max_wait(Duration::from_millis(200))
    ///     .build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn max_wait(self, time: Duration) -> Self {
        Self {
            max_wait: Some(time),
            ..self
        }
    }

    /// Starts the threads.
    ///
    /// ```
    /// let cpu = paceline::offload::Offload::builder().build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the system gives us no thread, or refuses the lower priority.
    pub fn build(self) -> io::Result<Offload> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = self
            .threads
            .unwrap_or_else(|| cores.saturating_sub(self.reserve_cores).max(1));
        let limits = Limits {
            threads,
            capacity: self.queue,
            max_wait: self.max_wait,
        };
        let pool = Arc::new(Pool::new(limits, cores > 1));
        // From here on, whatever fails, dropping the handle ends the threads there are.
        let mut handle = Handle::new(Arc::clone(&pool));
        let (ready, started) = mpsc::channel();
        for number in 0..threads {
            let (pool, ready) = (Arc::clone(&pool), ready.clone());
            handle.spawn(format!("offload-{number}"), move || {
                let lowered = nice::lower(self.nice);
                let ok = lowered.is_ok();
                let told = ready.send(lowered).is_ok();
                drop(ready);
                if ok && told {
                    pool.work(number);
                }
            })?;
        }
        let floor = (self.nice > 0 && self.floor > 0.0).then(|| Floor::new(self.floor, cores));
        if floor.is_some() {
            let (pool, ready) = (Arc::clone(&pool), ready.clone());
            handle.spawn("offload-reserve".into(), move || {
                if ready.send(Ok(())).is_ok() {
                    drop(ready);
                    pool.work_in_reserve();
                }
            })?;
        }
        handle.spawn("offload-keeper".into(), move || {
            if ready.send(Ok(())).is_ok() {
                drop(ready);
                pool.keep(floor);
            }
        })?;
        for lowered in started {
            lowered?;
        }
        Ok(Offload::new(handle))
    }
}
