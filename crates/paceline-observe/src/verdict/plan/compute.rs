//! Compute on more cores: Amdahl's law.
//!
//! G. M. Amdahl, "Validity of the Single Processor Approach to Achieving Large Scale Computing
//! Capabilities", AFIPS 1967.

use super::super::facts::{Facts, ratio};
use super::super::{Law, Model, Speedup};
use super::Plan;

/// Compute that could be spread.
pub(in crate::verdict) struct Compute {
    /// The time of the wall that it takes now, in seconds.
    pub(in crate::verdict) of_wall: f64,
    /// Its thread-seconds: on a core, or ready for one.
    pub(in crate::verdict) work: f64,
    /// How many parts it can be cut into, where that is known.
    pub(in crate::verdict) parts: Option<usize>,
    /// That it can be cut at all was seen, not hoped.
    pub(in crate::verdict) divisible: bool,
}

impl Compute {
    /// All compute, of which nobody knows whether it can be cut.
    pub(in crate::verdict) fn all(facts: &Facts<'_>) -> Self {
        Self {
            of_wall: facts.compute * facts.wall,
            work: (facts.run + facts.queue) * facts.wall,
            parts: None,
            divisible: false,
        }
    }
}

/// All cores for this compute, and what that gains.
pub(in crate::verdict) fn on_cores(facts: &Facts<'_>, compute: &Compute) -> Plan {
    let cores = facts.whole_cores();
    let level = compute.parts.map_or(cores, |parts| parts.min(cores)).max(1);
    let stays = (facts.wall - compute.of_wall).max(0.0);
    let gain = |cores: f64, stays: f64| ratio(facts.wall, stays + compute.work / cores.max(1e-3));
    let all = (level as f64).min(facts.cores.max(1.0));
    // Others that go on as now take their share of the cores from as many threads as there will be.
    let shared = all * ratio(level as f64, level as f64 + facts.others).max(1.0 / all);
    let point = gain(all, stays);
    let low = if compute.divisible {
        gain(shared, stays) * 0.9
    } else {
        1.0
    };
    let model = if facts.python {
        Model::Processes
    } else {
        Model::CpuPool
    };
    Plan {
        model,
        level,
        speedup: Speedup::ordered(low, point, gain(all, 0.0), Law::Amdahl),
    }
}
