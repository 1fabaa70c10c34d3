//! Runs a scenario with a controller, from event to event.

mod backlog;
mod memory;
mod world;

use crate::controller::{Controller, Decision};
use crate::simulator::scenario::Scenario;
use crate::simulator::workload::Workload;

/// A scenario and its jobs, ready to run.
#[derive(Clone, Copy, Debug)]
pub struct Simulation<'a> {
    scenario: &'a Scenario,
    workload: &'a Workload,
    until: f64,
    flawless: bool,
    delays: bool,
    ticks: bool,
}

impl<'a> Simulation<'a> {
    /// These jobs, to be run to the end.
    pub fn new(scenario: &'a Scenario, workload: &'a Workload) -> Self {
        Self {
            scenario,
            workload,
            until: f64::INFINITY,
            flawless: false,
            delays: false,
            ticks: true,
        }
    }

    /// Stops after so many seconds of made-up time.
    #[must_use]
    pub fn until(self, seconds: f64) -> Self {
        Self {
            until: seconds,
            ..self
        }
    }

    /// Stops at the first OOM kill, or when more than 1 % of the jobs were refused.
    #[must_use]
    pub fn flawless(self) -> Self {
        Self {
            flawless: true,
            ..self
        }
    }

    /// Whether an attempt that ends tells how long it waited for a core. The real engine does not
    /// know that.
    #[must_use]
    pub fn telling_delays(self, delays: bool) -> Self {
        Self { delays, ..self }
    }

    /// Whether the controller gets ticks. An engine that cannot look at its jobs sends none.
    #[must_use]
    pub fn ticking(self, ticks: bool) -> Self {
        Self { ticks, ..self }
    }

    /// Runs them.
    pub fn run(&self, controller: &mut dyn Controller) -> Run {
        world::World::new(self, controller).run()
    }
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// All jobs are done.
    pub complete: bool,
    /// Seconds until the last job ended, or until it was stopped.
    pub makespan: f64,
    /// Jobs done.
    pub done: usize,
    /// Attempts that the kernel killed because memory ran out.
    pub oom_kills: usize,
    /// Attempts that were told "busy".
    pub rejects: usize,
    /// Attempts that the controller gave up.
    pub sheds: usize,
    /// (seconds, jobs in flight) whenever a new maximum was reached.
    pub peaks: Vec<(f64, usize)>,
    /// What the controller decided.
    pub steps: Vec<Step>,
}

impl Run {
    /// Most jobs in flight by `seconds`.
    pub fn peak_by(&self, seconds: f64) -> usize {
        let before = self.peaks.iter().filter(|peak| peak.0 <= seconds);
        before.map(|peak| peak.1).max().unwrap_or(0)
    }

    /// Most jobs in flight ever.
    pub fn peak(&self) -> usize {
        self.peak_by(f64::INFINITY)
    }

    /// The last limit that was decided on.
    pub fn settled(&self) -> Option<usize> {
        self.steps.last().map(|step| step.decision.limit)
    }
}

/// One decision of the controller.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it decided, and why.
    pub decision: Decision,
    /// Jobs in flight at that moment.
    pub in_flight: usize,
    /// Jobs done by then.
    pub done: usize,
}
