//! Give paceline the work: it finds out what the work waits for and runs it at the right level.
//!
//! [`map`] is for one step: a closure over items, on as many threads as the work deserves. It needs
//! none of the crate's features.
//!
//! ```
//! let mapped = paceline::map(["3", "4", "five"], |text| text.parse::<u32>())
//!     .on_error(paceline::OnError::Collect)
//!     .run()?;
//! assert_eq!(mapped.values.iter().sum::<u32>(), 7);
//! for failed in &mapped.failures {
//!     println!("{failed}");
//! }
//! println!("{}", mapped.report);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(
    feature = "tokio",
    doc = r#"
[`map_async`] and [`map_command`] do the same over futures and over processes.

A [`Pipeline`] is for several steps of different kinds. Each stage runs at a level of its own while the
others run too, what they hold together stays in a [`Budget`], and the [`Report`] says what held the run
up.

```
# #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), paceline::RunError> {
use paceline::{Budget, Pipeline};

async fn fetch(n: u32) -> std::io::Result<String> {
    Ok(n.to_string())
}

let (squares, report) = Pipeline::from_iter(1..=100)
    .io("fetch", fetch)
    .cpu("parse", |_cx, text| text.parse::<u64>())
    .blocking("store", |_cx, n| Ok::<_, std::io::Error>(n * n))
    .budget(Budget::items(64))
    .ordered()
    .collect()
    .await?;
assert_eq!(squares[99], 10_000);
println!("{report}");
# Ok(()) }
```
"#
)]
//!
//! [`offload`] is a pool for servers: it takes work that would hold up an event loop, as much as it can
//! do in time, and refuses the rest at once.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let cpu = paceline::offload::Offload::builder().threads(2).build()?;
//! assert_eq!(cpu.run(|_cx| (1..=20_u64).product()).await, Ok(2_432_902_008_176_640_000_u64));
//! # Ok::<(), std::io::Error>(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The [guide](https://github.com/paceline/paceline/blob/main/docs/guide.md) goes from what one wants to
//! do to the code.
//!
//! # What always holds
//!
//! * Every item comes out once, as a value or as a failure that says which item it was and why.
//! * A panic of the work is its item's failure, and nobody else's.
//! * When a run is over, or was waited for, no thread, task or process of it is left.
//!
//! # Features
//!
//! They only add, and none changes what others do.
//!
//! | feature | adds | types of other crates in its API |
//! |---|---|---|
//! | `tokio`, by default | `Pipeline`, `map_async`, `map_command` | `tokio`: `process::Command`; `tokio-util`: `CancellationToken`; `futures-core`: `Stream` |
//! | `serde` | reports can be written down | `serde`: `Serialize` |
//! | `tower` | the module `tower`: a limit on requests in flight | `tower-layer`, `tower-service`, `http`; `paceline-control`: `Controller` |
//! | `watchdog` | the module `watchdog`, which tells when a worker is held | `tokio`: `runtime::{Builder, Handle}` |
//! | `tracing` | spans around jobs of [`offload`] | none |
//!
//! Without features the API has types of the standard library alone.

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
