//! How many items of a stage may be in work at once: found, fixed, or found within bounds.

use std::ops::{RangeFrom, RangeInclusive, RangeToInclusive};

use paceline_control::Bounds;

/// How many items may be in work at once.
///
/// Everything that takes a limit takes what turns into one:
///
/// ```
/// use paceline::Limit;
///
/// assert_eq!(Limit::from(4), Limit::Fixed(4));
/// assert_eq!(Limit::from(2..=16), Limit::Range { min: 2, max: Some(16) });
/// assert_eq!(Limit::from(..=16), Limit::Range { min: 1, max: Some(16) });
/// assert_eq!(Limit::from(2..), Limit::Range { min: 2, max: None });
/// assert_eq!(Limit::default(), Limit::Auto);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Limit {
    /// The level is found.
    #[default]
    Auto,
    /// This many; 0 is taken as 1.
    Fixed(usize),
    /// The level is found, within these bounds.
    Range {
        /// Never fewer than this.
        min: usize,
        /// Never more than this; `None` leaves it open. Where it is below `min`, it wins.
        max: Option<usize>,
    },
}

impl Limit {
    pub(crate) fn bounds(self) -> Bounds {
        match self {
            Self::Auto => Bounds::default(),
            Self::Fixed(limit) => Bounds {
                min: limit,
                max: Some(limit),
            },
            Self::Range { min, max } => Bounds { min, max },
        }
    }
}

impl From<usize> for Limit {
    fn from(limit: usize) -> Self {
        Self::Fixed(limit)
    }
}

impl From<RangeInclusive<usize>> for Limit {
    fn from(range: RangeInclusive<usize>) -> Self {
        Self::Range {
            min: *range.start(),
            max: Some(*range.end()),
        }
    }
}

impl From<RangeToInclusive<usize>> for Limit {
    fn from(range: RangeToInclusive<usize>) -> Self {
        Self::Range {
            min: 1,
            max: Some(range.end),
        }
    }
}

impl From<RangeFrom<usize>> for Limit {
    fn from(range: RangeFrom<usize>) -> Self {
        Self::Range {
            min: range.start,
            max: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_at_once_is_taken_as_one() {
        assert_eq!(Limit::Fixed(0).bounds().highest(), 1);
        assert_eq!(Limit::from(..=0).bounds().highest(), 1);
    }
}
