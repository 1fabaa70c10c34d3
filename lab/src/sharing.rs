//! Processor sharing: all requests in service advance at one speed, which depends on how many
//! there are.
//!
//! A virtual clock counts the service that each request has had since the beginning. It runs at
//! the speed of the present number, so a request ends when the clock reads what it read on arrival
//! plus its work. The order of ends never changes by others coming and going; only the mapping to
//! real time does. So an arrival, an end and a change of the curve cost O(log n).

use std::collections::BTreeSet;
use std::time::Duration;

use crate::curve::Curve;

/// A request in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The virtual clock at its end, in nanoseconds.
    ends_at: u64,
    number: u64,
}

/// Requests in service. Times are real ones since an origin of the caller's choice, and never go
/// back.
#[derive(Debug, Default)]
pub struct Sharing {
    curve: Curve,
    now: Duration,
    /// The virtual clock, in nanoseconds.
    clock: f64,
    in_service: BTreeSet<Ticket>,
    ended: Vec<Ticket>,
    arrivals: u64,
}

impl Sharing {
    /// Nobody in service yet.
    pub fn new(curve: Curve) -> Self {
        Self {
            curve,
            ..Self::default()
        }
    }

    /// How many are in service.
    pub fn in_service(&self) -> usize {
        self.in_service.len()
    }

    /// A request arrives that takes as long as `work` at full speed.
    pub fn arrive(&mut self, now: Duration, work: Duration) -> Ticket {
        self.advance(now);
        self.arrivals += 1;
        let ticket = Ticket {
            ends_at: (self.clock + work.as_nanos() as f64) as u64,
            number: self.arrivals,
        };
        self.in_service.insert(ticket);
        ticket
    }

    /// A request goes without waiting for its end. Returns whether it was still in service.
    pub fn leave(&mut self, now: Duration, ticket: Ticket) -> bool {
        self.advance(now);
        self.in_service.remove(&ticket)
    }

    /// From now on `curve` holds.
    pub fn change(&mut self, now: Duration, curve: Curve) {
        self.advance(now);
        self.curve = curve;
    }

    /// Those whose service has ended by `now`, in the order of their ends, each told once.
    pub fn ended(&mut self, now: Duration) -> impl Iterator<Item = Ticket> + '_ {
        self.advance(now);
        self.ended.drain(..)
    }

    /// When the next one ends, if none comes or goes before.
    pub fn next_end(&self) -> Option<Duration> {
        let next = self.in_service.first()?;
        Some(self.now + self.until(*next))
    }

    /// Real time from `self.now` to the end of `ticket` at the present speed.
    fn until(&self, ticket: Ticket) -> Duration {
        let left = (ticket.ends_at as f64 - self.clock).max(0.0);
        let nanoseconds = left / self.curve.speed(self.in_service.len());
        // Rounded up, so that whoever sleeps until then finds it ended.
        Duration::try_from_secs_f64(nanoseconds.ceil() / 1e9).unwrap_or(Duration::MAX / 2)
    }

    /// Moves to `now`, from end to end, since each end changes the speed.
    fn advance(&mut self, now: Duration) {
        while let Some(&next) = self.in_service.first() {
            let end = self.now.saturating_add(self.until(next));
            if end > now {
                break;
            }
            self.now = end;
            self.clock = self.clock.max(next.ends_at as f64);
            self.in_service.pop_first();
            self.ended.push(next);
        }
        let elapsed = now.saturating_sub(self.now).as_nanos() as f64;
        self.clock += elapsed * self.curve.speed(self.in_service.len());
        self.now = self.now.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    fn capacity(of: u32) -> Curve {
        Curve {
            capacity: Some(of),
            ..Curve::default()
        }
    }

    /// The end in whole milliseconds.
    fn next(sharing: &Sharing) -> Option<u128> {
        sharing
            .next_end()
            .map(|end| (end + Duration::from_micros(500)).as_millis())
    }

    #[test]
    fn two_share_what_one_had() {
        let mut sharing = Sharing::new(capacity(1));
        let first = sharing.arrive(ms(0), ms(100));
        assert_eq!(next(&sharing), Some(100));
        // Half of the first is done; both get half of the speed.
        let second = sharing.arrive(ms(50), ms(100));
        assert_eq!(next(&sharing), Some(150));
        assert_eq!(sharing.ended(ms(151)).collect::<Vec<_>>(), [first]);
        // The second has had 50 ms by then, and the rest at full speed.
        assert_eq!(next(&sharing), Some(200));
        assert_eq!(sharing.ended(ms(201)).collect::<Vec<_>>(), [second]);
        assert_eq!(next(&sharing), None);
    }

    #[test]
    fn looking_late_changes_nothing() {
        let mut late = Sharing::new(capacity(2));
        for work in [30, 60, 90, 120] {
            late.arrive(ms(0), ms(work));
        }
        let third = late.arrive(ms(500), ms(10));
        assert_eq!(late.ended(ms(505)).count(), 4);
        assert_eq!(next(&late), Some(510));
        assert!(late.leave(ms(505), third));
        assert_eq!(late.in_service(), 0);
    }

    #[test]
    fn who_leaves_speeds_up_the_others_and_ends_never() {
        let mut sharing = Sharing::new(capacity(1));
        let gone = sharing.arrive(ms(0), ms(100));
        sharing.arrive(ms(0), ms(100));
        assert!(sharing.leave(ms(100), gone));
        assert!(!sharing.leave(ms(100), gone));
        assert_eq!(next(&sharing), Some(150));
        assert_eq!(sharing.ended(ms(1000)).count(), 1);
    }

    #[test]
    fn a_change_holds_from_then_on() {
        let mut sharing = Sharing::new(Curve::default());
        for _ in 0..10 {
            sharing.arrive(ms(0), ms(100));
        }
        sharing.change(ms(50), capacity(1));
        // 50 ms of each are left, at a tenth of the speed.
        assert_eq!(next(&sharing), Some(550));
    }

    #[test]
    fn as_many_ends_as_the_capacity_allows() {
        let mut sharing = Sharing::new(capacity(10));
        for _ in 0..40 {
            sharing.arrive(ms(0), ms(10));
        }
        let mut served = 0;
        while let Some(end) = sharing.next_end().filter(|&end| end <= ms(1000)) {
            let ended = sharing.ended(end).count();
            assert!(ended > 0, "nobody ended at the time of the next end");
            served += ended;
            for _ in 0..ended {
                sharing.arrive(end, ms(10));
            }
        }
        assert!((960..=1000).contains(&served), "{served} served");
    }
}
