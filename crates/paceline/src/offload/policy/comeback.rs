//! When to ask a refused caller to come back.
//!
//! If everyone refused during an overload were told the same moment, all would return in it and
//! most be refused again. So the queue goes on behind its bound as a row of promises: each refused
//! caller is given the moment at which the work of those before it would be done.

use std::time::Duration;

/// No caller is sent away for longer: much of what was promised may never come back.
const LONGEST: f64 = 30.0;
/// Nor for less.
const SHORTEST: f64 = 0.001;

/// The moment up to which the pool's time is promised.
#[derive(Debug, Default)]
pub(crate) struct Comebacks {
    /// In seconds.
    promised: f64,
}

impl Comebacks {
    /// A caller is refused at `now`, and the pool has no room before `excess` seconds have passed;
    /// its work would keep the pool busy for `takes` seconds. Says how long to stay away.
    pub(crate) fn promise(&mut self, now: Duration, excess: f64, takes: f64) -> Duration {
        let now = now.as_secs_f64();
        let at = self
            .promised
            .max(now + excess.max(SHORTEST))
            .min(now + LONGEST);
        self.promised = at + takes;
        Duration::from_secs_f64(at - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_refused_together_come_back_one_after_the_other() {
        let mut comebacks = Comebacks::default();
        let now = Duration::from_secs(5);
        let waits: Vec<_> = (0..4)
            .map(|_| comebacks.promise(now, 0.2, 0.05).as_millis())
            .collect();
        assert_eq!(waits, [200, 250, 300, 350]);
    }

    #[test]
    fn promises_lapse_with_time() {
        let mut comebacks = Comebacks::default();
        for _ in 0..10 {
            comebacks.promise(Duration::ZERO, 0.0, 0.1);
        }
        let later = comebacks.promise(Duration::from_secs(2), 0.1, 0.1);
        assert_eq!(later, Duration::from_millis(100));
    }

    #[test]
    fn nobody_is_sent_away_for_ever() {
        let mut comebacks = Comebacks::default();
        for _ in 0..1000 {
            let wait = comebacks.promise(Duration::from_secs(1), 0.0, 10.0);
            assert!(wait <= Duration::from_secs(30), "{wait:?}");
        }
    }
}
