//! The store: one of S3's kind, a folder, or a server that is started beside us.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use paceline_lab::store::{Store, serve};

use crate::Failed;

/// A place in a store, and how many requests to it are under way.
#[derive(Clone)]
pub(crate) struct Remote {
    store: Arc<dyn ObjectStore>,
    /// All that we read and write lies below it.
    prefix: Path,
    at_once: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
}

impl Remote {
    /// Opens `s3://BUCKET/PREFIX` or `file:///FOLDER`.
    pub(crate) fn open(url: &str) -> Result<Self, Failed> {
        if let Some(folder) = url.strip_prefix("file://") {
            let store = LocalFileSystem::new_with_prefix(folder)?;
            return Ok(Self::at(Arc::new(store), Path::default()));
        }
        let place = url.strip_prefix("s3://").ok_or_else(|| {
            format!("{url:?} is no store: give s3://BUCKET/PREFIX or file:///FOLDER")
        })?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        provide_tls();
        let store = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .build()?;
        Ok(Self::at(Arc::new(store), Path::parse(prefix)?))
    }

    /// Starts a store of which each request takes `latency`, on a free port and a thread of its own.
    pub(crate) fn beside(latency: Duration) -> Result<Self, Failed> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let serve = async || {
                let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                let _ = sender.send(listener.local_addr()?.port());
                serve(listener, Rc::new(Store::new(latency))).await
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            tokio::task::LocalSet::new().block_on(&runtime, serve())
        });
        let port = receiver.recv()?;
        provide_tls();
        let store = AmazonS3Builder::new()
            .with_endpoint(format!("http://127.0.0.1:{port}"))
            .with_allow_http(true)
            .with_bucket_name("migration")
            .with_region("us-east-1")
            .with_access_key_id("anyone")
            .with_secret_access_key("anything")
            .build()?;
        Ok(Self::at(Arc::new(store), Path::default()))
    }

    fn at(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self {
            store,
            prefix,
            at_once: Arc::default(),
            peak: Arc::default(),
        }
    }

    /// The path of a file below the prefix, in a folder of this name.
    pub(crate) fn path(&self, folder: &str, file: &str) -> Path {
        let parts = [folder].into_iter().chain(file.split('/'));
        let mut path = self.prefix.clone();
        for part in parts {
            path = path.join(part);
        }
        path
    }

    /// Where the Parquet of a CSV file goes.
    pub(crate) fn parquet_of(&self, folder: &str, csv: &Path) -> Path {
        let inside: String = match csv.prefix_match(&self.prefix) {
            Some(parts) => parts
                .map(|part| part.as_ref().to_owned())
                .collect::<Vec<_>>()
                .join("/"),
            None => csv.to_string(),
        };
        let stem = inside.strip_suffix(".csv").unwrap_or(&inside);
        self.path(folder, &format!("{stem}.parquet"))
    }

    /// All `*.csv` below the prefix, in order.
    pub(crate) async fn csv_files(&self) -> Result<Vec<Path>, Failed> {
        let all: Vec<_> = self.store.list(Some(&self.prefix)).try_collect().await?;
        let mut files: Vec<Path> = all
            .into_iter()
            .map(|object| object.location)
            .filter(|path| path.extension() == Some("csv"))
            .collect();
        files.sort();
        Ok(files)
    }

    pub(crate) async fn get(&self, path: &Path) -> Result<Bytes, Failed> {
        let _request = Request::begin(self);
        Ok(self.store.get(path).await?.bytes().await?)
    }

    pub(crate) async fn put(&self, path: &Path, bytes: Bytes) -> Result<(), Failed> {
        let _request = Request::begin(self);
        self.store.put(path, bytes.into()).await?;
        Ok(())
    }

    /// The most requests at once since the last reset.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    pub(crate) fn reset_peak(&self) {
        self.peak.store(0, Ordering::Relaxed);
    }
}

/// A request under way.
struct Request<'a>(&'a Remote);

impl<'a> Request<'a> {
    fn begin(remote: &'a Remote) -> Self {
        let now = remote.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        remote.peak.fetch_max(now, Ordering::Relaxed);
        Self(remote)
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::Relaxed);
    }
}

/// HTTP clients ask for the process's cryptography even where they use none.
fn provide_tls() {
    // It fails if there is one already, which will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
