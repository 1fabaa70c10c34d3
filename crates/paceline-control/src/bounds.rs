//! The levels that the user allows.

/// The range of levels that the user allows, in jobs in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// `--min-level`: never fewer, unless memory, descriptors or processes would run out.
    /// 0 and 1 mean the same: no wish.
    pub min: usize,
    /// `--max-level`: never more; `None` leaves it open. Where it is below `min`, it wins.
    pub max: Option<usize>,
}

impl Bounds {
    /// The highest level allowed; at least 1.
    pub fn highest(self) -> usize {
        self.max.map_or(usize::MAX, |max| max.max(1))
    }

    /// The lowest level allowed; at least 1 and never above [`Bounds::highest`].
    pub fn lowest(self) -> usize {
        self.min.clamp(1, self.highest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_allows_everything() {
        assert_eq!(Bounds::default().lowest(), 1);
        assert_eq!(Bounds::default().highest(), usize::MAX);
    }

    #[test]
    fn zero_and_contradiction_stay_usable() {
        let none = Bounds {
            min: 0,
            max: Some(0),
        };
        assert_eq!((none.lowest(), none.highest()), (1, 1));
        let crossed = Bounds {
            min: 9,
            max: Some(4),
        };
        assert_eq!((crossed.lowest(), crossed.highest()), (4, 4));
    }
}
