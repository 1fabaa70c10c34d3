//! `--retries`: how often a job is tried, and how long it rests in between.

use std::time::Duration;

/// When a failed job is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, the first included; `None` tries until it succeeds.
    pub attempts: Option<u32>,
    /// The rest before the second attempt; it doubles with each further one.
    pub delay: Duration,
    /// No rest is longer.
    pub longest_delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: Some(1),
            delay: Duration::ZERO,
            longest_delay: Duration::from_secs(300),
        }
    }
}

impl Retry {
    /// How long to rest after `failed` attempts, or `None` if that was the last. `random`, from 0 to
    /// 1, spreads the rests over the upper half of their length, so that jobs that failed together
    /// do not come back together.
    pub fn rest_after(&self, failed: u32, random: f64) -> Option<Duration> {
        if self.attempts.is_some_and(|attempts| failed >= attempts) {
            return None;
        }
        let doubled = self
            .delay
            .saturating_mul(1 << failed.saturating_sub(1).min(30));
        Some(
            doubled
                .min(self.longest_delay)
                .mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_the_longest() {
        let retry = Retry {
            attempts: Some(4),
            delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(3),
        };
        let rests: Vec<_> = (1..=4)
            .map(|failed| retry.rest_after(failed, 1.0))
            .collect();
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(rests, [seconds(1), seconds(2), seconds(3), None]);
        assert_eq!(retry.rest_after(1, 0.0), Some(Duration::from_millis(500)));
    }

    #[test]
    fn the_default_tries_once_and_none_means_always() {
        assert_eq!(Retry::default().rest_after(1, 0.5), None);
        let always = Retry {
            attempts: None,
            ..Retry::default()
        };
        assert_eq!(always.rest_after(u32::MAX, 0.5), Some(Duration::ZERO));
    }
}
