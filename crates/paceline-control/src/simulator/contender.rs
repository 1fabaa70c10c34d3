//! Who takes part in a contest.

use std::fmt;
use std::str::FromStr;

use super::baselines::{Aimd, Gradient2, Vegas};
use super::engine::Simulation;
use super::scenario::Scenario;
use super::workload::Workload;
use crate::auto::Auto;
use crate::bounds::Bounds;
use crate::controller::Controller;
use crate::fixed::Fixed;

/// The seed of the run that a remembered one remembers differs by this much.
const OTHER_SEED: u64 = 1000;

/// A way to control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// [`Auto`], knowing nothing.
    Auto,
    /// [`Auto`] with what it has learned from a run over other draws.
    Remembered,
    /// So many jobs per core.
    PerCore(usize),
    /// [`Aimd`].
    Aimd,
    /// [`Gradient2`].
    Gradient2,
    /// [`Vegas`].
    Vegas,
}

/// No contender has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownContender(String);

impl fmt::Display for UnknownContender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no controller is named {:?}: take auto, remembered, aimd, gradient2, vegas, or fixed \
             with a number of jobs per core (fixed2)",
            self.0
        )
    }
}

impl std::error::Error for UnknownContender {}

impl FromStr for Contender {
    type Err = UnknownContender;

    fn from_str(name: &str) -> Result<Self, UnknownContender> {
        match name {
            "auto" => Ok(Self::Auto),
            "remembered" => Ok(Self::Remembered),
            "aimd" => Ok(Self::Aimd),
            "gradient2" => Ok(Self::Gradient2),
            "vegas" => Ok(Self::Vegas),
            _ => name
                .strip_prefix("fixed")
                .and_then(|number| number.parse().ok())
                .filter(|&number| number > 0)
                .map(Self::PerCore)
                .ok_or_else(|| UnknownContender(name.to_owned())),
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Remembered => f.pad("remembered"),
            Self::PerCore(number) => f.pad(&format!("fixed{number}")),
            Self::Aimd => f.pad("aimd"),
            Self::Gradient2 => f.pad("gradient2"),
            Self::Vegas => f.pad("vegas"),
        }
    }
}

impl Contender {
    /// The controller for a run. A remembered one runs the scenario with other draws first, for
    /// `until` seconds of made-up time at most, with or without
    /// [`delays`](Simulation::telling_delays).
    pub fn controller(
        self,
        scenario: &Scenario,
        workload: &Workload,
        until: f64,
        delays: bool,
    ) -> Box<dyn Controller> {
        let resources = scenario.resources(workload.cores);
        let auto = || Auto::new(resources, Bounds::default());
        match self {
            Self::Auto => Box::new(auto()),
            Self::Remembered => {
                let seed = workload.seed.wrapping_add(OTHER_SEED);
                let before = Workload::draw(scenario, workload.cores, seed);
                let mut cold = auto();
                Simulation::new(scenario, &before)
                    .until(until)
                    .telling_delays(delays)
                    .run(&mut cold);
                match cold.learned() {
                    Some(learned) => Box::new(auto().remembering(&learned)),
                    None => Box::new(auto()),
                }
            }
            Self::PerCore(number) => {
                let level = (resources.cores * number as f64).round() as usize;
                Box::new(Fixed::new(level))
            }
            Self::Aimd => Box::new(Aimd::default()),
            Self::Gradient2 => Box::new(Gradient2::default()),
            Self::Vegas => Box::new(Vegas::default()),
        }
    }
}
