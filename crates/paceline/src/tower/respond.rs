//! The response to what is not let in.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};

/// A response `503 Service Unavailable` that asks the client to come back after so long, in whole
/// seconds and at least one (RFC 9110, section 10.2.3).
///
/// ```
/// use std::time::Duration;
/// use paceline::tower::service_unavailable;
///
/// let response = service_unavailable::<String>(Duration::from_millis(1200));
/// assert_eq!(response.status(), 503);
/// assert_eq!(response.headers()["retry-after"], "2");
/// ```
pub fn service_unavailable<B: Default>(retry_after: Duration) -> Response<B> {
    let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}
