//! A limit on requests in flight for tower services, found by itself, with early refusal.
//!
//! [`AdaptiveLimitLayer`] lets in as many requests as are answered quickly, and refuses the rest at
//! once. Whether a request is let in is decided when it comes (`call`), never in `poll_ready`: a
//! connection that is ready but idle holds nothing.
//!
//! Refusals are an error, [`LimitError::Overloaded`], or with
//! [`answer_503`](AdaptiveLimitLayer::answer_503) a response `503 Service Unavailable` with
//! `Retry-After`, which is what axum and hyper want.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! use paceline::tower::AdaptiveLimitLayer;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! let limit = AdaptiveLimitLayer::with_limit(..=100);
//! let mut service = ServiceBuilder::new()
//!     .layer(limit.clone())
//!     .service(service_fn(|n: u32| async move { Ok::<_, std::io::Error>(n + 1) }));
//!
//! let answer = service.ready().await?.call(1).await?;
//! assert_eq!((answer, limit.snapshot().done), (2, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).expect("it answers");
//! # Ok::<(), std::io::Error>(())
//! ```

mod error;
mod future;
mod gate;
mod layer;
mod respond;
mod service;

pub use error::LimitError;
pub use future::{AdaptiveLimitFuture, Http503Future};
pub use gate::GateSnapshot;
pub use layer::{AdaptiveLimitLayer, Http503Layer};
pub use respond::service_unavailable;
pub use service::{AdaptiveLimit, Http503};
