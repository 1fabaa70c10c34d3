//! `paceline run --why`: the jobs of a run are watched from its start to its end.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use paceline_observe::profile::{Ending, Profile};
use paceline_observe::verdict::{Verdict, judge};
use paceline_observe::watch::{AttachError, Scope, Watcher};

use super::destination::Style;
use super::report::{About, Report};
use super::target::but_for;
use super::{json, text};

/// Watches our own children, on a thread of its own.
pub(crate) struct Watching {
    end: Sender<Ending>,
    thread: JoinHandle<Option<Profile>>,
}

/// What became of the jobs.
pub(crate) struct Why {
    profile: Profile,
    verdict: Verdict,
}

impl Watching {
    /// Begins: before the first job starts, so that nothing is missed. The guardian is our child too,
    /// but no job.
    pub(crate) fn start(guardian: i32) -> Result<Self, String> {
        let pid = std::process::id().cast_signed();
        let watcher = Watcher::attach(pid, Scope::Below, but_for(guardian))
            .map_err(|error: AttachError| error.to_string())?;
        let (end, ended) = channel();
        let thread = Builder::new()
            .name("why".to_owned())
            .spawn(move || watch(watcher, &ended))
            .map_err(|error| error.to_string())?;
        Ok(Self { end, thread })
    }

    /// Ends it. `None` if it broke down, which is no fault of the run.
    pub(crate) fn finish(self, ending: Ending) -> Option<Why> {
        let _ = self.end.send(ending);
        let profile = self.thread.join().ok().flatten()?;
        let verdict = judge(&profile);
        Some(Why { profile, verdict })
    }
}

fn watch(mut watcher: Watcher, ended: &Receiver<Ending>) -> Option<Profile> {
    loop {
        // That no job runs at this moment does not mean that none will.
        let next = watcher.look();
        match ended.recv_timeout(next.at.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(ending) => {
                watcher.look();
                return Some(watcher.finish(ending));
            }
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

impl Why {
    /// For people, on standard error.
    pub(crate) fn tell(&self) {
        let text = text::text(&self.report(), Style::of(&std::io::stderr()));
        tell!("{}", text.trim_end());
    }

    /// For programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        json::value(&self.report())
    }

    fn report(&self) -> Report<'_> {
        Report {
            profile: &self.profile,
            verdict: &self.verdict,
            about: About::Jobs,
        }
    }
}
