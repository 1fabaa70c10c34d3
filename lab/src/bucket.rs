//! A token bucket: so many a second, with bursts.

use std::time::Duration;

/// A bucket that starts full. Times are since an origin of the caller's choice.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    per_token: Duration,
    depth: Duration,
    /// When the bucket will be full again.
    full_at: Duration,
}

impl Bucket {
    /// Tokens come at `rate` a second, and up to `burst` are kept.
    pub fn new(rate: f64, burst: u32) -> Self {
        let per_token = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX / 1024);
        Self {
            per_token,
            depth: per_token.saturating_mul(burst.max(1)),
            full_at: Duration::ZERO,
        }
    }

    /// Takes a token, or says how long it will be until there is one.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let wait = self.wait(now);
        if wait > Duration::ZERO {
            return Err(wait);
        }
        self.reserve(now);
        Ok(())
    }

    /// Takes the next token that nobody has asked for, and says how long it will be until then.
    pub fn reserve(&mut self, now: Duration) -> Duration {
        let wait = self.wait(now);
        self.full_at = self.full_at.max(now).saturating_add(self.per_token);
        wait
    }

    fn wait(&self, now: Duration) -> Duration {
        let full_after = self.full_at.max(now).saturating_add(self.per_token);
        full_after.saturating_sub(now.saturating_add(self.depth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = Bucket::new(100.0, 3);
        let taken = (0..10).filter(|_| bucket.take(ms(0)).is_ok()).count();
        assert_eq!(taken, 3);
        assert_eq!(bucket.take(ms(4)), Err(ms(6)));
        let taken = (0..1000).filter(|&at| bucket.take(ms(at)).is_ok()).count();
        assert!((98..=100).contains(&taken), "{taken}");
    }

    #[test]
    fn those_in_the_queue_come_one_after_another() {
        let mut bucket = Bucket::new(100.0, 1);
        let waits: Vec<_> = (0..4).map(|_| bucket.reserve(ms(0))).collect();
        assert_eq!(waits, [ms(0), ms(10), ms(20), ms(30)]);
        assert_eq!(bucket.reserve(ms(1000)), ms(0));
    }
}
