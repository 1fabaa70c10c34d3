//! A limit for servers: as many at once as answers stay quick with.
//!
//! A batch wants throughput and may let jobs queue; whoever waits for an answer does not. This
//! controller compares how long answers take with how long they took when few were in flight.
//! While the limit is reached and they are about as quick, it rises; when they take twice as long,
//! most of that time is queueing that gets nothing done, and it falls in proportion.
//!
//! The idea is that of TCP Vegas (Brakmo and Peterson, 1995) and of Netflix's concurrency limits;
//! two things are different. *Only answers to requests begun under the present limit count*, so the
//! backlog of the last one does not decide. And *a lower limit has to prove itself*: if answers are
//! not quicker under it, they do not wait for one another but take what they take, the standard is
//! raised to that, and the limit goes back up. Otherwise a mix of short and long requests, or a
//! release that made all of them slower, would press the limit down to one.
//!
//! The standard grows old. After some time at a limit that binds, the limit is halved for a window,
//! and again as long as that makes answers quicker, to see how quick they are now with few in flight
//! (as BBR does, Cardwell et al. 2016).

use std::time::Duration;

use crate::bounds::Bounds;
use crate::controller::{Attempt, Controller, Decision, Event, Outcome};
use crate::reason::Reason;

const FIRST: f64 = 20.0;
/// Below this many times the standard, answers count as quick.
const QUICK: f64 = 1.5;
/// Above this many times it, they count as slow.
const SLOW: f64 = 2.0;
/// A window lasts at least this long …
const SHORTEST_WINDOW: f64 = 0.1;
/// … and as long as so many answers take, one after the other …
const ANSWERS_LONG: f64 = 2.0;
/// … and has so many answers, unless it lasted for [`LONGEST_WINDOW`].
const ENOUGH: u32 = 20;
const LONGEST_WINDOW: f64 = 2.0;
/// Of a window that lasted that long, so many are enough.
const FEW: u32 = 3;
/// How long a standard holds, in seconds.
const STANDARD_HOLDS: f64 = 30.0;
/// If all the time were queueing, answers would be quicker in proportion to the limit. A lower one
/// proves itself with this share of that.
const PROOF: f64 = 1.0 / 3.0;
/// Smaller steps down show nothing.
const TELLING: f64 = 0.8;
/// Above this factor, answers under a lower limit cannot be compared.
const LIKE: f64 = 1.2;
/// Within this factor of the standard, answers are as quick as can be.
const AS_QUICK: f64 = 1.1;
/// If more than this share of the answers say "busy" or come too late, there are too many.
const REFUSED: f64 = 0.1;

/// Keeps as many requests in flight as are answered quickly. Wants no signals.
///
/// ```
/// use std::time::Duration;
/// use paceline_control::{Bounds, Controller, Latency};
///
/// let limit = Latency::new(Bounds { min: 4, max: Some(100) });
/// assert_eq!(limit.limit(), 20);
/// assert_eq!(limit.tick_every(), None);
/// ```
#[derive(Clone, Debug)]
pub struct Latency {
    bounds: Bounds,
    limit: f64,
    in_flight: usize,
    window: Window,
    standard: Option<Standard>,
    trial: Option<Trial>,
    /// No answer was slow yet: doubling is safe.
    fresh: bool,
}

/// Answers to requests that were begun in one stretch of time, under one limit.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    began: Duration,
    seconds: f64,
    answers: u32,
    refused: u32,
    /// The limit was reached.
    full: bool,
}

/// How long answers take with few in flight.
#[derive(Clone, Copy, Debug)]
struct Standard {
    seconds: f64,
    since: Duration,
}

/// A lower limit that has to prove itself.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// The limit before.
    from: f64,
    /// How long answers took under it.
    seconds: f64,
    /// It was lowered only to look, and goes back up to this in the end.
    look: Option<f64>,
}

impl Trial {
    /// Answers that take so long under `limit` waited for one another before.
    fn is_proven(&self, limit: f64, mean: f64) -> bool {
        let most = 1.0 - PROOF * (1.0 - limit / self.from);
        mean <= most * self.seconds
    }
}

impl Latency {
    /// Begins with 20 in flight, within `bounds`.
    pub fn new(bounds: Bounds) -> Self {
        let mut new = Self {
            bounds,
            limit: FIRST,
            in_flight: 0,
            window: Window::default(),
            standard: None,
            trial: None,
            fresh: true,
        };
        new.limit = new.within(FIRST);
        new
    }

    fn within(&self, limit: f64) -> f64 {
        limit.clamp(
            self.bounds.lowest() as f64,
            self.bounds.highest().min(1 << 20) as f64,
        )
    }

    fn finished(&mut self, now: Duration, attempt: Attempt) -> Option<Reason> {
        let began = now.saturating_sub(attempt.wall);
        if began < self.window.began {
            return None;
        }
        match attempt.outcome {
            Outcome::Done | Outcome::Failed => {
                self.window.answers += 1;
                self.window.seconds += attempt.wall.as_secs_f64();
            }
            Outcome::Busy | Outcome::TimedOut => self.window.refused += 1,
            Outcome::Cancelled | Outcome::Shed => return None,
        }
        let window = self.window;
        let age = now.saturating_sub(window.began).as_secs_f64();
        let answers = window.answers + window.refused;
        let mean = window.seconds / f64::from(window.answers.max(1));
        let over = age >= SHORTEST_WINDOW.max(ANSWERS_LONG * mean) && answers >= ENOUGH
            || age >= LONGEST_WINDOW && answers >= FEW;
        if !over {
            return None;
        }
        self.window = Window {
            began: now,
            ..Window::default()
        };
        if f64::from(window.refused) > REFUSED * f64::from(answers) {
            self.fresh = false;
            self.trial = None;
            self.limit = self.within((self.limit * 0.9).floor());
            return Some(Reason::Busy {
                beside: self.in_flight + 1,
                jobs: self.limit as usize,
            });
        }
        if window.answers == 0 {
            return None;
        }
        self.judge(now, mean, window.full)
    }

    /// A window has ended in which answers took `mean` seconds.
    fn judge(&mut self, now: Duration, mean: f64, full: bool) -> Option<Reason> {
        if let Some(trial) = self.trial.take() {
            let proven = trial.is_proven(self.limit, mean);
            let as_quick = self
                .standard
                .is_some_and(|known| mean <= known.seconds * AS_QUICK);
            if let Some(home) = trial.look
                && proven
                && !as_quick
                && let Some(reason) = self.look(home, mean)
            {
                return Some(reason);
            }
            // Slower with fewer: something else has changed, and nothing is proven either way.
            let comparable = mean <= trial.seconds * LIKE;
            if let Some(home) = trial.look
                && !comparable
            {
                self.limit = self.within(home);
                return Some(Reason::RoomAgain);
            }
            if comparable && (trial.look.is_some() || !proven) {
                // With fewer in flight answers would take as long: that is how long they take.
                self.standard = Some(Standard {
                    seconds: mean,
                    since: now,
                });
                self.limit = self.within(trial.look.unwrap_or(trial.from));
                return Some(Reason::RoomAgain);
            }
        }
        let standard = match self.standard {
            Some(known) if known.seconds <= mean => known,
            _ => *self.standard.insert(Standard {
                seconds: mean,
                since: now,
            }),
        };
        let factor = mean / standard.seconds.max(1e-9);
        if factor > SLOW {
            if !full {
                // Few are in flight, and still it is slow: there is nothing to hold back.
                return None;
            }
            self.fresh = false;
            let lower = self.within((self.limit * (SLOW / factor).max(0.5)).floor());
            self.trial = (lower <= self.limit * TELLING).then_some(Trial {
                from: self.limit,
                seconds: mean,
                look: None,
            });
            self.limit = lower;
            return Some(Reason::Slower { factor });
        }
        if !full {
            return None;
        }
        let old = now.saturating_sub(standard.since).as_secs_f64() > STANDARD_HOLDS;
        if old && let Some(reason) = self.look(self.limit, mean) {
            return Some(reason);
        }
        if factor < QUICK {
            let step = if self.fresh {
                self.limit
            } else {
                self.limit.sqrt().max(1.0)
            };
            self.limit = self.within(self.limit + step.floor());
            return Some(Reason::StillQuick { factor });
        }
        None
    }

    /// Halves the limit for one window, to go back to `home` some time.
    fn look(&mut self, home: f64, mean: f64) -> Option<Reason> {
        let from = self.limit;
        let lower = self.within((from / 2.0).ceil());
        if lower >= from {
            return None;
        }
        self.trial = Some(Trial {
            from,
            seconds: mean,
            look: Some(home),
        });
        self.limit = lower;
        Some(Reason::TryingFewer {
            from: home as usize,
        })
    }
}

impl Controller for Latency {
    fn limit(&self) -> usize {
        self.limit as usize
    }

    fn on(&mut self, now: Duration, event: Event) -> Option<Decision> {
        let was = self.limit();
        let reason = match event {
            Event::Started { .. } => {
                self.in_flight += 1;
                self.window.full |= self.in_flight >= was;
                None
            }
            Event::Finished { attempt, .. } => {
                let reason = self.finished(now, attempt);
                self.in_flight = self.in_flight.saturating_sub(1);
                reason
            }
            _ => None,
        };
        let limit = self.limit();
        reason.filter(|_| limit != was).map(|reason| Decision {
            at: now,
            was,
            limit,
            reason,
        })
    }

    fn tick_every(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests;
