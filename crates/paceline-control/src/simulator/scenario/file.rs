//! The format of scenario files. `scenarios/README.md` describes it for people.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Kind, Split};
use crate::simulator::stations::Parameters;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) why: String,
    pub(super) split: Split,
    pub(super) kind: Kind,
    pub(super) jobs: Spanned<usize>,
    #[serde(default)]
    pub(super) scale_jobs_with_cores: bool,
    #[serde(default)]
    pub(super) signal_noise: f64,
    #[serde(default)]
    pub(super) machine: Machine,
    #[serde(default)]
    pub(super) dispatch: Dispatch,
    #[serde(default)]
    pub(super) resource: BTreeMap<String, Spanned<Parameters>>,
    pub(super) job: Spanned<Vec<Spanned<Job>>>,
    #[serde(default)]
    pub(super) change: Vec<Spanned<Change>>,
    pub(super) arrivals: Option<Spanned<Arrivals>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Machine {
    pub(super) cores_factor: f64,
    pub(super) memory_gb: f64,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            cores_factor: 1.0,
            memory_gb: 16.0,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Dispatch {
    pub(super) seconds: f64,
    pub(super) takes_core: bool,
}

impl Default for Dispatch {
    fn default() -> Self {
        Self {
            seconds: 0.000_2,
            takes_core: false,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    #[serde(default = "one")]
    pub(super) share: f64,
    #[serde(default)]
    pub(super) from: f64,
    #[serde(default = "one")]
    pub(super) to: f64,
    pub(super) memory_gb: Option<f64>,
    #[serde(default)]
    pub(super) memory_cv: f64,
    pub(super) phases: Vec<Spanned<Phase>>,
}

fn one() -> f64 {
    1.0
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Phase {
    pub(super) on: String,
    pub(super) seconds: Option<f64>,
    #[serde(default)]
    pub(super) cv: f64,
    pub(super) between: Option<[f64; 2]>,
    #[serde(default = "one")]
    pub(super) threads: f64,
    #[serde(default = "one_peer")]
    pub(super) peers: usize,
}

fn one_peer() -> usize {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) resource: String,
    /// All at once when this share of the work at the resource is done.
    pub(super) at: Option<f64>,
    /// Bit by bit while the share of the work done at the resource goes from the first to the second.
    pub(super) during: Option<[f64; 2]>,
    pub(super) set: Parameters,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arrivals {
    pub(super) per_second: f64,
    #[serde(default)]
    pub(super) at_start: usize,
    #[serde(default = "one_job")]
    pub(super) chunk: usize,
}

fn one_job() -> usize {
    1
}
