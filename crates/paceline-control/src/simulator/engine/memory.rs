//! What the jobs in flight hold of memory, and what happens when it runs out.

use crate::simulator::scenario::BASE_BYTES;

/// How fast everything goes while more is held than there is.
const THRASHING: f64 = 0.1;
/// The kernel kills when so many times the memory is held.
const KILLS_AT: f64 = 1.1;
/// Bytes held by a job grow until this part of its work is done.
const GROWS_UNTIL: f64 = 0.5;

pub(super) struct Memory {
    bytes: f64,
    /// Jobs hold enough that it must be watched.
    pub(super) watched: bool,
    pub(super) thrashing: bool,
}

/// What all attempts hold, and how fast that grows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) bytes: f64,
    pub(super) bytes_per_second: f64,
}

/// Bytes that a job holds when `part` of its work is done.
pub(super) fn held(peak: f64, part: f64) -> f64 {
    BASE_BYTES + (peak - BASE_BYTES) * (part / GROWS_UNTIL).min(1.0)
}

/// How fast a job grows when it gets on with `speed` (parts of its work per second).
pub(super) fn growth(peak: f64, part: f64, speed: f64) -> f64 {
    if part < GROWS_UNTIL {
        (peak - BASE_BYTES) / GROWS_UNTIL * speed
    } else {
        0.0
    }
}

impl Memory {
    pub(super) fn new(bytes: f64, watched: bool) -> Self {
        Self {
            bytes,
            watched,
            thrashing: false,
        }
    }

    /// The pace of everything.
    pub(super) fn pace(&self) -> f64 {
        if self.thrashing { THRASHING } else { 1.0 }
    }

    pub(super) fn available(&self, held: Held) -> u64 {
        ((self.bytes - held.bytes) as u64).max(1)
    }

    /// Whether thrashing began or ended.
    pub(super) fn notice(&mut self, held: Held) -> bool {
        // A hair less than all, so that rounding cannot keep it from being reached.
        let thrashing = held.bytes >= self.bytes * (1.0 - 1e-9);
        std::mem::replace(&mut self.thrashing, thrashing) != thrashing
    }

    /// The kernel has to kill somebody.
    pub(super) fn kills(&self, held: Held) -> bool {
        held.bytes >= self.bytes * KILLS_AT * (1.0 - 1e-9)
    }

    /// Seconds until one of the two borders is reached at this growth, at the earliest.
    pub(super) fn next(&self, held: Held) -> Option<f64> {
        if held.bytes_per_second <= 0.0 {
            return None;
        }
        let border = if self.thrashing {
            self.bytes * KILLS_AT
        } else {
            self.bytes
        };
        Some(((border - held.bytes) / held.bytes_per_second).max(0.0))
    }
}
