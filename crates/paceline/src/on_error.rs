//! What is done about an item that failed for good.

/// What is done about an item that failed for good, after all attempts.
///
/// ```
/// use paceline::OnError;
///
/// let even = |n: &u32| if n % 2 == 0 { Ok(*n) } else { Err("odd") };
/// assert!(paceline::map(0..10, even).on_error(OnError::Stop).run().is_err());
/// let collected = paceline::map(0..10, even).on_error(OnError::Collect).run().expect("goes on");
/// assert_eq!((collected.values.len(), collected.failures.len()), (5, 5));
/// let emitted = paceline::map(0..10, even).on_error(OnError::Emit).results();
/// assert_eq!(emitted.filter(Result::is_err).count(), 5);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnError {
    /// Nothing new is begun; what runs may end.
    #[default]
    Stop,
    /// The work goes on, and failures are told at the end.
    Collect,
    /// The work goes on, and each failure comes out among the values.
    Emit,
}
