//! Which jobs go first.

/// Which of the waiting jobs a free thread takes.
///
/// Higher priorities go first, but a lower one is never starved: while it waits, it earns a share
/// of the time (an eighth for [`Normal`](Self::Normal), a sixteenth for [`Batch`](Self::Batch)) that
/// is spent on those above it. Within one priority, first come is first served.
///
/// ```
/// use paceline::offload::{Job, Priority};
///
/// let job = Job::named("nightly report").priority(Priority::Batch);
/// assert!(Priority::High < Priority::Batch, "in the order in which they are served");
/// # let _ = job;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// Someone is waiting, and it is short.
    High,
    /// Unless said otherwise.
    #[default]
    Normal,
    /// Whenever there is time.
    Batch,
}

impl Priority {
    /// All, in the order in which they are served.
    pub(crate) const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Batch];

    pub(crate) fn index(self) -> usize {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Batch => 2,
        }
    }
}
