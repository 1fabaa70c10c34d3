//! Room that idle cores leave, whatever the jobs show of themselves.

use std::time::Duration;

use crate::smooth::fade;

/// Cores that are busy for less than the first share of the time have room for more jobs, whatever
/// those that run say: so many that they would be busy for the second share. Beyond the third, it is
/// for the jobs to say again.
const ROOM: (f64, f64, f64) = (0.85, 0.95, 0.98);
/// That is to be seen for so many seconds and mean durations, at the whole cap but for this share.
const SEEN: (f64, f64, f64) = (0.5, 1.5, 0.9);

/// Sums over ticks, in seconds, the old ones fading: what the whole machine had left.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    seconds: f64,
    /// Cores that had nothing to do.
    idle: f64,
    /// Jobs in flight.
    jobs: f64,
    /// So many jobs there was room for.
    fits: f64,
}

impl Room {
    /// So many jobs there was room for; 0 if the cores are full.
    pub(super) fn fits(&self) -> f64 {
        self.fits
    }

    /// In the last `gap` cores were idle for so long in all. Jobs live for `mean_wall` seconds.
    pub(super) fn tick(&mut self, gap: Duration, idle: Duration, in_flight: usize, mean_wall: f64) {
        let keep = fade(gap, span(mean_wall));
        let gap = gap.as_secs_f64();
        self.seconds = self.seconds * keep + gap;
        self.idle = self.idle * keep + idle.as_secs_f64().min(1e9);
        self.jobs = self.jobs * keep + in_flight as f64 * gap;
    }

    /// How many jobs would keep the cores busy, by how busy this many keep them. Jobs that began
    /// together compute together and wait together, and queue where in the mean there is no need to.
    pub(super) fn judge(&mut self, cores: f64, cap: usize, mean_wall: f64) {
        // A sum that fades over this time is never longer than it.
        if self.seconds < 0.6 * span(mean_wall) {
            return;
        }
        let jobs = self.jobs / self.seconds;
        let used = 1.0 - (self.idle / (cores * self.seconds)).clamp(0.0, 1.0);
        if used > ROOM.2 {
            self.fits = 0.0;
        } else if used < ROOM.0 && jobs >= SEEN.2 * cap as f64 {
            // Twice at most, so that one quiet moment does not open the gates.
            self.fits = self.fits.max(jobs * ROOM.1 / used.max(0.5));
        }
    }
}

/// Seconds over which sums fade.
fn span(mean_wall: f64) -> f64 {
    SEEN.0.max(SEEN.1 * mean_wall)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(5);

    #[test]
    fn room_that_was_there_is_gone_once_the_cores_are_full() {
        let mut room = Room::default();
        let mut judge = |in_flight: usize, idle: f64| {
            for _ in 0..400 {
                room.tick(TICK, TICK.mul_f64(2.0 * idle), in_flight, 0.1);
                room.judge(2.0, in_flight, 0.1);
            }
            room.fits
        };
        let fits = judge(5, 0.3);
        assert!((6.5..7.0).contains(&fits), "{fits}");
        // Nearly full is as it should be.
        let stays = judge(7, 0.08);
        assert!((fits..8.5).contains(&stays), "{stays}");
        assert!(judge(7, 0.0) < 1e-9);
    }
}
