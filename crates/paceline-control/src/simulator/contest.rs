//! Many scenarios, seeds and contenders, on all cores of the machine that this runs on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use serde::Serialize;

use super::contender::Contender;
use super::engine::Simulation;
use super::oracle::{Oracle, oracle};
use super::scenario::Scenario;
use super::workload::Workload;

/// A run is cut when it takes so many times as long as the oracle.
const CUT: f64 = 50.0;

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct Contest {
    /// What is run.
    pub scenarios: Vec<Scenario>,
    /// On machines with so many cores.
    pub cores: Vec<f64>,
    /// With these draws.
    pub seeds: Vec<u64>,
    /// By these.
    pub contenders: Vec<Contender>,
    /// Attempts tell how long they waited for a core when they end.
    pub delays: bool,
}

/// One run of one contender.
#[derive(Clone, Debug, Serialize)]
pub struct Scored {
    /// The scenario's name.
    pub scenario: String,
    /// Cores of the machine.
    pub cores: f64,
    /// The draws.
    pub seed: u64,
    /// Jobs in all.
    pub jobs: usize,
    /// The contender's name.
    pub controller: String,
    /// The best fixed level for these draws.
    pub oracle: Oracle,
    /// Seconds that the run took, at most 50 times the oracle's.
    pub makespan: f64,
    /// `makespan` divided by the oracle's.
    pub ratio: f64,
    /// It was not cut.
    pub complete: bool,
    /// Attempts killed because memory ran out.
    pub oom_kills: usize,
    /// Attempts refused, per job.
    pub reject_share: f64,
    /// Attempts that the controller gave up.
    pub sheds: usize,
    /// Most jobs in flight.
    pub peak: usize,
    /// Times that the limit moved.
    pub decisions: usize,
    /// The limit at the end.
    pub settled: usize,
}

impl Contest {
    /// Runs everything. `progress` hears how many of how many parts are done.
    ///
    /// A scenario that no fixed level can do without flaw is left out.
    pub fn run(&self, mut progress: impl FnMut(usize, usize)) -> Vec<Scored> {
        let mut parts = Vec::new();
        for &cores in &self.cores {
            for scenario in &self.scenarios {
                for &seed in &self.seeds {
                    parts.push((cores, scenario, seed));
                }
            }
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::channel();
        let mut scored: Vec<Vec<Scored>> = vec![Vec::new(); parts.len()];
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let (sender, next, parts) = (sender.clone(), &next, &parts);
                scope.spawn(move || {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(&(cores, scenario, seed)) = parts.get(at) else {
                            return;
                        };
                        let part = self.score(scenario, cores, seed);
                        if sender.send((at, part)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for (done, (at, part)) in receiver.into_iter().enumerate() {
                scored[at] = part;
                progress(done + 1, parts.len());
            }
        });
        scored.into_iter().flatten().collect()
    }

    fn score(&self, scenario: &Scenario, cores: f64, seed: u64) -> Vec<Scored> {
        let workload = Workload::draw(scenario, cores, seed);
        let Some(oracle) = oracle(scenario, &workload) else {
            return Vec::new();
        };
        let until = oracle.makespan * CUT;
        let score = |contender: &Contender| {
            let mut controller = contender.controller(scenario, &workload, until, self.delays);
            let run = Simulation::new(scenario, &workload)
                .until(until)
                .telling_delays(self.delays)
                .run(controller.as_mut());
            Scored {
                scenario: scenario.name.clone(),
                cores,
                seed,
                jobs: workload.len(),
                controller: contender.to_string(),
                oracle,
                makespan: run.makespan,
                ratio: run.makespan / oracle.makespan,
                complete: run.complete,
                oom_kills: run.oom_kills,
                reject_share: run.rejects as f64 / workload.len() as f64,
                sheds: run.sheds,
                peak: run.peak(),
                decisions: run.steps.len(),
                settled: controller.limit(),
            }
        };
        self.contenders.iter().map(score).collect()
    }
}
