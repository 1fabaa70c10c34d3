//! How long jobs live at a level, and by how much longer they live at another.
//!
//! Durations of jobs are heavy-tailed, and a decision cannot wait for the last of them. So jobs
//! that still run count as well, as *censored* observations: they have lived at least so long.
//! The reference is the Nelson–Aalen estimate of the cumulative hazard H(age) (O. Aalen,
//! "Nonparametric inference for a family of counting processes", 1978). If all durations at
//! another level are longer by a factor s, then the hazard that its jobs have gone through,
//! ΣH(age ÷ s) over ended and running ones alike, must equal the number that have ended. The s
//! that solves this is the inflation of latency; both short and long jobs speak for it.

/// Points kept of a cumulative hazard.
const POINTS: usize = 512;
/// Observations used of a set of jobs; more would tell little and cost time.
const OBSERVED: usize = 512;
/// The largest factor that is told from infinity, as a logarithm.
const FARTHEST: f64 = 4.0;
/// The least and the most that a coefficient of variation is believed.
const VARIATION: (f64, f64) = (0.08, 2.0);
/// The coefficient of variation of a Weibull distribution is about this, divided by its shape.
const WEIBULL: f64 = 1.2;
/// The least shape and the most that a few durations are believed.
const SHAPE: (f64, f64) = (3.0, 8.0);

/// The lives of jobs at one level.
#[derive(Clone, Debug)]
pub(crate) struct Survival {
    /// (age in seconds, cumulative hazard), rising.
    hazard: Vec<(f64, f64)>,
    /// Jobs that ended.
    ended: f64,
    /// Mean duration in seconds.
    mean: f64,
    /// Deviation of durations over their mean.
    variation: f64,
}

/// By how much longer jobs live than those of a reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Inflation {
    /// Natural logarithm of the factor.
    pub(crate) log: f64,
    /// Its standard error.
    pub(crate) error: f64,
}

impl Survival {
    /// From the durations of jobs that ended and the ages of those that run; `None` if none ended.
    pub(crate) fn of(ended: &[f64], running: &[f64]) -> Option<Self> {
        let mut ended: Vec<f64> = positive(ended).collect();
        let mut running: Vec<f64> = positive(running).collect();
        ended.sort_by(f64::total_cmp);
        running.sort_by(f64::total_cmp);
        let last = ended.last()?.max(running.last().copied().unwrap_or(0.0));

        let (mut total, mut older) = (0.0, 0);
        let (mut alive, mut first, mut second) = (1.0, 0.0, 0.0);
        let mut hazard = Vec::with_capacity(ended.len());
        for (at, &age) in ended.iter().enumerate() {
            while running.get(older).is_some_and(|running| *running < age) {
                older += 1;
            }
            let at_risk = (ended.len() - at) + (running.len() - older);
            total += 1.0 / (at_risk as f64 + 0.5);
            let still = (-total).exp();
            first += (alive - still) * age;
            second += (alive - still) * age * age;
            alive = still;
            hazard.push((age, total));
        }
        // Those who outlive all that was seen live at least so long.
        first += alive * last;
        second += alive * last * last;
        let variation = (second - first * first).max(0.0).sqrt() / first.max(1e-12);
        let count = ended.len();
        if count > POINTS {
            let stride = count.div_ceil(POINTS);
            hazard = hazard.into_iter().rev().step_by(stride).collect();
            hazard.reverse();
        }
        Some(Self {
            hazard,
            ended: count as f64,
            mean: first.max(1e-9),
            variation: variation.clamp(VARIATION.0, VARIATION.1),
        })
    }

    /// Mean duration in seconds, running jobs taken into account.
    pub(crate) fn mean(&self) -> f64 {
        self.mean
    }

    /// The age that half of them reach, in seconds; the highest known if more do.
    pub(crate) fn median(&self) -> f64 {
        let half = |(_, value): &&(f64, f64)| *value >= std::f64::consts::LN_2;
        let point = self.hazard.iter().find(half).or(self.hazard.last());
        point.map_or(self.mean, |(age, _)| *age)
    }

    /// Jobs that ended.
    pub(crate) fn ended(&self) -> f64 {
        self.ended
    }

    /// By how much longer other jobs live, of which some `ended` and some are `running`.
    ///
    /// What happens at ages that the reference has not seen is left out: no more is known of the
    /// hazard there than that long jobs tend to be very long.
    pub(crate) fn inflation(&self, ended: &[f64], running: &[f64]) -> Inflation {
        let count = ended.len() as f64;
        let lives: Vec<(f64, f64)> = sample(ended).collect();
        let all: Vec<(f64, f64)> = lives.iter().copied().chain(sample(running)).collect();
        let seen = self.hazard.last().map_or(0.0, |(age, _)| *age);
        let too_many = |log: f64| -> bool {
            let factor = log.exp();
            let each = all
                .iter()
                .map(|(age, weight)| weight * self.at((age / factor).min(seen)));
            let known = lives.iter().filter(|(age, _)| *age <= seen * factor);
            let known: f64 = known.map(|(_, weight)| weight).sum();
            // With none ended yet, less than one may be expected to have.
            each.sum::<f64>() > known.max(0.7)
        };
        let (mut low, mut high) = (-FARTHEST, FARTHEST);
        for _ in 0..24 {
            let middle = 0.5 * (low + high);
            if too_many(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Inflation {
            log: 0.5 * (low + high),
            error: self.variation * (1.0 / count.max(0.5) + 1.0 / self.ended.max(1.0)).sqrt(),
        }
    }

    /// The shape of the Weibull distribution whose spread is that of the durations: its cumulative
    /// hazard is this power of the age.
    fn shape(&self) -> f64 {
        (WEIBULL / self.variation).clamp(SHAPE.0, SHAPE.1)
    }

    /// Cumulative hazard at an age. Before the first known age it follows a power of the age.
    fn at(&self, age: f64) -> f64 {
        let hazard = &self.hazard;
        let after = hazard.partition_point(|(known, _)| *known <= age);
        let ratio = |known: f64| age / known.max(1e-12);
        match (
            after.checked_sub(1).map(|before| hazard[before]),
            hazard.get(after),
        ) {
            (None, None) => 0.0,
            (None, Some((known, value))) => value * ratio(*known).powf(self.shape()),
            (Some((_, value)), None) => value,
            (Some((young, low)), Some((old, high))) => {
                low + (high - low) * ((age - young) / (old - young).max(1e-12))
            }
        }
    }
}

fn positive(values: &[f64]) -> impl Iterator<Item = f64> {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    finite.map(|value| value.max(1e-9))
}

/// Some of the values, evenly spread, each with the number that it stands for.
fn sample(values: &[f64]) -> impl Iterator<Item = (f64, f64)> {
    let stride = values.len().div_ceil(OBSERVED).max(1);
    let weight = values.len() as f64 / values.len().div_ceil(stride).max(1) as f64;
    values
        .iter()
        .step_by(stride)
        .map(move |value| (*value, weight))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values between 0.5 and 1.5 in no order.
    fn spread(count: usize) -> Vec<f64> {
        let golden = 0.618_033_988_75;
        (1..=count)
            .map(|n| 0.5 + (n as f64 * golden).fract())
            .collect()
    }

    #[test]
    fn mean_of_all_ended() {
        let survival = Survival::of(&spread(200), &[]).expect("some ended");
        assert!((survival.mean() - 1.0).abs() < 0.02, "{survival:?}");
        assert!((survival.variation - 0.289).abs() < 0.02, "{survival:?}");
        assert!(Survival::of(&[], &[1.0]).is_none());
    }

    #[test]
    fn running_jobs_count() {
        // Half of the jobs live 1 s and half 3 s; after 2 s only the short ones have ended.
        let survival = Survival::of(&[1.0; 50], &[2.0; 50]).expect("some ended");
        assert!(survival.mean() > 1.4, "{survival:?}");
    }

    #[test]
    fn half_of_all_live_to_the_median() {
        let survival = Survival::of(&spread(200), &[]).expect("some ended");
        assert!((survival.median() - 1.0).abs() < 0.03, "{survival:?}");
        let young = Survival::of(&[1.0], &[2.0; 50]).expect("one ended");
        assert!((young.median() - 1.0).abs() < 1e-9, "no more is known");
    }

    /// None of them could have ended yet: to take them for much slower would be rash.
    #[test]
    fn jobs_that_are_too_young_to_have_ended_speak_softly() {
        let alike: Vec<f64> = spread(8).iter().map(|d| 1.0 + 0.2 * (d - 1.0)).collect();
        let survival = Survival::of(&alike, &[]).expect("some ended");
        let found = survival.inflation(&[], &[1.3; 24]);
        assert!((0.1..0.7).contains(&found.log), "{found:?}");
    }

    #[test]
    fn finds_the_factor() {
        let survival = Survival::of(&spread(100), &[]).expect("some ended");
        for factor in [0.5, 1.0, 1.7, 4.0] {
            let longer: Vec<f64> = spread(60).iter().map(|d| d * factor).collect();
            let found = survival.inflation(&longer, &[]);
            let log = f64::ln(factor);
            assert!((found.log - log).abs() < 0.05, "{factor}: {found:?}");
        }
    }

    #[test]
    fn finds_the_factor_before_all_have_ended() {
        let survival = Survival::of(&spread(100), &[]).expect("some ended");
        let lives: Vec<f64> = spread(60).iter().map(|d| d * 2.0).collect();
        let now = 1.9;
        let ended: Vec<f64> = lives.iter().copied().filter(|d| *d <= now).collect();
        let running = vec![now; lives.len() - ended.len()];
        let found = survival.inflation(&ended, &running);
        assert!((found.log - f64::ln(2.0)).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn silence_is_evidence() {
        let survival = Survival::of(&spread(100), &[]).expect("some ended");
        let young = survival.inflation(&[], &[0.4; 30]);
        let old = survival.inflation(&[], &[2.5; 30]);
        assert!(young.log < 0.1, "{young:?}");
        assert!(old.log > 1.0, "{old:?}");
    }

    #[test]
    fn thousands_are_thinned_out() {
        let survival = Survival::of(&spread(5000), &spread(100)).expect("some ended");
        assert!(survival.hazard.len() <= POINTS);
        let found = survival.inflation(&spread(5000), &spread(2000));
        assert!(found.log.is_finite() && found.error < 0.02, "{found:?}");
    }

    #[test]
    fn nonsense_is_harmless() {
        let survival = Survival::of(&[0.0, f64::NAN, f64::INFINITY], &[f64::NAN]).expect("one");
        let found = survival.inflation(&[0.0, f64::MAX], &[0.0, f64::MAX]);
        assert!(found.log.is_finite() && found.error.is_finite());
    }

    fn any_duration() -> impl Strategy<Value = f64> {
        prop_oneof![6 => 1e-6f64..1e4, 1 => any::<f64>(), 1 => Just(0.0), 1 => Just(1e19)]
    }

    proptest! {
        #[test]
        fn any_lives_give_finite_figures(
            first in proptest::collection::vec(any_duration(), 0..60),
            running in proptest::collection::vec(any_duration(), 0..60),
            other in proptest::collection::vec(any_duration(), 0..60),
            young in proptest::collection::vec(any_duration(), 0..60),
        ) {
            let Some(survival) = Survival::of(&first, &running) else {
                prop_assert!(first.iter().all(|life| !life.is_finite()));
                return Ok(());
            };
            prop_assert!(survival.mean() > 0.0 && survival.mean().is_finite());
            prop_assert!(survival.hazard.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
            let found = survival.inflation(&other, &young);
            prop_assert!(found.log.abs() <= FARTHEST, "{found:?}");
            prop_assert!(found.error > 0.0 && found.error.is_finite(), "{found:?}");
        }

        #[test]
        fn a_factor_is_found_for_lives_of_any_length(
            scale in 1e-4f64..1e3,
            factor in 0.4f64..3.0,
        ) {
            let lives = |factor: f64| -> Vec<f64> {
                spread(80).iter().map(|life| life * scale * factor).collect()
            };
            let survival = Survival::of(&lives(1.0), &[]).expect("some ended");
            let found = survival.inflation(&lives(factor), &[]);
            prop_assert!((found.log - factor.ln()).abs() < 0.1, "{found:?}");
        }
    }
}
