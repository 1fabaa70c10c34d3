//! Give paceline the work: it finds out what the work waits for and runs it at the right level.
//!
//! [`map`] is for one step: a closure over items, on as many threads as the work deserves. It needs
//! none of the crate's features.
//!
//! ```
//! let mapped = paceline::map(["3", "4", "five"], |text| text.parse::<u32>())
//!     .on_error(paceline::OnError::Collect)
//!     .run()
//!     .expect("failures are collected");
//! assert_eq!(mapped.values.iter().sum::<u32>(), 7);
//! for failed in &mapped.failures {
//!     println!("{failed}");
//! }
//! println!("{}", mapped.report);
//! ```

#![deny(unsafe_code)]
#![deny(missing_docs)]
#![warn(missing_debug_implementations)]

mod cx;
mod failure;
mod level;
mod limit;
mod map;
#[cfg(feature = "tokio")]
mod map_async;
mod meter;
pub mod offload;
mod on_error;
#[cfg(feature = "tokio")]
mod pipeline;
mod report;
mod retry;
mod threads;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "watchdog")]
pub mod watchdog;

pub use cx::{Cancelled, Cx};
pub use failure::{BoxError, FailureKind, SharedError};
pub use level::LevelStep;
pub use limit::Limit;
pub use map::{Failed, Map, MapError, MapResult, Mapped, Results, map};
#[cfg(feature = "tokio")]
pub use map_async::{MapAsync, ResultStream, map_async, map_command};
pub use on_error::OnError;
#[cfg(feature = "tokio")]
pub use pipeline::{
    Again, Batch, Budget, Collected, Failure, IntoStage, Once, Pipeline, Run, RunError, Stage,
};
pub use report::{Bottleneck, Report, StageKind, StageReport};
pub use retry::{ErrorKind, Retry};
/// Ends a run from outside; that of [`tokio_util`](tokio_util::sync::CancellationToken).
#[cfg(feature = "tokio")]
pub use tokio_util::sync::CancellationToken;
