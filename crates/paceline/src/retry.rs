//! When what failed is tried again, and what an error says about that.

use std::time::Duration;

/// How often an item is tried, and how long it rests in between.
///
/// Rests double with each attempt up to [`Retry::longest`], and each lies at random in the upper
/// half of its length, so that items that failed together do not come back together. An item that
/// rests holds no worker and no slot.
///
/// ```
/// use std::time::Duration;
/// use paceline::Retry;
///
/// let retry = Retry::exponential(3, Duration::from_millis(50)).longest(Duration::from_millis(80));
/// let rests: Vec<_> = (1..=3).map(|failed| retry.rest_after(failed, 1.0)).collect();
/// let ms = |n| Some(Duration::from_millis(n));
/// assert_eq!(rests, [ms(50), ms(80), None]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Retry {
    attempts: u32,
    base: Duration,
    longest: Duration,
}

impl Retry {
    /// Once and never again.
    pub const NEVER: Self = Self {
        attempts: 1,
        base: Duration::ZERO,
        longest: Duration::ZERO,
    };

    /// What is done about "busy" answers unless something else is asked for: 100 attempts with
    /// rests from 100 ms to 30 s, which rides out an outage of some 40 minutes.
    pub const BUSY: Self = Self {
        attempts: 100,
        base: Duration::from_millis(100),
        longest: Duration::from_secs(30),
    };

    /// Up to `attempts` in all, the first included, with a rest of `base` after the first.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let retry = paceline::Retry::exponential(2, Duration::from_millis(50));
    /// assert_eq!(retry.rest_after(1, 0.0), Some(Duration::from_millis(25)));
    /// assert_eq!(retry.rest_after(2, 0.0), None);
    /// ```
    pub fn exponential(attempts: u32, base: Duration) -> Self {
        Self {
            attempts: attempts.max(1),
            base,
            longest: Duration::from_secs(300),
        }
    }

    /// No rest is longer than this; 5 minutes unless set.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let retry = paceline::Retry::BUSY.longest(Duration::from_secs(1));
    /// assert_eq!(retry.rest_after(50, 1.0), Some(Duration::from_secs(1)));
    /// ```
    pub fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// How long to rest after `failed` attempts; `None` if that was the last. `random`, from 0 to
    /// 1, says where in the upper half of its length the rest lies.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let retry = paceline::Retry::exponential(5, Duration::from_secs(1));
    /// assert_eq!(retry.rest_after(2, 1.0), Some(Duration::from_secs(2)));
    /// ```
    pub fn rest_after(&self, failed: u32, random: f64) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let doubled = self
            .base
            .saturating_mul(1 << failed.saturating_sub(1).min(30))
            .min(self.longest);
        Some(doubled.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0)))
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::NEVER
    }
}

/// What an error says about trying again.
///
/// ```
/// use std::time::Duration;
/// use paceline::ErrorKind;
///
/// fn kind(status: u16, retry_after: Option<Duration>) -> ErrorKind {
///     match (status, retry_after) {
///         (429 | 503, Some(rest)) => ErrorKind::BusyFor(rest),
///         (429 | 503, None) => ErrorKind::Busy,
///         (400..500, _) => ErrorKind::Permanent,
///         _ => ErrorKind::Transient,
///     }
/// }
/// assert_eq!(kind(404, None), ErrorKind::Permanent);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Trying again cannot help; the item fails at once.
    Permanent,
    /// It may go better next time: tried again as [`Retry`] says. What errors are unless told
    /// otherwise.
    Transient,
    /// What the work depends on is busy (HTTP 429 or 503, too many connections): the level comes
    /// down, and the item is tried again later. Counted apart from [`ErrorKind::Transient`].
    Busy,
    /// The same, and it said how long to stay away (`Retry-After`).
    BusyFor(Duration),
}

/// The longest rest that a busy peer may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// Attempts of one item so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// That failed.
    pub(crate) failed: u32,
    /// That were turned away, since the last that was not.
    pub(crate) busy: u32,
    /// In all.
    pub(crate) all: u32,
}

/// The two policies of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    pub(crate) failed: Retry,
    pub(crate) busy: Retry,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            failed: Retry::NEVER,
            busy: Retry::BUSY,
        }
    }
}

impl Patience {
    /// Counts an attempt that ended with an error of `kind`, and says how long to rest before the
    /// next; `None` if there is none.
    pub(crate) fn rest(&self, tries: &mut Tries, kind: ErrorKind, random: f64) -> Option<Duration> {
        tries.all = tries.all.saturating_add(1);
        match kind {
            ErrorKind::Permanent => None,
            ErrorKind::Transient => {
                tries.busy = 0;
                tries.failed = tries.failed.saturating_add(1);
                self.failed.rest_after(tries.failed, random)
            }
            ErrorKind::Busy | ErrorKind::BusyFor(_) => {
                tries.busy = tries.busy.saturating_add(1);
                let rest = self.busy.rest_after(tries.busy, random)?;
                Some(match kind {
                    // Nobody comes back earlier than asked; who says "at once" for ever must not
                    // keep us spinning.
                    ErrorKind::BusyFor(asked) => asked
                        .clamp(self.busy.base.min(LONGEST_ASKED), LONGEST_ASKED)
                        .mul_f64(1.0 + 0.1 * random.clamp(0.0, 1.0)),
                    _ => rest,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn never_means_never() {
        assert_eq!(Retry::NEVER.rest_after(1, 0.5), None);
        let always = Retry::exponential(u32::MAX, Duration::MAX);
        assert_eq!(
            always.rest_after(u32::MAX - 1, 1.0),
            Some(Duration::from_secs(300))
        );
    }

    #[test]
    fn busy_answers_have_their_own_count() {
        let patience = Patience {
            failed: Retry::exponential(2, Duration::from_millis(10)),
            busy: Retry::exponential(3, Duration::from_millis(100)),
        };
        let mut tries = Tries::default();
        let mut rest = |kind| patience.rest(&mut tries, kind, 1.0);
        assert_eq!(rest(ErrorKind::Busy), Some(ms(100)));
        assert_eq!(rest(ErrorKind::Busy), Some(ms(200)));
        assert_eq!(rest(ErrorKind::Transient), Some(ms(10)));
        assert_eq!(rest(ErrorKind::Busy), Some(ms(100)), "in a row");
        assert_eq!(rest(ErrorKind::Transient), None);
        assert_eq!(rest(ErrorKind::Permanent), None);
        assert_eq!(tries.all, 6);
    }

    #[test]
    fn a_rest_that_was_asked_for_is_never_shortened_but_capped() {
        let patience = Patience::default();
        for (asked, least, most) in [(5.0, 5.0, 5.5), (0.0, 0.1, 0.11), (1e6, 3600.0, 3960.0)] {
            for random in [0.0, 0.5, 1.0] {
                let kind = ErrorKind::BusyFor(Duration::from_secs_f64(asked));
                let rest = patience.rest(&mut Tries::default(), kind, random);
                let seconds = rest.expect("is tried again").as_secs_f64();
                assert!((least..=most).contains(&seconds), "{asked}: {seconds}");
            }
        }
    }
}
