//! An object store on the loopback that speaks as much of S3's protocol as clients need to list, read,
//! write and delete whole objects, each request as late as it is told to be.
//!
//! It keeps objects in memory and takes any credentials. Uploads in parts and copies are answered 501.

mod listing;
mod objects;
mod range;

use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED,
    RANGE,
};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio::time::sleep;

use objects::{Object, Objects};

/// A store without its sockets.
#[derive(Debug)]
pub struct Store {
    objects: Objects,
    latency: Duration,
}

impl Store {
    /// An empty one, whose answers take `latency`, however many requests there are.
    pub fn new(latency: Duration) -> Self {
        Self {
            objects: Objects::default(),
            latency,
        }
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await;
        sleep(self.latency).await;
        Ok(match body {
            Ok(body) => self.answer(&head, body.to_bytes()),
            Err(_) => error(StatusCode::BAD_REQUEST, "IncompleteBody"),
        })
    }

    /// What is answered to a request that has come in whole.
    fn answer(&self, head: &Parts, body: Bytes) -> Response<Full<Bytes>> {
        let path = head.uri.path().trim_start_matches('/');
        let Ok(path) = percent_decode_str(path).decode_utf8() else {
            return error(StatusCode::BAD_REQUEST, "InvalidURI");
        };
        let query = head.uri.query().unwrap_or_default();
        let (bucket, key) = path.split_once('/').unwrap_or((&*path, ""));
        if bucket.is_empty() {
            return error(StatusCode::NOT_IMPLEMENTED, "NotImplemented");
        }
        if key.is_empty() {
            return match head.method {
                Method::GET => xml(StatusCode::OK, &self.objects.list(bucket, query)),
                // Every bucket is there.
                Method::HEAD | Method::PUT => Response::default(),
                _ => error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
            };
        }
        let copies = head.headers.contains_key("x-amz-copy-source");
        if !query.is_empty() && query != "x-id=GetObject" && query != "x-id=PutObject" || copies {
            return error(StatusCode::NOT_IMPLEMENTED, "NotImplemented");
        }
        match head.method {
            Method::GET | Method::HEAD => match self.objects.get(&path) {
                Some(object) => send(&object, head.headers.get(RANGE)),
                None => error(StatusCode::NOT_FOUND, "NoSuchKey"),
            },
            Method::PUT
                if head
                    .headers
                    .get(IF_NONE_MATCH)
                    .is_some_and(|any| any == "*") =>
            {
                match self.objects.get(&path) {
                    Some(_) => error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
                    None => self.keep(&path, body),
                }
            }
            Method::PUT => self.keep(&path, body),
            Method::DELETE => {
                self.objects.remove(&path);
                status(StatusCode::NO_CONTENT)
            }
            _ => error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
        }
    }

    fn keep(&self, path: &str, body: Bytes) -> Response<Full<Bytes>> {
        let tag = self.objects.put(path, body);
        let mut response = Response::default();
        set(&mut response, ETAG, &tag);
        response
    }
}

/// Answers on `listener` for as long as it is polled.
///
/// Must run inside a `LocalSet` of a runtime with one thread.
pub async fn serve(listener: TcpListener, store: Rc<Store>) -> io::Result<()> {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of descriptors, or the client is gone again: the next one may fare better.
            Err(error) => {
                eprintln!("lab-store: cannot accept a connection: {error}");
                sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        stream.set_nodelay(true)?;
        let store = Rc::clone(&store);
        let answer = move |request| {
            let store = Rc::clone(&store);
            async move { store.respond(request).await }
        };
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        // A client that goes away is its own business.
        spawn_local(async move { drop(connection.await) });
    }
}

/// An object or a part of it. To a HEAD the server sends its head alone.
fn send(object: &Object, range: Option<&HeaderValue>) -> Response<Full<Bytes>> {
    let size = object.bytes.len();
    let mut response = match range.and_then(|range| range.to_str().ok()) {
        None => Response::new(Full::new(object.bytes.clone())),
        Some(range) => {
            let Some(range) = range::read(range, size) else {
                return error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange");
            };
            let told = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            let mut part = Response::new(Full::new(object.bytes.slice(range)));
            *part.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut part, CONTENT_RANGE, &told);
            part
        }
    };
    set(&mut response, ETAG, &object.tag);
    set(&mut response, ACCEPT_RANGES, "bytes");
    let modified = httpdate::fmt_http_date(object.modified);
    set(&mut response, LAST_MODIFIED, &modified);
    response
}

/// An error in S3's form.
fn error(status: StatusCode, code: &str) -> Response<Full<Bytes>> {
    xml(
        status,
        &format!("<Error><Code>{code}</Code><Message>{status}</Message></Error>"),
    )
}

fn xml(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}");
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "application/xml");
    response
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

fn set(response: &mut Response<Full<Bytes>>, name: hyper::header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        store: &Store,
        request: hyper::http::request::Builder,
        body: &'static str,
    ) -> (StatusCode, hyper::HeaderMap, String) {
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let (head, body) = store.answer(&head, body.into()).into_parts();
        let text = text_of(body);
        (head.status, head.headers, text)
    }

    fn text_of(body: Full<Bytes>) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let bytes = runtime.block_on(body.collect()).expect("it is whole");
        String::from_utf8(bytes.to_bytes().to_vec()).expect("text")
    }

    #[test]
    fn keeps_what_it_is_given() {
        let store = Store::new(Duration::ZERO);
        let put = |path| Request::put(path);
        let (status, head, _) = ask(&store, put("/b/a%20%26/c.csv"), "hello");
        assert_eq!(status, StatusCode::OK);
        let tag = head[ETAG].clone();
        let (status, head, text) = ask(&store, Request::get("/b/a%20&/c.csv"), "");
        assert_eq!((status, &*text), (StatusCode::OK, "hello"));
        assert_eq!(head[ETAG], tag);

        let part = Request::get("/b/a%20&/c.csv").header(RANGE, "bytes=1-2");
        let (status, head, text) = ask(&store, part, "");
        assert_eq!((status, &*text), (StatusCode::PARTIAL_CONTENT, "el"));
        assert_eq!(head[CONTENT_RANGE], "bytes 1-2/5");

        let (_, _, text) = ask(&store, Request::get("/b?list-type=2&prefix=a"), "");
        assert!(text.contains("<Key>a &amp;/c.csv</Key>"), "{text}");
        let (_, _, text) = ask(&store, Request::get("/other?list-type=2"), "");
        assert!(!text.contains("<Key>"), "{text}");

        let only_new = put("/b/a%20%26/c.csv").header(IF_NONE_MATCH, "*");
        assert_eq!(
            ask(&store, only_new, "x").0,
            StatusCode::PRECONDITION_FAILED
        );
        let gone = ask(&store, Request::delete("/b/a%20%26/c.csv"), "");
        assert_eq!(gone.0, StatusCode::NO_CONTENT);
        let (status, _, text) = ask(&store, Request::get("/b/a%20%26/c.csv"), "");
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(text.contains("<Code>NoSuchKey</Code>"), "{text}");
    }

    #[test]
    fn says_what_it_cannot_do() {
        let store = Store::new(Duration::ZERO);
        for request in [
            Request::post("/b/key?uploads"),
            Request::put("/b/key?partNumber=1&uploadId=x"),
            Request::put("/b/key").header("x-amz-copy-source", "b/other"),
            Request::post("/b?delete"),
            Request::get("/"),
        ] {
            assert_eq!(ask(&store, request, "").0, StatusCode::NOT_IMPLEMENTED);
        }
    }
}
