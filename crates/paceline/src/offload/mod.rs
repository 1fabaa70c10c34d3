//! CPU work beside an event loop: a pool that takes what it can do in time, and says at once when
//! it cannot.
//!
//! A handler that computes for 50 ms holds up every connection of its worker for as long. Handing
//! the work to [`Offload`] keeps the loop free. What sets it apart from a plain pool:
//!
//! * **It is bounded, and refuses early.** From the measured cost of jobs it knows how long a new one
//!   would wait. If that is longer than allowed, the caller hears
//!   [`Overloaded`](OffloadError::Overloaded) now, with a time to come back, and not a timeout later.
//! * **Its threads are niced.** They use all that the loop leaves of the cores and give way to it;
//!   no core has to be kept idle. If the loop itself fills the cores, a thread of normal priority
//!   helps out.
//! * **It does nothing in vain.** A job whose caller has gone, or whose deadline has passed, is not
//!   begun.
//! * **It splits.** [`Offload::map_reduce`] cuts a job into pieces of about a millisecond by what
//!   items cost, and lets others in between them.
//!
//! It needs no runtime: [`Pending`] is a future for any executor, and [`Offload::run_blocking`] needs
//! none.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use paceline::offload::{Job, Offload};
//!
//! let cpu = Offload::builder().threads(2).build()?;
//! let primes = cpu
//!     .map_reduce(
//!         Job::named("primes"),
//!         2..1000_u32,
//!         |_, n| u32::from((2..n).all(|d| n % d != 0)),
//!         0,
//!         |sum, prime| sum + prime,
//!     )
//!     .await;
//! assert_eq!(primes, Ok(168));
//! # Ok::<(), std::io::Error>(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod builder;
mod error;
mod handle;
mod job;
mod map_reduce;
mod metrics;
mod nice;
mod outcome;
mod pending;
mod policy;
mod pool;
mod priority;
mod rest;
mod sync;
mod trace;
mod work;

pub use builder::OffloadBuilder;
pub use error::OffloadError;
pub use handle::Offload;
pub use job::Job;
pub use metrics::{Histogram, Snapshot};
pub use pending::Pending;
#[cfg(feature = "tower")]
pub(crate) use policy::Comebacks;
pub use priority::Priority;
