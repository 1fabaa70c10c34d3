//! Spans around jobs, for those who use `tracing`; without that feature, nothing at all.

use std::time::Duration;

use super::Job;

/// The span of one job, a child of the one in which it was handed over.
#[derive(Clone, Debug)]
pub(super) struct Span {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Span {
    #[cfg(feature = "tracing")]
    pub(super) fn new(job: &Job) -> Self {
        Self {
            span: tracing::debug_span!(
                target: "paceline::offload",
                "offload",
                job = job.name,
                priority = ?job.priority,
                waited_us = tracing::field::Empty,
            ),
        }
    }

    #[cfg(not(feature = "tracing"))]
    pub(super) fn new(_job: &Job) -> Self {
        Self {}
    }

    /// Runs the job, or a piece of it, within the span.
    pub(super) fn run<T>(&self, call: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        let _entered = self.span.enter();
        #[cfg(not(feature = "tracing"))]
        let _ = self;
        call()
    }

    /// Notes how long the job waited.
    pub(super) fn waited(&self, time: Duration) {
        #[cfg(feature = "tracing")]
        self.span.record(
            "waited_us",
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
        );
        let _ = (self, time);
    }
}
