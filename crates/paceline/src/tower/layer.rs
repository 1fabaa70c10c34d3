//! The layers that put the limit around services.

use std::sync::Arc;

use paceline_control::{Controller, Fixed, Latency};
use tower_layer::Layer;

use super::gate::{Gate, GateSnapshot};
use super::service::{AdaptiveLimit, Http503};
use crate::limit::Limit;

/// Limits the requests in flight of all services that it, or a clone of it, is put around.
///
/// ```
/// use paceline::tower::AdaptiveLimitLayer;
/// use tower::{ServiceBuilder, service_fn};
///
/// let service = ServiceBuilder::new()
///     .layer(AdaptiveLimitLayer::new())
///     .service(service_fn(|()| async { Ok::<_, std::io::Error>(()) }));
/// # let _ = service;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a limit does nothing before it is put around a service"]
pub struct AdaptiveLimitLayer {
    gate: Arc<Gate>,
}

impl Default for AdaptiveLimitLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl AdaptiveLimitLayer {
    /// Begins with 20 requests in flight and finds the limit by itself: as many as are answered
    /// quickly.
    ///
    /// ```
    /// let limit = paceline::tower::AdaptiveLimitLayer::new();
    /// assert_eq!(limit.snapshot().limit, 20);
    /// ```
    pub fn new() -> Self {
        Self::with_limit(Limit::Auto)
    }

    /// Finds the limit by itself within bounds, or always lets so many in.
    ///
    /// ```
    /// use paceline::tower::AdaptiveLimitLayer;
    ///
    /// assert_eq!(AdaptiveLimitLayer::with_limit(..=10).snapshot().limit, 10);
    /// assert_eq!(AdaptiveLimitLayer::with_limit(50..).snapshot().limit, 50);
    /// assert_eq!(AdaptiveLimitLayer::with_limit(8).snapshot().limit, 8);
    /// ```
    pub fn with_limit(limit: impl Into<Limit>) -> Self {
        match limit.into() {
            Limit::Fixed(limit) => Self::with_controller(Fixed::new(limit)),
            limit => Self::with_controller(Latency::new(limit.bounds())),
        }
    }

    /// Lets in as many as a controller of the crate `paceline-control` says.
    ///
    /// ```
    /// use paceline_control::Fixed;
    /// let limit = paceline::tower::AdaptiveLimitLayer::with_controller(Fixed::new(3));
    /// assert_eq!(limit.snapshot().limit, 3);
    /// ```
    pub fn with_controller(controller: impl Controller + 'static) -> Self {
        Self {
            gate: Arc::new(Gate::new(Box::new(controller))),
        }
    }

    /// The same limit for HTTP services: what is not let in is answered with
    /// `503 Service Unavailable` and `Retry-After`.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// use http::{Request, Response, StatusCode};
    /// use paceline::tower::AdaptiveLimitLayer;
    /// use tower::{Layer, Service, service_fn};
    ///
    /// let mut service = AdaptiveLimitLayer::with_limit(1).answer_503().layer(service_fn(
    ///     |_: Request<()>| async { Ok::<_, std::io::Error>(Response::new(String::from("hello"))) },
    /// ));
    /// let first = service.call(Request::new(()));
    /// let second = service.call(Request::new(())).await?;
    /// assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    /// assert_eq!(first.await?.status(), StatusCode::OK);
    /// # Ok::<(), std::io::Error>(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn answer_503(self) -> Http503Layer {
        Http503Layer { gate: self.gate }
    }

    /// The limit as it stands, and what has been let in.
    ///
    /// ```
    /// let limit = paceline::tower::AdaptiveLimitLayer::new();
    /// assert_eq!(limit.snapshot().in_flight, 0);
    /// ```
    pub fn snapshot(&self) -> GateSnapshot {
        self.gate.snapshot()
    }
}

impl<S> Layer<S> for AdaptiveLimitLayer {
    type Service = AdaptiveLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AdaptiveLimit::new(inner, Arc::clone(&self.gate))
    }
}

/// Made by [`AdaptiveLimitLayer::answer_503`].
///
/// ```
/// use paceline::tower::{AdaptiveLimitLayer, Http503Layer};
/// let layer: Http503Layer = AdaptiveLimitLayer::new().answer_503();
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a limit does nothing before it is put around a service"]
pub struct Http503Layer {
    gate: Arc<Gate>,
}

impl<S> Layer<S> for Http503Layer {
    type Service = Http503<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Http503::new(inner, Arc::clone(&self.gate))
    }
}
