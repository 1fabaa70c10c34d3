//! A controller under oath: every event is followed by all that must hold after it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use paceline_control::{
    Attempt, Auto, Bounds, Controller, Decision, Event, JobId, Learned, Outcome, PeerLoad,
    Resources, Signals,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::events::Action;

type Checked = Result<(), TestCaseError>;

pub(crate) struct Witness {
    pub(crate) auto: Auto,
    /// The most that descriptors, processes and the user allow.
    outer: usize,
    limit: usize,
    now: Duration,
    /// Since when.
    in_flight: HashMap<JobId, Duration>,
    shed: HashSet<JobId>,
    serial: JobId,
    told: u32,
    pub(crate) decisions: Vec<Decision>,
}

impl Witness {
    pub(crate) fn new(resources: Resources, bounds: Bounds, learned: Option<&Learned>) -> Self {
        let outer = resources
            .descriptor_jobs
            .min(resources.process_jobs)
            .min(bounds.max.unwrap_or(usize::MAX))
            .max(1);
        let mut auto = Auto::new(resources, bounds);
        if let Some(learned) = learned {
            auto = auto.remembering(learned);
        }
        Self {
            outer,
            limit: auto.limit(),
            auto,
            now: Duration::ZERO,
            in_flight: HashMap::new(),
            shed: HashSet::new(),
            serial: 0,
            told: 0,
            decisions: Vec::new(),
        }
    }

    pub(crate) fn tell(&mut self, now: Duration, event: Event) -> Checked {
        self.now = now;
        match &event {
            Event::Started { job } => {
                self.in_flight.insert(*job, now);
            }
            Event::Finished { job, .. } => {
                self.in_flight.remove(job);
                self.shed.remove(job);
            }
            _ => {}
        }
        let decision = self.auto.on(now, event);
        self.check_limit()?;
        match decision {
            None => prop_assert_eq!(self.auto.limit(), self.limit),
            Some(decision) => self.check(decision)?,
        }
        self.told += 1;
        if self.told.is_multiple_of(16) {
            self.check_learned()?;
        }
        Ok(())
    }

    fn check_limit(&self) -> Checked {
        let (top, reason) = self.auto.binding();
        let limit = self.auto.limit();
        prop_assert!((1..=self.outer).contains(&limit), "{limit}");
        prop_assert!(limit <= top, "{limit} > {top}: {reason}");
        prop_assert!(!reason.to_string().is_empty());
        let every = self.auto.tick_every();
        prop_assert!(every.is_some_and(|every| !every.is_zero()));
        Ok(())
    }

    fn check(&mut self, decision: Decision) -> Checked {
        prop_assert_eq!(decision.at, self.now);
        prop_assert_eq!(decision.was, self.limit);
        prop_assert_eq!(decision.limit, self.auto.limit());
        prop_assert_eq!(&decision.reason, self.auto.reason());
        prop_assert!(!decision.reason.to_string().is_empty());
        if decision.was == decision.limit {
            // It says what was found.
            let found = ["not-better", "more-failed", "more-gained", "fewer-suffice"];
            prop_assert!(found.contains(&decision.reason.label()), "{decision:?}");
        }
        self.limit = decision.limit;
        self.decisions.push(decision);
        Ok(())
    }

    pub(crate) fn check_learned(&self) -> Checked {
        let Some(learned) = self.auto.learned() else {
            return Ok(());
        };
        prop_assert!(learned.level >= 1, "{learned:?}");
        prop_assert!(learned.changed_to != Some(0), "{learned:?}");
        prop_assert!(learned.busy_above != Some(0), "{learned:?}");
        prop_assert!(!learned.limited_by.is_empty());
        let own = [Some(learned.mean_wall_seconds), learned.busy_cores];
        let curve = learned
            .curve
            .iter()
            .flat_map(|point| [Some(point.throughput), Some(point.latency_seconds)]);
        for number in own.into_iter().chain(curve).flatten() {
            prop_assert!(number.is_finite() && number >= 0.0, "{learned:?}");
        }
        let rising = learned.curve.is_sorted_by(|a, b| a.level < b.level);
        prop_assert!(rising, "{learned:?}");
        let text = serde_json::to_string(&learned).expect("it can be written down");
        let read: Result<Learned, _> = serde_json::from_str(&text);
        prop_assert!(read.is_ok(), "{text}");
        Ok(())
    }

    /// Asks what is to be shed, as after a tick.
    pub(crate) fn ask(&mut self) -> Result<Vec<JobId>, TestCaseError> {
        let mut named = Vec::new();
        while let Some(job) = self.auto.shed() {
            prop_assert!(self.in_flight.contains_key(&job), "{job} does not run");
            prop_assert!(self.shed.insert(job), "{job} was named before");
            named.push(job);
        }
        prop_assert_eq!(self.auto.shed(), None);
        Ok(named)
    }

    /// Does what an engine would.
    pub(crate) fn act(&mut self, action: Action) -> Checked {
        match action {
            Action::Wait(time) => self.now += time,
            Action::Fill => {
                // No test needs more.
                while self.in_flight.len() < self.auto.limit().min(120) {
                    self.serial += 1;
                    self.tell(self.now, Event::Started { job: self.serial })?;
                }
            }
            Action::End { share, outcome } => {
                let count = (share * self.in_flight.len() as f64) as usize;
                for job in self.oldest().into_iter().take(count) {
                    self.end(job, outcome)?;
                }
            }
            Action::EndOne { which, outcome } => {
                let jobs = self.oldest();
                if !jobs.is_empty() {
                    self.end(*which.get(&jobs), outcome)?;
                }
            }
            Action::Tick {
                timers,
                disk,
                computing,
                bytes,
                grown,
            } => {
                let jobs = self.in_flight.len();
                let some = |share: f64| (share * jobs as f64) as usize;
                let tick = Duration::from_millis(5);
                let signals = Signals {
                    in_flight: jobs,
                    sampled: jobs,
                    ran: tick * some(computing) as u32 / 2,
                    run_queue_delay: tick * some(computing) as u32 / 2,
                    observed: tick * jobs as u32,
                    runnable_threads: some(computing),
                    disk_threads: some(disk),
                    timer_only: some(timers),
                    idle: (disk > 0.5).then(|| tick.mul_f64(timers)),
                    rss_bytes: bytes * jobs as u64,
                    grown_bytes: grown.min(bytes) * jobs as u64,
                    memory_available_bytes: (1u64 << 30).saturating_sub(bytes * jobs as u64).max(1),
                    peers: self.auto.wants_peers().then(|| PeerLoad {
                        jobs,
                        heaviest: some(timers),
                    }),
                };
                self.tell(self.now + tick, Event::Tick(signals))?;
                let named = self.ask()?;
                prop_assert!(named.len() < jobs.max(1), "all {jobs} are to go");
                for job in named {
                    self.end(job, Outcome::Shed)?;
                }
            }
            Action::Queue(left) => self.tell(self.now, Event::Queue(left))?,
            Action::Refuse => {
                let in_flight = self.in_flight.len();
                self.tell(self.now, Event::SpawnRefused { in_flight })?;
            }
        }
        Ok(())
    }

    fn oldest(&self) -> Vec<JobId> {
        let mut jobs: Vec<JobId> = self.in_flight.keys().copied().collect();
        jobs.sort_unstable();
        jobs
    }

    fn end(&mut self, job: JobId, outcome: Outcome) -> Checked {
        let began = self.in_flight.get(&job).copied().unwrap_or(self.now);
        let wall = self.now.saturating_sub(began);
        let attempt = Attempt {
            outcome,
            wall,
            cpu: wall / 4,
            run_queue_delay: None,
            peak_rss_bytes: 8 << 20,
        };
        self.tell(self.now, Event::Finished { job, attempt })
    }
}
