//! Who sleeps, who looks for work, and how many to wake: the counts behind parking.
//!
//! Waking a sleeping thread takes a system call and some 15 µs until it runs. So a thread that
//! found nothing looks for a moment longer before it sleeps, and while as many look as there is
//! work, nobody is woken. All of this is counted under the lock of the queue, and a thread goes to
//! sleep only if it finds no work under that lock. So no work is ever left with all asleep:
//!
//! * work comes while enough threads look: each of them will look into the queue once more under
//!   the lock, before it sleeps;
//! * it comes while too few look: sleeping ones are woken, and count as looking from then on.

#[derive(Debug, Default)]
pub(super) struct Rest {
    sleeping: usize,
    /// Those that were woken but have not yet come to look are among them.
    looking: usize,
    woken: usize,
}

impl Rest {
    /// There is work for so many threads. How many sleeping ones must be woken for it?
    pub(super) fn wake_for(&mut self, turns: usize) -> usize {
        let wake = turns.saturating_sub(self.looking).min(self.sleeping);
        self.sleeping -= wake;
        self.looking += wake;
        self.woken += wake;
        wake
    }

    /// A thread begins to look; `false` if others do already, and one more is of no use.
    pub(super) fn look(&mut self) -> bool {
        let useful = self.looking == 0;
        self.looking += usize::from(useful);
        useful
    }

    /// A looking thread looks into the queue under the lock.
    pub(super) fn looked(&mut self) {
        self.looking -= 1;
    }

    pub(super) fn sleep(&mut self) {
        self.sleeping += 1;
    }

    /// Whether the sleeping thread that asks may get up; it looks from now on.
    pub(super) fn may_rise(&mut self) -> bool {
        let may = self.woken > 0;
        self.woken -= usize::from(may);
        may
    }
}
