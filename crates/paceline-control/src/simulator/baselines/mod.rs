//! How others set a limit, to compare with. All of them were made for services that answer
//! requests; each is written after its published algorithm, not copied.
//!
//! What had to be adapted is the same for all: "busy" is a drop, as are failures, and lengths are
//! those of successful jobs. Their caps of 200 or 1000 are lifted to [`MOST`], as a batch may want
//! more, and Gradient2's floor of 20 is lowered to 1, as it may want fewer.

mod aimd;
mod gradient2;
mod vegas;

use std::time::Duration;

pub use aimd::Aimd;
pub use gradient2::Gradient2;
pub use vegas::Vegas;

use crate::controller::{Decision, Outcome};
use crate::reason::Reason;

/// Jobs that a baseline may have in flight at most.
const MOST: f64 = 4096.0;

/// Whether an attempt tells how long an answer takes, whether it tells of overload, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sample {
    Good,
    Dropped,
    Nothing,
}

impl From<Outcome> for Sample {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Good,
            Outcome::Busy | Outcome::TimedOut | Outcome::Failed => Self::Dropped,
            Outcome::Cancelled | Outcome::Shed => Self::Nothing,
        }
    }
}

/// The change of a limit, if it is one. [`Reason`] has no words for others' laws, so this says what
/// their own answer to the question is: that is the most they allow.
fn decided(at: Duration, was: usize, limit: usize) -> Option<Decision> {
    (was != limit).then_some(Decision {
        at,
        was,
        limit,
        reason: Reason::MaxLevel { level: limit },
    })
}
