//! The loop: looks at the program when a look is due, hears signals, and does what the course says.

use std::time::{Duration, Instant};

use paceline_observe::profile::{Ending, Profile};
use paceline_observe::watch::{Next, Watcher};
use signal_hook::consts::SIGCHLD;

use super::course::{Act, Course, Event, Relation};
use super::signals::{Signals, has_terminal};
use super::target::{Exit, Target};
use crate::exit::{BROKEN, Code, Failure};

/// How often whoever waits sees that something goes on.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// What the loop tells whoever started it.
pub(super) trait Hear {
    /// Watching is over. `exit` is how the program ended, if it was ours and has ended.
    fn concluded(&mut self, profile: Profile, exit: Option<Exit>);

    /// It has been watched for so long. Once a second.
    fn beat(&mut self, watched: Duration);
}

/// A program that is followed.
struct Following<'a> {
    target: Target,
    /// Until watching is over.
    watcher: Option<Watcher>,
    next: Next,
    course: Course,
    exit: Option<Exit>,
    began: Instant,
    beat: Instant,
    hear: &'a mut dyn Hear,
}

/// Follows a program to its end, or to the end of the time for watching; returns the exit code.
pub(super) fn follow(
    target: Target,
    mut watcher: Watcher,
    signals: &mut Signals,
    duration: Option<Duration>,
    hear: &mut dyn Hear,
) -> Result<Code, Failure> {
    let began = Instant::now();
    // A time so long that no clock reaches its end is for ever.
    let until = duration.and_then(|duration| began.checked_add(duration));
    let mut following = Following {
        course: Course::new(target.relation(), until),
        next: watcher.look(),
        watcher: Some(watcher),
        exit: None,
        began,
        beat: began,
        hear,
        target,
    };
    loop {
        let mut events = following.passed()?;
        if events.is_empty() {
            let came = signals
                .wait(following.due())
                .map_err(|error| Failure::new(BROKEN, format!("cannot wait: {error}")))?;
            events = following.heard(&came);
        }
        for event in events {
            for act in following.course.on(event, Instant::now()) {
                if let Some(code) = following.perform(act) {
                    return Ok(code);
                }
            }
        }
    }
}

impl Following<'_> {
    /// What has happened in the meantime, whether a signal told of it or not.
    fn passed(&mut self) -> Result<Vec<Event>, Failure> {
        // A look comes before everything else: a program that shares its core with us gets on as soon as we do
        // not, and is then found to run again.
        let now = Instant::now();
        if let Some(watcher) = &mut self.watcher
            && now >= self.next.at
        {
            self.next = watcher.look();
        }
        if self.exit.is_none() && self.target.has_ended() {
            // Its last counts can be read until it is reaped.
            if let Some(watcher) = &mut self.watcher {
                self.next = watcher.look();
            }
            self.exit = self.target.reap()?;
            return Ok(self
                .exit
                .map(|exit| Event::Ended(exit.code()))
                .into_iter()
                .collect());
        }
        let mut events = Vec::new();
        if self.watcher.is_some() {
            if !self.next.alive && self.target.relation() == Relation::Attached {
                events.push(Event::NothingLeft);
            }
            if now >= self.beat {
                self.hear.beat(now - self.began);
                self.beat += BEAT_EVERY;
            }
        }
        if self.course.due().is_some_and(|due| due <= now) {
            events.push(Event::Time);
        }
        Ok(events)
    }

    /// Until when nothing needs to be done.
    fn due(&self) -> Option<Instant> {
        let watching = self.watcher.as_ref().map(|_| self.next.at.min(self.beat));
        watching.into_iter().chain(self.course.due()).min()
    }

    fn heard(&self, signals: &[i32]) -> Vec<Event> {
        let mut signals = signals
            .iter()
            .filter(|signal| **signal != SIGCHLD)
            .peekable();
        // Asking costs as much as a look, and most of the time that was waited for has just passed.
        let terminal = signals.peek().is_some()
            && self.target.relation() == Relation::Started
            && has_terminal();
        signals
            .map(|&signal| Event::Signal { signal, terminal })
            .collect()
    }

    fn perform(&mut self, act: Act) -> Option<Code> {
        match act {
            Act::Pass(signal) => self.target.signal(signal),
            Act::Explain => tell!(
                "paceline: waiting for the program to end (Ctrl-C again shows the verdict so far)"
            ),
            Act::Conclude(ending) => {
                if let Some(mut watcher) = self.watcher.take() {
                    if ending != Ending::ProgramEnded {
                        // Up to this moment, not to that of the last look.
                        watcher.look();
                    }
                    self.hear.concluded(watcher.finish(ending), self.exit);
                }
            }
            Act::Leave(code) => return Some(code),
        }
        None
    }
}
