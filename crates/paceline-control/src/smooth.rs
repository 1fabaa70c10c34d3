//! Averages that forget.

use std::time::Duration;

/// A mean and variance in which old values fade: exact for the first `window` values, then each
/// new one weighs `1/window`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mean {
    count: u64,
    value: f64,
    variance: f64,
}

impl Mean {
    pub(crate) fn add(&mut self, value: f64, window: f64) {
        self.count += 1;
        let weight = weight(self.count, window);
        let step = value - self.value;
        self.value += weight * step;
        self.variance = (1.0 - weight) * (self.variance + weight * step * step);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn mean(&self) -> f64 {
        self.value
    }

    pub(crate) fn deviation(&self) -> f64 {
        self.variance.max(0.0).sqrt()
    }
}

/// How much the `count`-th value weighs in an average over about `window` values.
pub(crate) fn weight(count: u64, window: f64) -> f64 {
    (1.0 / count.max(1) as f64).max(1.0 / window.max(1.0))
}

/// What remains of an old sum after `gap`, when it fades by e in `constant` seconds.
pub(crate) fn fade(gap: Duration, constant: f64) -> f64 {
    (-gap.as_secs_f64() / constant).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_at_first() {
        let mut mean = Mean::default();
        for value in [2.0, 4.0, 6.0] {
            mean.add(value, 64.0);
        }
        assert!((mean.mean() - 4.0).abs() < 1e-12);
        assert!((mean.deviation() - (8.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn forgets() {
        let mut mean = Mean::default();
        for _ in 0..1000 {
            mean.add(1.0, 16.0);
        }
        for _ in 0..100 {
            mean.add(5.0, 16.0);
        }
        assert!(mean.mean() > 4.9);
        assert_eq!(mean.count(), 1100);
    }

    #[test]
    fn fades_by_time() {
        assert!((fade(Duration::ZERO, 0.3) - 1.0).abs() < 1e-12);
        assert!(fade(Duration::from_secs(3), 0.3) < 1e-3);
    }
}
