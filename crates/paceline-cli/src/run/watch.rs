//! Following a run for the user.

use std::time::Duration;

use paceline_control::Decision;
use paceline_run::engine::{Observer, RunEvent, StopCause};

use super::joblog::Joblog;
use super::progress::{Progress, time};
use super::summary::{Failed, LISTED};

/// Follows a run for the user.
pub(super) struct Watch {
    pub(super) progress: Progress,
    pub(super) joblog: Option<Joblog>,
    pub(super) failed: Vec<Failed>,
    pub(super) decisions: Vec<Decision>,
    pub(super) decisions_left_out: u64,
    pub(super) quiet: bool,
    pub(super) told: Told,
}

/// What is said once, and not again.
#[derive(Default)]
pub(super) struct Told {
    shed: bool,
    busy: bool,
}

/// A rest that is worth a word.
const LONG_REST: Duration = Duration::from_secs(10);

/// Decisions that are kept: a run of days may take more, and only the first and last are of interest.
const KEPT_DECISIONS: usize = 1000;

impl Observer for Watch {
    fn event(&mut self, at: Duration, event: &RunEvent<'_>) {
        match event {
            RunEvent::Finished(job) => {
                if !job.ending.is_success() && self.failed.len() < LISTED {
                    self.failed.push(Failed::new(job.joined, job.ending, job.attempts, job.note));
                }
                if let Some(joblog) = &mut self.joblog
                    && let Err(error) = joblog.add(job)
                {
                    self.progress.say(&format!("cannot write the job log any more: {error}; the jobs go on"));
                    self.joblog = None;
                }
            }
            RunEvent::Decided(decision) => {
                self.progress.decided(decision);
                if self.decisions.len() >= KEPT_DECISIONS {
                    self.decisions.remove(KEPT_DECISIONS / 2);
                    self.decisions_left_out += 1;
                }
                self.decisions.push((*decision).clone());
            }
            RunEvent::Shed { .. } if !std::mem::replace(&mut self.told.shed, true) => self.tell(
                "memory runs short: a job was killed to free some, and will be started again",
            ),
            RunEvent::Busy { rest, .. } if *rest >= LONG_REST && !std::mem::replace(&mut self.told.busy, true) => {
                self.tell(&format!(
                    "what a job depends on is busy: it will be started again in {}, others likewise",
                    time(*rest)
                ));
            }
            RunEvent::Stopping { cause, now, running } => self.tell_of_stop(*cause, *now, *running),
            RunEvent::JournalTrouble(trouble) => self.progress.say(&format!(
                "the journal cannot be written: {trouble}; the jobs go on, but those not recorded would run again on --resume"
            )),
            RunEvent::GuardianLost => self.progress.say(
                "the guardian process was killed; should paceline be killed too, its jobs would go on",
            ),
            RunEvent::Beat(status) => self.progress.beat(at, status),
            RunEvent::Suspended => self.progress.clear(),
            _ => {}
        }
    }

    fn beat_every(&self) -> Option<Duration> {
        self.progress.beat_every()
    }
}

impl Watch {
    fn tell(&self, news: &str) {
        if !self.quiet {
            self.progress.say(news);
        }
    }

    fn tell_of_stop(&self, cause: StopCause, now: bool, running: usize) {
        if self.quiet || cause == StopCause::ReaderGone {
            return;
        }
        let jobs = if running == 1 {
            "1 running job".to_owned()
        } else {
            format!("{running} running jobs")
        };
        match (cause, now) {
            (StopCause::Signal(_), false) => {
                self.progress.say(&format!(
                    "starting no more; waiting for {jobs} (Ctrl-C again stops them)"
                ));
            }
            (_, true) if running > 0 => self.progress.say(&format!("stopping {jobs}")),
            _ => {}
        }
    }
}
