//! How many inputs and outputs there were, and for what.

use std::collections::BTreeMap;

use super::ratio;
use crate::profile::{Class, PeerUse, Profile, Source, Target, Wait};

/// More than this is as good as without end.
const MOST: f64 = 1e6;

/// Fewer than this, weighted by their length, are one and some that do not matter.
const SEVERAL: f64 = 1.5;

/// Answers come in pieces if waits are this many times as many; else what is known of either is too coarse to tell.
const PIECES: f64 = 1.5;

/// Inputs and outputs, each weighted by its length.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::verdict) struct Requests {
    /// How many, at least 1.
    pub(in crate::verdict) count: f64,
    /// There is one that takes nearly all of the time: nothing is there to be had beside it.
    pub(in crate::verdict) single: bool,
    /// They are polled for, so that sockets must tell of them.
    pub(in crate::verdict) polled: bool,
    /// Of their time, what went to disks.
    pub(in crate::verdict) disk: f64,
    /// Of the disk's time, what went into making data safe.
    pub(in crate::verdict) syncs: f64,
    /// The wait with the most time among them, as an index into the profile's.
    pub(in crate::verdict) longest: Option<usize>,
}

impl Requests {
    pub(super) fn of(profile: &Profile) -> Self {
        let seconds = |class: Class| profile.time[class].as_secs_f64();
        let disk = seconds(Class::Disk) + seconds(Class::PageFault);
        let total = profile
            .overlap
            .io_in_flight
            .as_secs_f64()
            .max(disk + seconds(Class::Network));
        let syncs: f64 = in_class(profile, |wait| wait.syncs)
            .map(|(_, wait)| wait.time.as_secs_f64())
            .sum();
        // A polled request shows in the sockets alone. Where those could not be told apart, each wait
        // in the poll counts for one.
        let mut sum = Sum::default();
        let mut by_peer = BTreeMap::<&str, Sum>::new();
        in_class(profile, |wait| wait.class.is_io()).for_each(|(_, wait)| match &wait.target {
            Target::Peer(peer) => by_peer.entry(peer.as_str()).or_default().add_wait(wait),
            _ => sum.add_wait(wait),
        });
        for (address, waits) in by_peer {
            let mut peers = profile.network.peers.iter();
            let peer = peers.find(|peer| peer.address == address);
            let requests = peer.map_or(waits, |peer| waits.for_answers(peer));
            sum.time += requests.time;
            sum.squares += requests.squares;
        }
        let polled = (total - sum.time).max(0.0);
        let is_polled = polled > 0.1 * total;
        if is_polled {
            let mut sockets = Sum::default();
            for peer in &profile.network.peers {
                sockets.add(peer.in_flight.as_secs_f64(), peer.effective_count);
            }
            let mut polls = Sum::default();
            in_class(profile, |wait| wait.class == Class::Poll)
                .for_each(|(_, wait)| polls.add_wait(wait));
            let count = match (sockets.squares > 0.0, polls.squares > 0.0) {
                (false, _) => polls.count(),
                (true, true) if profile.sources.switches == Source::Used => {
                    // What is in flight when a poll begins still is when it ends: requests last as long as
                    // polls, and those are exact. One at a time lasts no longer either.
                    let one_by_one = profile.network.most_in_flight <= 1;
                    let most = polled / polls.length();
                    let least = if one_by_one { most } else { 0.0 };
                    sockets.count().clamp(least, most.max(least))
                }
                (true, _) => sockets.count(),
            };
            sum.add(polled, count);
        }
        let count = sum.count();
        Self {
            count: count.clamp(1.0, MOST),
            // No count at all says nothing.
            single: count > 0.0 && count < SEVERAL,
            polled: is_polled,
            disk: ratio(disk, total).min(1.0),
            syncs: ratio(syncs, disk).min(1.0),
            longest: longest(profile, |wait| wait.class.is_io()),
        }
    }
}

/// The wait with the most time among those that `wanted` picks.
pub(in crate::verdict) fn longest(
    profile: &Profile,
    wanted: impl Fn(&Wait) -> bool,
) -> Option<usize> {
    in_class(profile, wanted)
        .max_by_key(|(_, wait)| wait.time)
        .map(|(index, _)| index)
}

/// How many waits there were among those that `wanted` picks, each weighted by its length.
pub(in crate::verdict) fn effective_count(
    profile: &Profile,
    wanted: impl Fn(&Wait) -> bool,
) -> f64 {
    let mut sum = Sum::default();
    in_class(profile, wanted).for_each(|(_, wait)| sum.add_wait(wait));
    sum.count()
}

fn in_class(
    profile: &Profile,
    wanted: impl Fn(&Wait) -> bool,
) -> impl Iterator<Item = (usize, &Wait)> {
    profile
        .waits
        .iter()
        .enumerate()
        .filter(move |(_, wait)| wanted(wait))
}

/// Effective counts n = T² / Σ d² of several kinds, put together: Σ d² = T² / n of each adds up.
#[derive(Clone, Copy, Default)]
struct Sum {
    time: f64,
    squares: f64,
}

impl Sum {
    fn add_wait(&mut self, wait: &Wait) {
        self.add(wait.time.as_secs_f64(), wait.effective_count);
    }

    fn add(&mut self, time: f64, count: f64) {
        if count.is_finite() && count > 0.0 {
            self.time += time;
            self.squares += time * time / count;
        }
    }

    /// These waits for a peer, those for one answer as one. What is not known to be for the same is as it was.
    fn for_answers(self, peer: &PeerUse) -> Self {
        let known = peer.waited_for_answers.as_secs_f64().min(self.time);
        let mut answers = Self::default();
        answers.add(known, peer.answers);
        let squares = answers.squares + self.squares * ratio(self.time - answers.time, self.time);
        if squares >= PIECES * self.squares {
            Self { squares, ..self }
        } else {
            self
        }
    }

    /// How long one is, weighted by its length; more than 0.
    fn length(self) -> f64 {
        (self.squares / self.time).max(1e-9)
    }

    fn count(self) -> f64 {
        ratio(self.time * self.time, self.squares).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_put_together_where_they_are_several_times_as_many_as_answers() {
        let of = |seconds: f64, answers| {
            let mut waits = Sum::default();
            waits.add(10.0, 30.0);
            let peer = PeerUse {
                waited_for_answers: std::time::Duration::from_secs_f64(seconds),
                answers,
                ..PeerUse::default()
            };
            waits.for_answers(&peer).count()
        };
        let near = |seen: f64, wanted: f64| assert!((seen - wanted).abs() < 1e-9, "{seen}");
        near(of(10.0, 1.0), 1.0);
        near(of(50.0, 1.0), 1.0);
        near(of(10.0, 19.9), 19.9);
        near(of(10.0, 20.1), 30.0);
        near(of(0.0, 0.0), 30.0);
        // Half of the time for one answer, the other half as it was.
        near(of(5.0, 1.0), 100.0 / (25.0 + 0.5 * 100.0 / 30.0));
    }

    #[test]
    fn effective_counts_add_up_like_the_waits_they_stand_for() {
        // Five of a second, and a hundred of a millisecond in two kinds.
        let mut sum = Sum::default();
        sum.add(5.0, 5.0);
        sum.add(0.05, 50.0);
        sum.add(0.05, 50.0);
        let exact = 5.1_f64.powi(2) / (5.0 + 100.0 * 1e-6);
        assert!((sum.count() - exact).abs() < 1e-9);
    }
}
