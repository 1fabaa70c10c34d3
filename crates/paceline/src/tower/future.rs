//! Responses that are still to come.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Response, StatusCode};
use paceline_control::Outcome;
use pin_project_lite::pin_project;

use super::LimitError;
use super::gate::{Pass, Refused};

pin_project! {
    /// The response of an [`AdaptiveLimit`](super::AdaptiveLimit).
    ///
    /// ```
    /// use paceline::tower::AdaptiveLimitFuture;
    /// fn is_a_future<F: Future>() {}
    /// is_a_future::<AdaptiveLimitFuture<std::future::Ready<Result<(), std::io::Error>>>>();
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct AdaptiveLimitFuture<F> {
        #[pin]
        inner: Option<F>,
        pass: Option<Pass>,
        refused: Option<Refused>,
    }
}

impl<F> AdaptiveLimitFuture<F> {
    pub(super) fn let_in(inner: F, pass: Pass) -> Self {
        Self {
            inner: Some(inner),
            pass: Some(pass),
            refused: None,
        }
    }

    pub(super) fn refused(refused: Refused) -> Self {
        Self {
            inner: None,
            pass: None,
            refused: Some(refused),
        }
    }
}

impl<F, T, E> Future for AdaptiveLimitFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, LimitError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(refused) = this.refused.take() {
            return Poll::Ready(Err(LimitError::Overloaded {
                in_flight: refused.in_flight,
                retry_after: refused.retry_after,
            }));
        }
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Pending;
        };
        let Poll::Ready(result) = inner.poll(cx) else {
            return Poll::Pending;
        };
        if let Some(pass) = this.pass.take() {
            pass.ended(match &result {
                Ok(_) => Outcome::Done,
                Err(_) => Outcome::Failed,
            });
        }
        Poll::Ready(result.map_err(LimitError::Service))
    }
}

pin_project! {
    /// The response of an [`Http503`](super::Http503).
    ///
    /// ```
    /// use paceline::tower::Http503Future;
    /// type Answer = Result<http::Response<()>, std::io::Error>;
    /// fn is_a_future<F: Future>() {}
    /// is_a_future::<Http503Future<std::future::Ready<Answer>, ()>>();
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Http503Future<F, B> {
        #[pin]
        inner: Option<F>,
        pass: Option<Pass>,
        refused: Option<Response<B>>,
    }
}

impl<F, B> Http503Future<F, B> {
    pub(super) fn let_in(inner: F, pass: Pass) -> Self {
        Self {
            inner: Some(inner),
            pass: Some(pass),
            refused: None,
        }
    }

    pub(super) fn refused(response: Response<B>) -> Self {
        Self {
            inner: None,
            pass: None,
            refused: Some(response),
        }
    }
}

impl<F, B, E> Future for Http503Future<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(response) = this.refused.take() {
            return Poll::Ready(Ok(response));
        }
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Pending;
        };
        let Poll::Ready(result) = inner.poll(cx) else {
            return Poll::Pending;
        };
        if let Some(pass) = this.pass.take() {
            pass.ended(match &result {
                Ok(response) => outcome(response.status()),
                Err(_) => Outcome::Failed,
            });
        }
        Poll::Ready(result)
    }
}

/// What a response says about the service behind.
fn outcome(status: StatusCode) -> Outcome {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Outcome::Busy,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Outcome::TimedOut,
        status if status.is_server_error() => Outcome::Failed,
        _ => Outcome::Done,
    }
}
