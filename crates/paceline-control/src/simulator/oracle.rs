//! The best that one fixed level can do, known only afterwards.

use std::collections::BTreeMap;

use super::engine::Simulation;
use super::scenario::Scenario;
use super::workload::Workload;
use crate::fixed::Fixed;

/// The highest level tried.
const HIGHEST: usize = 4096;
/// Levels up to this are all tried; above, each is 12 % higher than the one before.
const ALL_UP_TO: usize = 16;
const STEP: f64 = 1.12;
/// Of the levels above, every so many-th is tried first.
const STRIDE: usize = 4;
/// Levels near those that come this close to the best are tried, too.
const CLOSE: f64 = 1.06;

/// The best fixed level, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Oracle {
    /// Jobs in flight.
    pub level: usize,
    /// Seconds until all jobs are done.
    pub makespan: f64,
}

/// Levels worth a try for so many jobs, lowest first.
fn levels(jobs: usize) -> Vec<usize> {
    let highest = jobs.clamp(1, HIGHEST);
    let mut levels: Vec<usize> = (1..=ALL_UP_TO.min(highest)).collect();
    let mut exact = ALL_UP_TO as f64;
    while exact.round() < highest as f64 {
        exact *= STEP;
        levels.push((exact.round() as usize).min(highest));
    }
    levels.dedup();
    levels
}

/// Finds the fixed level that is done first, without an OOM kill and with at most 1 % of the jobs
/// refused. `None` if no level manages that.
///
/// Levels are tried coarsely first, then all near the good ones. A run is given up as soon as it
/// takes as long as the best so far needed, with some room where it only has to show whether its
/// neighbours are worth a try.
pub fn oracle(scenario: &Scenario, workload: &Workload) -> Option<Oracle> {
    let levels = levels(workload.len());
    let mut search = Search {
        scenario,
        workload,
        best: None,
        tried: BTreeMap::new(),
        saturated_at: usize::MAX,
    };
    let dense = levels.partition_point(|&level| level <= ALL_UP_TO);
    let coarse = (0..dense)
        .filter(|at| [0, 1, 2, 3, 5, 7, 11, 15].contains(at))
        .chain((dense..levels.len()).step_by(STRIDE))
        .chain([levels.len() - 1]);
    for at in coarse {
        search.try_level(levels[at], CLOSE);
    }
    if let Some(best) = search.best {
        let good: Vec<usize> = search
            .tried
            .iter()
            .filter(|(_, makespan)| **makespan <= best.makespan * CLOSE)
            .map(|(level, _)| *level)
            .collect();
        for good in good {
            let at = levels.partition_point(|&level| level < good);
            let near = at.saturating_sub(STRIDE - 1)..(at + STRIDE).min(levels.len());
            for &level in &levels[near] {
                search.try_level(level, 1.0);
            }
        }
    }
    search.best
}

struct Search<'a> {
    scenario: &'a Scenario,
    workload: &'a Workload,
    best: Option<Oracle>,
    /// Levels and their makespans; infinite if given up.
    tried: BTreeMap<usize, f64>,
    /// From this level on nothing changes any more: never so many are in flight.
    saturated_at: usize,
}

impl Search<'_> {
    fn try_level(&mut self, level: usize, room: f64) {
        if level > self.saturated_at || self.tried.contains_key(&level) {
            return;
        }
        let until = self.best.map_or(f64::INFINITY, |best| best.makespan * room);
        let run = Simulation::new(self.scenario, self.workload)
            .until(until)
            .flawless()
            .run(&mut Fixed::new(level));
        if !run.complete {
            self.tried.insert(level, f64::INFINITY);
            return;
        }
        self.tried.insert(level, run.makespan);
        if run.peak() < level {
            self.saturated_at = self.saturated_at.min(level);
        }
        if self.best.is_none_or(|best| run.makespan < best.makespan) {
            self.best = Some(Oracle {
                level,
                makespan: run.makespan,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_dense_first_and_end_with_the_jobs() {
        assert_eq!(levels(5), [1, 2, 3, 4, 5]);
        let many = levels(100);
        assert_eq!(many[15..20], [16, 18, 20, 22, 25]);
        assert_eq!(many.last(), Some(&100));
        assert_eq!(levels(1_000_000).last(), Some(&HIGHEST));
    }

    #[test]
    fn leaving_levels_out_misses_nothing() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        for name in ["cpu-third", "usl-steep", "few-long-k6", "memory-varied"] {
            let path = directory.join(name).with_extension("toml");
            let scenario = Scenario::from_file(&path).expect("our own scenario is right");
            let workload = Workload::draw(&scenario, 8.0, 1);
            let least = levels(workload.len())
                .into_iter()
                .map(|level| {
                    Simulation::new(&scenario, &workload)
                        .flawless()
                        .run(&mut Fixed::new(level))
                })
                .filter(|run| run.complete)
                .map(|run| run.makespan)
                .fold(f64::INFINITY, f64::min);
            let found = oracle(&scenario, &workload).map(|oracle| oracle.makespan);
            assert_eq!(found, Some(least), "{name}");
        }
    }
}
