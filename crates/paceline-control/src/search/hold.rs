//! Standing still, and when to stop doing so.

/// Windows until the first look at a neighbouring level, and the most, to which they double.
const WINDOWS: (u32, u32) = (6, 64);
/// Jobs in a window per slot.
const JOBS_PER_SLOT: f64 = 2.0;
/// Jobs in a window, at least.
const LEAST_JOBS: f64 = 24.0;
/// A change of latency (as a logarithm) that counts if seen twice, and if seen once.
const SHIFT: (f64, f64) = (0.18, 0.6);
/// A change must also exceed this many standard errors.
const SURE: f64 = 3.0;

/// What a window says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All as before.
    Steady,
    /// As before for so long that a neighbour deserves a look: above, or below.
    Look {
        /// Above rather than below.
        above: bool,
    },
    /// Perhaps something changed; the next window will tell.
    Odd,
    /// Jobs take much longer, or much shorter, than before.
    Shifted,
}

/// The windows since the level was found.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    windows: u32,
    wait: u32,
    above: bool,
    odd: bool,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            windows: 0,
            wait: WINDOWS.0,
            above: false,
            odd: false,
        }
    }
}

impl Hold {
    /// Jobs that make a window at this level.
    pub(crate) fn window(level: usize) -> usize {
        (JOBS_PER_SLOT * level as f64).max(LEAST_JOBS) as usize
    }

    /// Another level was found.
    pub(crate) fn begin(&mut self) {
        self.windows = 0;
        self.odd = false;
    }

    /// A window ended in which latency was `log` (natural logarithm of the factor) from before,
    /// give or take `error`.
    pub(crate) fn judge(&mut self, log: f64, error: f64) -> Verdict {
        let change = log.abs();
        if change > SHIFT.0.max(SURE * error) {
            if self.odd || change > SHIFT.1 {
                *self = Self::default();
                return Verdict::Shifted;
            }
            self.odd = true;
            return Verdict::Odd;
        }
        self.odd = false;
        self.windows += 1;
        if self.windows < self.wait {
            return Verdict::Steady;
        }
        self.windows = 0;
        self.wait = (self.wait * 2).min(WINDOWS.1);
        self.above = !self.above;
        Verdict::Look { above: self.above }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_ever_more_rarely_up_and_down_in_turn() {
        let mut hold = Hold::default();
        let mut looks = Vec::new();
        for n in 1..=6 + 12 + 24 {
            if let Verdict::Look { above } = hold.judge(0.01, 0.05) {
                looks.push((n, above));
            }
        }
        assert_eq!(looks, [(6, true), (18, false), (42, true)]);
    }

    #[test]
    fn a_shift_must_be_large_or_repeated() {
        let mut hold = Hold::default();
        assert_eq!(hold.judge(0.2, 0.05), Verdict::Odd);
        assert_eq!(hold.judge(0.01, 0.05), Verdict::Steady);
        assert_eq!(hold.judge(-0.2, 0.05), Verdict::Odd);
        assert_eq!(hold.judge(-0.2, 0.05), Verdict::Shifted);
        assert_eq!(hold.judge(0.7, 0.05), Verdict::Shifted);
        assert_eq!(hold.judge(0.5, 0.2), Verdict::Steady, "too noisy");
    }

    #[test]
    fn windows_grow_with_the_level() {
        assert_eq!((Hold::window(1), Hold::window(100)), (24, 200));
    }
}
