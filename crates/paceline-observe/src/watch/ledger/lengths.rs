//! How long single waits lasted, where every context switch is known.
//!
//! Between two looks a thread may wake many times. Counters tell how often, switches when. A wait is of the
//! kind that a look has met in it; one that no look met is taken to be of the kind that was met nearest.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::waits::{WaitId, Waits};
use crate::watch::sources::switches::{Kind, Switch};

/// Switches come up to a look late: a wait may have been met by one of so many looks.
const LOOKS: usize = 3;

/// Threads that are followed at once; beyond them lengths are guessed as without switches.
const MOST_THREADS: usize = 8192;

/// The waits of all threads that go on.
#[derive(Default)]
pub(super) struct Lengths {
    threads: HashMap<i32, Sleeper>,
    /// Switches are not known, or not any more.
    silent: bool,
}

#[derive(Default)]
struct Sleeper {
    /// When it left its core to wait.
    since: Option<Duration>,
    /// What it was last seen to wait for, and when.
    looks: VecDeque<(Duration, WaitId)>,
}

impl Lengths {
    /// A look has met a thread in a wait.
    pub(super) fn met(&mut self, tid: i32, at: Duration, id: WaitId) {
        let known = self.threads.len() < MOST_THREADS || self.threads.contains_key(&tid);
        if self.silent || !known {
            return;
        }
        let sleeper = self.threads.entry(tid).or_insert_with(|| Sleeper {
            // Nothing is known of it from before.
            since: Some(at),
            ..Sleeper::default()
        });
        if sleeper.looks.len() >= LOOKS {
            sleeper.looks.pop_front();
        }
        sleeper.looks.push_back((at, id));
    }

    /// Follows the threads through switches in the order of time.
    pub(super) fn follow(&mut self, switches: &[Switch], waits: &mut Waits) {
        for switch in switches {
            match switch.kind {
                Kind::Exit => {
                    self.threads.remove(&switch.tid);
                }
                Kind::Forked { .. } if self.threads.len() < MOST_THREADS => {
                    self.threads.insert(switch.tid, Sleeper::default());
                }
                Kind::Out { preempted: false } => {
                    if let Some(sleeper) = self.threads.get_mut(&switch.tid) {
                        sleeper.since = Some(switch.at);
                    } else if self.threads.len() < MOST_THREADS {
                        let sleeper = Sleeper {
                            since: Some(switch.at),
                            ..Sleeper::default()
                        };
                        self.threads.insert(switch.tid, sleeper);
                    }
                }
                Kind::In => {
                    if let Some(sleeper) = self.threads.get_mut(&switch.tid) {
                        sleeper.wake(switch.at, waits);
                    }
                }
                Kind::Out { preempted: true } | Kind::Forked { .. } | Kind::Exec(_) => {}
            }
        }
    }

    /// Switches cannot be had. Lengths of a part of the waits would be worse than none.
    pub(super) fn go_silent(&mut self, waits: &mut Waits) {
        if !self.silent {
            self.silent = true;
            self.threads.clear();
            waits.forget_lengths();
        }
    }

    /// Watching is over: waits that go on count as far as they went.
    pub(super) fn finish(self, now: Duration, waits: &mut Waits) {
        for mut sleeper in self.threads.into_values() {
            sleeper.wake(now, waits);
        }
    }
}

impl Sleeper {
    fn wake(&mut self, at: Duration, waits: &mut Waits) {
        let Some(since) = self.since.take() else {
            return;
        };
        let away = |look: &Duration| since.saturating_sub(*look) + look.saturating_sub(at);
        // Of several looks at one wait the last knows best.
        let nearest = self.looks.iter().rev().min_by_key(|(look, _)| away(look));
        if let Some((_, id)) = nearest {
            waits.lasted(*id, at.saturating_sub(since).as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Class, Target};
    use crate::watch::activity::Activity;

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    fn kind(waits: &mut Waits, call: &'static str) -> WaitId {
        let activity = Activity {
            class: Class::Network,
            target: Target::Call(call.into()),
            call,
            futex: None,
            timed: false,
            syncs: false,
            socket: None,
            private: false,
            word: None,
        };
        let id = waits.intern(activity, None);
        waits.add(id, 1.0, 1.0);
        id
    }

    fn switch(at: u64, kind: Kind) -> Switch {
        Switch {
            at: us(at),
            pid: 1,
            tid: 1,
            kind,
        }
    }

    const BLOCKS: Kind = Kind::Out { preempted: false };

    fn count(waits: Waits, call: &str) -> (f64, Duration) {
        let (all, _) = waits.into_profile();
        let wait = all.iter().find(|wait| wait.call == call).expect("is there");
        (wait.effective_count, wait.longest)
    }

    #[test]
    fn waits_that_looks_cut_into_pieces_are_counted_by_their_true_lengths() {
        let mut waits = Waits::default();
        let id = kind(&mut waits, "recv");
        let mut lengths = Lengths::default();
        // Sixty requests of 51 ms, each after short waits for its connection; a look every 20 ms, which
        // gets the switches since the one before.
        let mut now = 0;
        let mut switches = VecDeque::new();
        let mut asleep = Vec::new();
        for _ in 0..60 {
            for length in [100, 200, 51_000] {
                switches.push_back(switch(now, BLOCKS));
                switches.push_back(switch(now + length, Kind::In));
                asleep.push((now, now + length));
                now += length + 300;
            }
        }
        for look in (0..=now + 20_000).step_by(20_000) {
            let since: Vec<Switch> = std::iter::from_fn(|| {
                let due = switches.front().is_some_and(|switch| switch.at < us(look));
                if due { switches.pop_front() } else { None }
            })
            .collect();
            if asleep.iter().any(|(from, to)| (*from..*to).contains(&look)) {
                lengths.met(1, us(look), id);
            }
            // What the ledger guessed from counters does not matter then.
            waits.end(id, 4, 0.005);
            lengths.follow(&since, &mut waits);
        }
        let (count, longest) = count(waits, "recv");
        assert!((count - 60.0).abs() < 1.0, "{count}");
        assert_eq!(longest, us(51_000));
    }

    #[test]
    fn a_wait_is_of_the_kind_that_a_look_met_in_it() {
        let mut waits = Waits::default();
        let (vague, exact) = (kind(&mut waits, "vague"), kind(&mut waits, "exact"));
        let mut lengths = Lengths::default();
        lengths.met(1, us(10), vague);
        lengths.follow(&[switch(20, Kind::In), switch(30, BLOCKS)], &mut waits);
        lengths.met(1, us(40), vague);
        lengths.met(1, us(60), exact);
        lengths.follow(&[switch(100, Kind::In), switch(110, BLOCKS)], &mut waits);
        lengths.finish(us(115), &mut waits);
        let (all, _) = waits.into_profile();
        let longest = |call: &str| all.iter().find(|wait| wait.call == call).map(|w| w.longest);
        assert_eq!(longest("vague"), Some(us(10)));
        assert_eq!(longest("exact"), Some(us(70)));
    }

    #[test]
    fn without_switches_to_the_end_nothing_is_said() {
        let mut waits = Waits::default();
        let id = kind(&mut waits, "recv");
        waits.end(id, 3, 1.0);
        let mut lengths = Lengths::default();
        lengths.met(1, us(0), id);
        lengths.follow(&[switch(10, Kind::In), switch(20, BLOCKS)], &mut waits);
        lengths.go_silent(&mut waits);
        lengths.met(1, us(30), id);
        lengths.finish(us(5_000_000), &mut waits);
        let (count, longest) = count(waits, "recv");
        assert!((count - 3.0).abs() < 1e-9);
        assert_eq!(longest, us(1_000_000));
    }

    #[test]
    fn a_number_that_another_thread_had_before_tells_nothing_of_this_one() {
        let mut waits = Waits::default();
        let id = kind(&mut waits, "recv");
        let mut lengths = Lengths::default();
        lengths.met(1, us(0), id);
        let forked = Kind::Forked {
            parent_pid: 1,
            parent_tid: 2,
        };
        let all = [
            switch(10, Kind::Exit),
            switch(11, BLOCKS),
            switch(500, forked),
            switch(600, Kind::In),
        ];
        lengths.follow(&all, &mut waits);
        lengths.finish(us(700), &mut waits);
        assert_eq!(count(waits, "recv"), (0.0, Duration::ZERO));
    }
}
