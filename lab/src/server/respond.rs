//! One request, from its arrival to its answer.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use tokio::time::sleep;

use super::body::Answer;
use super::service::{Refusal, Service};
use crate::work::burn;

/// What `/work?cpu_ms=30&wait_ms=70` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wishes {
    cpu: Duration,
    wait: Option<Duration>,
}

/// Answers `request`.
pub(super) async fn respond(
    service: Rc<Service>,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let path = request.uri().path();
    if path == "/stats" {
        return Ok(stats(&service));
    }
    let wishes = match path {
        "/work" => match Wishes::read(request.uri().query().unwrap_or_default()) {
            Some(wishes) => wishes,
            None => return Ok(bad_request()),
        },
        _ => Wishes::default(),
    };
    match service.pass_rate() {
        Ok(()) => {}
        Err(Refusal::Rate(wait)) if service.manners.queue_at_rate => sleep(wait).await,
        Err(_) => return Ok(reject(&service, path).await),
    }
    let Ok(mut visit) = service.enter(wishes.wait) else {
        return Ok(reject(&service, path).await);
    };
    let size = service.size();
    visit.wait().await;
    if wishes.cpu > Duration::ZERO {
        // Only a panic could make this fail.
        let _ = tokio::task::spawn_blocking(move || burn(wishes.cpu)).await;
    }
    visit.answer(path);
    Ok(Response::new(Answer::Filler(size)))
}

async fn reject(service: &Service, path: &str) -> Response<Answer> {
    service.reject(path);
    sleep(service.manners.reject_after).await;
    let mut response = text(StatusCode::TOO_MANY_REQUESTS, "come back later\n");
    if let Some(seconds) = service.manners.retry_after {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn stats(service: &Service) -> Response<Answer> {
    match serde_json::to_vec(&*service.stats()) {
        Ok(json) => {
            let mut response = Response::new(Answer::Text(json.into()));
            let kind = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        Err(_) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "bug: cannot write stats\n",
        ),
    }
}

fn bad_request() -> Response<Answer> {
    text(
        StatusCode::BAD_REQUEST,
        "ask for /work?cpu_ms=NUMBER&wait_ms=NUMBER\n",
    )
}

fn text(status: StatusCode, words: &'static str) -> Response<Answer> {
    let mut response = Response::new(Answer::Text(Bytes::from_static(words.as_bytes())));
    *response.status_mut() = status;
    response
}

impl Wishes {
    fn read(query: &str) -> Option<Self> {
        let mut wishes = Self::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=')?;
            let milliseconds = value.parse().ok().filter(|&ms: &f64| ms >= 0.0)?;
            let time = Duration::try_from_secs_f64(milliseconds / 1e3).ok()?;
            match key {
                "cpu_ms" => wishes.cpu = time,
                "wait_ms" => wishes.wait = Some(time),
                _ => return None,
            }
        }
        Some(wishes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_wishes() {
        let read = Wishes::read("cpu_ms=1.5&wait_ms=20").expect("these are wishes");
        assert_eq!(read.cpu, Duration::from_micros(1500));
        assert_eq!(read.wait, Some(Duration::from_millis(20)));
        assert_eq!(Wishes::read(""), Some(Wishes::default()));
        for wrong in ["cpu_ms", "cpu_ms=x", "cpu_ms=-1", "else=1"] {
            assert_eq!(Wishes::read(wrong), None, "{wrong}");
        }
    }
}
