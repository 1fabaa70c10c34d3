//! The run itself: what happens next, and what follows from it.

mod account;
mod alarms;
mod changes;
mod journey;
mod look;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use self::alarms::Timed;
use super::backlog::Backlog;
use super::memory::{Held, Memory};
use super::{Run, Simulation, Step};
use crate::controller::{Controller, Event, Outcome};
use crate::held_slots::HeldSlots;
use crate::simulator::machine::{Clocks, Service, Ticket};
use crate::simulator::stations::{Change, Station};

/// The core on which the engine's own thread runs is wanted under this name.
const ENGINE: usize = usize::MAX;
/// Where the built-in cores stand among the stations.
const CPU: usize = 0;
/// No controller is asked more often than this.
const SHORTEST_TICK: f64 = 0.000_1;

/// An attempt in flight.
struct Attempt {
    serial: u64,
    job: usize,
    started: f64,
    at: At,
    /// Which of the job's phases.
    phase: usize,
    /// Of the phases before.
    cpu: f64,
    delay: f64,
    work: f64,
    /// `cpu`, `delay` and time when it was looked at last.
    seen: (f64, f64, f64),
    /// What it held at the last look.
    seen_bytes: Option<f64>,
}

/// Where an attempt is.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Waits to be let in or for a slot.
    Gate { station: usize },
    /// Is served there since the clocks showed this.
    Served { station: usize, since: Clocks },
    /// Waits for the answer that will be "busy".
    Refused { station: usize },
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Leaves { station: usize },
    Alarm,
    Dispatched,
    MemoryBorder,
    Change,
    Tick,
}

fn sooner(best: &mut Option<(f64, Next)>, wait: f64, next: Next) {
    if best.is_none_or(|(least, _)| wait < least) {
        *best = Some((wait, next));
    }
}

/// A job on its way to be started.
struct Dispatch {
    job: usize,
    /// When it is done; infinite if that depends on the cores.
    until: f64,
}

pub(super) struct World<'a> {
    simulation: &'a Simulation<'a>,
    controller: &'a mut dyn Controller,
    now: f64,
    services: Vec<Service>,
    /// By place.
    attempts: Vec<Option<Attempt>>,
    free: Vec<usize>,
    in_flight: usize,
    held_slots: HeldSlots,
    peak: usize,
    serial: u64,
    backlog: Backlog,
    dispatch: Option<Dispatch>,
    alarms: BinaryHeap<Reverse<Timed>>,
    alarms_set: u64,
    memory: Memory,
    ticked: f64,
    /// Core seconds since the last tick in which nobody wanted a core.
    idle: f64,
    /// Changes that are not complete, with the station as it was before.
    changes: Vec<(Change, Option<Station>)>,
    random: fastrand::Rng,
    looked_at: Vec<usize>,
    run: Run,
}

impl<'a> World<'a> {
    pub(super) fn new(simulation: &'a Simulation<'a>, controller: &'a mut dyn Controller) -> Self {
        let scenario = simulation.scenario;
        let workload = simulation.workload;
        let stations = scenario.stations(workload.cores);
        Self {
            simulation,
            controller,
            now: 0.0,
            services: stations.into_iter().map(Service::new).collect(),
            attempts: Vec::new(),
            free: Vec::new(),
            in_flight: 0,
            held_slots: HeldSlots::default(),
            peak: 0,
            serial: 0,
            backlog: Backlog::new(workload.jobs.len(), scenario.arrivals),
            dispatch: None,
            alarms: BinaryHeap::new(),
            alarms_set: 0,
            memory: Memory::new(scenario.memory_bytes, scenario.memory_matters()),
            ticked: 0.0,
            idle: 0.0,
            changes: scenario
                .changes
                .iter()
                .map(|&change| (change, None))
                .collect(),
            random: fastrand::Rng::with_seed(workload.seed ^ 0x5EED),
            looked_at: Vec::new(),
            run: Run::default(),
        }
    }

    pub(super) fn run(mut self) -> Run {
        let total = self.simulation.workload.jobs.len();
        self.tell_queue();
        self.await_arrival();
        loop {
            if self.run.done == total {
                self.run.complete = true;
                break;
            }
            let rejected = self.run.rejects as f64 > 0.01 * total as f64;
            if self.simulation.flawless && (self.run.oom_kills > 0 || rejected) {
                break;
            }
            self.watch_memory();
            self.dispatch_next();
            // Those who were just started grow already.
            let held = self.held();
            let Some((wait, next)) = self.next(held) else {
                break;
            };
            if self.now + wait > self.simulation.until {
                self.now = self.simulation.until;
                break;
            }
            self.advance(wait);
            self.apply_changes();
            match next {
                Next::Leaves { station } => self.leaves(station),
                Next::Alarm => self.alarm(),
                Next::Dispatched => self.start(),
                Next::MemoryBorder | Next::Change => {}
                Next::Tick => self.tick(),
            }
        }
        self.run.makespan = self.now;
        self.run
    }

    /// Seconds until the next event, and which one.
    fn next(&self, held: Held) -> Option<(f64, Next)> {
        let mut best = None;
        for (station, service) in self.services.iter().enumerate() {
            if let Some(wait) = service.next() {
                sooner(&mut best, wait, Next::Leaves { station });
            }
        }
        if let Some(Reverse(timed)) = self.alarms.peek() {
            sooner(&mut best, (timed.at - self.now).max(0.0), Next::Alarm);
        }
        if let Some(dispatch) = &self.dispatch
            && dispatch.until.is_finite()
        {
            sooner(
                &mut best,
                (dispatch.until - self.now).max(0.0),
                Next::Dispatched,
            );
        }
        if self.memory.watched
            && let Some(wait) = self.memory.next(held)
        {
            sooner(&mut best, wait, Next::MemoryBorder);
        }
        for (change, before) in &self.changes {
            let at = change.from * self.simulation.workload.demand(change.station);
            if before.is_none()
                && let Some(wait) = self.services[change.station].until(at)
            {
                // A little beyond, so that rounding does not make the moment come again.
                sooner(&mut best, wait + 1e-9, Next::Change);
            }
        }
        // Ticks alone would go on for ever.
        best?;
        if self.simulation.ticks
            && let Some(every) = self.controller.tick_every()
        {
            let due = self.ticked + every.as_secs_f64().max(SHORTEST_TICK);
            sooner(&mut best, (due - self.now).max(0.0), Next::Tick);
        }
        best
    }

    fn advance(&mut self, wait: f64) {
        if wait > 0.0 {
            self.now += wait;
            self.idle += wait * self.services[CPU].idle_cores();
            for service in &mut self.services {
                service.advance(wait);
            }
        }
    }

    fn clock(&self) -> Duration {
        Duration::from_secs_f64(self.now)
    }

    fn tell(&mut self, event: Event) {
        if let Event::Finished { attempt, .. } = &event {
            self.held_slots.ended(self.clock(), attempt);
            if attempt.outcome == Outcome::Busy {
                self.await_slot();
            }
        }
        if let Some(decision) = self.controller.on(self.clock(), event) {
            self.held_slots.decided(&decision);
            self.run.steps.push(Step {
                decision,
                in_flight: self.in_flight,
                done: self.run.done,
            });
        }
    }

    fn tell_queue(&mut self) {
        let starting = usize::from(self.dispatch.is_some());
        self.tell(Event::Queue(self.backlog.left(starting)));
    }

    fn live(&self, ticket: Ticket) -> Option<&Attempt> {
        let attempt = self.attempts.get(ticket.place)?.as_ref()?;
        (attempt.serial == ticket.serial).then_some(attempt)
    }

    /// The engine's thread takes the next job if it may.
    fn dispatch_next(&mut self) {
        while self.dispatch.is_none()
            && self.backlog.has_ready()
            && self.in_flight + self.held_slots.count(self.clock()) < self.controller.limit()
        {
            let Some(job) = self.backlog.take() else {
                return;
            };
            let cost = self.simulation.scenario.dispatch;
            let until = if cost.takes_core {
                let pace = self.memory.pace();
                let engine = Ticket {
                    place: ENGINE,
                    serial: 0,
                };
                self.services[CPU].serve(engine, cost.seconds, 1.0, pace);
                f64::INFINITY
            } else {
                self.now + cost.seconds
            };
            self.dispatch = Some(Dispatch { job, until });
            if until <= self.now {
                self.start();
            }
        }
    }

    fn start(&mut self) {
        let Some(dispatch) = self.dispatch.take() else {
            return;
        };
        let place = self.free.pop().unwrap_or_else(|| {
            self.attempts.push(None);
            self.attempts.len() - 1
        });
        self.serial += 1;
        self.attempts[place] = Some(Attempt {
            serial: self.serial,
            job: dispatch.job,
            started: self.now,
            at: At::Gate { station: CPU },
            phase: 0,
            cpu: 0.0,
            delay: 0.0,
            work: 0.0,
            seen: (0.0, 0.0, self.now),
            seen_bytes: None,
        });
        self.in_flight += 1;
        if self.in_flight > self.peak {
            self.peak = self.in_flight;
            self.run.peaks.push((self.now, self.peak));
        }
        self.tell(Event::Started { job: self.serial });
        self.enter(place);
    }

    fn set_all_speeds(&mut self) {
        let pace = self.memory.pace();
        for service in &mut self.services {
            service.set_speed(pace);
        }
    }

    fn tick(&mut self) {
        self.ticked = self.now;
        let held = self.held();
        let signals = self.look(held);
        self.tell(Event::Tick(signals));
        while let Some(serial) = self.controller.shed() {
            let named = |a: &Option<Attempt>| a.as_ref().is_some_and(|a| a.serial == serial);
            if let Some(place) = self.attempts.iter().position(named) {
                self.end(place, Outcome::Shed);
            }
        }
    }
}
