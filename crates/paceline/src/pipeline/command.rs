//! A stage of processes.

use std::pin::pin;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;
use tokio::process::Command;

use super::station::Station;
use crate::failure::{BoxError, SharedError};

/// The exit code by which a process says that what it depends on is busy: `EX_TEMPFAIL` of
/// `sysexits.h`.
pub(super) const BUSY_EXIT: i32 = 75;
/// Bytes of standard error that a failure keeps.
const KEPT: usize = 4096;

/// A process ended with something else than success.
#[derive(Debug, Error)]
#[error("{status}")]
pub(super) struct Exit {
    pub(super) status: ExitStatus,
    pub(super) stderr: String,
}

/// Runs a command in a process group of its own, which does not outlive the future.
pub(super) async fn run(
    mut command: Command,
    station: Arc<Station>,
) -> Result<Output, SharedError> {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let child = command.spawn().map_err(|error| {
        let program = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        shared(format!("cannot start {program}: {error}"))
    })?;
    let id = child.id();
    let mut wait = pin!(child.wait_with_output());
    // Dropped before the child is, so that its number is still its own.
    let group = Group::new(id, station);
    let output = wait.as_mut().await;
    group.ended();
    let output = output.map_err(shared)?;
    if output.status.success() {
        return Ok(output);
    }
    let from = output.stderr.len().saturating_sub(KEPT);
    Err(Arc::new(Exit {
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr[from..]).into_owned(),
    }))
}

fn shared(error: impl Into<BoxError>) -> SharedError {
    SharedError::from(error.into())
}

/// A running process group, told to the station; killed when this is dropped before its end.
struct Group {
    pid: Option<i32>,
    alive: bool,
    station: Arc<Station>,
}

impl Group {
    fn new(id: Option<u32>, station: Arc<Station>) -> Self {
        let pid = id.and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid {
            lock(&station).push((pid, Instant::now()));
        }
        Self {
            pid,
            alive: true,
            station,
        }
    }

    fn ended(mut self) {
        self.alive = false;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(pid) = self.pid else { return };
        lock(&self.station).retain(|(other, _)| *other != pid);
        if self.alive
            && let Some(group) = Pid::from_raw(pid)
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn lock(station: &Station) -> std::sync::MutexGuard<'_, Vec<(i32, Instant)>> {
    station
        .processes
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}
