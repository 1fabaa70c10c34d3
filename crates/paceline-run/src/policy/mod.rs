//! What the user wants done about jobs that fail, hang, or decide the run.

mod busy;
mod halt;
mod parse;
mod retry;
mod timeout;

pub use busy::{Busy, BusyCodes};
pub use halt::{Halt, HaltOn, HaltWhen, Threshold};
pub use parse::{ParseError, parse_duration};
pub use retry::Retry;
pub use timeout::Timeout;

pub(crate) use busy::retry_after;
pub(crate) use halt::{HaltState, Tally};
pub(crate) use timeout::TimeLimit;
