//! Requests in service, and the one task that knows when each of them ends.

use std::cell::{Ref, RefCell};
use std::collections::HashMap;
use std::f64::consts::TAU;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::changes::{Change, When};
use super::settings::Settings;
use super::stats::Stats;
use crate::bucket::Bucket;
use crate::sharing::{Sharing, Ticket};

/// Fixed for as long as the server lives.
#[derive(Clone, Debug)]
pub(super) struct Manners {
    pub(super) retry_after: Option<u64>,
    pub(super) reject_after: Duration,
    pub(super) queue_at_rate: bool,
    burst: Option<u32>,
}

/// A server without its sockets.
#[derive(Debug)]
pub struct Service {
    origin: Instant,
    state: RefCell<State>,
    /// The next end may have moved.
    moved: Notify,
    pub(super) manners: Manners,
}

#[derive(Debug)]
struct State {
    settings: Settings,
    sharing: Sharing,
    waiting: HashMap<Ticket, oneshot::Sender<()>>,
    bucket: Option<Bucket>,
    changes: Vec<Change>,
    first_at: Option<Duration>,
    stats: Stats,
    random: Rng,
}

/// What a server is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its behaviour at first.
    pub settings: Settings,
    /// What happens later.
    pub changes: Vec<Change>,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u64>,
    /// How long a rejection takes.
    pub reject_after: Duration,
    /// Requests beyond the rate wait instead of being rejected.
    pub queue_at_rate: bool,
    /// Requests that may come at once in spite of the rate; a tenth of a second's if not given.
    pub burst: Option<u32>,
    /// The jitter's beginning.
    pub seed: u64,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Too many are in service.
    Full,
    /// Too many came in the last second; there is room after this time.
    Rate(Duration),
}

impl Service {
    /// A server that nobody has asked for anything.
    pub fn new(plan: Plan) -> Self {
        let manners = Manners {
            retry_after: plan.retry_after,
            reject_after: plan.reject_after,
            queue_at_rate: plan.queue_at_rate,
            burst: plan.burst,
        };
        let state = State {
            settings: plan.settings,
            sharing: Sharing::new(plan.settings.curve),
            waiting: HashMap::new(),
            bucket: manners.bucket(plan.settings.rate),
            changes: plan.changes,
            first_at: None,
            stats: Stats::default(),
            random: Rng::with_seed(plan.seed),
        };
        Self {
            origin: Instant::now(),
            state: RefCell::new(state),
            moved: Notify::new(),
            manners,
        }
    }

    /// What was done so far.
    pub fn stats(&self) -> Ref<'_, Stats> {
        Ref::map(self.state.borrow(), |state| &state.stats)
    }

    /// Bytes of the answer to a request that comes in now.
    pub(super) fn size(&self) -> u64 {
        self.state.borrow().settings.size
    }

    /// Takes a token for a request, where tokens are needed.
    pub(super) fn pass_rate(&self) -> Result<(), Refusal> {
        let now = self.now();
        let state = &mut *self.state.borrow_mut();
        let Some(bucket) = &mut state.bucket else {
            return Ok(());
        };
        if self.manners.queue_at_rate {
            match bucket.reserve(now) {
                Duration::ZERO => Ok(()),
                wait => Err(Refusal::Rate(wait)),
            }
        } else {
            bucket.take(now).map_err(Refusal::Rate)
        }
    }

    /// Lets a request in that takes `work` at full speed; as long as the settings say if not given.
    pub(super) fn enter(self: &Rc<Self>, work: Option<Duration>) -> Result<Visit, Refusal> {
        let now = self.now();
        let mut state = self.state.borrow_mut();
        state.first_at.get_or_insert(now);
        self.settle(&mut state, now);
        let full = state.settings.reject_above.is_some_and(|above| {
            state.sharing.in_service() >= usize::try_from(above).unwrap_or(usize::MAX)
        });
        if full {
            return Err(Refusal::Full);
        }
        let work = work.unwrap_or_else(|| state.draw_work());
        let ticket = state.sharing.arrive(now, work);
        let (tell, end) = oneshot::channel();
        state.waiting.insert(ticket, tell);
        state.stats.begin();
        self.moved.notify_one();
        Ok(Visit {
            service: Rc::clone(self),
            ticket,
            end,
            answered: false,
        })
    }

    /// Counts a rejection.
    pub(super) fn reject(&self, path: &str) {
        self.state.borrow_mut().stats.reject(path);
    }

    /// Tells each request when it ends, and makes changes when they are due.
    pub async fn keep_time(self: Rc<Self>) {
        loop {
            let next = {
                let mut state = self.state.borrow_mut();
                let now = self.now();
                self.settle(&mut state, now);
                let change = state.next_timed_change();
                state.sharing.next_end().into_iter().chain(change).min()
            };
            match next {
                Some(next) => tokio::select! {
                    () = tokio::time::sleep_until(self.origin + next) => {}
                    () = self.moved.notified() => {}
                },
                None => self.moved.notified().await,
            }
        }
    }

    /// Time since the server was made.
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Does all that was due until `now`.
    fn settle(&self, state: &mut State, now: Duration) {
        for ticket in state.sharing.ended(now) {
            if let Some(tell) = state.waiting.remove(&ticket) {
                // Whoever does not listen has gone away.
                let _ = tell.send(());
            }
        }
        let (served, first_at) = (state.stats.served, state.first_at);
        let due = state.changes.extract_if(.., |change| match change.when {
            When::Served(count) => served >= count,
            When::After(time) => first_at.is_some_and(|first| now >= first + time),
        });
        let due: Vec<_> = due.flat_map(|change| change.settings).collect();
        if due.is_empty() {
            return;
        }
        let rate = state.settings.rate;
        due.into_iter()
            .for_each(|setting| state.settings.apply(setting));
        state.sharing.change(now, state.settings.curve);
        if state.settings.rate != rate {
            state.bucket = self.manners.bucket(state.settings.rate);
        }
    }
}

impl Manners {
    fn bucket(&self, rate: Option<f64>) -> Option<Bucket> {
        let rate = rate?;
        let burst = self.burst.unwrap_or((rate / 10.0).ceil() as u32);
        Some(Bucket::new(rate, burst))
    }
}

impl State {
    /// A lognormal time with the mean and the variation of the settings.
    fn draw_work(&mut self) -> Duration {
        let Settings {
            latency, jitter, ..
        } = self.settings;
        if jitter == 0.0 {
            return latency;
        }
        let variance = jitter.mul_add(jitter, 1.0).ln();
        // Box and Muller; 1 − f64() is never 0.
        let radius = (-2.0 * (1.0 - self.random.f64()).ln()).sqrt();
        let normal = radius * (TAU * self.random.f64()).cos();
        latency.mul_f64(variance.sqrt().mul_add(normal, -variance / 2.0).exp())
    }

    fn next_timed_change(&self) -> Option<Duration> {
        let first = self.first_at?;
        let times = self.changes.iter().filter_map(|change| match change.when {
            When::After(time) => Some(first + time),
            When::Served(_) => None,
        });
        times.min()
    }
}

/// A request in service. It leaves when it is dropped.
#[derive(Debug)]
pub(super) struct Visit {
    service: Rc<Service>,
    ticket: Ticket,
    end: oneshot::Receiver<()>,
    answered: bool,
}

impl Visit {
    /// Waits until the service has ended.
    pub(super) async fn wait(&mut self) {
        // The sender is only dropped without a word when the server ends.
        let _ = (&mut self.end).await;
    }

    /// Counts the request as served.
    pub(super) fn answer(mut self, path: &str) {
        self.answered = true;
        let mut state = self.service.state.borrow_mut();
        state.stats.serve(path);
        // It may have been the one that a change waits for.
        self.service.settle(&mut state, self.service.now());
        self.service.moved.notify_one();
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let now = self.service.now();
        let mut state = self.service.state.borrow_mut();
        state.stats.abandon();
        state.waiting.remove(&self.ticket);
        state.sharing.leave(now, self.ticket);
        self.service.moved.notify_one();
    }
}
