//! Who is let in, shared by all clones of a service.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use paceline_control::{Attempt, Controller, Decision, Event, Outcome};

use crate::offload::Comebacks;

/// The time that requests take is averaged over about so many.
const AVERAGED: f64 = 16.0;

/// Lets requests in while fewer are in flight than the limit.
pub(super) struct Gate {
    state: Mutex<State>,
    epoch: Instant,
}

struct State {
    controller: Box<dyn Controller>,
    in_flight: usize,
    next_job: u64,
    comebacks: Comebacks,
    /// Seconds that a request takes.
    mean: f64,
    done: u64,
    shed: u64,
    last: Option<Decision>,
}

/// What a gate has seen so far.
///
/// ```
/// let limit = paceline::tower::AdaptiveLimitLayer::new();
/// let seen = limit.snapshot();
/// assert_eq!((seen.limit, seen.in_flight, seen.shed), (20, 0, 0));
/// println!("{seen}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateSnapshot {
    /// Requests that may be in flight now.
    pub limit: usize,
    /// Why, if it has changed since the beginning.
    pub reason: Option<String>,
    /// Requests in flight.
    pub in_flight: usize,
    /// Requests that have left, with a response, an error, or because their callers had gone.
    pub done: u64,
    /// Requests that were refused.
    pub shed: u64,
}

impl fmt::Display for GateSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} in flight, {} done, {} shed",
            self.in_flight, self.limit, self.done, self.shed
        )?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        Ok(())
    }
}

/// Not let in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) in_flight: usize,
    pub(super) retry_after: Duration,
}

impl Gate {
    pub(super) fn new(controller: Box<dyn Controller>) -> Self {
        Self {
            state: Mutex::new(State {
                controller,
                in_flight: 0,
                next_job: 0,
                comebacks: Comebacks::default(),
                mean: 0.0,
                done: 0,
                shed: 0,
                last: None,
            }),
            epoch: Instant::now(),
        }
    }

    /// Lets one in, or says when to come back.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Pass, Refused> {
        let began = Instant::now();
        let now = began.saturating_duration_since(self.epoch);
        let mut state = self.lock();
        let limit = state.controller.limit();
        if state.in_flight >= limit {
            state.shed += 1;
            let each = state.mean / limit.max(1) as f64;
            let retry_after = state.comebacks.promise(now, each, each);
            return Err(Refused {
                in_flight: state.in_flight,
                retry_after,
            });
        }
        state.in_flight += 1;
        state.next_job += 1;
        let job = state.next_job;
        let decision = state.controller.on(now, Event::Started { job });
        state.last = decision.or(state.last.take());
        drop(state);
        Ok(Pass {
            gate: Arc::clone(self),
            job,
            began,
            outcome: Outcome::Cancelled,
        })
    }

    pub(super) fn snapshot(&self) -> GateSnapshot {
        let state = self.lock();
        GateSnapshot {
            limit: state.controller.limit(),
            reason: state.last.as_ref().map(|last| last.reason.to_string()),
            in_flight: state.in_flight,
            done: state.done,
            shed: state.shed,
        }
    }

    fn leave(&self, pass: &Pass) {
        let ended = Instant::now();
        let now = ended.saturating_duration_since(self.epoch);
        let wall = ended.saturating_duration_since(pass.began);
        let attempt = Attempt {
            outcome: pass.outcome,
            wall,
            cpu: Duration::ZERO,
            run_queue_delay: None,
            peak_rss_bytes: 0,
        };
        let mut state = self.lock();
        state.in_flight -= 1;
        state.done += 1;
        if pass.outcome != Outcome::Cancelled {
            state.mean += (wall.as_secs_f64() - state.mean) / (state.done as f64).min(AVERAGED);
        }
        let job = pass.job;
        let decision = state.controller.on(now, Event::Finished { job, attempt });
        if let Some(decision) = decision {
            #[cfg(feature = "tracing")]
            tracing::debug!(
                target: "paceline::tower",
                was = decision.was,
                limit = decision.limit,
                reason = %decision.reason,
                "limit changed"
            );
            state.last = Some(decision);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of the user runs under it, so nothing is left half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&self.snapshot()).finish()
    }
}

/// Held by a request in flight; it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    job: u64,
    began: Instant,
    outcome: Outcome,
}

impl Pass {
    /// How it ended. Else it counts as cancelled: its caller has gone.
    pub(super) fn ended(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let gate = Arc::clone(&self.gate);
        gate.leave(self);
    }
}
