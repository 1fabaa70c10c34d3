//! What is asked of a pipeline as a whole.

use tokio_util::sync::CancellationToken;

use super::{Budget, Pipeline};
use crate::on_error::OnError;

impl<T: Send + 'static> Pipeline<T> {
    /// Values come in the order of their items, not as they are done. At most 1,024 items wait for
    /// their turn.
    ///
    /// ```
    /// let (values, _) = paceline::Pipeline::from_iter(0..3)
    ///     .blocking("double", |_cx, n| Ok::<_, String>(2 * n))
    ///     .ordered()
    ///     .collect_blocking()
    ///     .expect("none fails");
    /// assert_eq!(values, [0, 2, 4]);
    /// ```
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// How much may be in the pipeline at once; 1,024 items unless set.
    ///
    /// ```
    /// let (_, report) = paceline::Pipeline::from_iter(0..100)
    ///     .cpu("add", |_cx, n| Ok::<_, String>(n + 1))
    ///     .budget(paceline::Budget::items(8))
    ///     .collect_blocking()
    ///     .expect("none fails");
    /// assert!(report.peak_items <= 8);
    /// ```
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// How many items may wait between two stages; 128 unless set, and 0 is taken as 1. Fewer hold less,
    /// more even out stages that work in bursts.
    ///
    /// ```
    /// # let (values, _) =
    /// paceline::Pipeline::from_iter(0..100)
    ///     .cpu("add", |_cx, n| Ok::<_, std::fmt::Error>(n + 1))
    ///     .queue(1)
    ///     .collect_blocking()
    ///     .expect("none fails");
    /// # assert_eq!(values.len(), 100);
    /// ```
    pub fn queue(mut self, items: usize) -> Self {
        self.queue = items.max(1);
        self
    }

    /// What is done about items that failed for good, where their stage says nothing else. Unless
    /// set, the first failure ends the run.
    ///
    /// ```
    /// use paceline::{OnError, Pipeline};
    ///
    /// let (values, report) = Pipeline::from_iter(["1", "x", "3"])
    ///     .cpu("parse", |_cx, text| text.parse::<u32>())
    ///     .on_error(OnError::Collect)
    ///     .ordered()
    ///     .collect_blocking()
    ///     .expect("failures are collected");
    /// assert_eq!((values, report.failures[0].seq), (vec![1, 3], 1));
    /// ```
    pub fn on_error(mut self, policy: OnError) -> Self {
        self.on_error = policy;
        self
    }

    /// Cancelling the token ends the run.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use paceline::{CancellationToken, FailureKind, Pipeline};
    ///
    /// let token = CancellationToken::new();
    /// let run = Pipeline::from_iter(0_u64..)
    ///     .cpu("add", |_cx, n| Ok::<_, std::fmt::Error>(n + 1))
    ///     .cancel_with(&token)
    ///     .start();
    /// token.cancel();
    /// let error = run.finish().await.expect_err("it would never end");
    /// assert!(matches!(error.first.kind, FailureKind::Cancelled));
    /// # }
    /// ```
    pub fn cancel_with(mut self, token: &CancellationToken) -> Self {
        self.token = Some(token.clone());
        self
    }
}
