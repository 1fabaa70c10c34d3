//! The services with a limit.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::future::{AdaptiveLimitFuture, Http503Future};
use super::gate::Gate;
use super::{LimitError, service_unavailable};

/// A service with a limit on its requests in flight; what is not let in is an error.
///
/// ```
/// use paceline::tower::{AdaptiveLimit, AdaptiveLimitLayer};
/// use tower::Layer;
///
/// let limited: AdaptiveLimit<&str> = AdaptiveLimitLayer::new().layer("any service");
/// # let _ = limited;
/// ```
#[derive(Clone, Debug)]
pub struct AdaptiveLimit<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> AdaptiveLimit<S> {
    pub(super) fn new(inner: S, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

impl<S, Request> Service<Request> for AdaptiveLimit<S>
where
    S: Service<Request>,
{
    type Response = S::Response;
    type Error = LimitError<S::Error>;
    type Future = AdaptiveLimitFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(LimitError::Service)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.gate.enter() {
            Ok(pass) => AdaptiveLimitFuture::let_in(self.inner.call(request), pass),
            Err(refused) => AdaptiveLimitFuture::refused(refused),
        }
    }
}

/// An HTTP service with a limit on its requests in flight; what is not let in is answered with
/// `503 Service Unavailable`. A request counts as in flight until its response begins; the body is
/// not waited for.
///
/// ```
/// use paceline::tower::{AdaptiveLimitLayer, Http503};
/// use tower::Layer;
///
/// let limited: Http503<&str> = AdaptiveLimitLayer::new().answer_503().layer("any service");
/// # let _ = limited;
/// ```
#[derive(Clone, Debug)]
pub struct Http503<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> Http503<S> {
    pub(super) fn new(inner: S, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

impl<S, In, Out> Service<Request<In>> for Http503<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    Out: Default,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = Http503Future<S::Future, Out>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        match self.gate.enter() {
            Ok(pass) => Http503Future::let_in(self.inner.call(request), pass),
            Err(refused) => Http503Future::refused(service_unavailable(refused.retry_after)),
        }
    }
}
