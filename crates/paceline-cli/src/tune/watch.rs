//! Following the jobs of a measurement, and leading them through the levels.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paceline_control::{Controller, Decision, Event};
use paceline_run::engine::{Ending, Observer, RunEvent, StopCause};
use paceline_run::input::{FeedEnd, display_joined};

use super::tuner::Tuner;
use crate::plot::short;
use crate::run::{Progress, time};

/// Failures that are shown.
const SHOWN: usize = 3;
/// Lines that are shown of what a failed job wrote to standard error.
const SHOWN_LINES: usize = 5;

/// The tuner, told by the engine and asked by those who watch.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Tuner>>);

impl Shared {
    pub(super) fn new(tuner: Tuner) -> Self {
        Self(Arc::new(Mutex::new(tuner)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Tuner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Steers the engine, and takes the inputs away when all is measured.
pub(super) struct Lead {
    pub(super) tuner: Shared,
    pub(super) inputs: FeedEnd,
}

impl Controller for Lead {
    fn limit(&self) -> usize {
        self.tuner.lock().limit()
    }

    fn on(&mut self, now: Duration, event: Event) -> Option<Decision> {
        let mut tuner = self.tuner.lock();
        let decision = tuner.on(now, event);
        if tuner.is_over() {
            self.inputs.end();
        }
        decision
    }

    fn tick_every(&self) -> Option<Duration> {
        self.tuner.lock().tick_every()
    }
}

/// Follows the jobs for the user.
pub(super) struct Watch {
    pub(super) tuner: Shared,
    pub(super) progress: Progress,
    pub(super) quiet: bool,
    pub(super) per_level: Option<Duration>,
    /// Levels whose result was told.
    pub(super) told: usize,
    /// The first failures, in words.
    pub(super) failures: Vec<String>,
}

impl Observer for Watch {
    fn event(&mut self, at: Duration, event: &RunEvent<'_>) {
        match event {
            RunEvent::Finished(job) => {
                if !job.ending.is_success() && self.failures.len() < SHOWN {
                    let note = job.note.map(str::as_bytes).unwrap_or_default();
                    self.failures
                        .push(failure(job.joined, job.ending, note, job.stderr_tail));
                }
                self.tell_results();
            }
            RunEvent::Beat(_) => {
                if let Some(line) = self.line(at) {
                    self.progress.show(at, line);
                }
            }
            RunEvent::Stopping {
                cause: StopCause::Signal(_),
                now: false,
                running,
            } if !self.quiet => self.progress.say(&format!(
                "measuring no further; jobs to wait for: {running} (Ctrl-C again stops them)"
            )),
            RunEvent::GuardianLost => self.progress.say(
                "the guardian process was killed; should paceline be killed too, its jobs would go on",
            ),
            RunEvent::Suspended => {
                self.progress.clear();
                self.tuner.lock().stood_still(at);
            }
            _ => {}
        }
    }

    fn beat_every(&self) -> Option<Duration> {
        self.progress.beat_every()
    }
}

impl Watch {
    fn tell_results(&mut self) {
        let tuner = self.tuner.lock();
        let new: Vec<String> = tuner.measured[self.told..]
            .iter()
            .map(|point| format!("level {}: {}/s", point.level, short(point.throughput)))
            .collect();
        self.told = tuner.measured.len();
        drop(tuner);
        if !self.quiet {
            new.iter().for_each(|line| self.progress.say(line));
        }
    }

    fn line(&self, at: Duration) -> Option<String> {
        let standing = self.tuner.lock().standing(at)?;
        if !standing.measuring {
            return Some(format!("level {}: filling up", standing.level));
        }
        let mut line = format!("level {}: {}", standing.level, time(standing.time));
        // Writing into a string cannot fail.
        if let Some(planned) = self.per_level {
            let _ = write!(line, " of {}", time(planned));
        }
        let _ = write!(
            line,
            ", {} jobs of at least {}",
            standing.jobs, standing.needed
        );
        Some(line)
    }
}

fn failure(joined: &[u8], ending: Ending, note: &[u8], stderr: &[u8]) -> String {
    let mut text = format!("{:<12} {}", ending.to_string(), display_joined(joined));
    let lines: Vec<&[u8]> = note
        .split(|byte| *byte == b'\n')
        .chain(stderr.split(|byte| *byte == b'\n'))
        .filter(|line| !line.trim_ascii().is_empty())
        .collect();
    for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
        let _ = write!(text, "\n      {}", display_joined(line));
    }
    text
}
