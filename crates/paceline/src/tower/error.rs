//! Why a request has no response.

use std::time::Duration;

/// Why a request has no response.
///
/// ```
/// use std::time::Duration;
/// use paceline::tower::LimitError;
///
/// let error: LimitError<std::io::Error> = LimitError::Overloaded {
///     in_flight: 40,
///     retry_after: Duration::from_millis(120),
/// };
/// assert_eq!(error.to_string(), "overloaded with 40 requests in flight; try again in 120 ms");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError<E> {
    /// As many are in flight as can be answered quickly. The service has not seen the request.
    #[error(
        "overloaded with {in_flight} requests in flight; try again in {} ms",
        retry_after.as_millis()
    )]
    Overloaded {
        /// Requests in flight.
        in_flight: usize,
        /// When a new attempt is likely to be let in. Those refused together are given different
        /// times.
        retry_after: Duration,
    },
    /// The service itself failed.
    #[error(transparent)]
    Service(#[from] E),
}
