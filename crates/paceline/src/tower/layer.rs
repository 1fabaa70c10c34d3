//! The layers that put the limit around services.

use std::sync::Arc;

use paceline_control::{Bounds, Controller, Fixed};
use tower_layer::Layer;

use super::gate::{Gate, GateSnapshot};
use super::service::{AdaptiveLimit, Http503};

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
pub struct AdaptiveLimitLayer {
    bounds: Bounds,
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
        Self::within(Bounds::default())
    }

    /// Always lets so many in; 0 is taken as 1.
    ///
    /// ```
    /// let limit = paceline::tower::AdaptiveLimitLayer::fixed(8);
    /// assert_eq!(limit.snapshot().limit, 8);
    /// ```
    pub fn fixed(limit: usize) -> Self {
        Self::with(Fixed::new(limit))
    }

    /// Lets in as many as a controller of `paceline-control` says.
    ///
    /// ```
    /// use paceline_control::Fixed;
    /// let limit = paceline::tower::AdaptiveLimitLayer::with(Fixed::new(3));
    /// assert_eq!(limit.snapshot().limit, 3);
    /// ```
    pub fn with(controller: impl Controller + 'static) -> Self {
        Self {
            bounds: Bounds::default(),
            gate: Arc::new(Gate::with(Box::new(controller))),
        }
    }

    fn within(bounds: Bounds) -> Self {
        Self {
            bounds,
            gate: Arc::new(Gate::new(bounds)),
        }
    }

    /// A new layer that finds the limit by itself, but never lets more in.
    ///
    /// ```
    /// let limit = paceline::tower::AdaptiveLimitLayer::new().max(10);
    /// assert_eq!(limit.snapshot().limit, 10);
    /// ```
    #[must_use]
    pub fn max(self, requests: usize) -> Self {
        Self::within(Bounds {
            max: Some(requests),
            ..self.bounds
        })
    }

    /// A new layer that finds the limit by itself, but always lets so many in.
    ///
    /// ```
    /// let limit = paceline::tower::AdaptiveLimitLayer::new().min(50);
    /// assert_eq!(limit.snapshot().limit, 50);
    /// ```
    #[must_use]
    pub fn min(self, requests: usize) -> Self {
        Self::within(Bounds {
            min: requests,
            ..self.bounds
        })
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
    /// let mut service = AdaptiveLimitLayer::fixed(1).answer_503().layer(service_fn(
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
    #[must_use]
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
pub struct Http503Layer {
    gate: Arc<Gate>,
}

impl<S> Layer<S> for Http503Layer {
    type Service = Http503<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Http503::new(inner, Arc::clone(&self.gate))
    }
}
