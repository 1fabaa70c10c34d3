//! What is to be done when: about signals, the end of the program, and the end of the time for
//! watching. No clock, no process: both come in as events.
//!
//! A program that we started is in the foreground with us, so a Ctrl-C reaches it without our help. The
//! first one is its own: we wait for what it makes of it, and the verdict follows its end. The second
//! one stops the watching, the third one us.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use paceline_observe::profile::Ending;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::exit::Code;

/// A signal that the terminal did not send may have been sent to the program as well as to us (to the
/// process group). If it has ended by then, it was.
const PASS_AFTER: Duration = Duration::from_millis(100);
/// Who has pressed Ctrl-C and sees nothing happen wants to know why.
const EXPLAIN_AFTER: Duration = Duration::from_secs(1);

/// Whom we watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// A program that we started: we end with it, as it does.
    Started,
    /// One that ran before and goes on.
    Attached,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A signal came to us.
    Signal {
        signal: i32,
        /// The terminal sends its signals to the program as well.
        terminal: bool,
    },
    /// The program that we started has ended; the exit code to end with.
    Ended(Code),
    /// Nothing is left to be watched.
    NothingLeft,
    /// Time has passed.
    Time,
}

/// Something to do. In the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Send the program this signal.
    Pass(i32),
    /// Stop watching and give the verdict.
    Conclude(Ending),
    /// Say why nothing has happened yet.
    Explain,
    /// End, with this exit code.
    Leave(Code),
}

/// How far a diagnosis has come.
#[derive(Debug)]
pub(super) struct Course {
    relation: Relation,
    watching: bool,
    until: Option<Instant>,
    interrupts: u32,
    /// Signals to pass on, and when.
    pass: VecDeque<(Instant, i32)>,
    explain: Option<Instant>,
}

impl Course {
    /// Watching has begun, and lasts until then, or as long as the program.
    pub(super) fn new(relation: Relation, until: Option<Instant>) -> Self {
        Self {
            relation,
            watching: true,
            until,
            interrupts: 0,
            pass: VecDeque::new(),
            explain: None,
        }
    }

    /// The signals to listen to.
    pub(super) fn signals(relation: Relation) -> &'static [i32] {
        match relation {
            Relation::Started => &[
                signal_hook::consts::SIGCHLD,
                SIGINT,
                SIGQUIT,
                SIGTERM,
                SIGHUP,
            ],
            Relation::Attached => &[SIGINT, SIGTERM, SIGHUP],
        }
    }

    /// When [`Event::Time`] is wanted, at the latest.
    pub(super) fn due(&self) -> Option<Instant> {
        let until = self.until.filter(|_| self.watching);
        let pass = self.pass.front().map(|(at, _)| *at);
        [until, pass, self.explain].into_iter().flatten().min()
    }

    /// What is to be done about it.
    pub(super) fn on(&mut self, event: Event, now: Instant) -> Vec<Act> {
        match (event, self.relation) {
            (Event::Signal { signal, .. }, Relation::Attached) => {
                let mut acts = self.conclude(Ending::Interrupted);
                acts.push(Act::Leave(Code::of_signal(signal)));
                acts
            }
            (Event::Signal { signal, terminal }, Relation::Started) => match signal {
                SIGINT => self.interrupt(terminal, now),
                // The terminal has sent it to the program as well, which ends by it or does not.
                SIGQUIT if terminal => Vec::new(),
                signal => {
                    self.pass.push_back((now + PASS_AFTER, signal));
                    Vec::new()
                }
            },
            (Event::Ended(code), _) => {
                let ending = if self.interrupts > 0 {
                    Ending::Interrupted
                } else {
                    Ending::ProgramEnded
                };
                let mut acts = self.conclude(ending);
                acts.push(Act::Leave(code));
                acts
            }
            // What we started tells of its end itself; what is left below it is not waited for.
            (Event::NothingLeft, Relation::Started) => Vec::new(),
            (Event::NothingLeft, Relation::Attached) => self.leave_attached(Ending::ProgramEnded),
            (Event::Time, _) => self.time(now),
        }
    }

    fn interrupt(&mut self, terminal: bool, now: Instant) -> Vec<Act> {
        self.interrupts += 1;
        if !terminal {
            self.pass.push_back((now + PASS_AFTER, SIGINT));
        }
        match self.interrupts {
            1 => {
                self.explain = Some(now + EXPLAIN_AFTER);
                Vec::new()
            }
            2 => self.conclude(Ending::Interrupted),
            _ => {
                let mut acts = self.conclude(Ending::Interrupted);
                acts.push(Act::Leave(Code::of_signal(SIGINT)));
                acts
            }
        }
    }

    fn time(&mut self, now: Instant) -> Vec<Act> {
        let mut acts = Vec::new();
        while let Some((_, signal)) = self.pass.front().copied().filter(|(at, _)| *at <= now) {
            self.pass.pop_front();
            acts.push(Act::Pass(signal));
        }
        if self.explain.take_if(|at| *at <= now).is_some() && self.interrupts == 1 {
            acts.push(Act::Explain);
        }
        if self.watching && self.until.is_some_and(|until| until <= now) {
            acts.extend(match self.relation {
                Relation::Started => self.conclude(Ending::TimeUp),
                Relation::Attached => self.leave_attached(Ending::TimeUp),
            });
        }
        acts
    }

    fn leave_attached(&mut self, ending: Ending) -> Vec<Act> {
        let mut acts = self.conclude(ending);
        acts.push(Act::Leave(Code(0)));
        acts
    }

    fn conclude(&mut self, ending: Ending) -> Vec<Act> {
        if std::mem::replace(&mut self.watching, false) {
            vec![Act::Conclude(ending)]
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Told {
        course: Course,
        start: Instant,
    }

    impl Told {
        fn new(relation: Relation, seconds: Option<u64>) -> Self {
            let start = Instant::now();
            let until = seconds.map(|seconds| start + Duration::from_secs(seconds));
            let course = Course::new(relation, until);
            Self { course, start }
        }

        fn at(&mut self, milliseconds: u64, event: Event) -> Vec<Act> {
            self.course
                .on(event, self.start + Duration::from_millis(milliseconds))
        }

        fn due(&self) -> Option<u128> {
            Some((self.course.due()? - self.start).as_millis())
        }
    }

    const CTRL_C: Event = Event::Signal {
        signal: SIGINT,
        terminal: true,
    };
    const KILL_INT: Event = Event::Signal {
        signal: SIGINT,
        terminal: false,
    };

    #[test]
    fn a_program_is_watched_until_it_ends() {
        let mut told = Told::new(Relation::Started, None);
        assert_eq!(told.due(), None);
        assert_eq!(told.at(10, Event::NothingLeft), []);
        assert!(told.course.watching);
        assert_eq!(
            told.at(20, Event::Ended(Code(3))),
            [Act::Conclude(Ending::ProgramEnded), Act::Leave(Code(3))]
        );
    }

    #[test]
    fn after_the_time_the_program_goes_on_and_its_code_counts() {
        let mut told = Told::new(Relation::Started, Some(2));
        assert_eq!(told.due(), Some(2000));
        assert_eq!(told.at(1999, Event::Time), []);
        assert_eq!(told.at(2000, Event::Time), [Act::Conclude(Ending::TimeUp)]);
        assert_eq!(told.due(), None);
        assert_eq!(told.at(2500, CTRL_C), []);
        assert_eq!(
            told.at(2600, Event::Ended(Code(130))),
            [Act::Leave(Code(130))]
        );
    }

    #[test]
    fn the_first_interrupt_is_the_programs_the_second_ours_the_third_the_last() {
        let mut told = Told::new(Relation::Started, Some(60));
        assert_eq!(told.at(0, CTRL_C), []);
        assert_eq!(told.due(), Some(1000), "to explain");
        assert_eq!(told.at(1000, Event::Time), [Act::Explain]);
        assert_eq!(told.at(1200, CTRL_C), [Act::Conclude(Ending::Interrupted)]);
        assert_eq!(told.at(1300, CTRL_C), [Act::Leave(Code(130))]);

        let mut obeys = Told::new(Relation::Started, None);
        obeys.at(0, CTRL_C);
        assert_eq!(
            obeys.at(5, Event::Ended(Code(130))),
            [Act::Conclude(Ending::Interrupted), Act::Leave(Code(130))]
        );
    }

    #[test]
    fn an_interrupt_for_us_alone_is_passed_on_unless_the_program_had_it_too() {
        let mut told = Told::new(Relation::Started, None);
        assert_eq!(told.at(0, KILL_INT), []);
        assert_eq!(told.at(99, Event::Time), []);
        assert_eq!(told.due(), Some(100));
        assert_eq!(told.at(100, Event::Time), [Act::Pass(SIGINT)]);
        assert_eq!(told.at(200, Event::Time), [], "once");

        let mut both = Told::new(Relation::Started, None);
        both.at(0, KILL_INT);
        assert_eq!(
            both.at(50, Event::Ended(Code(130))),
            [Act::Conclude(Ending::Interrupted), Act::Leave(Code(130))]
        );
    }

    #[test]
    fn requests_to_end_are_passed_on() {
        let mut told = Told::new(Relation::Started, None);
        let event = |signal, terminal| Event::Signal { signal, terminal };
        assert_eq!(told.at(0, event(SIGQUIT, true)), []);
        assert_eq!(told.due(), None, "the program has it already");
        for (at, signal) in [(0, SIGTERM), (1, SIGHUP), (2, SIGQUIT)] {
            assert_eq!(told.at(at, event(signal, false)), []);
        }
        assert_eq!(
            told.at(101, Event::Time),
            [Act::Pass(SIGTERM), Act::Pass(SIGHUP)]
        );
        assert_eq!(told.at(102, Event::Time), [Act::Pass(SIGQUIT)]);
        assert!(told.course.watching);
    }

    #[test]
    fn what_ran_before_is_let_go() {
        for (event, acts) in [
            (
                Event::Time,
                [Act::Conclude(Ending::TimeUp), Act::Leave(Code(0))],
            ),
            (
                Event::NothingLeft,
                [Act::Conclude(Ending::ProgramEnded), Act::Leave(Code(0))],
            ),
            (
                CTRL_C,
                [Act::Conclude(Ending::Interrupted), Act::Leave(Code(130))],
            ),
            (
                Event::Signal {
                    signal: SIGTERM,
                    terminal: false,
                },
                [Act::Conclude(Ending::Interrupted), Act::Leave(Code(143))],
            ),
        ] {
            let mut told = Told::new(Relation::Attached, Some(10));
            assert_eq!(told.at(10_000, event), acts, "{event:?}");
        }
    }
}
