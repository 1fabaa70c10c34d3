//! Where a stage begins: what may run before anything is known of the work.
//!
//! [`Auto`] was made for processes and begins with two of them. Inside a program a slot costs next
//! to nothing, and beginning too low costs more than beginning too high: with too few the whole
//! pipeline waits for the ramp, with too many the level comes down within milliseconds. So work that
//! is said to wait begins with many slots. Work of which nothing is said begins with one per core,
//! and gets the many as soon as it is seen to wait.

use std::collections::HashSet;
use std::time::Duration;

use paceline_control::{
    Attempt, Auto, Bounds, Controller, Decision, Event, JobId, Learned, Left, Reason, Resources,
};

/// Slots for work that waits.
const GENEROUS: usize = 64;
/// The same, per core, where these are more.
const GENEROUS_PER_CORE: usize = 4;
/// Cores that a waiting item is taken to keep busy until more is known.
const BUSY: f64 = 0.01;
/// Seconds of work that must have been seen before it is judged.
const ENOUGH: f64 = 0.004;
/// The share of its time that waiting work spends on a core, at most.
const WAITING: f64 = 0.5;

/// What is known of the work beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// It waits most of the time.
    #[cfg_attr(
        not(feature = "tokio"),
        allow(dead_code, reason = "pipelines alone know it")
    )]
    Waits,
    /// It is done by processes, for which the controller was made.
    #[cfg_attr(
        not(feature = "tokio"),
        allow(dead_code, reason = "pipelines alone know it")
    )]
    Processes,
    /// That must be found out.
    Unknown,
}

/// [`Auto`], begun where the nature of the work says.
pub(crate) struct Opening {
    resources: Resources,
    bounds: Bounds,
    auto: Auto,
    looking: Option<Looking>,
}

/// The time before the nature of the work is known.
#[derive(Default)]
struct Looking {
    running: HashSet<JobId>,
    left: Option<Left>,
    /// Seconds on a core, and seconds of work without those in the run queue.
    ran: f64,
    own: f64,
}

impl Opening {
    pub(crate) fn new(resources: Resources, bounds: Bounds, nature: Nature) -> Self {
        let (auto, looking) = match nature {
            Nature::Waits => (generous(resources, bounds, BUSY), None),
            Nature::Processes => (Auto::new(resources, bounds), None),
            Nature::Unknown => (modest(resources, bounds), Some(Looking::default())),
        };
        Self {
            resources,
            bounds,
            auto,
            looking,
        }
    }

    /// Begins anew with what was seen.
    fn decide(&mut self, now: Duration) -> Option<Decision> {
        let looking = self
            .looking
            .take_if(|looking| looking.own >= ENOUGH * self.resources.cores.max(1.0))?;
        let was = self.auto.limit();
        let busy = looking.ran / looking.own;
        if busy < WAITING {
            self.auto = generous(self.resources, self.bounds, busy.max(BUSY));
            if let Some(left) = looking.left {
                // Those running will be told as started, and that takes them off again.
                let running = looking.running.len() as u64;
                self.auto.on(now, Event::Queue(plus(left, running)));
            }
            for job in looking.running {
                self.auto.on(now, Event::Started { job });
            }
        }
        let limit = self.auto.limit();
        (limit != was).then(|| Decision {
            at: now,
            was,
            limit,
            reason: self.auto.reason().clone(),
        })
    }
}

fn plus(left: Left, more: u64) -> Left {
    match left {
        Left::Exactly(n) => Left::Exactly(n.saturating_add(more)),
        Left::AtLeast(n) => Left::AtLeast(n.saturating_add(more)),
    }
}

/// Many slots, each of which is taken to keep `busy` cores busy.
fn generous(resources: Resources, bounds: Bounds, busy: f64) -> Auto {
    let cores = resources.cores.max(1.0) as usize;
    let level = GENEROUS.max(GENEROUS_PER_CORE.saturating_mul(cores));
    let mut learned = Learned::level(level, Reason::RampingUp.label());
    learned.settled = false;
    learned.busy_cores = Some(busy);
    Auto::new(resources, bounds).remembering(&learned)
}

/// One slot per core.
fn modest(resources: Resources, bounds: Bounds) -> Auto {
    let cores = (resources.cores.max(1.0).ceil() as usize).clamp(bounds.lowest(), bounds.highest());
    let floor = Bounds {
        min: cores,
        max: bounds.max,
    };
    Auto::new(resources, floor)
}

impl Controller for Opening {
    fn limit(&self) -> usize {
        self.auto.limit()
    }

    fn on(&mut self, now: Duration, event: Event) -> Option<Decision> {
        if let Some(looking) = &mut self.looking {
            looking.note(&event);
        }
        let decision = self.auto.on(now, event);
        let begun = self.decide(now);
        begun.or(decision)
    }

    fn tick_every(&self) -> Option<Duration> {
        match self.looking {
            Some(_) => Some(FIRST_LOOKS),
            None => self.auto.tick_every(),
        }
    }

    fn shed(&mut self) -> Option<JobId> {
        self.auto.shed()
    }

    fn learned(&self) -> Option<Learned> {
        self.auto.learned()
    }
}

/// Between ticks until the nature of the work is known.
const FIRST_LOOKS: Duration = Duration::from_millis(2);

impl Looking {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Started { job } => {
                self.running.insert(*job);
                self.left = self.left.map(|left| match left {
                    Left::Exactly(n) => Left::Exactly(n.saturating_sub(1)),
                    Left::AtLeast(n) => Left::AtLeast(n.saturating_sub(1)),
                });
            }
            Event::Finished { job, attempt } => {
                self.running.remove(job);
                self.finished(attempt);
            }
            Event::Queue(left) => self.left = Some(*left),
            Event::Tick(signals) => {
                let own = signals.observed.saturating_sub(signals.run_queue_delay);
                self.ran += signals.ran.as_secs_f64();
                self.own += own.max(signals.ran).as_secs_f64();
            }
            _ => {}
        }
    }

    /// Ended work that no tick saw; where both saw it, it counts twice, on both sides.
    fn finished(&mut self, attempt: &Attempt) {
        self.ran += attempt.cpu.as_secs_f64();
        self.own += attempt.wall.as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_control::{Outcome, Signals};

    const MACHINE: Resources = Resources {
        cores: 2.0,
        memory_bytes: 0,
        descriptor_jobs: usize::MAX,
        process_jobs: usize::MAX,
    };
    const TICK: Duration = Duration::from_millis(2);

    /// Two jobs on two cores, of which so many compute.
    fn signals(computing: u32) -> Signals {
        Signals {
            in_flight: 2,
            sampled: 2,
            ran: TICK * computing,
            observed: TICK * 2,
            runnable_threads: computing as usize,
            ..Signals::default()
        }
    }

    fn watched(computing: u32) -> Opening {
        let mut opening = Opening::new(MACHINE, Bounds::default(), Nature::Unknown);
        assert_eq!(opening.limit(), 2);
        opening.on(Duration::ZERO, Event::Queue(Left::Exactly(1000)));
        for job in 0..2 {
            opening.on(Duration::ZERO, Event::Started { job });
        }
        for n in 1..=20 {
            opening.on(TICK * n, Event::Tick(signals(computing)));
        }
        opening
    }

    #[test]
    fn what_waits_gets_many_slots_and_what_computes_the_cores() {
        assert!(watched(0).limit() >= GENEROUS);
        assert_eq!(watched(2).limit(), 2);
        let said = Opening::new(MACHINE, Bounds::default(), Nature::Waits);
        assert_eq!(said.limit(), GENEROUS);
    }

    #[test]
    fn bounds_hold_from_the_start() {
        let bounds = Bounds {
            min: 1,
            max: Some(7),
        };
        let waits = Opening::new(MACHINE, bounds, Nature::Waits);
        assert_eq!(waits.limit(), 7);
        let one = Bounds {
            min: 1,
            max: Some(1),
        };
        assert_eq!(Opening::new(MACHINE, one, Nature::Unknown).limit(), 1);
    }

    #[test]
    fn short_work_is_judged_by_what_it_took() {
        let mut opening = Opening::new(MACHINE, Bounds::default(), Nature::Unknown);
        let mut now = Duration::ZERO;
        for job in 0..20 {
            opening.on(now, Event::Started { job });
            now += Duration::from_millis(10);
            let attempt = Attempt {
                outcome: Outcome::Done,
                wall: Duration::from_millis(10),
                cpu: Duration::from_micros(300),
                run_queue_delay: None,
                peak_rss_bytes: 0,
            };
            opening.on(now, Event::Finished { job, attempt });
        }
        assert!(opening.limit() >= 32, "{}", opening.limit());
    }

    #[test]
    fn work_said_to_wait_that_computes_comes_down_to_the_cores() {
        let mut opening = Opening::new(MACHINE, Bounds::default(), Nature::Waits);
        for job in 0..64 {
            opening.on(Duration::ZERO, Event::Started { job });
        }
        // They share two cores, and all end after 640 ms.
        let tick = Signals {
            in_flight: 64,
            sampled: 16,
            ran: Duration::from_millis(5),
            run_queue_delay: Duration::from_millis(155),
            observed: Duration::from_millis(160),
            runnable_threads: 16,
            ..Signals::default()
        };
        for n in 1..=64 {
            opening.on(Duration::from_millis(10 * n), Event::Tick(tick));
        }
        assert!(opening.limit() <= 8, "{}", opening.limit());
        let attempt = Attempt {
            outcome: Outcome::Done,
            wall: Duration::from_millis(640),
            cpu: Duration::from_millis(20),
            run_queue_delay: None,
            peak_rss_bytes: 0,
        };
        for job in 0..64 {
            opening.on(Duration::from_millis(640), Event::Finished { job, attempt });
        }
        assert_eq!(opening.limit(), 2);
    }
}
