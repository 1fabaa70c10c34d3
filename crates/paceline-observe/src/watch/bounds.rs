//! Which cores a program may use, and how long quotas keep them from it.
//!
//! Launchers (taskset, a container's) set both and then become the program, which may happen after watching
//! has begun: they are asked again and again.

use std::time::Duration;

use super::quotas::Quotas;
use crate::cores::allowed_to;

/// They are asked again this often, and sooner in the beginning.
const PAUSE: Duration = Duration::from_millis(500);
const FIRST_PAUSES: Duration = Duration::from_millis(100);

/// So many processes are asked for their groups.
const MOST_ASKED: usize = 8;

/// The bounds of a program, as they were seen last.
pub(crate) struct Bounds {
    pid: i32,
    /// By its affinity.
    allowed: f64,
    quotas: Quotas,
    began: Duration,
    due: Duration,
}

impl Bounds {
    /// Those of this process, and of what comes from it.
    pub(crate) fn of(pid: i32, now: Duration) -> Self {
        let mut quotas = Quotas::new();
        quotas.look(Some(pid), std::iter::empty());
        Self {
            pid,
            allowed: allowed_to(Some(pid)),
            quotas,
            began: now,
            due: now,
        }
    }

    /// Asks again if it is time, or the last one. `alive`: the process itself has not ended; of one that
    /// has, the kernel says nothing that is true.
    pub(crate) fn look(
        &mut self,
        now: Duration,
        last: bool,
        alive: bool,
        processes: impl Iterator<Item = i32>,
    ) {
        if now < self.due && !last {
            return;
        }
        if alive {
            self.allowed = allowed_to(Some(self.pid));
        }
        let itself = alive.then_some(self.pid);
        self.quotas.look(itself, processes.take(MOST_ASKED));
        let beginning = now.saturating_sub(self.began) < PAUSE;
        self.due = now + if beginning { FIRST_PAUSES } else { PAUSE };
    }

    pub(crate) fn cores(&self) -> f64 {
        let quota = self.quotas.least();
        quota.map_or(self.allowed, |quota| quota.min(self.allowed))
    }

    /// Time for which quotas have held it.
    pub(crate) fn throttled(&self) -> Duration {
        self.quotas.throttled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_asked_for_again_until_the_end() {
        let second = Duration::from_secs(1);
        let pid = std::process::id().cast_signed();
        let mut bounds = Bounds::of(pid, second);
        let cores = bounds.cores();
        bounds.allowed = 0.001;
        bounds.look(second, false, true, [pid].into_iter());
        assert!((bounds.cores() - cores).abs() < f64::EPSILON);
        // Not at once again, not of one that has ended, but for the last time in any case.
        bounds.allowed = 0.001;
        bounds.look(second, false, true, std::iter::empty());
        bounds.look(second * 9, false, false, std::iter::empty());
        assert!((bounds.cores() - 0.001).abs() < f64::EPSILON);
        bounds.look(second * 9, true, true, std::iter::empty());
        assert!((bounds.cores() - cores).abs() < f64::EPSILON);
    }
}
