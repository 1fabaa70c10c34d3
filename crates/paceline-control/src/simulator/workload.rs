//! The jobs of one run: what each of them needs, drawn from a seed.

use std::ops::Range;

use super::scenario::{Amount, BASE_BYTES, JobKind, Scenario};

/// The jobs of a scenario for one seed. Job `i` depends on the seed and `i` alone, so that all
/// controllers get the same ones.
#[derive(Clone, Debug)]
pub struct Workload {
    pub(super) seed: u64,
    pub(super) cores: f64,
    pub(super) jobs: Vec<Job>,
    phases: Vec<Phase>,
}

/// The share of the memory that the largest job takes.
const LARGEST: f64 = 0.8;

/// What one job needs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    phases: Range<usize>,
    /// The sum of all its phases, in seconds.
    pub(super) work: f64,
    pub(super) peak_bytes: f64,
}

/// What a job does at one station.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Phase {
    pub(super) station: usize,
    /// Seconds for one who is alone there with one thread.
    pub(super) amount: f64,
    pub(super) threads: f64,
    /// Which of the machines behind the station.
    pub(super) peer: usize,
}

impl Workload {
    /// Seconds of work that all jobs together need at a station.
    pub(super) fn demand(&self, station: usize) -> f64 {
        let here = self.phases.iter().filter(|phase| phase.station == station);
        here.map(|phase| phase.amount * phase.threads).sum()
    }

    /// Draws the jobs for a machine with this many cores.
    pub fn draw(scenario: &Scenario, cores: f64, seed: u64) -> Self {
        let count = scenario.jobs(cores);
        let mut workload = Self {
            seed,
            cores,
            jobs: Vec::with_capacity(count),
            phases: Vec::with_capacity(count),
        };
        for i in 0..count {
            let mut random = random_for(seed, i as u64);
            // Apart from the other draws, so that those stay as they are without peers.
            let mut peers = random_for(!seed, i as u64);
            let place = (i as f64 + 0.5) / count as f64;
            let kind = choose(&scenario.mix, place, &mut random);
            let first = workload.phases.len();
            let mut work = 0.0;
            for phase in &kind.phases {
                let amount = phase.amount.draw(&mut random);
                work += amount;
                workload.phases.push(Phase {
                    station: phase.station,
                    amount,
                    threads: phase.threads,
                    peer: peers.usize(..phase.peers),
                });
            }
            // A job that fits into no machine could never be run.
            let peak_bytes = kind.memory.draw(&mut random);
            let peak_bytes = peak_bytes
                .min(LARGEST * scenario.memory_bytes)
                .max(BASE_BYTES);
            workload.jobs.push(Job {
                phases: first..workload.phases.len(),
                work,
                peak_bytes,
            });
        }
        workload
    }

    /// Jobs in all.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn phases(&self, job: usize) -> &[Phase] {
        &self.phases[self.jobs[job].phases.clone()]
    }
}

fn random_for(seed: u64, i: u64) -> fastrand::Rng {
    let mut rng = fastrand::Rng::with_seed(
        seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ i.wrapping_mul(0xD1B5_4A32_D192_ED03),
    );
    // Seeds that are near each other begin alike.
    rng.u64(..);
    rng
}

/// One of the kinds that occur at `place` in the list, by their shares.
fn choose<'a>(mix: &'a [JobKind], place: f64, random: &mut fastrand::Rng) -> &'a JobKind {
    let here = || {
        mix.iter()
            .filter(|kind| (kind.from..kind.to).contains(&place))
    };
    let total: f64 = here().map(|kind| kind.share).sum();
    let mut drawn = random.f64() * total;
    for kind in here() {
        drawn -= kind.share;
        if drawn < 0.0 {
            return kind;
        }
    }
    here().next_back().unwrap_or(&mix[0])
}

impl Amount {
    fn draw(self, random: &mut fastrand::Rng) -> f64 {
        match self {
            Self::Constant(value) => value,
            Self::Uniform { low, high } => low + (high - low) * random.f64(),
            Self::LogNormal { mean, cv } => {
                let variance = (1.0 + cv * cv).ln();
                (mean.ln() - variance / 2.0 + variance.sqrt() * normal(random)).exp()
            }
        }
    }
}

/// A standard normal number (Box and Muller, 1958).
pub(super) fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}
