//! The three ways to migrate all files.

use std::thread;

use bytes::Bytes;
use object_store::path::Path;
use paceline::{FailureKind, OnError, Pipeline, Report};
use tokio::runtime::Runtime;

use crate::Failed;
use crate::convert::{Converted, convert};
use crate::store::Remote;

/// How the files are migrated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Sequential,
    ThreadPerFile,
    Paceline,
}

/// What became of the files.
#[derive(Default)]
pub(crate) struct Migrated {
    pub(crate) files: u64,
    pub(crate) rows: u64,
    /// Those that failed, and why.
    pub(crate) failed: Vec<(Path, String)>,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Sequential, Self::ThreadPerFile, Self::Paceline];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::ThreadPerFile => "thread per file",
            Self::Paceline => "paceline",
        }
    }

    /// The folder that this way writes to.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Sequential => "parquet-sequential",
            Self::ThreadPerFile => "parquet-threads",
            Self::Paceline => "parquet-paceline",
        }
    }

    pub(crate) fn run(
        self,
        runtime: &Runtime,
        remote: &Remote,
        files: &[Path],
    ) -> Result<(Migrated, Option<Report>), Failed> {
        Ok(match self {
            Self::Sequential => (sequential(runtime, remote, files), None),
            Self::ThreadPerFile => (thread_per_file(runtime, remote, files), None),
            Self::Paceline => {
                let (migrated, report) = runtime.block_on(pipeline(remote, files))?;
                (migrated, Some(report))
            }
        })
    }
}

impl Migrated {
    fn add(&mut self, file: &Path, result: Result<u64, Failed>) {
        match result {
            Ok(rows) => {
                self.files += 1;
                self.rows += rows;
            }
            Err(error) => self.failed.push((file.clone(), error.to_string())),
        }
    }
}

/// As a script does it: each file from its beginning to its end before the next one.
fn sequential(runtime: &Runtime, remote: &Remote, files: &[Path]) -> Migrated {
    let mut migrated = Migrated::default();
    for file in files {
        migrated.add(file, one(runtime, remote, file, Way::Sequential));
    }
    migrated
}

/// All files at once, as many as there are.
fn thread_per_file(runtime: &Runtime, remote: &Remote, files: &[Path]) -> Migrated {
    let mut migrated = Migrated::default();
    thread::scope(|scope| {
        let threads: Vec<_> = files
            .iter()
            .map(|file| {
                let work = move || one(runtime, remote, file, Way::ThreadPerFile);
                (file, thread::Builder::new().spawn_scoped(scope, work))
            })
            .collect();
        for (file, thread) in threads {
            let result = match thread {
                Ok(thread) => thread.join().unwrap_or_else(|_| Err("it panicked".into())),
                Err(no_thread) => Err(no_thread.into()),
            };
            migrated.add(file, result);
        }
    });
    migrated
}

/// One file, blocking; its rows.
fn one(runtime: &Runtime, remote: &Remote, file: &Path, way: Way) -> Result<u64, Failed> {
    let csv = runtime.block_on(remote.get(file))?;
    let Converted { parquet, rows } = convert(&csv)?;
    let to = remote.parquet_of(way.folder(), file);
    runtime.block_on(remote.put(&to, parquet))?;
    Ok(rows)
}

/// Fetching, converting and putting side by side, nothing tuned.
async fn pipeline(remote: &Remote, files: &[Path]) -> Result<(Migrated, Report), Failed> {
    let (from, to) = (remote.clone(), remote.clone());
    let (done, report) = Pipeline::from_iter(files.to_vec())
        .label(Path::to_string)
        .io("fetch", move |file: Path| {
            let remote = from.clone();
            async move {
                let csv = remote.get(&file).await?;
                Ok::<_, Failed>((file, csv))
            }
        })
        .weigh(|(_, csv): &(Path, Bytes)| csv.len())
        .cpu("convert", |_cx, (file, csv)| {
            let Converted { parquet, rows } = convert(&csv)?;
            Ok::<_, Failed>((file, parquet, rows))
        })
        .weigh(|(_, parquet, _)| parquet.len())
        .io("put", move |(file, parquet, rows)| {
            let remote = to.clone();
            async move {
                let path = remote.parquet_of(Way::Paceline.folder(), &file);
                remote.put(&path, parquet).await?;
                Ok::<u64, Failed>(rows)
            }
        })
        .on_error(OnError::Collect)
        .collect()
        .await?;
    let mut migrated = Migrated {
        files: done.len() as u64,
        rows: done.into_iter().sum(),
        failed: Vec::new(),
    };
    for failure in &report.failures {
        let file = match &failure.label {
            Some(label) => Path::from(&**label),
            None => files[failure.seq as usize].clone(),
        };
        let why = match &failure.kind {
            FailureKind::Error(error) => error.to_string(),
            kind => kind.to_string(),
        };
        migrated.failed.push((file, why));
    }
    migrated.failed.sort();
    Ok((migrated, report))
}
