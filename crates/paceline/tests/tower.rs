//! The limit around an axum service on a real socket, under more load than it can take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use paceline::tower::AdaptiveLimitLayer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// What the service behind the limit sees.
#[derive(Default)]
struct Seen {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Seen {
    fn enter(self: &Arc<Self>) -> Leave {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        Leave(Arc::clone(self))
    }
}

struct Leave(Arc<Seen>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Serves `/`, which uses one of `cores` for 2 ms, and says where.
async fn serve(limit: &AdaptiveLimitLayer, cores: usize) -> (std::net::SocketAddr, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let cores = Arc::new(Semaphore::new(cores));
    let behind = Arc::clone(&seen);
    let app = Router::new()
        .route(
            "/",
            get(move || async move {
                let _leave = behind.enter();
                let _core = cores.acquire().await;
                tokio::time::sleep(Duration::from_millis(2)).await;
                "done"
            }),
        )
        .layer(limit.clone().answer_503());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, seen)
}

struct Response {
    status: u16,
    retry_after: Option<String>,
}

/// One request on a connection that is kept.
async fn request(stream: &mut TcpStream) -> Response {
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("the server reads");
    let mut text = Vec::new();
    let mut byte = [0; 1024];
    let (head, length) = loop {
        let read = stream.read(&mut byte).await.expect("the server answers");
        assert!(read > 0, "the server closed the connection");
        text.extend_from_slice(&byte[..read]);
        let all = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, _)) = all.split_once("\r\n\r\n") {
            let length: usize = header(head, "content-length")
                .and_then(|length| length.parse().ok())
                .unwrap_or(0);
            break (head.to_owned(), head.len() + 4 + length);
        }
    };
    while text.len() < length {
        let read = stream.read(&mut byte).await.expect("the body comes");
        text.extend_from_slice(&byte[..read]);
    }
    Response {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status"),
        retry_after: header(&head, "retry-after"),
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

/// Clients that each ask so often, one after the other.
async fn load(address: std::net::SocketAddr, clients: usize, each: usize) -> Vec<Response> {
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.expect("it listens");
                let mut responses = Vec::new();
                for _ in 0..each {
                    responses.push(request(&mut stream).await);
                }
                responses
            })
        })
        .collect();
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.expect("no panic"));
    }
    all
}

fn count(responses: &[Response], status: StatusCode) -> usize {
    responses
        .iter()
        .filter(|response| response.status == status.as_u16())
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_limit_is_answered_503_and_the_rest_is_served() {
    let limit = AdaptiveLimitLayer::with_limit(4);
    let (address, seen) = serve(&limit, 100).await;
    let responses = load(address, 16, 50).await;
    let (served, refused) = (
        count(&responses, StatusCode::OK),
        count(&responses, StatusCode::SERVICE_UNAVAILABLE),
    );
    assert_eq!(served + refused, 800);
    assert!(served > 0 && refused > 0, "{served} {refused}");
    assert!(seen.most.load(Ordering::SeqCst) <= 4);
    for response in &responses {
        assert_eq!(response.retry_after.is_some(), response.status == 503);
    }
    let snapshot = limit.snapshot();
    assert_eq!(snapshot.in_flight, 0);
    assert_eq!(
        (snapshot.done, snapshot.shed),
        (served as u64, refused as u64)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_idle_hold_no_place() {
    let limit = AdaptiveLimitLayer::with_limit(1);
    let (address, _) = serve(&limit, 1).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        assert_eq!(request(&mut stream).await.status, 200);
        idle.push(stream);
    }
    assert_eq!(limit.snapshot().shed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_go_away_leave_their_place() {
    let limit = AdaptiveLimitLayer::with_limit(2);
    // Nobody gets a core, so nobody is answered.
    let (address, seen) = serve(&limit, 0).await;
    for _ in 0..3 {
        let mut gone = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            stream
                .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                .await
                .expect("the server reads");
            gone.push(stream);
        }
        while seen.now.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(limit.snapshot().in_flight, 2);
        drop(gone);
        while limit.snapshot().in_flight > 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!((limit.snapshot().shed, limit.snapshot().done), (0, 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_follows_what_the_service_can_do() {
    // Two cores' worth of service and 64 clients that do not tire: 20 at once is far too many.
    let limit = AdaptiveLimitLayer::new();
    let (address, _) = serve(&limit, 2).await;
    for _ in 0..40 {
        load(address, 64, 200).await;
        if limit.snapshot().limit <= 10 {
            break;
        }
    }
    let seen = limit.snapshot();
    assert!(seen.limit <= 10, "{seen}");
    assert!(seen.reason.is_some());
}
