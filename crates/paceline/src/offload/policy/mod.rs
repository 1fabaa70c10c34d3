//! What the pool decides, as plain state machines: whether to take a job, which one is next, how
//! large a piece to cut, when to lend a thread.
//!
//! Time comes in as a [`Duration`](std::time::Duration) since the pool was made. Nothing here reads
//! a clock, locks or starts anything, so all of it is tested in made-up time.

mod comeback;
mod cost;
mod floor;
mod line;
mod queue;
mod share;
mod split;

#[cfg(feature = "tower")]
pub(crate) use comeback::Comebacks;
pub(super) use floor::{Floor, Glance};
pub(super) use queue::{Limits, Next, Queue, Refusal, Request, Shape, Ticket};
pub(super) use split::Splitter;
