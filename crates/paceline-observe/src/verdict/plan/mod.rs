//! What would help, how much, and what it would take.

mod compute;
mod jobs;
mod memory;
mod mva;
mod waits;

use super::facts::Facts;
use super::{Law, Model, Prescription, Speedup};

pub(super) use compute::{Compute, on_cores};
pub(super) use memory::need;
pub(super) use waits::{Waits, at_level, at_once};

/// A model, a level and what to expect: a prescription before it has words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) model: Model,
    pub(super) level: usize,
    pub(super) speedup: Speedup,
}

impl Plan {
    /// Nothing to change in how the work runs.
    pub(super) fn as_it_is(facts: &Facts<'_>) -> Self {
        Self {
            model: Model::AsIs,
            level: present_level(facts),
            speedup: Speedup::NONE,
        }
    }

    /// The same with something to gain by other means: a share of the wall that goes.
    pub(super) fn with_gain(self, sure: f64, likely: f64, at_most: f64) -> Self {
        let without = |share: f64| 1.0 / (1.0 - share.clamp(0.0, 0.95));
        Self {
            speedup: Speedup::ordered(
                without(sure),
                without(likely),
                without(at_most),
                Law::Amdahl,
            ),
            ..self
        }
    }

    pub(super) fn advise(self, facts: &Facts<'_>, advice: String) -> Prescription {
        let level = self.level.max(1);
        Prescription {
            model: self.model,
            level,
            advice,
            speedup: self.speedup,
            memory: need(facts.profile, level),
        }
    }
}

impl Speedup {
    /// Nothing to gain.
    pub(super) const NONE: Self = Self {
        low: 1.0,
        point: 1.0,
        high: 1.0,
        law: Law::None,
    };

    /// Bounds around a point, put in order.
    pub(super) fn ordered(low: f64, point: f64, high: f64, law: Law) -> Self {
        let sane = |value: f64| {
            if value.is_finite() {
                value.clamp(1.0, 1e6)
            } else {
                1.0
            }
        };
        let point = sane(point);
        Self {
            low: sane(low).min(point),
            point,
            high: sane(high).max(point),
            law,
        }
    }
}

/// How much it does at once now: what is in flight, or what runs.
pub(super) fn present_level(facts: &Facts<'_>) -> usize {
    let waits = facts.concurrency.round().min(1e6) as usize;
    let computes = facts.crowd.round().min(1e6) as usize;
    waits.max(computes).max(1)
}
