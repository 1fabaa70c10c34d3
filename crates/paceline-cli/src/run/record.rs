//! The run's place in the journal: a new one, or one to go on with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use paceline_journal::{
    IncludeFailed, Journal, JournalError, NewRun, NewSession, PruneLimits, Run, RunCounts, RunId,
    RunLock, TemplateKey, Writer, default_path,
};
use paceline_run::input::{AlreadyDone, NothingDone};

use super::flags::RunFlags;
use super::level::Level;
use super::remembered::{Machine, Remembered};
use crate::exit::{Failure, USAGE};

/// How long the jobs of a killed session may take to be cleared away.
const WAIT_FOR_LOCK: Duration = Duration::from_secs(40);
/// After this long, the user is told what is waited for.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// A session of a run that is being recorded.
pub(crate) struct Recording {
    pub(crate) journal: Journal,
    pub(crate) run: RunId,
    pub(crate) lock: RunLock,
    pub(crate) writer: Arc<Writer>,
    pub(crate) done: Box<dyn AlreadyDone>,
    /// The run was there before.
    pub(crate) resumed: bool,
    /// Failures of earlier sessions that are not run again now.
    pub(crate) failed_before: u64,
    /// Jobs of earlier sessions in all.
    pub(crate) jobs_before: u64,
}

/// What identifies the run.
pub(crate) struct Identity<'a> {
    pub(crate) template: &'a [u8],
    pub(crate) display: String,
    pub(crate) packed: bool,
    pub(crate) host: String,
}

/// This machine's name.
pub(crate) fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// Opens the journal named by the flags or the environment.
pub(crate) fn open_journal(path: Option<&Path>, must_exist: bool) -> Result<Journal, Failure> {
    let path = match path {
        Some(path) => path.to_path_buf(),
        None => default_path(|name| std::env::var_os(name)).ok_or_else(|| {
            Failure::usage(
                "there is no place for the journal: neither HOME nor XDG_STATE_HOME is set",
                "name a file with --journal FILE, or run with --no-journal",
            )
        })?,
    };
    let opened = if must_exist {
        Journal::open_existing(&path)
    } else {
        Journal::open(&path)
    };
    opened.map_err(|error| {
        let hint = if must_exist {
            "name the file with --journal FILE"
        } else {
            "name another file with --journal FILE, or run with --no-journal"
        };
        Failure::usage(error, hint)
    })
}

impl Recording {
    /// Finds or makes the run, takes its lock, and starts the session.
    pub(crate) fn begin(flags: &RunFlags, identity: &Identity<'_>) -> Result<Self, Failure> {
        let journal = open_journal(flags.journal.as_deref(), false)?;
        let fail = |error: JournalError| {
            Failure::usage(
                error,
                "name another file with --journal FILE, or run with --no-journal",
            )
        };
        // Old runs going is no reason for a new one not to start.
        let _ = journal.prune(PruneLimits::default(), SystemTime::now());
        let directory = flags
            .process
            .workdir
            .as_deref()
            .map_or_else(current_directory, absolute);
        let key = TemplateKey::of(identity.template);
        let rerun_failed = flags.resume_failed;
        let earlier = if flags.resume || flags.resume_failed || flags.run.is_some() {
            find(&journal, flags.run, key, identity, &directory)?
        } else {
            None
        };
        let resumed = earlier.is_some();
        let (run, lock) = match earlier {
            Some(run) => (run.id, wait_for_lock(&journal, run.id)?),
            None => journal
                .start_run(&NewRun {
                    template_key: key,
                    template: identity.display.clone(),
                    directory,
                    host: identity.host.clone(),
                    created_at: SystemTime::now(),
                    packed: identity.packed,
                })
                .map_err(fail)?,
        };
        let counts = if resumed {
            journal.counts(run).map_err(fail)?
        } else {
            RunCounts::default()
        };
        let done: Box<dyn AlreadyDone> = if resumed {
            let include = if rerun_failed {
                IncludeFailed::No
            } else {
                IncludeFailed::Yes
            };
            Box::new(journal.finished_inputs(run, include).map_err(fail)?)
        } else {
            Box::new(NothingDone)
        };
        let failed_before = if rerun_failed { 0 } else { counts.failed };
        let session = NewSession {
            pid: std::process::id(),
            started_at: SystemTime::now(),
            rerun_failed,
        };
        let writer = journal.start_session(&lock, &session).map_err(fail)?;
        Ok(Self {
            journal,
            run,
            lock,
            writer: Arc::new(writer),
            done,
            resumed,
            failed_before,
            jobs_before: counts.done + counts.failed,
        })
    }
}

impl Recording {
    /// The level that earlier runs have found, where it is still to be found and not to be
    /// forgotten.
    pub(crate) fn level_to_begin_at(
        &self,
        flags: &RunFlags,
        identity: &Identity<'_>,
        machine: Machine,
    ) -> Result<Option<Remembered>, Failure> {
        let found = if flags.forget {
            let key = TemplateKey::of(identity.template);
            self.journal.forget(key, &identity.host).map(|_| None)
        } else if flags.level == Level::Auto {
            Remembered::find(&self.journal, identity, machine)
        } else {
            Ok(None)
        };
        found.map_err(|error| {
            Failure::usage(
                error,
                "name another file with --journal FILE, or run with --no-journal",
            )
        })
    }
}

/// For `--dry-run --resume`: what is finished, without touching anything.
pub(crate) fn finished_so_far(
    flags: &RunFlags,
    identity: &Identity<'_>,
) -> Result<Box<dyn AlreadyDone>, Failure> {
    if !(flags.resume || flags.resume_failed || flags.run.is_some()) {
        return Ok(Box::new(NothingDone));
    }
    let journal = open_journal(flags.journal.as_deref(), true)?;
    let directory = flags
        .process
        .workdir
        .as_deref()
        .map_or_else(current_directory, absolute);
    let key = TemplateKey::of(identity.template);
    let Some(run) = find(&journal, flags.run, key, identity, &directory)? else {
        return Ok(Box::new(NothingDone));
    };
    let include = if flags.resume_failed {
        IncludeFailed::No
    } else {
        IncludeFailed::Yes
    };
    match journal.finished_inputs(run.id, include) {
        Ok(finished) => Ok(Box::new(finished)),
        Err(error) => Err(Failure::usage(
            error,
            "name another file with --journal FILE",
        )),
    }
}

fn current_directory() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

fn find(
    journal: &Journal,
    named: Option<RunId>,
    key: TemplateKey,
    identity: &Identity<'_>,
    directory: &Path,
) -> Result<Option<Run>, Failure> {
    let fail = |error: JournalError| Failure::usage(error, "paceline runs lists what there is");
    let Some(id) = named else {
        return journal.newest_run(key, directory).map_err(fail);
    };
    let run = journal.run(id).map_err(fail)?;
    if run.template_key != key {
        return Err(Failure::usage(
            format!("run {id} was of another command: {}", run.template),
            format!(
                "give that command to go on with it; this one is: {}",
                identity.display
            ),
        ));
    }
    Ok(Some(run))
}

/// A killed session's guardian holds the lock until the last of its jobs is gone.
fn wait_for_lock(journal: &Journal, run: RunId) -> Result<RunLock, Failure> {
    let start = Instant::now();
    let mut told = false;
    loop {
        match journal.try_lock_run(run) {
            Ok(lock) => return Ok(lock),
            Err(JournalError::RunBusy { pid, .. }) => {
                let alive = pid.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists());
                if alive || start.elapsed() > WAIT_FOR_LOCK {
                    let who = pid
                        .map(|pid| format!(" (process {pid})"))
                        .unwrap_or_default();
                    return Err(Failure::usage(
                        format!("run {run} is still going{who}"),
                        "wait for it to end, or stop it, before resuming it",
                    ));
                }
                if !told && start.elapsed() > TELL_AFTER {
                    told = true;
                    tell!("paceline: waiting for the last jobs of the killed run {run} to go");
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => {
                return Err(Failure {
                    code: USAGE,
                    message: error.to_string(),
                    hint: None,
                });
            }
        }
    }
}
