//! `paceline diagnose`: watches a program and says what limits it and what would help.
//!
//! A program that we start gets everything that it would have got without us: its streams, its place in
//! the terminal, its exit code as ours. A process that runs already is only looked at.

mod bars;
mod course;
mod destination;
mod flags;
mod follow;
mod json;
mod layout;
mod report;
mod signals;
mod target;
mod text;
mod trampoline;
mod why;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use paceline_observe::profile::Profile;
use paceline_observe::verdict::judge;

use course::{Course, Relation};
use destination::Destination;
use flags::Format;
use follow::{Hear, follow};
use report::{About, Report};
use signals::Signals;
use target::{Exit, Subject, Target};

use crate::exit::{BROKEN, Code, Failure};
use crate::run::{Progress, ProgressMode, survive_file_size_limit, time};

pub(crate) use flags::DiagnoseFlags;
pub(crate) use trampoline::{TRAMPOLINE_ARG, exec_when_told};
pub(crate) use why::{Watching, Why};

/// How long a process that ran before is watched.
const USUAL_DURATION: Duration = Duration::from_secs(10);

/// Watches a program and tells what was seen.
pub(crate) fn diagnose(flags: DiagnoseFlags) -> Result<ExitCode, Failure> {
    let relation = match flags.pid {
        Some(_) => Relation::Attached,
        None => Relation::Started,
    };
    // All that can be wrong is found before anything runs.
    let destination = Destination::open(flags.output, relation)?;
    survive_file_size_limit();
    let mut signals = Signals::listen(Course::signals(relation))
        .map_err(|error| Failure::new(BROKEN, format!("cannot listen to signals: {error}")))?;
    let (target, watcher) = match flags.pid {
        Some(pid) => Target::attach(pid)?,
        None => Target::start(flags.command)?,
    };
    let duration = match relation {
        Relation::Attached => Some(flags.duration.unwrap_or(USUAL_DURATION)),
        Relation::Started => flags.duration,
    };
    if relation == Relation::Attached && target.is_stopped() {
        tell!(
            "paceline: process {} is stopped and will do nothing until somebody continues it",
            target.subject.pid
        );
    }
    let mut teller = Teller {
        subject: target.subject.clone(),
        format: flags.format,
        destination,
        // A program of ours may write to the same terminal at any time.
        progress: Progress::new(match relation {
            Relation::Attached => ProgressMode::Auto,
            Relation::Started => ProgressMode::None,
        }),
        duration,
        result: Ok(Code(0)),
    };
    let code = follow(target, watcher, &mut signals, duration, &mut teller)?;
    match teller.result {
        // The failure of the program says more than ours.
        Ok(_) | Err(_) if code != Code(0) => Ok(code.into()),
        result => result.map(ExitCode::from),
    }
}

/// Shows that something goes on, and tells the verdict when it is due.
struct Teller {
    subject: Subject,
    format: Format,
    destination: Destination,
    progress: Progress,
    duration: Option<Duration>,
    result: Result<Code, Failure>,
}

impl Hear for Teller {
    fn concluded(&mut self, profile: Profile, exit: Option<Exit>) {
        self.progress.finish();
        let verdict = judge(&profile);
        let report = Report {
            profile: &profile,
            verdict: &verdict,
            about: About::Program {
                subject: &self.subject,
                exit,
            },
        };
        self.result = self.destination.write(|style| match self.format {
            Format::Text => text::text(&report, style),
            Format::Json => json::json(&report),
        });
    }

    fn beat(&mut self, watched: Duration) {
        let Some(duration) = self.duration else {
            return;
        };
        let line = format!(
            "watching {}: {:.0} s of {} (Ctrl-C shows the verdict so far)",
            words::subject(&self.subject, 30),
            watched.as_secs_f64(),
            time(duration),
        );
        self.progress.show(watched, line);
    }
}
