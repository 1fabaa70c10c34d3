//! Which worker of a tokio runtime was held, for how long, and where.
//!
//! A future that blocks or computes keeps its worker from looking after anything else: sockets are
//! not read, timers do not fire. [`watch`] finds it out from outside, with what stable tokio offers:
//!
//! * A worker that neither parks nor looks for events for longer than the threshold is held. That is
//!   one long poll, or up to 61 short ones in a row: tokio looks for events after as many.
//! * Its thread is asked where it is, by a signal (`SIGURG`, which means nothing unless someone
//!   handles it; if someone does, we leave it alone and there are no stacks). The handler walks the
//!   stack and stores addresses; names are looked up outside of it.
//!
//! What to know: a blocking system call that is interrupted by the signal is restarted where the
//! kernel can, and else fails with `EINTR`, once per hold. A thread in uninterruptible sleep answers
//! too late to be seen. Without frame or debug information there are addresses instead of names.
//! Looking costs a few microseconds every quarter of the threshold, and nothing on the workers but
//! a time stamp when they park.
//!
//! ```
//! use std::sync::mpsc;
//! use std::time::Duration;
//!
//! let (tell, told) = mpsc::channel();
//! let mut builder = tokio::runtime::Builder::new_multi_thread();
//! let watch = paceline::watchdog::watch(&mut builder)
//!     .threshold(Duration::from_millis(20))
//!     .on_held(move |held| {
//!         let _ = tell.send(held.clone());
//!     });
//! let runtime = builder.worker_threads(2).enable_all().build()?;
//! let _guard = watch.start(runtime.handle())?;
//!
//! runtime.spawn(async { std::thread::sleep(Duration::from_millis(200)) });
//! let held = told.recv()?;
//! assert!(held.held_for >= Duration::from_millis(20));
//! println!("{held}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod detect;
mod held;
mod stack;
mod threads;
mod watching;

pub use held::{Frame, Held};
pub use watching::{Guard, Watch, watch};
