//! The controllers of paceline: they decide how many jobs may be in flight.
//!
//! Everything here is a plain state machine. The engine that runs the jobs tells a
//! [`Controller`] what happens as [`Event`]s, each with the time since the run began, and gets
//! back a [`Decision`] whenever the limit moves. Nothing in this crate reads a clock, starts a
//! thread or asks the kernel, so every behaviour can be replayed in a test with made-up time.
//!
//! Three controllers exist:
//!
//! * [`Fixed`] keeps the level that a person chose.
//! * [`Auto`] starts low, doubles while jobs wait and nothing objects, and stays under what the
//!   cores, the memory and the process limits can carry.
//! * [`Latency`] is for servers: it keeps as many in flight as are answered quickly.
//!
//! How [`Auto`] is put together:
//!
//! ```text
//!   Attempt ──► caps::cpu ────────┐
//!   Signals ──► caps::memory ─────┤
//!   refusals ─► caps::fixed ──────┼─► the lowest ──► limit + Reason
//!   Signals ──► sharing ─► ramp ──┤
//!                        Bounds ──┘
//! ```
//!
//! With the feature `simulator`, the module of that name runs controllers in made-up time over
//! scenarios and scores them against the best fixed level.
//!
//! ```
//! use std::time::Duration;
//! use paceline_control::{Auto, Bounds, Controller, Event, Left, Resources};
//!
//! let machine = Resources {
//!     cores: 2.0,
//!     memory_bytes: 4 << 30,
//!     descriptor_jobs: 300,
//!     process_jobs: 1000,
//! };
//! let mut controller = Auto::new(machine, Bounds::default());
//! assert_eq!(controller.limit(), 2);
//! let changed = controller.on(Duration::ZERO, Event::Queue(Left::Exactly(50)));
//! assert_eq!(changed, None);
//! ```

#![forbid(unsafe_code)]

mod auto;
mod bounds;
mod caps;
mod controller;
mod fixed;
mod held_slots;
mod in_flight;
mod latency;
mod learned;
mod ramp;
mod reason;
mod search;
mod sharing;
#[cfg(feature = "simulator")]
pub mod simulator;
mod smooth;
mod survival;
mod usl;
mod utilisation;

pub use auto::Auto;
pub use bounds::Bounds;
pub use controller::{
    Attempt, Controller, Decision, Event, JobId, Left, Outcome, PeerLoad, Resources, Signals,
};
pub use fixed::Fixed;
pub use held_slots::HeldSlots;
pub use latency::Latency;
pub use learned::{CurvePoint, Learned};
pub use reason::Reason;
pub use usl::{Measured, Usl};
